// Two handles on the strip. Time and voltage come from the scale of the strip, not from the screen.

import { colour, fit } from "./canvas.js";
import { whileHeld } from "./pointer.js";
import * as strip from "./strip.js";
import { view } from "./view.js";

const frame = document.getElementById("strip-frame");
const overlay = /** @type {HTMLCanvasElement} */ (document.getElementById("overlay"));
const handles = [document.getElementById("handle-a"), document.getElementById("handle-b")];
const button = document.getElementById("calipers");
const march_button = document.getElementById("march");
const snap = /** @type {HTMLInputElement} */ (document.getElementById("snap"));
const reading = document.getElementById("reading");
const SNAP_PX = 9;

let is_on = false;
let marches = false;
let index = 0; // cell of the strip
/** @type {{at_s: number, mv: number}[]} */
let points = [];

/** @returns {boolean} Whether the calipers are on. */
export const isOn = () => is_on;

/** @returns {number[] | null} Times of the handles in seconds; null where the calipers are off. */
export const times = () => (is_on ? points.map(({ at_s }) => at_s) : null);

/** @param {number} at 0 for A, 1 for B. @returns {boolean} Whether the handle lies in what the strip shows of its lead. */
export function isInStrip(at) {
  const cell = strip.cells()[index];
  return is_on && Boolean(cell) && points.length === 2 && points[at].at_s >= cell.from_s && points[at].at_s <= cell.to_s;
}

/** Show or hide the calipers. They start around the middle of the first lead that is there. */
export function toggle(on = !is_on) {
  is_on = on;
  button.setAttribute("aria-pressed", String(is_on));
  frame.classList.toggle("measuring", is_on);
  if (is_on) {
    index = Math.max(0, strip.cells().findIndex((cell) => cell.lead >= 0));
    const cell = strip.cells()[index];
    if (cell) {
      const span_s = cell.to_s - cell.from_s;
      points = [0.4, 0.6].map((share) => settle(cell, { at_s: cell.from_s + share * span_s, mv: cell.centre_mv }));
    }
  }
  draw();
}

/** Repeat the interval over the strip, or no longer. */
export function toggleMarch() {
  if (!is_on) toggle(true);
  marches = !marches;
  march_button.setAttribute("aria-pressed", String(marches));
  draw();
}

/** Move a point to the R-peak and onto the trace, where that is wanted. */
function settle(cell, point) {
  if (!snap.checked) return point;
  const within_s = (SNAP_PX * (window.devicePixelRatio || 1)) / cell.px_per_s;
  const at_s = strip.rpeakNear(cell, point.at_s, within_s) ?? point.at_s;
  return { at_s, mv: strip.traceAt(cell.lead, at_s, point.mv) ?? point.mv };
}

/** Hide a handle. If it has the focus, that goes to the button of the calipers: the place on the page is not lost. */
function hide(at) {
  if (document.activeElement === handles[at]) button.focus({ preventScroll: true });
  handles[at].hidden = true;
}

/** Draw handles, lines and the reading. */
export function draw() {
  const { ctx, ratio, width, height } = fit(overlay);
  const cell = strip.cells()[index];
  const is_shown = is_on && cell && points.length === 2;
  if (!is_shown) { handles.forEach((_, at) => hide(at)); reading.textContent = ""; return; }
  ctx.fillStyle = colour("accent");
  const line = Math.max(1, Math.round(ratio));
  points.forEach((point, at) => {
    const { x, y } = strip.pointOf(cell, point.at_s, point.mv);
    const is_inside = x >= cell.x0 / ratio - 1 && x <= cell.x1 / ratio + 1;
    if (is_inside) handles[at].hidden = false; else hide(at);
    handles[at].style.left = `${x}px`;
    handles[at].style.top = `${Math.max(13, Math.min(y + (at ? 22 : -22), height / ratio - 13))}px`;
    if (!is_inside) return;
    ctx.fillRect(Math.round(x * ratio), 0, line, height);
    ctx.fillRect(Math.round((x - 12) * ratio), Math.round(y * ratio), 24 * ratio, line);
  });
  const step_s = Math.abs(points[1].at_s - points[0].at_s);
  if (marches && step_s * cell.px_per_s > 3 * ratio) {
    ctx.globalAlpha = 0.55;
    const first = Math.ceil((cell.from_s - points[0].at_s) / step_s);
    for (let k = first; points[0].at_s + k * step_s < cell.to_s; k++) {
      ctx.fillRect(Math.round(strip.pointOf(cell, points[0].at_s + k * step_s, 0).x * ratio), 0, line, height);
    }
    ctx.globalAlpha = 1;
  }
  reading.textContent = describe(cell);
  points.forEach((point, at) => handles[at].setAttribute("aria-label",
    `Caliper ${"AB"[at]}, ${cell.name}, ${point.at_s.toFixed(3)} s. ${reading.textContent}`));
}

function describe(cell) {
  const ms = Math.round(Math.abs(points[1].at_s - points[0].at_s) * 1000);
  const rate = ms > 0 ? `${+(60000 / ms).toFixed(ms > 600 ? 1 : 0)} per min` : "– per min";
  const is_known = view.info.is_calibrated[cell.lead];
  const mv = is_known ? `${Math.abs(points[1].mv - points[0].mv).toFixed(2)} mV` : "no mV: the file has no gain for this lead";
  return `${cell.name}: ${ms} ms · ${rate} · ${mv}`;
}

function place(at, x, y) {
  const found = strip.locate(x, y, index);
  if (found) points[at] = settle(found.cell, { at_s: found.at_s, mv: found.mv });
  draw();
}

const within = (event) => {
  const box = frame.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

/** Start a measurement where the pointer goes down; drag to its end. @param {PointerEvent} event */
export function startMeasuring(event) {
  const found = strip.locate(...within(event));
  if (!found || found.cell.lead < 0) return;
  index = found.index;
  const point = settle(found.cell, { at_s: found.at_s, mv: found.mv });
  points = [point, { ...point }];
  drag(1);
  draw();
}

/** @param {number} at Handle that follows the pointer. @param {number[]} [shift] From the handle to the pointer. */
function drag(at, shift = [0, 0]) {
  whileHeld((moved) => {
    const [x, y] = within(moved);
    place(at, x - shift[0], y - shift[1]);
  });
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

handles.forEach((handle, at) => {
  handle.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    event.stopPropagation();
    handle.focus();
    const cell = strip.cells()[index];
    const at_px = strip.pointOf(cell, points[at].at_s, points[at].mv);
    const [x, y] = within(event);
    drag(at, [x - at_px.x, y - at_px.y]);
  });
  handle.addEventListener("keydown", (event) => {
    const arrow = ARROWS[event.key];
    if (!arrow) return;
    event.preventDefault();
    event.stopPropagation();
    const cell = strip.cells()[index];
    const times = event.shiftKey ? 10 : 1;
    const point = { ...points[at] };
    // At least a sample, and at least a pixel; 10 microvolts.
    point.at_s += times * arrow[0] * Math.max(1 / view.info.fs_hz, 1 / cell.px_per_s);
    point.at_s = Math.max(cell.from_s, Math.min(point.at_s, cell.to_s));
    point.mv += times * arrow[1] * 0.01;
    if (snap.checked && arrow[0]) point.mv = strip.traceAt(cell.lead, point.at_s, point.mv) ?? point.mv;
    points[at] = point;
    draw();
  });
});
