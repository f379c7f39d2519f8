// Review: correct a beat or an episode, say that time is right, undo. Each correction is saved by the server at once.

import { correct, HAS_SERVER, readMarks } from "./api.js";
import * as calipers from "./calipers.js";
import { keep, kept } from "./kept.js";
import { clock } from "./scale.js";
import { firstAt } from "./trace.js";
import { isSeen, length, span, view } from "./view.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));
const KEY = "ecgfeat.reviewer";
/** @type {{draw: () => void, centreOn: (at_s: number) => void, count: () => Promise<void>}} */
let page;

/** List who corrected what and when, the newest first. */
function writeHistory() {
  const history = view.review?.review.history ?? [];
  $("history").hidden = $("review").hidden || !history.length;
  $("history").querySelector("ol").replaceChildren(...history.map(({ made_at, reviewer, what }) => {
    const [item, time] = [document.createElement("li"), document.createElement("time")];
    time.dateTime = made_at;
    time.textContent = new Date(made_at).toLocaleString();
    item.append(time, ` · ${reviewer} · ${what}`);
    return item;
  }));
}

/** What is corrected: the review where there is one, else the prediction. */
const marks = () => view.review ?? view.prediction;

/** @param {typeof page} of How the page is drawn, and moved to a time. */
export function setUpReview(of) {
  page = of;
  $("reviewer").value = kept(KEY) ?? "";
  $("reviewer").addEventListener("change", () => keep(KEY, $("reviewer").value));
  const actions = {
    "beat-before": () => selectNext(-1), "beat-after": () => selectNext(1), "beat-none": () => nameBeat(""),
    "beat-add": addBeat, "rhythm-set": nameRhythm, seen: markSeen, undo: () => send({ action: "undo" }),
    redo: () => send({ action: "redo" }),
  };
  for (const [id, run] of Object.entries(actions)) $(id).addEventListener("click", run);
}

/** Show the tools once there is something to correct. */
export function showReview() {
  $("review").hidden = !view.prediction || !HAS_SERVER;
  writeHistory();
  if (!view.info) return;
  if (!$("classes").childElementCount) {
    $("classes").replaceChildren(...view.info.review_beats.map((name) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = name;
      button.addEventListener("click", () => nameBeat(name));
      return button;
    }));
    $("rhythm").replaceChildren(...view.info.review_rhythms.map((name) => new Option(name, name)), new Option("no rhythm", ""));
  }
  const count = view.review?.review.num_corrections ?? 0;
  const seen_s = (view.review?.review.seen ?? []).reduce((sum, [start, stop]) => sum + stop - start, 0);
  const selected = view.selected_ms === null ? "" : ` Beat at ${clock(view.selected_ms / 1000, 2)} is selected.`;
  $("review-says").textContent = (count || seen_s ? `${count} correction${count === 1 ? "" : "s"}, ${(seen_s / 60).toFixed(1)} min looked at.`
    : "Nothing is reviewed yet: select a beat (b), or say that the strip is right (o).") + selected;
}

/** Read the corrected beats and episodes. @param {string} id */
export async function takeReview(id) {
  const review = await readMarks(id, "review");
  if (view.id === id) view.review = review;
}

/** @param {number} direction 1: the next beat; -1: the one before. From the selected one, or from the middle. */
export function selectNext(direction) {
  const times = marks()?.time;
  if (!times?.length) return;
  const from_ms = view.selected_ms ?? Math.round((view.from_s + span() / 2) * 1000);
  const next = direction > 0 ? firstAt(times, from_ms + 1) : firstAt(times, from_ms) - 1;
  if (next < 0 || next >= times.length) return;
  select(times[next]);
}

/** Select the beat that is nearest to a time. @param {number} at_s @param {number} within_s */
export function selectNear(at_s, within_s) {
  const times = marks()?.time;
  if (!times?.length) return;
  const after = firstAt(times, at_s * 1000);
  const near = [after - 1, after].filter((i) => i >= 0 && i < times.length)
    .sort((a, b) => Math.abs(times[a] - at_s * 1000) - Math.abs(times[b] - at_s * 1000))[0];
  if (near !== undefined && Math.abs(times[near] - at_s * 1000) <= within_s * 1000) select(times[near]);
}

