// Arithmetic in the latent space: no page, no network, only lists of numbers.

export const dot = (a, b) => { let sum = 0; for (let i = 0; i < a.length; i++) sum += a[i]*b[i]; return sum; };
export const lerp = (a, b, t) => a.map((v, i) => v + (b[i] - v)*t);
export const clamp = (v, low, high) => Math.min(high, Math.max(low, v));

/** Where a slider stands: natural steps from the centre along its axis, u·(z − m)/a. */
export const standing = (axes, k, z) => (dot(axes.vectors[k], z) - dot(axes.vectors[k], axes.centre))/axes.amounts[k];

/** The latent at which slider `k` stands at `value`, and nothing across the axis has changed. */
export function moved(axes, k, z, value) {
  const by = (value - standing(axes, k, z))*axes.amounts[k], u = axes.vectors[k];
  return z.map((v, i) => v + by*u[i]);
}

/** The latent at a place of the pad: corners in reading order, x from left to right and y from top to bottom, 0 to 1. */
export const between = (corners, x, y) => lerp(lerp(corners[0], corners[1], x), lerp(corners[2], corners[3], x), y);

/** Once round the edge of the pad while t goes from 0 to 1. */
export function lap(t) {
  const side = 4*t % 4, part = side % 1;
  return [[part, 0], [1, part], [1 - part, 1], [0, 1 - part]][Math.floor(side)];
}

// A face as the end of an address: `f_` and base64url of
//   1 byte: format; 2: which model; 1: limit, in eighths; 4: who stands in the corners; D: each number of z, −127 … 127 for −limit … limit.
const FORMAT = 1, HEAD = 8;

export function pack(z, model, corners) {
  const limit = clamp(Math.ceil(8*Math.max(4, ...z.map(Math.abs))), 1, 255);
  const bytes = new Uint8Array(HEAD + z.length);
  bytes.set([FORMAT, ...model, limit, ...corners]);
  z.forEach((v, i) => { bytes[HEAD + i] = clamp(Math.round(v/(limit/8)*127), -127, 127) & 255; });
  return 'f_' + btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** What `pack` packed, or a line on why it cannot be unpacked. */
export function unpack(text, model, latent) {
  let bytes;
  try { bytes = Uint8Array.from(atob(text.replace(/^f_/, '').replaceAll('-', '+').replaceAll('_', '/')), c => c.charCodeAt(0)); }
  catch { return {problem: 'The end of this address is damaged, so here is another face.'}; }
  if (bytes[0] !== FORMAT || bytes.length < HEAD || bytes[3] === 0) return {problem: 'The end of this address is damaged, so here is another face.'};
  if (bytes[1] !== model[0] || bytes[2] !== model[1]) return {problem: 'This address is of a face of another model, so here is one of this model’s.'};
  if (bytes.length !== HEAD + latent) return {problem: 'The end of this address is cut off, so here is another face.'};
  const limit = bytes[3]/8, signed = new Int8Array(bytes.buffer, HEAD);
  return {z: Array.from(signed, v => v/127*limit), corners: [...bytes.subarray(4, HEAD)]};
}
