// Files that were dropped on the page: they take room on the disk until they are removed.

import * as api from "./api.js";

const $ = (id) => /** @type {any} */ (document.getElementById(id));

/** List them, each with a way to remove it. @param {() => Promise<void>} onRemoved */
export async function listDrops(onRemoved) {
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
        await listDrops(onRemoved);
        $("files").focus();
        await onRemoved();
      } catch (error) { $("files-says").textContent = error.message; }
    });
    item.append(`${text} (${(num_bytes / 1e6).toFixed(1)} MB) `, button);
    return item;
  }));
}