function select(ms) {
  view.selected_ms = ms;
  const at_s = ms / 1000;
  if (at_s < view.from_s || at_s >= view.from_s + span()) page.centreOn(at_s); else page.draw();
  showReview();
}

/** @param {string} name Class of the selected beat; empty: there is no beat. */
export function nameBeat(name) {
  if (view.selected_ms === null) { $("review-says").textContent = "Select a beat first: b, or a click on its letter."; return; }
  if (!isSeen(view.selected_ms / 1000)) {
    const at = clock(view.selected_ms / 1000, 2);
    $("review-says").textContent = `The selected beat, at ${at}, is not in the strip. Go there, or select another one.`;
    return;
  }
  send({ action: "beat", at_s: view.selected_ms / 1000, now: name });
}

/** Add a beat of class N where caliper A is. */
export function addBeat() {
  const times = calipers.times();
  if (!times) { $("review-says").textContent = "Put caliper A on the beat first."; return; }
  if (!calipers.isInStrip(0)) { $("review-says").textContent = "Caliper A is not in the strip. Put it on the beat first."; return; }
  view.selected_ms = null;
  send({ action: "add", at_s: times[0], now: "N" });
}

/** Name the rhythm between the calipers, or of the episode in the middle of the strip. */
export function nameRhythm() {
  const times = calipers.times();
  if (times && !(calipers.isInStrip(0) && calipers.isInStrip(1))) {
    $("review-says").textContent = "A caliper is not in the strip. Put both where the rhythm begins and ends, or turn them off.";
    return;
  }
  const middle_s = view.from_s + span() / 2;
  const episode = marks()?.episodes.find((of) => of.start_s <= middle_s && middle_s < of.stop_s);
  const [start_s, stop_s] = times ? [Math.min(...times), Math.max(...times)] : [episode?.start_s, episode?.stop_s];
  if (start_s === undefined) return;
  send({ action: "episode", start_s, stop_s, now: $("rhythm").value });
}

/** Say that what the strip shows is right. */
export const markSeen = () => send({ action: "seen", start_s: view.from_s, stop_s: Math.min(view.from_s + span(), length()) });

/** Take back the last correction, or the last undo. */
export const undo = () => send({ action: "undo" });
export const redo = () => send({ action: "redo" });

/** Records of the corrections that are not answered yet, in order. @type {string[]} */
const waiting = [];
let sent = Promise.resolve();

/** Send a correction after those before it, with the length of the log that the page shows. */
function send(request) {
  const { id } = view;
  if (!view.prediction || !HAS_SERVER) return;
  if (!$("reviewer").value.trim()) {
    $("review-says").textContent = "Write your name first: each correction says who made it.";
    $("reviewer").focus();
    return;
  }
  const num_entries = (view.review?.review.num_entries ?? 0) + waiting.filter((of) => of === id).length;
  const content = { ...request, num_entries, reviewer: $("reviewer").value };
  waiting.push(id);
  sent = sent.then(() => sendNow(id, content));
}

async function sendNow(id, content) {
  try {
    const done = await correctAndTake(id, content);
    if (view.id !== id) return;
    page.draw();
    showReview();
    $("review-says").textContent = `${done}. ${$("review-says").textContent}`;
    await page.count();
  } catch (error) {
    if (error.status === 409) await showChanged(id);
    if (view.id === id) $("review-says").textContent = error.message;
  }
}

/** Make a correction and read the review; from then on its own length counts. */
async function correctAndTake(id, content) {
  try {
    const { done } = await correct(id, content);
    await takeReview(id);
    return done;
  } finally {
    waiting.shift();
  }
}

/** Show a review that was changed in another window or by another program. */
async function showChanged(id) {
  try { await takeReview(id); } catch { return; }
  if (view.id !== id) return;
  view.selected_ms = null;
  page.draw();
  showReview();
}
