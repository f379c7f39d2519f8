// The binary form of signals and beats: see ecgfeat/view/answers.py.

const TYPES = { Int16: Int16Array, Int32: Int32Array, Uint8: Uint8Array, Uint16: Uint16Array, Float32: Float32Array };

/** Step of a sample that is invalid. */
export const INVALID = -32768;

/**
 * Read a message: its header, with the arrays by their names.
 * @param {ArrayBuffer} buffer
 * @returns {any}
 */
export function unpack(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  let at = 4 + length;
  for (const { name, type, length: size } of header.arrays) {
    const array = new TYPES[type](buffer, at, size);
    if (type === "Int16") for (let i = 1; i < size; i++) array[i] += array[i - 1]; // they are differences
    header[name] = array;
    at += Math.ceil(array.byteLength / 8) * 8;
  }
  return header;
}

/**
 * Make `low` and `high` of a part of the signal one array for each lead.
 * @param {any} part
 */
export function splitLeads(part) {
  const rows = (array) => part.leads.map((_, at) => array.subarray(at * part.num_columns, (at + 1) * part.num_columns));
  part.low = rows(part.low);
  part.high = part.high ? rows(part.high) : part.low;
  return part;
}
