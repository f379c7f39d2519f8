// Files that are dropped on the page, or chosen there: they are sent, and take room on the disk until they are removed.

import * as api from "./api.js";
import { readRecords } from "./records.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));
/** @type {{open: (id: string) => Promise<void>, onRemoved: () => Promise<void>}} */
let page;

/** @param {typeof page} of How a record is opened, and what goes on when recordings were removed. */
export function setUpDrops(of) {
  page = of;
  $("files-open").hidden = !api.HAS_SERVER;
  $("files").addEventListener("change", () => takeFiles($("files").files));
  document.addEventListener("dragover", (event) => { event.preventDefault(); document.body.classList.add("dropping"); });
  document.addEventListener("dragleave", () => document.body.classList.remove("dropping"));
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    document.body.classList.remove("dropping");
    if (api.HAS_SERVER) takeFiles(event.dataTransfer.files);
  });
}

/** Send files, and open the first of their recordings. @param {FileList} list */
async function takeFiles(list) {
  const files = [...list];
  if (!files.length) return;
  try {
    const { ids, note } = await api.sendFiles(files, (share) => { $("files-says").textContent = `Sending: ${Math.floor(100 * share)} %.`; });
    $("files-says").textContent = note ? `${note}.` : "";
    await listDrops();
    await readRecords();
    await page.open(ids[0]);
  } catch (error) {
    $("files-says").textContent = error.message;
  }
  $("files").value = "";
}

/** List them, each with a way to remove it. */
export async function listDrops() {
  const drops = await api.listDrops();
  $("drops").replaceChildren(...drops.map(({ drop, names, num_bytes }) => {
    const [item, button] = [document.createElement("li"), document.createElement("button")];
    const text = names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
    button.type = "button";
    button.textContent = "Remove";
    button.setAttribute("aria-label", `Remove ${text}`);
    button.addEventListener("click", async () => {
      try {
        await api.removeDrop(drop);
        await listDrops();
        $("files").focus();
        await page.onRemoved();
      } catch (error) { $("files-says").textContent = error.message; }
    });
    item.append(`${text} (${(num_bytes / 1e6).toFixed(1)} MB) `, button);
    return item;
  }));
}
