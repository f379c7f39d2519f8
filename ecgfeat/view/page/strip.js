// The canvas of the strip: asks for the part that is seen, draws it, and knows what lies under a pixel.
//
// One request is sent at a time. While it is answered, only the last wish is kept: an old answer never comes after a newer
// one, and a hand that moves the strip fast is not ahead of all answers.

import { readStrip } from "./api.js";
import { colour, fit } from "./canvas.js";
import { INVALID } from "./message.js";
import { cellsOf, rowHeight } from "./layouts.js";
import { clock, describeGrid, pxPerMm } from "./scale.js";
import * as trace from "./trace.js";
import { say } from "./state.js";
import { length, span, view } from "./view.js";

const canvas = /** @type {HTMLCanvasElement} */ (document.getElementById("strip"));
const BASELINE_S = 0.3;
const SLOW_MS = 300; // a part that is still being read from the file may take seconds: it does not hold up a newer wish
const AGAIN_MS = 500;
/** @type {AbortController | null} */
let request = null;
let is_wanted = false;
let is_slow = false;
let again = 0;
/** @type {import("./trace.js").Placed[]} */
let placed = [];
let ratio = 1;

/** @returns {import("./trace.js").Placed[]} Where the leads are, in device pixels. */
export const cells = () => placed;

/** Draw what is here of the part that is seen, and fetch the rest. */
export function load() {
  draw();
  if (!view.info) return;
  is_wanted = true;
  if (!request) fetchWanted(); else if (is_slow) request.abort();
}

async function fetchWanted() {
  clearTimeout(again);
  is_wanted = is_slow = false;
  const mine = new AbortController();
  request = mine;
  const slow = setTimeout(() => {
    is_slow = true;
    if (is_wanted) mine.abort();
  }, SLOW_MS);
  try {
    await fetchPart(mine);
  } catch (error) {
    if (request === mine && error.name !== "AbortError") say("strip", error.message);
  }
  clearTimeout(slow);
  if (request !== mine) return; // of another record since then
  request = null;
  if (is_wanted) requestAnimationFrame(() => { if (is_wanted && !request) fetchWanted(); });
}

/** @param {AbortController} mine */
async function fetchPart(mine) {
  const leads = [...new Set(cellsOf(view.layout, view.info, 1).map((cell) => cell.lead).filter((lead) => lead >= 0))];
  const [from_s, span_s] = [view.from_s, span()];
  const columns = Math.min(8000, Math.max(100, Math.round(canvas.getBoundingClientRect().width * (window.devicePixelRatio || 1))));
  const part = await readStrip(view.id, from_s, Math.min(from_s + span_s, length()), columns, leads, mine.signal);
  if (request !== mine || mine.signal.aborted) return; // data of a file are not a request that can be aborted
  view.part = part;
  say("strip", "");
  draw();
  canvas.dataset.shown = `${from_s.toFixed(3)} ${span_s.toFixed(3)}`;
  document.dispatchEvent(new Event("stripdrawn"));
  if (!part.is_whole) again = setTimeout(load, AGAIN_MS);
}

/** Take the strip away, and the request for it. */
export function clear() {
  request?.abort();
  request = null;
  is_wanted = false;
  clearTimeout(again);
  placed = [];
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  canvas.setAttribute("aria-label", "Strip: no record is open");
  delete canvas.dataset.shown;
  document.getElementById("scale-text").textContent = "";
}

