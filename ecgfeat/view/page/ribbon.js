// The whole record in a ribbon, and the lanes below the strip.

import { colour, fit, setFont } from "./canvas.js";
import { clock, DAY_LEFT_PX, DAY_RIGHT_PX, labelStep } from "./scale.js";
import { firstAt } from "./trace.js";
import { length, span, view } from "./view.js";

const day = /** @type {HTMLCanvasElement} */ (document.getElementById("day"));
const lanes = /** @type {HTMLCanvasElement} */ (document.getElementById("lanes"));
const ROW_PX = 16;
/** What the codes of PhysioNet mean. @type {Record<string, string>} */
const MEANINGS = {
  AB: "atrial bigeminy", AFIB: "atrial fibrillation", AFL: "atrial flutter", B: "ventricular bigeminy",
  BII: "second degree heart block", IVR: "idioventricular rhythm", NOD: "nodal rhythm", NSR: "normal sinus rhythm",
  P: "paced rhythm", PREX: "pre-excitation", SBR: "sinus bradycardia", SVTA: "supraventricular tachyarrhythmia",
  T: "ventricular trigeminy", VFL: "ventricular flutter", VT: "ventricular tachycardia",
};

/** @returns {[string, any][]} The sources that there are, with what a row of them is called. */
const sources = () => [["prediction", view.prediction], ["review", view.review], ["reference", view.reference]].filter(([, marks]) => marks);

const rhythmColour = (rhythm) => colour(`rhythm-${rhythm || "none"}`);

/** Take ribbon and lanes away. */
export function clearLanes() {
  for (const canvas of [day, lanes]) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  for (const name of ["valuemin", "valuemax", "valuenow", "valuetext"]) day.removeAttribute(`aria-${name}`);
  lanes.setAttribute("aria-label", "Probabilities: no record is open");
}

/** Draw the rhythms of the whole record, and where the strip is. */
export function drawDay() {
  if (!view.info) return;
  const rows = sources();
  const { ctx, ratio, width, height } = fit(day, 18 + ROW_PX * Math.max(1, rows.length));
  const [left, right] = [DAY_LEFT_PX * ratio, width - DAY_RIGHT_PX * ratio];
  const px_per_s = (right - left) / length();
  rows.forEach(([, marks], row) => drawEpisodes(ctx, marks, 0, px_per_s, right, row * ROW_PX * ratio, ratio, left));
  if (!rows.length) {
    ctx.fillStyle = colour("gap");
    ctx.fillRect(left, 0, right - left, ROW_PX * ratio);
  }
  setFont(ctx, 11, ratio);
  ctx.fillStyle = colour("muted");
  ctx.textAlign = "right";
  rows.forEach(([name], row) => ctx.fillText(name, left - 6 * ratio, (row * ROW_PX + 12) * ratio));
  ctx.textAlign = "center";
  const step = Math.max(1, labelStep(px_per_s / ratio));
  for (let at_s = 0; at_s <= length(); at_s += step) ctx.fillText(clock(at_s), left + at_s * px_per_s, height - 4 * ratio);
  ctx.strokeStyle = colour("ink");
  ctx.lineWidth = 2 * ratio;
  const wide = Math.max(4 * ratio, span() * px_per_s);
  const from = Math.min(left + view.from_s * px_per_s, right - Math.min(wide, right - left));
  ctx.strokeRect(from + ratio, ratio, Math.min(wide, right - left) - 2 * ratio, height - 18 * ratio);
  day.setAttribute("aria-valuemin", "0");
  day.setAttribute("aria-valuemax", String(Math.round(length())));
  day.setAttribute("aria-valuenow", String(Math.round(view.from_s)));
  const said = rows.map(([name, marks]) => `${name} ${rhythmAt(marks, view.from_s + span() / 2) || "no rhythm"}`);
  day.setAttribute("aria-valuetext", [clock(view.from_s), ...said].join(", "));
}

/** @param {number} client_x Of a pointer on the ribbon. @returns {number} Time in seconds. */
export function timeAt(client_x) {
  const box = day.getBoundingClientRect();
  return ((client_x - box.left - DAY_LEFT_PX) / (box.width - DAY_LEFT_PX - DAY_RIGHT_PX)) * length();
}

function rhythmAt(marks, at_s) {
  return marks.episodes.find((of) => of.start_s <= at_s && at_s < of.stop_s)?.rhythm ?? "";
}

function drawEpisodes(ctx, marks, from_s, px_per_s, width, top, ratio, left) {
  for (const episode of marks.episodes) {
    const x0 = Math.max(left, left + (episode.start_s - from_s) * px_per_s);
    const x1 = Math.min(width, left + (episode.stop_s - from_s) * px_per_s);
    if (x1 <= left || x0 >= width) continue;
    const wide = Math.max(ratio, x1 - x0);
    ctx.fillStyle = rhythmColour(episode.rhythm);
    ctx.fillRect(x0, top + ratio, wide, (ROW_PX - 2) * ratio);
    const text = episode.rhythm || episode.reason;
    setFont(ctx, 11, ratio, "600");
    if (text && ctx.measureText(text).width + 8 * ratio < wide) {
      ctx.fillStyle = colour(`on-rhythm-${episode.rhythm || "none"}`, "#1f2933");
      ctx.textAlign = "left";
      ctx.fillText(text, x0 + 4 * ratio, top + 12 * ratio);
    }
  }
}

