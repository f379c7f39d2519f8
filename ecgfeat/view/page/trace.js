// The strip: millimetre grid, traces, gaps, quality, beat labels. All sizes here are in device pixels.

import { INVALID } from "./message.js";
import { colour, setFont } from "./canvas.js";
import { clock, labelStep, timeSteps } from "./scale.js";

/** CSS pixels above the paper for beats, and below it for times. */
export const TOP_PX = 30;
export const BOTTOM_PX = 18;
const GAP_S = 0.2;
const MOST_LABELS = 400;

/**
 * @typedef {import("./layouts.js").Cell & {x0: number, x1: number, middle: number, top: number, height: number,
 *   from_s: number, to_s: number, centre_mv: number, px_per_s: number, px_per_mv: number}} Placed
 */

/** @param {Placed} cell @param {number} at_s */
export const xOf = (cell, at_s) => cell.x0 + (at_s - cell.from_s) * cell.px_per_s;
/** @param {Placed} cell @param {number} mv */
export const yOf = (cell, mv) => cell.middle - (mv - cell.centre_mv) * cell.px_per_mv;

/**
 * Draw fine and bold lines; each lies on the device pixel that is nearest to its time or voltage.
 * @param {CanvasRenderingContext2D} ctx @param {number} left @param {number} top @param {number} width
 * @param {number} height @param {number} from_s @param {number} px_per_s @param {number} px_per_mm @param {string} scale
 * @param {number} css_ratio
 */
export function drawGrid(ctx, left, top, width, height, from_s, px_per_s, px_per_mm, scale, css_ratio) {
  ctx.fillStyle = colour("paper");
  ctx.fillRect(left, top, width, height);
  const steps = timeSteps(px_per_s / css_ratio, scale);
  for (const [step_s, step_mm, name] of [[steps[0], 1, "grid-fine"], [steps[1], 5, "grid-bold"]]) {
    ctx.fillStyle = colour(name);
    for (let line = Math.ceil(from_s / step_s - 1e-6); ; line++) {
      const x = Math.round((line * step_s - from_s) * px_per_s);
      if (x >= width) break;
      ctx.fillRect(left + x, top, 1, height);
    }
    for (let line = 0; Math.round(line * step_mm * px_per_mm) < height; line++) {
      ctx.fillRect(left, top + Math.round(line * step_mm * px_per_mm), width, 1);
    }
  }
}

/**
 * The voltage in the middle of a lane: the median, moved as far as needed for the whole trace to fit.
 * @param {any} part @param {number} at Row of the part. @param {number} half_mv Half the height of the lane.
 */
export function centreOf(part, at, half_mv) {
  const values = [];
  let [lowest, highest] = [Infinity, -Infinity];
  const step = Math.max(1, Math.floor(part.num_columns / 2000));
  for (let i = 0; i < part.num_columns; i++) {
    if (part.high[at][i] === INVALID) continue;
    lowest = Math.min(lowest, part.low[at][i]);
    highest = Math.max(highest, part.high[at][i]);
    if (i % step === 0) values.push((part.low[at][i] + part.high[at][i]) / 2);
  }
  values.sort((a, b) => a - b);
  const [least, most] = [highest - half_mv / part.mv_per_step[at], lowest + half_mv / part.mv_per_step[at]];
  const median = values[values.length >> 1] ?? 0;
  const centre = least <= most ? Math.max(least, Math.min(median, most)) : median;
  return part.offset_mv[at] + (Number.isFinite(centre) ? centre : 0) * part.mv_per_step[at];
}

/** @param {any} part @param {number} column @returns {number} Time of the middle of its samples. */
export const timeOf = (part, column) =>
  part.start_s + (column + (part.column_samples - 1) / (2 * part.column_samples)) * part.column_s;

/**
 * Draw one lead: a line through the samples, or through the lowest and highest of each column. A gap is a gap.
 * @param {CanvasRenderingContext2D} ctx @param {Placed} cell @param {any} part @param {number} ratio
 */
export function drawLead(ctx, cell, part, ratio) {
  const at = part.leads.indexOf(cell.lead);
  if (at < 0) return;
  const [low, high] = [part.low[at], part.high[at]];
  const mv = (step) => part.offset_mv[at] + step * part.mv_per_step[at];
  drawGaps(ctx, cell, part, high, ratio);
  ctx.strokeStyle = colour("trace");
  ctx.lineWidth = 1.2 * ratio;
  ctx.lineJoin = "round";
  ctx.beginPath();
  let is_open = false;
  for (let i = 0; i < part.num_columns; i++) {
    if (high[i] === INVALID) { is_open = false; continue; }
    const x = xOf(cell, timeOf(part, i));
    if (x < cell.x0 - 40 * ratio || x > cell.x1 + 40 * ratio) { is_open = false; continue; }
    const [y_low, y_high] = [yOf(cell, mv(low[i])), yOf(cell, mv(high[i]))];
    if (is_open) ctx.lineTo(x, y_low); else ctx.moveTo(x, y_low);
    // A lone sample is a dot.
    if (y_high !== y_low) ctx.lineTo(x, y_high); else if (!is_open) ctx.lineTo(x + 0.1, y_low);
    is_open = true;
  }
  ctx.stroke();
}