/** Draw what there is. */
export function draw() {
  if (!view.info) return;
  const layout = cellsOf(view.layout, view.info, Math.min(1, length() / span()));
  const num_rows = 1 + Math.max(0, ...layout.map((cell) => cell.row));
  const row_px = rowHeight(view.layout, view.info.leads.length) * pxPerMm();
  const surface = fit(canvas, trace.TOP_PX + num_rows * row_px + trace.BOTTOM_PX);
  const { ctx, width } = surface;
  ratio = surface.ratio;
  const [top, height] = [Math.round(trace.TOP_PX * ratio), Math.round(num_rows * row_px * ratio)];
  const span_s = span();
  const px_per_s = width / span_s;
  const px_per_mm = pxPerMm() * ratio;
  const px_per_mv = view.gain * px_per_mm;
  trace.drawGrid(ctx, 0, top, width, height, view.from_s, px_per_s, px_per_mm, view.scale, ratio);
  placed = layout.map((cell) => {
    const at = view.part ? view.part.leads.indexOf(cell.lead) : -1;
    return {
      ...cell, x0: cell.left * width, x1: cell.right * width, top: top + cell.row * row_px * ratio, height: row_px * ratio,
      middle: top + (cell.row + 0.5) * row_px * ratio, from_s: view.from_s + cell.left * span_s,
      to_s: view.from_s + cell.right * span_s, px_per_s, px_per_mv,
      centre_mv: at < 0 ? 0 : trace.centreOf(view.part, at, (0.46 * row_px * ratio) / px_per_mv),
    };
  });
  ctx.save();
  ctx.beginPath();
  ctx.rect(0, top, width, height);
  ctx.clip();
  const marks = view.prediction;
  for (const cell of placed) {
    if (marks && cell.lead >= 0) trace.drawQuality(ctx, cell, marks);
    if (cell.lead >= 0) trace.drawTiles(ctx, cell, view.tiles);
    ctx.save();
    ctx.beginPath();
    ctx.rect(cell.x0, top, cell.x1 - cell.x0, height);
    ctx.clip();
    if (view.part) trace.drawLead(ctx, cell, view.part, ratio);
    ctx.restore();
    if (cell.left > 0) {
      ctx.fillStyle = colour("muted");
      ctx.fillRect(Math.round(cell.x0), cell.top, Math.max(1, Math.round(ratio)), cell.height);
    }
    trace.nameLead(ctx, cell, view.info.is_calibrated[cell.lead], ratio);
  }
  ctx.restore();
  const beats = trace.beatsBetween(view.review ?? view.prediction, view.reference, view.from_s, view.from_s + span_s);
  const first_row = placed.filter((cell) => cell.row === 0);
  for (const cell of first_row) {
    const inside = beats.filter((beat) => beat.time_s >= cell.from_s && beat.time_s < cell.to_s);
    trace.drawBeats(ctx, cell, inside, top, ratio);
    trace.drawReview(ctx, cell, view.review?.review.corrected_ms ?? [], view.selected_ms, top, ratio);
  }
  const whole = { ...placed[0], x0: 0, x1: width, from_s: view.from_s, to_s: Math.min(view.from_s + span_s, length()) };
  if (view.marked_s !== null) for (const cell of first_row) trace.drawMark(ctx, cell, view.marked_s, top, ratio);
  trace.drawTimes(ctx, whole, top + height, ratio);
  describe(beats, span_s, px_per_s / ratio);
}

function describe(beats, span_s, px_per_s) {
  const names = view.info.leads.join(", ");
  const end_s = Math.min(view.from_s + span_s, length());
  const counts = ["N", "S", "V", "F", "Q"].map((name) => [name, beats.filter((beat) => beat.label === name).length]);
  const marks = view.review ?? view.prediction ?? view.reference;
  const said = counts.filter(([, count]) => count).map(([name, count]) => `${count} ${name}`).join(", ")
    || (marks && trace.countBeats(marks, view.from_s, end_s));
  canvas.setAttribute("aria-label", `Electrocardiogram, leads ${names}, ${clock(view.from_s, 1)} to ${clock(end_s, 1)}. `
    + (marks ? `Beats: ${said || "none"}.` : "Beats are not known yet."));
  const uncalibrated = view.info.leads.filter((_, lead) => !view.info.is_calibrated[lead]);
  const relative = uncalibrated.length ? ` Amplitudes are relative in ${uncalibrated.join(", ")}.` : "";
  document.getElementById("scale-text").textContent = `${describeGrid(px_per_s, view.gain, view.scale)}.${relative}${describeShade(end_s)}`
    + (view.part?.note ?? "");
}

/** What the colours of the quality mean, where the strip shows some. @param {number} end_s */
function describeShade(end_s) {
  const { quality_start_s: start_s, quality_stop_s: stop_s, quality_is_absent: is_absent } = view.prediction ?? {};
  const is_shown = (kind) => start_s?.some((at_s, run) => Boolean(is_absent[run]) === kind && at_s < end_s && stop_s[run] > view.from_s);
  return (is_shown(false) ? " Yellow: noise." : "") + (is_shown(true) ? " Grey: no signal." : "");
}

