// Save the open record and its prediction as a file.

import * as api from "./api.js";
import { view } from "./view.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));
const KINDS = ["pdf", "html"];

export function setUpExports() {
  for (const kind of KINDS) $(`save-${kind}`).addEventListener("click", () => save(kind));
}

/** Files are made of a prediction, by the server. */
export function allowExports() {
  // What this page can never do is not offered.
  if (view.info) $("exports").hidden = !api.HAS_SERVER || !view.info.has_models;
  for (const kind of KINDS) $(`save-${kind}`).disabled = !api.HAS_SERVER || !view.info?.has_models || !view.prediction;
}

/** @param {"pdf" | "html"} kind Save the record and its prediction as a file. */
async function save(kind) {
  const { id } = view;
  $("export-says").textContent = "The file is being made.";
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await api.makeFile(id, kind));
    link.download = `record-${id}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
    $("export-says").textContent = `Saved: ${link.download}.`;
  } catch (error) {
    $("export-says").textContent = error.message;
  }
}
