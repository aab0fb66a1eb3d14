// What runs the network: onnxruntime-web, one version, and the SHA-384 of each of its files that is loaded.
// jsDelivr serves the files of the npm package as they are; `vae_faces_export --runtime` puts a folder of your own in its place.
export const runtime = {
  "package": "onnxruntime-web",
  "version": "1.30.0",
  "base": "https://cdn.jsdelivr.net/npm/onnxruntime-web@1.30.0/dist/",
  "files": {
    "ort.wasm.bundle.min.mjs": "sha384-PLWz+nHEVHpjwBsO0YVdvQj6n5814Iv8E3b8FG0Rp/uIAtjFMCKOpP66iPzedrIG",
    "ort-wasm-simd-threaded.wasm": "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM"
  }
};