/**
 * The cell that lies under a point of the strip, and time and voltage there.
 * @param {number} x CSS pixels from the left of the strip. @param {number} y @param {number} [of] Only of this cell.
 */
export function locate(x, y, of) {
  const [at_x, at_y] = [x * ratio, y * ratio];
  const index = of ?? placed.findIndex((cell) => at_x >= cell.x0 && at_x < cell.x1 && at_y >= cell.top && at_y < cell.top + cell.height);
  const cell = placed[index];
  if (!cell) return null;
  const at_s = cell.from_s + (at_x - cell.x0) / cell.px_per_s;
  return {
    index, cell, at_s: Math.max(cell.from_s, Math.min(at_s, cell.to_s)),
    mv: cell.centre_mv + (cell.middle - at_y) / cell.px_per_mv,
  };
}

/** Place of a time and voltage in CSS pixels from the left and top of the strip. */
export const pointOf = (cell, at_s, mv) => ({ x: trace.xOf(cell, at_s) / ratio, y: trace.yOf(cell, mv) / ratio });

/**
 * The trace of a lead near a time: of the samples of that column the one nearest to a voltage.
 * @param {number} lead @param {number} at_s @param {number} near_mv @returns {number | null} mV; null in a gap.
 */
export function traceAt(lead, at_s, near_mv) {
  const { part } = view;
  const row = part ? part.leads.indexOf(lead) : -1;
  if (row < 0) return null;
  const shift = (part.column_samples - 1) / (2 * part.column_samples);
  const column = Math.round((at_s - part.start_s) / part.column_s - shift);
  if (column < 0 || column >= part.num_columns || part.high[row][column] === INVALID) return null;
  const [low, high] = [part.low[row][column], part.high[row][column]].map((step) => part.offset_mv[row] + step * part.mv_per_step[row]);
  return Math.abs(near_mv - low) < Math.abs(near_mv - high) ? low : high;
}

/**
 * The time of the R-peak near a time: of the beat, moved to the sample that is farthest from the baseline, where single
 * samples are shown. The baseline is the median of 0.3 s on each side, not the middle of the lane: a lane is moved so
 * that its trace fits.
 * @param {import("./trace.js").Placed} cell @param {number} at_s @param {number} within_s @returns {number | null}
 */
export function rpeakNear(cell, at_s, within_s) {
  const marks = view.review ?? view.prediction ?? view.reference;
  if (!marks) return null;
  const next = trace.firstAt(marks.time, at_s * 1000);
  const times = [next - 1, next].filter((i) => i >= 0 && i < marks.time.length).map((i) => marks.time[i] / 1000);
  const beat_s = times.sort((a, b) => Math.abs(a - at_s) - Math.abs(b - at_s))[0];
  if (beat_s === undefined || Math.abs(beat_s - at_s) > within_s) return null;
  const { part } = view;
  const row = part ? part.leads.indexOf(cell.lead) : -1;
  if (row < 0 || part.column_samples > 1) return beat_s;
  const column = Math.round((beat_s - part.start_s) / part.column_s);
  const wide = Math.round(BASELINE_S / part.column_s);
  const steps = part.low[row].slice(Math.max(0, column - wide), Math.max(0, column + wide + 1))
    .filter((_, i) => part.high[row][Math.max(0, column - wide) + i] !== INVALID).sort();
  if (!steps.length) return beat_s;
  const baseline_mv = part.offset_mv[row] + steps[steps.length >> 1] * part.mv_per_step[row];
  let [best, largest] = [beat_s, -1];
  for (let at = beat_s - 0.05; at <= beat_s + 0.05; at += part.column_s) {
    const mv = traceAt(cell.lead, at, baseline_mv);
    if (mv !== null && Math.abs(mv - baseline_mv) > largest) {
      largest = Math.abs(mv - baseline_mv);
      best = part.start_s + Math.round((at - part.start_s) / part.column_s) * part.column_s;
    }
  }
  return best;
}
