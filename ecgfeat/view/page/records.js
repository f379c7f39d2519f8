// The list of records: what is known of each, and what should be looked at next, over all of them.

import * as api from "./api.js";
import { clock } from "./scale.js";
import { span, view } from "./view.js";
import { headPatients, listVisits } from "./visits.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));
const LOOK_AGAIN_MS = 2000;
/** @type {{open: (id: string, from_s?: number) => Promise<void>, point: (at_s: number, from_s: number) => void}} */
let page;
let records = [];
let queue = { records: [], next: [], has_models: false };
/** Parts that `q` has shown since the page was opened. @type {any[]} */
const shown = [];
let at = -1;
let timer = 0;

/** @param {typeof page} of How a record is opened, and how its strip is moved to a time. */
export function setUpRecords(of) {
  page = of;
  $("records-search").addEventListener("input", list);
  $("queue-next").addEventListener("click", nextInQueue);
  $("predict-all").addEventListener("click", () => {
    api.predictAll().then(takeQueue).catch((error) => { $("files-says").textContent = error.message; });
  });
}

/** Read the list. @returns {Promise<void>} */
export async function readRecords() {
  records = await api.listRecords();
  list();
}

/** The record that an address names, else the first. @param {string} id @returns {string} */
export const named = (id) => (records.some((record) => record.id === id) ? id : records[0].id);

/** @param {string} id @returns {string} What the list calls a record. */
export const nameOf = (id) => records.find((record) => record.id === id)?.name ?? "";

/** @param {number} direction 1: the next record of the list; -1: the one before. */
export function openNext(direction) {
  const record = records[records.findIndex(({ id }) => id === view.id) + direction];
  if (record) page.open(record.id);
}

/** Read what is known of all records, again and again while some are being predicted. */
export async function takeQueue() {
  clearTimeout(timer);
  queue = await api.readQueue();
  list();
  const is_working = queue.records.some(({ state }) => state === "waiting" || state === "running");
  clearTimeout(timer);
  if (is_working) timer = setTimeout(() => takeQueue().catch(() => {}), LOOK_AGAIN_MS);
}

/** Rows of the list by record. They stay, so that focus and scroll stay. @type {Map<string, {item: any, button: any, facts: any}>} */
const rows = new Map();
let current = "";

/** Show the list: a row is made once, and only what changed in it is written. */
export function list() {
  const wanted = $("records-search").value.toLowerCase();
  $("records-found").hidden = records.length < 2;
  $("records").hidden = records.length < 2 && !api.HAS_SERVER;
  $("predict-all").hidden = !queue.has_models;
  allowPredictAll(queue.records.some(({ state }) => state === "none"));
  const known = new Map(queue.records.map((record) => [record.id, record]));
  placeRows();
  for (const { id, name } of records) {
    const { item, button, facts } = rows.get(id);
    item.hidden = !name.toLowerCase().includes(wanted);
    if (id === view.id) button.setAttribute("aria-current", "true"); else button.removeAttribute("aria-current");
    write(facts, describe(known.get(id)));
  }
  headPatients(records);
  listVisits((id) => known.get(id), describe, page.open);
  if (current === view.id) return;
  current = view.id;
  const row = rows.get(current)?.item;
  if (row) showRow(row);
}

/** Make rows of new records, and take those of removed ones away. A row is moved only where the order is another one. */
function placeRows() {
  const ids = new Set(records.map(({ id }) => id));
  for (const [id, { item }] of rows) {
    if (ids.has(id)) continue;
    item.remove();
    rows.delete(id);
  }
  for (const { id, name } of records) if (!rows.has(id)) rows.set(id, addRow(id, name));
  const placed = [...$("records-list").querySelectorAll("li[data-record]")].map((item) => item.dataset.record);
  if (records.every(({ id }, at) => id === placed[at])) return;
  const focused = document.activeElement;
  $("records-list").append(...records.map(({ id }) => rows.get(id).item));
  if ($("records-list").contains(focused)) focused.focus({ preventScroll: true });
}

function addRow(id, name) {
  const [item, button, facts] = [document.createElement("li"), document.createElement("button"), document.createElement("span")];
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", () => page.open(id));
  item.dataset.record = id;
  item.append(button, " ", facts);
  $("records-list").append(item);
  return { item, button, facts };
}

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Scroll the list, and not the page, to the row of the record that is opened. */
function showRow(row) {
  const box = $("records-list");
  const [top, bottom] = [row.offsetTop - box.offsetTop, row.offsetTop - box.offsetTop + row.offsetHeight];
  if (top < box.scrollTop) box.scrollTop = top;
  else if (bottom > box.scrollTop + box.clientHeight) box.scrollTop = bottom - box.clientHeight;
}

/** A button that is disabled loses focus: it goes to the button before. */
function allowPredictAll(is_allowed) {
  const button = $("predict-all");
  if (!is_allowed && document.activeElement === button) $("queue-next").focus();
  button.disabled = !is_allowed;
}

/** What is known of a record, in words. */
function describe(record) {
  if (!record || record.state === "none") return "";
  if (record.state === "waiting") return "waiting";
  if (record.state === "running") return record.num_beats ? `predicting: ${record.num_beats} beats` : "predicting";
  if (record.state === "failed") return `no prediction: ${record.message}`;
  const texts = record.af_burden ? [`AF burden ${record.af_burden}`] : [];
  if (record.ectopic) texts.push(`ectopic beats ${record.ectopic}`);
  texts.push(...record.least_certain.map(([at_s, certainty]) => `least certain ${certainty.toFixed(2)} at ${clock(at_s)}`));
  if (record.num_corrections) texts.push(`${record.num_corrections} correction${record.num_corrections === 1 ? "" : "s"}`);
  if (record.seen_s) texts.push(`${(record.seen_s / 60).toFixed(1)} min looked at`);
  return texts.join(" · ");
}

/** Go to the worst part of all records that was not looked at, nor shown by this function before. */
export async function nextInQueue() {
  if (!api.HAS_SERVER) { $("found").textContent = "A page that is a file has no queue."; return; }
  if (at + 1 >= shown.length) {
    try { await takeQueue(); } catch (error) { $("found").textContent = error.message; return; }
    const is_shown = (of) => shown.some((other) => other.id === of.id && other.kind === of.kind && other.start_s === of.start_s);
    const part = queue.next.find((of) => !is_shown(of));
    if (!part) {
      $("found").textContent = queue.records.some(({ state }) => state === "ready")
        ? "There is nothing more to look at in the records that are predicted." : "No record is predicted yet.";
      return;
    }
    shown.push(part);
  }
  at += 1;
  await show(shown[at]);
}

/** Go back to what was shown before. */
export async function previousInQueue() {
  if (at < 1) { $("found").textContent = "Nothing was shown before."; return; }
  at -= 1;
  await show(shown[at]);
}

async function show(part) {
  const { start_s, stop_s } = part;
  const from_s = start_s - Math.max(0.1 * span(), (span() - (stop_s - start_s)) / 2);
  if (part.id !== view.id) await page.open(part.id, from_s);
  if (part.id !== view.id || !view.info) return;
  page.point(start_s, from_s);
  const what = part.kind === "disagreement" ? `${(stop_s - start_s).toFixed(1)} s of disagreement with the reference`
    : `uncertain episode (certainty ${part.certainty.toFixed(2)})`;
  $("found").textContent = `${view.info.name}: ${what} at ${clock(start_s, 1)}`;
}
