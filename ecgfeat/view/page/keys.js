// The keys of the page: one table, for what they do and for the help.

// A key that is held down repeats: it moves on, and makes one correction only.
const IS_CORRECTION = /^review: (?!select)/;

/** @typedef {{keys: string[], text: string, run: () => void}} Key */

/** @param {Key[]} table */
export function listenToKeys(table) {
  const body = document.querySelector("#help-dialog tbody");
  body.replaceChildren(...table.map(({ keys, text }) => {
    const row = document.createElement("tr");
    const [first, second] = [document.createElement("td"), document.createElement("td")];
    keys.forEach((key, at) => {
      if (at) first.append(" or ");
      const kbd = document.createElement("kbd");
      kbd.textContent = key.replace("Arrow", "");
      first.append(kbd);
    });
    second.textContent = text;
    row.append(first, second);
    return row;
  }));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    // In a list or a field, keys are those of the browser.
    if (target.matches("select, input:not([type=checkbox]), textarea")) return;
    const key = table.find(({ keys }) => keys.includes(event.key));
    if (!key) return;
    event.preventDefault();
    if (!event.repeat || !IS_CORRECTION.test(key.text)) key.run();
  });
}