/** Draw the lanes of the part that is seen: rhythms, the probability of each rhythm, and of S and V of each beat. */
export function drawLanes() {
  if (!view.info) return;
  const rows = sources();
  const marks = view.prediction;
  const heights = { rhythm: marks?.rhythm_probability ? 60 : 0, beat: marks?.beat_probability ? 44 : 0 };
  const { ctx, ratio, width } = fit(lanes, Math.max(1, ROW_PX * rows.length + heights.rhythm + heights.beat + 8));
  const px_per_s = width / span();
  rows.forEach(([, of], row) => drawEpisodes(ctx, of, view.from_s, px_per_s, width, row * ROW_PX * ratio, ratio, 0));
  let top = (ROW_PX * rows.length + 4) * ratio;
  if (heights.rhythm) {
    drawRhythmProbabilities(ctx, marks, px_per_s, width, top, (heights.rhythm - 6) * ratio);
    caption(ctx, "probability of the rhythm", top, ratio);
    top += heights.rhythm * ratio;
  }
  if (heights.beat) {
    drawBeatProbabilities(ctx, marks, px_per_s, width, top, (heights.beat - 6) * ratio, ratio);
    caption(ctx, "probability of S and V", top, ratio);
  }
  const middle_s = view.from_s + span() / 2;
  lanes.setAttribute("aria-label", rows.length
    ? rows.map(([name, of]) => `Rhythm by ${name}: ${rhythmAt(of, middle_s) || "none"}`).join(". ")
    : "Probabilities: there is no prediction yet");
}

function caption(ctx, text, top, ratio) {
  setFont(ctx, 10, ratio);
  ctx.textAlign = "left";
  const width = ctx.measureText(text).width;
  ctx.fillStyle = colour("background");
  ctx.globalAlpha = 0.8;
  ctx.fillRect(2 * ratio, top + ratio, width + 6 * ratio, 13 * ratio);
  ctx.globalAlpha = 1;
  ctx.fillStyle = colour("ink");
  ctx.fillText(text, 5 * ratio, top + 11 * ratio);
}

function drawRhythmProbabilities(ctx, marks, px_per_s, width, top, height) {
  const { rhythms } = view.info;
  ctx.fillStyle = colour("gap");
  ctx.fillRect(0, top, width, height);
  marks.episodes.forEach((episode, at) => {
    const x0 = Math.max(0, (episode.start_s - view.from_s) * px_per_s);
    const x1 = Math.min(width, (episode.stop_s - view.from_s) * px_per_s);
    if (x1 <= x0) return;
    let base = top + height;
    rhythms.forEach((rhythm, k) => {
      const tall = height * (marks.rhythm_probability[at * rhythms.length + k] || 0);
      ctx.fillStyle = rhythmColour(rhythm);
      ctx.fillRect(x0, base - tall, x1 - x0, tall);
      base -= tall;
    });
  });
}

function drawBeatProbabilities(ctx, marks, px_per_s, width, top, height, ratio) {
  const classes = view.info.beat_classes;
  const colours = { S: colour("beat-S"), V: colour("beat-V") };
  ctx.fillStyle = colour("gap");
  ctx.fillRect(0, top + height, width, ratio);
  for (let i = firstAt(marks.time, view.from_s * 1000); i < marks.time.length; i++) {
    const x = (marks.time[i] / 1000 - view.from_s) * px_per_s;
    if (x >= width) break;
    let base = top + height;
    for (const name of ["S", "V"]) {
      const tall = (height * marks.beat_probability[i * classes.length + classes.indexOf(name)]) / 255;
      if (tall < 0.5) continue;
      ctx.fillStyle = colours[name];
      ctx.fillRect(x - 2 * ratio, base - tall, 4 * ratio, tall);
      base -= tall;
    }
  }
}

/** Write which colour is which rhythm, for the rhythms that occur. */
export function drawLegend() {
  const names = new Set(sources().flatMap(([, marks]) => marks.episodes.map((episode) => episode.rhythm)));
  const legend = document.getElementById("legend");
  const rows = sources().map(([name]) => name);
  const first = document.createElement("b");
  first.className = "unseen"; // the ribbon names its rows
  first.textContent = rows.length ? `Rows: ${rows.join(", ")}.` : "";
  legend.replaceChildren(first, ...[...names].sort().map((name) => {
    const item = document.createElement("span");
    item.style.setProperty("--swatch", rhythmColour(name));
    item.textContent = name ? `${name} ${MEANINGS[name] ?? ""}`.trim() : "no rhythm";
    return item;
  }));
}
