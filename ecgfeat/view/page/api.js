// Requests to the server.

import { splitLeads, unpack } from "./message.js";

/** Whether the page has a server: it can save reviews and take files. */
export const HAS_SERVER = true;

const NO_ANSWER = "The command ecgfeat view does not answer. If it was ended, start it again.";

/** @param {string} address @param {RequestInit} [options] @returns {Promise<Response>} */
async function ask(address, options) {
  const answer = await fetch(address, options).catch((error) => {
    throw error.name === "AbortError" ? error : new Error(NO_ANSWER);
  });
  if (answer.ok) return answer;
  const text = await answer.text();
  let reason = text;
  try { reason = JSON.parse(text).error; } catch { /* a plain text */ }
  throw Object.assign(new Error(reason || `The server answered ${answer.status}.`), { status: answer.status });
}

export const listRecords = async () => (await ask("/records")).json();
export const readQueue = async () => (await ask("/queue")).json();
export const predictAll = async () => { await ask("/predictions", { method: "POST" }); };
export const readVisits = async (id) => (await ask(`/records/${id}/visits`)).json();
export const listDrops = async () => (await ask("/drops")).json();
export const removeDrop = async (drop) => { await ask(`/drops/${drop}/remove`, { method: "POST" }); };
export const openRecord = async (id) => (await ask(`/records/${id}/open`, { method: "POST" })).json();
export const correct = async (id, request) => (await ask(`/records/${id}/review`, {
  method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(request),
})).json();
export const readMarks = async (id, source) => unpack(await (await ask(`/records/${id}/marks/${source}`)).arrayBuffer());

/** @param {string} id @param {"pdf" | "html"} kind @returns {Promise<Blob>} A file of the record and its prediction. */
export const makeFile = async (id, kind) => (await ask(`/records/${id}/${kind}`)).blob();

/** @param {string} id @param {"beat" | "rhythm"} of @param {number} at_s */
export const readWhy = async (id, of, at_s) => (await ask(`/records/${id}/why/${of}?at_s=${at_s.toFixed(4)}`)).json();

/**
 * Follow reading and prediction of a record until both are done.
 * @param {string} id @param {(state: any) => void} onState @param {(text: string) => void} onFault @returns {() => void} Ends it.
 */
export function followRecord(id, onState, onFault) {
  const events = new EventSource(`/records/${id}/events`);
  events.onmessage = (event) => {
    const state = JSON.parse(event.data);
    if (state.is_done) events.close();
    onState(state);
  };
  events.onerror = () => onFault(events.readyState === EventSource.CLOSED
    ? "How far reading and prediction are is not known any more. Reload the page." : NO_ANSWER); // it tries again by itself
  return () => events.close();
}

/**
 * Read a part of the signal.
 * @param {string} id @param {number} from_s @param {number} to_s @param {number} columns @param {number[]} leads
 * @param {AbortSignal} signal
 */
export async function readStrip(id, from_s, to_s, columns, leads, signal) {
  const query = new URLSearchParams({ from_s: from_s.toFixed(4), to_s: to_s.toFixed(4), columns, leads: leads.join() });
  return splitLeads(unpack(await (await ask(`/records/${id}/strip?${query}`, { signal })).arrayBuffer()));
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
  try {
    for (const file of files) {
      await sendFile(`/drops/${drop}/file`, file, (bytes) => onProgress((sent + bytes) / total));
      sent += file.size;
    }
  } catch (error) {
    await removeDrop(drop).catch(() => {}); // a part of them is of no use
    throw error;
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
