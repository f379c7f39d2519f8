// What the page shows now. The address keeps the record, the time and the time scale.

import { spanOf } from "./scale.js";

/**
 * @typedef {Object} View
 * @property {string} id Number of the record. @property {any} info What the server says about it.
 * @property {number} from_s Start of the strip. @property {string} scale One of SCALES.
 * @property {number} gain mm/mV @property {string} layout
 * @property {any} review Marks with all corrections, or null. @property {number | null} selected_ms Beat that is selected.
 * @property {number | null} marked_s Time that was looked for and found.
 * @property {any} prediction @property {any} reference Marks, or null. @property {any} part The signal that is shown.
 * @property {any[]} tiles Coloured parts of an explanation.
 */

/** @type {View} */
export const view = {
  id: "", info: null, from_s: 0, scale: "25mm", gain: 10, layout: "stacked", prediction: null, reference: null, part: null,
  marked_s: null, review: null, selected_ms: null, tiles: [],
};

const frame = () => document.getElementById("strip-frame");

/** @returns {number} Seconds that the strip shows. */
export const span = () => spanOf(view.scale, Math.max(50, frame().clientWidth));

/** @returns {number} Length of the record. */
export const length = () => view.info?.duration_s ?? 0;

/** @param {number} at_s @returns {boolean} Whether the strip shows this time. */
export const isSeen = (at_s) => at_s >= view.from_s && at_s < view.from_s + span();

/** @param {number} from_s @returns {number} The nearest start at which the strip is within the record. */
export const clampStart = (from_s) => Math.max(0, Math.min(from_s, length() - span()));

/** @returns {{id: string, from_s: number, scale: string | null}} What the address holds. */
export function readAddress() {
  const values = new URLSearchParams(location.hash.slice(1));
  return { id: values.get("record") ?? "", from_s: Number(values.get("t")) || 0, scale: values.get("scale") };
}

/** Write record, time and scale into the address, without a new entry of the history. */
export function writeAddress() {
  const values = new URLSearchParams({ record: view.id, t: view.from_s.toFixed(3), scale: view.scale });
  const hash = `#${values}`;
  if (hash !== location.hash) history.replaceState(null, "", hash);
}