function drawGaps(ctx, cell, part, high, ratio) {
  ctx.fillStyle = colour("gap");
  for (let i = 0; i < part.num_columns; i++) {
    if (high[i] !== INVALID) continue;
    let stop = i;
    while (stop < part.num_columns && high[stop] === INVALID) stop++;
    if ((stop - i) * part.column_s >= GAP_S) {
      const x0 = Math.max(cell.x0, xOf(cell, part.start_s + i * part.column_s));
      const x1 = Math.min(cell.x1, xOf(cell, part.start_s + stop * part.column_s));
      ctx.fillRect(x0, cell.top + 1, x1 - x0, cell.height - 2);
      write(ctx, "no signal", (x0 + x1) / 2, cell.middle, x1 - x0, ratio);
      ctx.fillStyle = colour("gap");
    }
    i = stop;
  }
}

function write(ctx, text, x, y, width, ratio) {
  setFont(ctx, 11, ratio);
  if (ctx.measureText(text).width > width - 8) return;
  ctx.fillStyle = colour("muted");
  ctx.textAlign = "center";
  ctx.fillText(text, x, y + 4 * ratio);
}

/**
 * Shade seconds of a lead that are noisy or without signal.
 * @param {CanvasRenderingContext2D} ctx @param {Placed} cell @param {any} marks Of the prediction.
 */
export function drawQuality(ctx, cell, marks) {
  const { quality_lead: lead, quality_start_s: start_s, quality_stop_s: stop_s, quality_is_absent: is_absent } = marks;
  ctx.globalAlpha = 0.3;
  for (let run = 0; run < lead.length; run++) {
    if (lead[run] !== cell.lead || stop_s[run] <= cell.from_s || start_s[run] >= cell.to_s) continue;
    const [x0, x1] = [Math.max(cell.x0, xOf(cell, start_s[run])), Math.min(cell.x1, xOf(cell, stop_s[run]))];
    ctx.fillStyle = colour(is_absent[run] ? "quality-absent" : "quality-noisy");
    ctx.fillRect(x0, cell.top, x1 - x0, cell.height);
  }
  ctx.globalAlpha = 1;
}

/**
 * Colour what moved a number of the model.
 * @param {CanvasRenderingContext2D} ctx @param {Placed} cell
 * @param {{lead: number, from_s: number, to_s: number, name: string, alpha: number}[]} tiles Lead -1: all leads.
 */
export function drawTiles(ctx, cell, tiles) {
  for (const { lead, from_s, to_s, name, alpha } of tiles) {
    if ((lead >= 0 && lead !== cell.lead) || to_s <= cell.from_s || from_s >= cell.to_s) continue;
    const [x0, x1] = [Math.max(cell.x0, Math.round(xOf(cell, from_s))), Math.min(cell.x1, Math.round(xOf(cell, to_s)))];
    ctx.globalAlpha = alpha;
    ctx.fillStyle = colour(name);
    ctx.fillRect(x0, cell.top, x1 - x0, cell.height);
  }
  ctx.globalAlpha = 1;
}

/**
 * Write the name of a lead, or that the record has none of it.
 * @param {CanvasRenderingContext2D} ctx @param {Placed} cell @param {boolean} is_calibrated @param {number} ratio
 */
export function nameLead(ctx, cell, is_calibrated, ratio) {
  setFont(ctx, 13, ratio, "600");
  ctx.textAlign = "left";
  const text = cell.lead < 0 ? `${cell.name}: not in this record` : cell.name + (is_calibrated ? "" : " (no gain: relative)");
  const width = ctx.measureText(text).width;
  ctx.fillStyle = colour("paper");
  ctx.globalAlpha = 0.8;
  ctx.fillRect(cell.x0 + 2 * ratio, cell.top + 2 * ratio, width + 6 * ratio, 17 * ratio);
  ctx.globalAlpha = 1;
  ctx.fillStyle = colour(cell.lead < 0 ? "muted" : "ink");
  ctx.fillText(text, cell.x0 + 5 * ratio, cell.top + 15 * ratio);
}

/** First position in ascending times that is not before a time. */
export function firstAt(times, at) {
  let [low, high] = [0, times.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (times[middle] < at) low = middle + 1; else high = middle;
  }
  return low;
}

/** Number of beats between two times, in seconds. */
export const countBeats = (marks, from_s, to_s) => firstAt(marks.time, to_s * 1000) - firstAt(marks.time, from_s * 1000);

/**
 * The beats of a stretch, those of the reference paired with those of the prediction; none where they are too many to show.
 * @returns {{time_s: number, label: string, was: string | null, rr_ms: number}[]} `was`: label of the reference; null
 *   where there is no reference of beats; empty where it has no beat here.
 */
