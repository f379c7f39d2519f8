// What the server is asked for, and the binary form in which it answers: see ecgfeat/view/message.py.

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

/** @param {string} address @param {RequestInit} [options] @returns {Promise<Response>} */
async function ask(address, options) {
  const answer = await fetch(address, options);
  if (answer.ok) return answer;
  const text = await answer.text();
  let reason = text;
  try { reason = JSON.parse(text).error; } catch { /* a plain text */ }
  throw new Error(reason || `The server answered ${answer.status}.`);
}

export const listRecords = async () => (await ask("/records")).json();
export const openRecord = async (id) => (await ask(`/records/${id}/open`, { method: "POST" })).json();
export const correct = async (id, request) => (await ask(`/records/${id}/review`, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request),
})).json();
export const readMarks = async (id, source) => unpack(await (await ask(`/records/${id}/marks/${source}`)).arrayBuffer());

/**
 * Read a part of the signal; `low` and `high` become one array for each lead.
 * @param {string} id @param {number} from_s @param {number} to_s @param {number} columns @param {number[]} leads
 * @param {AbortSignal} signal
 */
export async function readStrip(id, from_s, to_s, columns, leads, signal) {
  const query = new URLSearchParams({ from_s: from_s.toFixed(4), to_s: to_s.toFixed(4), columns, leads: leads.join() });
  const part = unpack(await (await ask(`/records/${id}/strip?${query}`, { signal })).arrayBuffer());
  const rows = (array) => part.leads.map((_, at) => array.subarray(at * part.num_columns, (at + 1) * part.num_columns));
  part.low = rows(part.low);
  part.high = part.high ? rows(part.high) : part.low;
  return part;
}

/**
 * Send files that belong together, and add the recordings among them to the list.
 * @param {File[]} files @param {(share: number) => void} onProgress Share of all bytes that is sent.
 * @returns {Promise<{ids: string[], note: string}>} Numbers of the recordings.
 */
export async function sendFiles(files, onProgress) {
  const { drop } = await (await ask("/drops", { method: "POST" })).json();
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  let sent = 0;
  for (const file of files) {
    await sendFile(`/drops/${drop}/file`, file, (bytes) => onProgress((sent + bytes) / total));
    sent += file.size;
  }
  return (await ask(`/drops/${drop}/open`, { method: "POST" })).json();
}

/** A request of the older kind: it tells how much is sent. */
function sendFile(address, file, onBytes) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
    request.upload.onprogress = (event) => onBytes(event.loaded);
    request.onerror = () => reject(new Error("The file was not sent."));
    request.onload = () => {
      if (request.status === 200) { resolve(); return; }
      let reason = `The server answered ${request.status}.`;
      try { reason = JSON.parse(request.responseText).error; } catch { /* a plain text */ }
      reject(new Error(reason));
    };
    request.send(file);
  });
}
