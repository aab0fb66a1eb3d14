// The network and what runs it.
import {runtime} from './runtime.js';

/** Something went wrong that a person can be told in a sentence. */
export class Problem extends Error {}

const here = new URL('.', import.meta.url);

// A function that returns a vector of 128 bits: valid only where WebAssembly has SIMD.
const SIMD = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15, 253, 98, 11]);

function checkBrowser() {
  if (typeof WebAssembly !== 'object' || typeof WebAssembly.instantiate !== 'function')
    throw new Problem('This browser has no WebAssembly, or it is switched off (by a policy or a lockdown mode). The faces are computed with it: switch it on, or open this page in another browser.');
  if (!WebAssembly.validate(SIMD))
    throw new Problem('WebAssembly in this browser is too old: it lacks SIMD, which browsers have had since 2021 to 2023. Update the browser, or open this page in another.');
}

async function bytesOf(url, options, what) {
  const answer = await fetch(url, options).catch(() => null);
  if (!answer) throw new Problem(what);
  if (!answer.ok) throw new Problem(`${what} (${answer.status} ${answer.statusText})`.trim());
  return answer.arrayBuffer();
}

/** A file of the runtime; the browser compares it with its hash before we see a byte. */
function runtimeFile(name) {
  const url = new URL(name, new URL(runtime.base, here));
  return bytesOf(url, {integrity: runtime.files[name], mode: 'cors', credentials: 'omit'},
    `${runtime.package} ${runtime.version}, which runs the network, could not be loaded from ${url.host}, or is not the file that this page was made with. Is there a connection?`);
}

const own = name => bytesOf(new URL(name, here), {}, `“${name}”, a part of this page, could not be loaded.`);

async function loadRuntime() {
  const [script, binary] = await Promise.all(Object.keys(runtime.files).map(runtimeFile));
  const address = URL.createObjectURL(new Blob([script], {type: 'text/javascript'}));     // the very bytes that were checked
  const ort = await import(address);
  URL.revokeObjectURL(address);
  Object.assign(ort.env.wasm, {numThreads: 1, wasmBinary: binary, proxy: false});
  ort.env.logLevel = 'error';
  return ort;
}

/** Load everything that a first face needs, all at once. */
export async function load() {
  checkBrowser();
  const [ort, decoder, text] = await Promise.all([loadRuntime(), own('decoder-half.onnx'), own('faces.json')]);
  const space = JSON.parse(new TextDecoder().decode(text));
  return new Engine(ort, space, await session(ort, decoder));
}

const session = (ort, bytes) => ort.InferenceSession.create(new Uint8Array(bytes), {executionProviders: ['wasm'], graphOptimizationLevel: 'all'});

class Engine {
  #ort; #decoder; #encoder; #last = Promise.resolve();

  constructor(ort, space, decoder) { this.#ort = ort; this.space = space; this.#decoder = decoder; }

  // One run after the other: the runtime has one thread.
  #run(session, input) {
    const result = this.#last.then(() => session.run(input));
    this.#last = result.catch(() => {});
    return result;
  }

  /** Latents to pictures, as ImageData. */
  async decode(latents) {
    const {size, latent} = this.space, area = size*size;
    const z = new this.#ort.Tensor('float32', Float32Array.from(latents.flat()), [latents.length, latent]);
    const {x} = await this.#run(this.#decoder, {z});
    return latents.map((_, n) => {
      const picture = new ImageData(size, size), rgba = picture.data, from = n*3*area;
      for (let i = 0; i < area; i++) {
        for (let c = 0; c < 3; c++) rgba[4*i + c] = Math.round(255*x.data[from + c*area + i]);
        rgba[4*i + 3] = 255;
      }
      return picture;
    });
  }

  /** A picture (ImageData, size × size) to its latent: the mean of the encoder's answer. */
  async encode(picture) {
    this.#encoder ??= session(this.#ort, await own('encoder-half.onnx'));
    const {size, latent} = this.space, area = size*size, x = new Float32Array(3*area);
    for (let i = 0; i < area; i++) for (let c = 0; c < 3; c++) x[c*area + i] = picture.data[4*i + c]/255;
    const {mean} = await this.#run(await this.#encoder, {x: new this.#ort.Tensor('float32', x, [1, 3, size, size])});
    return Array.from(mean.data.subarray(0, latent));
  }
}