export function beatsBetween(prediction, reference, from_s, to_s) {
  const main = prediction ?? reference;
  if (!main || countBeats(main, from_s, to_s) > MOST_LABELS) return [];
  const between = (of) => {
    const beats = [];
    for (let i = firstAt(of.time, from_s * 1000); i < of.time.length && of.time[i] < to_s * 1000; i++) {
      beats.push({ time_s: of.time[i] / 1000, label: of.classes[of.label[i]] ?? "?", was: null, rr_ms: of.rr[i] });
    }
    return beats;
  };
  const beats = between(main);
  // A reference of rhythms alone says nothing of beats.
  if (!prediction || !reference?.time.length) return beats;
  const others = between(reference);
  const used = new Set();
  for (const beat of beats) {
    const other = others.find((of) => !used.has(of) && Math.abs(of.time_s - beat.time_s) <= 0.15);
    // Detections that were not classified say where a beat is, and not which.
    beat.was = other ? (other.label === "?" ? beat.label : other.label) : "";
    if (other) used.add(other);
  }
  const missed = others.filter((of) => !used.has(of)).map((of) => ({ ...of, was: of.label, label: "", rr_ms: 0 }));
  return [...beats, ...missed].sort((a, b) => a.time_s - b.time_s);
}

/**
 * Mark beats above a row: class, and the interval to the beat before in ms. S→N is a reference S that is predicted N.
 * @param {CanvasRenderingContext2D} ctx @param {Placed} cell @param {ReturnType<typeof beatsBetween>} beats
 * @param {number} top @param {number} ratio
 */
export function drawBeats(ctx, cell, beats, top, ratio) {
  ctx.textAlign = "center";
  let last_x = -Infinity;
  let last_rr_x = -Infinity;
  for (const beat of beats) {
    const x = xOf(cell, beat.time_s);
    const is_wrong = beat.was !== null && beat.was !== beat.label;
    const text = is_wrong ? `${beat.was || "–"}→${beat.label || "–"}` : beat.label;
    ctx.fillStyle = colour(`beat-${(beat.was || beat.label) || "N"}`);
    ctx.fillRect(Math.round(x) - 0.5 * ratio, top - 4 * ratio, ratio, 5 * ratio);
    setFont(ctx, 12, ratio, is_wrong || beat.label !== "N" ? "700" : "");
    if (x - last_x > 12 * ratio || is_wrong) { ctx.fillText(text, x, top - 6 * ratio); last_x = x; }
    const rr_px = (beat.rr_ms / 1000) * cell.px_per_s;
    if (beat.rr_ms && rr_px > 34 * ratio && x - rr_px / 2 - last_rr_x > 30 * ratio) {
      last_rr_x = x - rr_px / 2;
      setFont(ctx, 10, ratio);
      ctx.fillStyle = colour("muted");
      ctx.fillText(String(beat.rr_ms), last_rr_x, top - 18 * ratio);
    }
  }
}

/** Write times below a row that has the whole width. */
export function drawTimes(ctx, cell, top, ratio) {
  const step = labelStep(cell.px_per_s / ratio);
  setFont(ctx, 11, ratio);
  ctx.fillStyle = colour("muted");
  ctx.textAlign = "center";
  for (let line = Math.ceil(cell.from_s / step - 1e-6); line * step <= cell.to_s; line++) {
    const x = xOf(cell, line * step);
    ctx.fillText(clock(line * step, step < 1 ? 1 : 0), Math.min(Math.max(x, cell.x0 + 26 * ratio), cell.x1 - 26 * ratio), top + 13 * ratio);
  }
}

/** Point at a time that was looked for. */
export function drawMark(ctx, cell, at_s, top, ratio) {
  if (at_s < cell.from_s || at_s >= cell.to_s) return;
  const x = xOf(cell, at_s);
  ctx.fillStyle = colour("accent");
  ctx.beginPath();
  ctx.moveTo(x - 6 * ratio, top - 30 * ratio);
  ctx.lineTo(x + 6 * ratio, top - 30 * ratio);
  ctx.lineTo(x, top - 21 * ratio);
  ctx.fill();
}

/** Underline the beats that were corrected, and frame the one that is selected. */
export function drawReview(ctx, cell, corrected_ms, selected_ms, top, ratio) {
  ctx.fillStyle = ctx.strokeStyle = colour("accent");
  for (let i = firstAt(corrected_ms, cell.from_s * 1000); i < corrected_ms.length && corrected_ms[i] < cell.to_s * 1000; i++) {
    ctx.fillRect(xOf(cell, corrected_ms[i] / 1000) - 6 * ratio, top - 4 * ratio, 12 * ratio, 2 * ratio);
  }
  if (selected_ms === null || selected_ms < cell.from_s * 1000 || selected_ms >= cell.to_s * 1000) return;
  ctx.lineWidth = 2 * ratio;
  ctx.strokeRect(xOf(cell, selected_ms / 1000) - 11 * ratio, top - 18 * ratio, 22 * ratio, 18 * ratio);
}
