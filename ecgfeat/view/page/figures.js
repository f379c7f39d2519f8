// The numbers and the notes of a record.

import { clock } from "./scale.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));

/**
 * Write the numbers of the whole record; each time in them is a button that goes there.
 * @param {{label: string, text: string, times_s: number[]}[]} figures @param {(at_s: number) => void} goTo
 */
export function writeFigures(figures, goTo) {
  $("figures").hidden = figures.length === 0;
  $("figures").querySelector("tbody").replaceChildren(...figures.map(({ label, text, times_s }) => {
    const [row, head, cell] = [document.createElement("tr"), document.createElement("th"), document.createElement("td")];
    head.scope = "row";
    head.textContent = label;
    cell.append(text, ...times_s.map((at_s) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = `go to ${clock(at_s)}`;
      button.addEventListener("click", () => goTo(at_s));
      return button;
    }));
    row.append(head, cell);
    return row;
  }));
}

/** Write what is to be known about a record, each note once. @param {string[]} notes */
export function writeNotes(notes) {
  $("notes").replaceChildren(...[...new Set(notes)].map((note) => {
    const item = document.createElement("li");
    item.textContent = note;
    return item;
  }));
}
