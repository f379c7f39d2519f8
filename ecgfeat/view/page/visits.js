// Recordings of one patient: a heading in the list, and the other recordings of the patient of the open record.

import * as api from "./api.js";
import { view } from "./view.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));
let known = { id: "", subject: "", visits: [] };

/** Read which other recordings there are of the patient of the open record. */
export async function takeVisits() {
  const { id } = view;
  known = { id, subject: "", visits: [] };
  const answer = await api.readVisits(id);
  if (view.id === id) known = { id, ...answer };
}

/** Say in the list whose the recordings are, where a patient has several. @param {{id: string, subject: string}[]} records */
export function headPatients(records) {
  const rows = new Map([...$("records-list").querySelectorAll("li[data-record]")].map((row) => [row.dataset.record, row]));
  for (const head of $("records-list").querySelectorAll("li.patient")) head.remove();
  let before = "";
  for (const { id, subject } of records) {
    const row = rows.get(id);
    if (!row || row.hidden) continue;
    if (subject && subject !== before) {
      const head = document.createElement("li");
      head.className = "patient";
      head.textContent = `Patient ${subject}`;
      row.before(head);
    }
    row.classList.toggle("visit", subject !== "");
    before = subject;
  }
}

/**
 * List the other recordings of the patient of the open record.
 * @param {(id: string) => {state: string, num_corrections: number, seen_s: number} | undefined} factsOf
 * @param {(facts: any) => string} describe What is known of a recording, in words.
 * @param {(id: string) => void} open
 */
export function listVisits(factsOf, describe, open) {
  const { subject, visits } = known.id === view.id ? known : { subject: "", visits: [] };
  $("visits").hidden = !visits.length;
  $("visits-title").textContent = `Other recordings of patient ${subject}`;
  const ids = visits.map(({ id }) => id).join();
  const box = $("visits-list");
  // A row stays while the recordings are the same, so that focus stays.
  if (box.dataset.ids !== ids) box.replaceChildren(...visits.map((visit) => makeRow(visit, open)));
  box.dataset.ids = ids;
  visits.forEach(({ id, when, start }, at) => {
    const of = factsOf(id);
    const texts = [start ? start.replace("T", " ") : "no date in the file", when];
    texts.push(!of || of.state === "none" ? "not predicted yet" : describe(of));
    if (of?.state === "ready" && !of.num_corrections && !of.seen_s) texts.push("not reviewed");
    box.children[at].querySelector("span").textContent = texts.filter(Boolean).join(" · ");
  });
}

function makeRow({ id, name }, open) {
  const [item, button, facts] = [document.createElement("li"), document.createElement("button"), document.createElement("span")];
  button.type = "button";
  button.textContent = name;
  button.addEventListener("click", () => open(id));
  item.append(button, " ", facts);
  return item;
}
