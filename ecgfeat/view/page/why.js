// What moved a number of the model: a colour behind the trace, and in words. See docs/saliency.md.

import * as api from "./api.js";
import { span, view } from "./view.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));
const SQUARE_S = 0.04; // a small square of the paper: single samples are not read by eye
const LEVELS = 8;
const MOST_ALPHA = 0.75;
/** @type {() => void} */
let draw;
let request = 0;

/** @param {() => void} drawStrip Draws the strip anew. */
export function setUpWhy(drawStrip) {
  draw = drawStrip;
  $("why-beat").addEventListener("click", () => explain("beat"));
  $("why-rhythm").addEventListener("click", () => explain("rhythm"));
}

/** Only what models of this command predicted can be explained. */
export function allowWhy() {
  if (view.info) $("whys").hidden = !api.HAS_SERVER || !view.info.has_models; // what is never possible is not offered
  for (const of of ["beat", "rhythm"]) $(`why-${of}`).disabled = !api.HAS_SERVER || !view.info?.has_models || !view.prediction;
}

/** Take the explanation away. */
export function clear() {
  request += 1;
  view.tiles = [];
  $("why").hidden = true;
  $("why-says").replaceChildren();
  draw();
}

/** Explain the selected beat, or the one nearest to the middle of the strip; or the rhythm there. @param {"beat" | "rhythm"} of */
export async function explain(of) {
  if ($(`why-${of}`).disabled) return;
  clear();
  const { id, from_s } = view;
  const mine = request;
  const selected_s = view.selected_ms === null ? NaN : view.selected_ms / 1000;
  const at_s = selected_s >= from_s && selected_s < from_s + span() ? selected_s : from_s + span() / 2;
  say(["The explanation is being made. The first one of a record takes as long as its prediction."]);
  try {
    const { explanation, lines } = await api.readWhy(id, of, at_s);
    if (request !== mine || view.id !== id) return;
    view.tiles = tilesOf(explanation);
    // The number; the share, the similarity and the caution. The parts stand behind.
    say([lines[0], ...lines.slice(-3)], lines.slice(1, -3));
    draw();
  } catch (error) {
    if (request === mine) say([error.message]);
  }
}

function say(texts, parts = []) {
  $("why").hidden = false;
  $("why-says").replaceChildren(...texts.map((text) => {
    const line = document.createElement("p");
    line.textContent = text;
    return line;
  }));
  $("why-parts").hidden = !parts.length;
  $("why-parts").querySelector("pre").textContent = parts.join("\n");
}

/** Coloured parts of the strip: of a beat per lead and small square, of a rhythm per interval over all leads. */
function tilesOf({ kind, columns, start_s, stop_s, relevance }) {
  const tiles = [];
  if (kind === "rhythm") {
    start_s.forEach((from_s, row) => tiles.push({ lead: -1, from_s, to_s: stop_s[row], value: relevance.reduce((sum, of) => sum + of[row], 0) }));
  } else {
    relevance.forEach((of, column) => {
      const sums = new Map();
      of.forEach((value, row) => {
        const square = Math.floor((start_s[row] + stop_s[row]) / 2 / SQUARE_S + 1e-6);
        sums.set(square, (sums.get(square) ?? 0) + value);
      });
      const lead = view.info.leads.indexOf(columns[column]);
      for (const [square, value] of sums) tiles.push({ lead, from_s: square * SQUARE_S, to_s: (square + 1) * SQUARE_S, value });
    });
  }
  const most = Math.max(0, ...tiles.map(({ value }) => Math.abs(value))) || 1;
  return tiles.map((tile) => ({ ...tile, name: tile.value > 0 ? "raises" : "lowers", alpha: (MOST_ALPHA * Math.round((LEVELS * Math.abs(tile.value)) / most)) / LEVELS }))
    .filter(({ alpha }) => alpha > 0);
}
