// The page: records, what is shown of one, and what keys and pointers do.

import * as api from "./api.js";
import * as calipers from "./calipers.js";
import { allowExports, setUpExports } from "./exports.js";
import { writeFigures, writeNotes } from "./figures.js";
import { listDrops, setUpDrops } from "./drops.js";
import { findNext, KINDS } from "./find.js";
import { listenToKeys } from "./keys.js";
import { list, named, nameOf, nextInQueue, openNext, previousInQueue, readRecords, setUpRecords, takeQueue } from "./records.js";
import * as review from "./review.js";
import { whileHeld } from "./pointer.js";
import { clearLanes, drawDay, drawLanes, drawLegend, timeAt } from "./ribbon.js";
import { cardWidth, duration, keepCardWidth, SCALES } from "./scale.js";
import { describePrediction, describeReading, say, sayNothing } from "./state.js";
import * as strip from "./strip.js";
import { TOP_PX } from "./trace.js";
import { drawTrend } from "./trend.js";
import { clampStart, length, readAddress, span, view, writeAddress } from "./view.js";
import { takeVisits } from "./visits.js";
import * as why from "./why.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** Draw everything anew, and fetch the part of the signal. */
function show() {
  if (!view.info) return;
  view.from_s = clampStart(view.from_s);
  writeAddress();
  drawDay();
  drawLanes();
  strip.load();
  calipers.draw();
}

let frame = 0;

/** Show what is wanted by then with the next picture of the screen: a hand sends more moves than there are pictures. */
function showSoon() {
  frame ||= requestAnimationFrame(() => { frame = 0; show(); });
}

/** @param {number} from_s Start of the strip. */
function moveTo(from_s) {
  if (!view.info) return;
  view.from_s = clampStart(from_s);
  showSoon();
}

/** @param {number} at_s Time in the middle of the strip. */
const centreOn = (at_s) => moveTo(at_s - span() / 2);

/** Take everything of a record away: until the next one is open, nothing of this one stands under its name. */
function clearRecord() {
  stopFollowing();
  document.body.classList.remove("closed");
  strip.clear();
  clearLanes();
  drawTrend(centreOn);
  drawLegend();
  $("trend").setAttribute("aria-label", "Heart rate");
  $("record-name").textContent = $("record-facts").textContent = $("found").textContent = $("export-says").textContent = "";
  document.title = "ecgfeat view";
  writeNotes([]);
  writeFigures([], centreOn);
  calipers.toggle(false);
  why.clear();
  allowWhat();
  review.showReview();
}

/** @param {string} id @param {number} [from_s] */
async function open(id, from_s = 0) {
  Object.assign(view, { id, info: null, part: null, prediction: null, reference: null, review: null, from_s,
    marked_s: null, selected_ms: null });
  clearRecord();
  list();
  sayNothing();
  say("record", "Opening the record.");
  try {
    const info = await api.openRecord(id);
    if (view.id !== id) return;
    view.info = info;
  } catch (error) {
    if (view.id === id) sayNotOpened(error.message);
    return;
  }
  say("record", "");
  const { info } = view;
  $("record-name").textContent = info.name;
  document.title = `ecgfeat view: record ${id}`;
  $("record-facts").textContent = [duration(info.duration_s), `${+info.fs_hz.toFixed(3)} Hz`, `${info.leads.length === 1 ? "lead" : "leads"} ${info.leads.join(", ")}`,
    info.start ? `began ${info.start.replace("T", " ")}` : ""].filter(Boolean).join(" · ");
  writeNotes(info.notes);
  drawTrend(centreOn);
  allowWhat();
  review.showReview();
  show();
  follow(id);
  takeVisits().then(list).catch((error) => { $("found").textContent = error.message; });
}

/** Say why a record cannot be opened; all others can. @param {string} reason */
function sayNotOpened(reason) {
  const name = nameOf(view.id);
  $("record-name").textContent = name;
  document.title = `ecgfeat view: record ${view.id}`;
  document.body.classList.add("closed");
  say("record", `This record cannot be opened: ${reason}`);
}

/** Offer what can be made of a prediction, once there is one. */
function allowWhat() {
  why.allowWhy();
  allowExports();
}

/** Draw anew what is known already. */
function redraw() {
  drawTrend(centreOn);
  drawLegend();
  drawDay();
  drawLanes();
  strip.draw();
  calipers.draw();
}

/** @param {string} id @param {"prediction" | "reference"} source */
async function takeMarks(id, source) {
  const marks = await api.readMarks(id, source);
  if (view.id !== id) return;
  view[source] = marks;
  redraw();
  review.showReview();
  if (source !== "prediction") return;
  writeNotes([...view.info.notes, ...marks.notes]);
  writeFigures(marks.figures, centreOn);
  allowWhat();
}

let stopFollowing = () => {};

/** Follow reading and prediction of a record. */
function follow(id) {
  stopFollowing();
  let queue = Promise.resolve();
  stopFollowing = api.followRecord(id, (state) => {
    queue = queue.then(() => takeProgress(id, state)).catch((error) => { if (view.id === id) say("server", error.message); });
  }, (text) => { if (view.id === id) say("server", text); });
}

