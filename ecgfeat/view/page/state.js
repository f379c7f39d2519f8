// What the page is doing and what went wrong: a line for each, side by side, so that none hides another.

/** @typedef {"record" | "fault" | "reading" | "prediction" | "strip" | "server"} Topic */

const box = document.getElementById("state");
/** Lines by topic, in the order in which they are shown. @type {Map<Topic, string>} */
const lines = new Map(["record", "server", "fault", "strip", "reading", "prediction"].map((topic) => [topic, ""]));

/** @param {Topic} topic @param {string} text Empty: there is nothing to say of it any more. */
export function say(topic, text) {
  if (lines.get(topic) === text) return;
  lines.set(topic, text);
  box.replaceChildren(...[...new Set(lines.values())].filter(Boolean).map((line) => {
    const item = document.createElement("p");
    item.textContent = line;
    return item;
  }));
}

/** Say nothing of any topic. */
export function sayNothing() {
  for (const topic of lines.keys()) say(topic, "");
}
