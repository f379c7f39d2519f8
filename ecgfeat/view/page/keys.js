// The keys of the page: one table, for what they do and for the help.

/**
 * @typedef {Object} Key
 * @property {string[]} keys
 * @property {string} [text] For the help; without it another key stands for this one there.
 * @property {() => void} run
 * @property {boolean} [is_correction] A key that is held down repeats: it moves on, and makes one correction only.
 */

/** @param {[string, Key[]][]} groups Keys by the title of their group. */
export function listenToKeys(groups) {
  document.getElementById("help-keys").replaceChildren(...groups.map(([title, keys]) => {
    const [section, heading, table] = [document.createElement("section"), document.createElement("h3"), document.createElement("table")];
    heading.textContent = title;
    table.append(document.createElement("tbody"));
    table.tBodies[0].append(...keys.filter(({ text }) => text).map(describe));
    section.append(heading, table);
    return section;
  }));
  const all = groups.flatMap(([, keys]) => keys);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const target = /** @type {HTMLElement} */ (event.target);
    // In a list or a field, keys are those of the browser.
    if (target.matches("select, input:not([type=checkbox], [type=file]), textarea")) return;
    const key = all.find(({ keys }) => keys.includes(event.key));
    if (!key) return;
    event.preventDefault();
    if (!event.repeat || !key.is_correction) key.run();
  });
}

/** @param {Key} key @returns {HTMLTableRowElement} */
function describe({ keys, text }) {
  const row = document.createElement("tr");
  const [first, second] = [document.createElement("td"), document.createElement("td")];
  keys.forEach((key, at) => {
    if (at) first.append(" or ");
    const kbd = document.createElement("kbd");
    kbd.textContent = NAMES[key] ?? key;
    first.append(kbd);
  });
  second.textContent = text;
  row.append(first, second);
  return row;
}

const NAMES = { ArrowLeft: "←", ArrowRight: "→", PageDown: "Page Down", PageUp: "Page Up" };