async function takeProgress(id, state) {
  if (view.id !== id) return;
  const is_new = state.reference === "ready" && !view.reference;
  if (is_new) await takeMarks(id, "reference");
  // What disagrees with the reference is known only once the reference is read: a prediction from before has none.
  if (state.prediction === "ready" && (!view.prediction || is_new)) {
    if (state.is_reviewed) await review.takeReview(id);
    await takeMarks(id, "prediction");
  }
  if (view.id !== id) return;
  say("server", "");
  say("fault", state.faults.join(" "));
  say("reading", describeReading(state));
  say("prediction", describePrediction(state));
  if (view.info.prediction !== state.prediction) {
    view.info.prediction = state.prediction;
    drawTrend(centreOn);
  }
  if (state.is_done) { document.body.dataset.done = id; await takeQueue(); }
}

/** Go on without recordings that were removed. */
async function takeRemoval() {
  await readRecords();
  await takeQueue();
  if (named(view.id) !== view.id) await open(named(view.id));
}

/** @param {string} scale Keeps the middle of the strip. */
function setScale(scale) {
  const middle = view.from_s + span() / 2;
  view.scale = scale;
  $("scale").value = scale;
  centreOn(middle);
}

function stepOption(id, direction) {
  const select = $(id);
  const next = select.options[select.selectedIndex + direction];
  if (next) { select.value = next.value; select.dispatchEvent(new Event("change")); }
}

function cycle(id) {
  const select = $(id);
  select.selectedIndex = (select.selectedIndex + 1) % select.options.length;
  select.dispatchEvent(new Event("change"));
}

function find(kind, direction) {
  $("find").value = kind;
  $("found").textContent = findNext(kind, direction, (at_s) => { view.marked_s = at_s; centreOn(at_s); });
}

