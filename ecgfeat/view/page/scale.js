// Seconds, millimetres and pixels. A CSS pixel is 1/96 inch until the screen is measured by a card.

import { keep, kept } from "./kept.js";

const CARD_MM = 85.6;
const KEY = "ecgfeat.px_per_mm";
const DEFAULT_PX_PER_MM = 96 / 25.4;

/** Time scales of the page: a paper speed in mm/s, or the seconds that the strip shows. */
export const SCALES = [
  ["50mm", "50 mm/s"], ["25mm", "25 mm/s"], ["2", "2 s"], ["5", "5 s"], ["10", "10 s"], ["30", "30 s"], ["60", "1 min"],
  ["300", "5 min"], ["1800", "30 min"], ["7200", "2 h"], ["86400", "24 h"],
];

/** Time between fine and bold lines of the grid, in seconds. */
const TIME_STEPS = [[0.02, 0.1], [0.04, 0.2], [0.2, 1], [1, 5], [5, 30], [30, 120], [60, 300], [300, 1800], [1800, 7200]];
/** Seconds between times that are written. */
export const LABEL_STEPS = [0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400];
const LEAST_LINE_PX = 3;
export const LEAST_LABEL_PX = 64;

/** CSS pixels beside the whole record: its ribbon and its heart rate stand below each other. */
export const DAY_LEFT_PX = 64;
export const DAY_RIGHT_PX = 48;

/** @returns {number | null} CSS pixels of a millimetre, measured by a card; null where no card was held against the screen. */
function measuredPxPerMm() {
  const px_per_mm = Number(kept(KEY));
  return px_per_mm > 0.5 && px_per_mm < 50 ? px_per_mm : null;
}

/** @returns {number} CSS pixels of a millimetre on this screen. */
export const pxPerMm = () => measuredPxPerMm() ?? DEFAULT_PX_PER_MM;

/** @returns {number} CSS pixels of the width of a card. */
export const cardWidth = () => pxPerMm() * CARD_MM;

/** @param {number | null} card_px Width of a card in CSS pixels; null: that of a usual screen. */
export function keepCardWidth(card_px) {
  keep(KEY, card_px === null ? null : String(card_px / CARD_MM));
}

/** @param {string} scale One of SCALES. @param {number} width_px @returns {number} Seconds that the strip shows. */
export function spanOf(scale, width_px) {
  return scale.endsWith("mm") ? width_px / pxPerMm() / parseFloat(scale) : Number(scale);
}

/** @param {number} px_per_s @param {string} scale @returns {[number, number]} Seconds between fine and bold lines. */
export function timeSteps(px_per_s, scale) {
  // A line each millimetre at 50 mm/s; else 40 ms, as at 25 mm/s.
  return TIME_STEPS.find(([fine]) => fine * px_per_s >= LEAST_LINE_PX && (fine !== 0.02 || scale === "50mm"))
    ?? TIME_STEPS[TIME_STEPS.length - 1];
}

/** @param {number} px_per_s @returns {number} Seconds between the times that are written. */
export const labelStep = (px_per_s) => LABEL_STEPS.find((step) => step * px_per_s >= LEAST_LABEL_PX) ?? 28800;

/** @param {number} at_s @param {number} [digits] @returns {string} h:mm:ss, with decimals if there are digits. */
export function clock(at_s, digits = 0) {
  const unit = 10 ** digits;
  const total = Math.round(Math.max(0, at_s) * unit);
  const [seconds, rest] = [Math.floor(total / unit), total % unit];
  const two = (value) => String(value).padStart(2, "0");
  const whole = `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
  return digits ? `${whole}.${String(rest).padStart(digits, "0")}` : whole;
}

/** @param {number} seconds @returns {string} Such as 40 ms, 0.2 s, 5 min. */
export function duration(seconds) {
  if (seconds < 0.1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${+seconds.toFixed(2)} s`;
  return seconds < 3600 ? `${+(seconds / 60).toFixed(1)} min` : `${+(seconds / 3600).toFixed(1)} h`;
}

/**
 * What the grid means, in words.
 * @param {number} px_per_s CSS pixels. @param {number} gain mm/mV @param {string} scale
 */
export function describeGrid(px_per_s, gain, scale) {
  const [fine, bold] = timeSteps(px_per_s, scale);
  const speed = px_per_s / pxPerMm();
  const mm_per_s = speed >= 1 ? speed.toFixed(1) : speed.toPrecision(2);
  return `${mm_per_s} mm/s · ${gain} mm/mV · small square ${duration(fine)} × ${+(1 / gain).toFixed(3)} mV, `
    + `large square ${duration(bold)} × ${+(5 / gain).toFixed(3)} mV`
    + (measuredPxPerMm() ? " · size of the screen measured by a card" : " · size of the screen not measured");
}
