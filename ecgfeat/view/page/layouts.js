// Where each lead is drawn: all leads below each other, or the 12 leads as on paper.

const STANDARD = ["I", "II", "III", "aVR", "aVL", "aVF", "V1", "V2", "V3", "V4", "V5", "V6"];
const BY_ROW = {
  "3x4": [["I", "aVR", "V1", "V4"], ["II", "aVL", "V2", "V5"], ["III", "aVF", "V3", "V6"]],
  "6x2": ["I", "II", "III", "aVR", "aVL", "aVF"].map((name, at) => [name, `V${at + 1}`]),
  "12x1": STANDARD.map((name) => [name]),
};

/**
 * @typedef {Object} Cell
 * @property {string} name Name of the lead.
 * @property {number} lead Position of the lead in the record; -1 where the record has none of this name.
 * @property {number} row
 * @property {number} left @property {number} right Shares of the width.
 */

/**
 * @param {string} layout
 * @param {{leads: string[], standard_leads: (string | null)[]}} record Names in the file, and the standard spelling of each:
 *   by this a lead is found, since files write AVR or Lead II.
 * @param {number} share Of the width that the record fills: columns divide this, so that a short record fills them all.
 * @returns {Cell[]} Row by row; a cell shows the part of the time that it has of the width.
 */
export function cellsOf(layout, { leads, standard_leads }, share) {
  const rows = BY_ROW[layout] ?? leads.map((name) => [name]);
  const place = (name) => standard_leads.indexOf(name);
  const cells = rows.flatMap((names, row) => names.map((name, column) => ({
    name, lead: layout === "stacked" ? row : place(name), row, left: (share * column) / names.length, right: column + 1 < names.length ? (share * (column + 1)) / names.length : 1,
  })));
  if (layout === "3x4") {
    const long = Math.max(0, place("II"));
    cells.push({ name: leads[long] ?? "", lead: leads.length ? long : -1, row: 3, left: 0, right: 1 });
  }
  return cells;
}

/** @param {string} layout @param {number} num_leads @returns {number} Height of a row in millimetres. */
export function rowHeight(layout, num_leads) {
  if (layout === "12x1" || (layout === "stacked" && num_leads > 6)) return 20;
  return layout === "stacked" && num_leads <= 2 ? 40 : 25;
}
