// Heart rate of the whole record by uPlot: mean, range, ectopic beats, pauses.

import { colour } from "./canvas.js";
import { clock, DAY_LEFT_PX, DAY_RIGHT_PX, LABEL_STEPS, LEAST_LABEL_PX } from "./scale.js";
import { length, view } from "./view.js";

const box = document.getElementById("trend");
const LABEL_PX = 16;
let plot = null;
let shown = null;

/** @param {(at_s: number) => void} goTo Called with the time of a click. */
export function drawTrend(goTo) {
  const marks = view.prediction ?? view.reference;
  if (!marks || !marks.rate_bpm.some((value) => value > 0)) {
    plot?.destroy();
    plot = shown = null;
    const is_coming = ["waiting", "running", "ready"].includes(view.info?.prediction);
    const text = marks ? "There is no heart rate: no beats." : is_coming ? "The heart rate is shown here once beats are predicted." : "";
    box.textContent = text;
    box.hidden = !text;
    box.classList.toggle("brief", !is_coming || Boolean(marks)); // else the strip would move down when it comes
    box.setAttribute("aria-label", text || "Heart rate");
    return;
  }
  if (!plot) box.textContent = "";
  box.hidden = false;
  box.classList.remove("brief");
  const width = box.clientWidth;
  if (plot && shown === marks) { plot.setSize({ width, height: 150 }); return; }
  plot?.destroy();
  shown = marks;
  const numbers = (array) => Array.from(array, (value) => (Number.isNaN(value) ? null : value));
  // A bar of both, and the part of the V beats drawn over it.
  const both = Array.from(marks.num_s, (count, i) => count + marks.num_v[i] || null);
  const ventricular = Array.from(marks.num_v, (count) => count || null);
  const data = [marks.middle_s, marks.highest_bpm, marks.lowest_bpm, marks.rate_bpm].map(numbers).concat([both, ventricular]);
  const bars = { scale: "ectopic", width: 0, paths: window.uPlot.paths.bars({ size: [1, Infinity, 1] }), points: { show: false } };
  const axis = { stroke: () => colour("muted"), grid: { stroke: () => colour("line"), width: 0.5 }, ticks: { show: false } };
  plot = new window.uPlot({
    width, height: 150, cursor: { y: false, points: { show: false } }, legend: { show: false },
    scales: { x: { time: false, range: () => [0, length()] }, ectopic: { range: (_, __, most) => [0, Math.max(4, most * 3)] } },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map((at_s) => clock(at_s)), incrs: LABEL_STEPS.filter((step) => step >= 1), space: LEAST_LABEL_PX, size: 28 },
      { ...axis, label: "beats per min", labelSize: LABEL_PX, size: DAY_LEFT_PX - LABEL_PX, space: 24 },
      { ...axis, scale: "ectopic", side: 1, label: "S and V beats", labelSize: LABEL_PX, size: DAY_RIGHT_PX - LABEL_PX, space: 24,
        incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000], grid: { show: false } },
    ],
    series: [
      {}, { stroke: "transparent", points: { show: false } }, { stroke: "transparent", points: { show: false } },
      { stroke: () => colour("accent"), width: 1.5, points: { show: false } },
      { ...bars, fill: () => colour("beat-S") }, { ...bars, fill: () => colour("beat-V") },
    ],
    bands: [{ series: [1, 2], fill: () => colour("band") }],
    hooks: { draw: [drawPauses] },
  }, data, box);
  plot.over.addEventListener("click", () => goTo(plot.posToVal(plot.cursor.left, "x")));
  const rates = data[3].filter((value) => value !== null);
  const mean = rates.reduce((sum, value) => sum + value, 0) / rates.length;
  box.setAttribute("aria-label",
    `Heart rate: mean ${Math.round(mean)}, ${Math.round(Math.min(...rates))} to ${Math.round(Math.max(...rates))} beats per minute. `
      + `V beats: ${marks.events.pvc.length}, pauses over 2 s: ${marks.events.pause.length}.`);
}

/** A triangle at the top for each pause. */
function drawPauses(u) {
  const ratio = window.devicePixelRatio || 1;
  u.ctx.fillStyle = colour("ink");
  for (const at_s of (shown?.events.pause ?? []).slice(0, 2000)) {
    const x = u.valToPos(at_s, "x", true);
    u.ctx.beginPath();
    u.ctx.moveTo(x - 4 * ratio, u.bbox.top);
    u.ctx.lineTo(x + 4 * ratio, u.bbox.top);
    u.ctx.lineTo(x, u.bbox.top + 7 * ratio);
    u.ctx.fill();
  }
}
