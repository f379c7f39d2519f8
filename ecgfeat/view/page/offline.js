// In place of api.js in a page that is one file: the data are in it, and there is no server.

import { INVALID, splitLeads, unpack } from "./message.js";

export const HAS_SERVER = false;

const data = JSON.parse(document.getElementById("data").textContent);

/** @param {string} text A compressed message in base64. */
async function open(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return unpack(await new Response(stream).arrayBuffer());
}

let parts = null;
/** Parts of the signal, those with the shortest columns first. */
function openParts() {
  parts ??= Promise.all(data.parts.map(async (text) => splitLeads(await open(text))))
    .then((all) => all.sort((a, b) => a.column_samples - b.column_samples));
  return parts;
}

export const listRecords = async () => [{ id: "1", name: data.info.name, subject: "" }];
export const readQueue = async () => ({ records: [], next: [], has_models: false });
export const predictAll = async () => {};
export const readVisits = async () => ({ subject: "", visits: [] });
export const listDrops = async () => [];
export const removeDrop = async () => {};
export const openRecord = async () => data.info;
export const readMarks = async (_, source) => open(data.marks[source]);
export const correct = async () => { throw new Error("A page that is a file cannot save a review."); };
export const sendFiles = correct;
export const makeFile = correct;
export const readWhy = correct;

/** @param {string} _ @param {(state: any) => void} onState */
export function followRecord(_, onState) {
  onState({ read_share: 1, faults: [], reference: data.marks.reference ? "ready" : "none", prediction: "ready", num_beats: 0,
    message: "", is_reviewed: false, is_done: true });
  return () => {};
}

/** Like that of api.js: the finest part of the file that holds this time, with columns put together as wanted. */
export async function readStrip(_, from_s, to_s, columns, leads) {
  const all = await openParts();
  const end = (part) => part.start_s + part.num_columns * part.column_s;
  const holds = (part) => part.start_s <= from_s + 1e-6 && end(part) >= to_s - part.column_s - 1e-6;
  const part = all.find(holds) ?? all[all.length - 1];
  const first = Math.max(0, Math.floor((from_s - part.start_s) / part.column_s) - 1);
  const last = Math.min(part.num_columns, Math.ceil((to_s - part.start_s) / part.column_s) + 1);
  const size = Math.max(1, Math.floor((last - first) / columns));
  const num_columns = Math.ceil((last - first) / size);
  const [low, high] = [leads.map(() => new Int16Array(num_columns)), leads.map(() => new Int16Array(num_columns))];
  leads.forEach((lead, at) => {
    for (let i = 0; i < num_columns; i++) {
      let [lowest, highest] = [Infinity, INVALID];
      for (let j = first + i * size; j < Math.min(last, first + (i + 1) * size); j++) {
        if (part.high[lead][j] === INVALID) continue;
        lowest = Math.min(lowest, part.low[lead][j]);
        highest = Math.max(highest, part.high[lead][j]);
      }
      low[at][i] = highest === INVALID ? INVALID : lowest;
      high[at][i] = highest;
    }
  });
  const is_coarse = part.column_samples > 1 && size === 1 && last - first < columns / 2;
  return {
    ...part, start_s: part.start_s + first * part.column_s, column_s: part.column_s * size,
    column_samples: part.column_samples * size, num_columns, leads, low, high, is_whole: true,
    mv_per_step: leads.map((lead) => part.mv_per_step[lead]), offset_mv: leads.map((lead) => part.offset_mv[lead]),
    note: is_coarse ? ` This file has only the lowest and highest of every ${part.column_s.toFixed(2)} s here.` : "",
  };
}