function setUp() {
  why.setUpWhy(strip.draw);
  setUpRecords({ open, point: (at_s, from_s) => { view.marked_s = at_s; moveTo(from_s); } });
  $("scale").append(...SCALES.map(([value, text]) => new Option(text, value)));
  $("find").append(...KINDS.map(([value, text]) => new Option(text, value)));
  $("scale").addEventListener("change", () => setScale($("scale").value));
  $("gain").addEventListener("change", () => { view.gain = Number($("gain").value); show(); });
  $("layout").addEventListener("change", () => { view.layout = $("layout").value; calipers.toggle(false); show(); });
  $("earlier").addEventListener("click", () => moveTo(view.from_s - span()));
  $("later").addEventListener("click", () => moveTo(view.from_s + span()));
  $("find-next").addEventListener("click", () => find($("find").value, 1));
  $("find-previous").addEventListener("click", () => find($("find").value, -1));
  $("calipers").addEventListener("click", () => calipers.toggle());
  $("march").addEventListener("click", () => calipers.toggleMarch());
  setUpExports();
  $("help").addEventListener("click", showHelp);
  $("calibrate").addEventListener("click", () => { showCard(cardWidth()); $("calibrate-dialog").showModal(); });
  $("card-width").addEventListener("input", () => { keepCardWidth(Number($("card-width").value)); showCard(cardWidth()); show(); });
  $("card-reset").addEventListener("click", () => { keepCardWidth(null); showCard(cardWidth()); show(); });
  $("strip-frame").addEventListener("pointerdown", (event) => {
    const box = $("strip").getBoundingClientRect();
    const at_px = event.clientX - box.left;
    if (event.clientY - box.top < TOP_PX) review.selectNear(view.from_s + (at_px / box.width) * span(), (12 / box.width) * span());
    else if (calipers.isOn()) calipers.startMeasuring(event);
    else pan(event);
  });
  $("strip-frame").addEventListener("wheel", turn, { passive: false });
  setUpDrops({ open, onRemoved: takeRemoval });
  $("day").addEventListener("pointerdown", (event) => {
    centreOn(timeAt(event.clientX));
    whileHeld((moved) => centreOn(timeAt(moved.clientX)));
  });
  document.addEventListener("stripdrawn", () => calipers.draw());
  window.addEventListener("resize", () => { drawTrend(centreOn); show(); });
  // A scroll bar changes the width too, and says nothing to the window.
  let width_px = $("strip-frame").clientWidth;
  new ResizeObserver(([{ target }]) => {
    if (target.clientWidth === width_px) return;
    width_px = target.clientWidth;
    drawTrend(centreOn);
    showSoon();
  }).observe($("strip-frame"));
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { drawTrend(centreOn); show(); });
  window.addEventListener("hashchange", followAddress);
  review.setUpReview({ draw: redraw, centreOn, count: takeQueue });
  listenToKeys([
    ["Move", [
      { keys: ["ArrowRight"], text: "a quarter of the strip later", run: () => moveTo(view.from_s + span() / 4) },
      { keys: ["ArrowLeft"], text: "a quarter of the strip earlier", run: () => moveTo(view.from_s - span() / 4) },
      { keys: ["PageDown", "."], text: "one strip later", run: () => moveTo(view.from_s + span()) },
      { keys: ["PageUp", ","], text: "one strip earlier", run: () => moveTo(view.from_s - span()) },
      { keys: ["Home"], text: "start of the record", run: () => moveTo(0) },
      { keys: ["End"], text: "end of the record", run: () => moveTo(length()) },
      { keys: ["+", "="], text: "shorter time: zoom in", run: () => stepOption("scale", -1) },
      { keys: ["-"], text: "longer time: zoom out", run: () => stepOption("scale", 1) },
      { keys: ["g"], text: "next gain", run: () => cycle("gain") },
      { keys: ["l"], text: "next layout", run: () => cycle("layout") },
    ]],
    ["Find the next; with Shift the one before", [["a", "af_onset"], ["v", "pvc"], ["r", "run"], ["p", "pause"], ["u", "uncertain"], ["d", "disagreement"]]
      .flatMap(([key, kind]) => [
        { keys: [key], text: KINDS.find(([of]) => of === kind)[1], run: () => find(kind, 1) },
        { keys: [key.toUpperCase()], run: () => find(kind, -1) },
      ])],
    ["Calipers", [
      { keys: ["c"], text: "on or off; Tab goes to their handles, arrows move them, with Shift ten times as far", run: () => calipers.toggle() },
      { keys: ["m"], text: "march out: repeat the interval", run: () => calipers.toggleMarch() },
      { keys: ["s"], text: "snap to R-peaks and to the trace, on or off", run: () => $("snap").click() },
    ]],
    ["Review", [
      { keys: ["b"], text: "select the next beat", run: () => review.selectNext(1) },
      { keys: ["B"], text: "select the beat before", run: () => review.selectNext(-1) },
      ...["N", "S", "V", "F", "Q"].map((name, at) => ({
        keys: [String(at + 1)], text: at ? undefined : "the selected beat is N; 2: S, 3: V, 4: F, 5: Q", is_correction: true,
        run: () => review.nameBeat(name) })),
      { keys: ["x", "Delete"], text: "the selected beat is no beat", is_correction: true, run: () => review.nameBeat("") },
      { keys: ["i"], text: "add an N beat at caliper A", is_correction: true, run: review.addBeat },
      { keys: ["e"], text: "set the rhythm between the calipers, or of the episode in the middle", is_correction: true, run: review.nameRhythm },
      { keys: ["o"], text: "what the strip shows is right", is_correction: true, run: review.markSeen },
      { keys: ["z"], text: "undo", is_correction: true, run: review.undo },
      { keys: ["y"], text: "redo", is_correction: true, run: review.redo },
    ]],
    ["Why", [
      { keys: ["w"], text: "what moved the model at the selected beat, or at the one in the middle", run: () => why.explain("beat") },
      { keys: ["W"], text: "what moved the model to the rhythm there", run: () => why.explain("rhythm") },
      { keys: ["Escape"], text: "take the explanation away", run: why.clear },
    ]],
    ["Records", [
      { keys: ["q"], text: "the worst part of all records that was not looked at yet", run: nextInQueue },
      { keys: ["Q"], text: "back to the part before", run: previousInQueue },
      { keys: ["]"], text: "next record", run: () => openNext(1) },
      { keys: ["["], text: "record before", run: () => openNext(-1) },
      { keys: ["?"], text: "this list", run: showHelp },
    ]],
  ]);
}

/** Show keys and signs from their beginning: the button at the top has the focus. */
function showHelp() {
  $("help-dialog").showModal();
  $("help-dialog").scrollTop = 0;
}

function showCard(width_px) {
  $("card").style.width = `${width_px}px`;
  $("card-width").value = String(width_px);
}

/** Move the strip with the pointer. @param {PointerEvent} event */
function pan(event) {
  const [x, from_s, px_per_s] = [event.clientX, view.from_s, $("strip-frame").clientWidth / span()];
  whileHeld((moved) => moveTo(from_s - (moved.clientX - x) / px_per_s));
}

/** Wheel: sideways moves; with Ctrl it zooms. @param {WheelEvent} event */
function turn(event) {
  if (event.ctrlKey) { event.preventDefault(); stepOption("scale", event.deltaY > 0 ? 1 : -1); return; }
  if (Math.abs(event.deltaX) <= Math.abs(event.deltaY) && !event.shiftKey) return;
  event.preventDefault();
  moveTo(view.from_s + ((event.deltaX || event.deltaY) / $("strip-frame").clientWidth) * span());
}

/** Show the record, the time and the scale of the address; the first record where it names none. */
async function followAddress() {
  const address = readAddress();
  const id = named(address.id);
  if (SCALES.some(([value]) => value === address.scale)) view.scale = address.scale;
  $("scale").value = view.scale;
  if (id === view.id) moveTo(address.from_s); else await open(id, address.from_s);
}

async function start() {
  setUp();
  await readRecords();
  await followAddress();
  await takeQueue();
  await listDrops();
}

start().catch((error) => say("server", error.message));
