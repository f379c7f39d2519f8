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

/** What is to be said of a record that is not read whole, in words. A fault may have ended the reading, or not. */
export function describeReading({ read_share, faults, is_done }) {
  if (read_share >= 1) return "";
  const share = `${Math.floor(100 * read_share)} %`;
  if (is_done) return `Only ${share} of the record could be read.`;
  return faults.length ? `Read so far: ${share}.` : `Reading: ${share}.`;
}

/** What is to be said of a prediction that is not there, in words. */
export function describePrediction({ prediction, reference, num_beats, message }) {
  if (prediction === "none" && reference === "none") return "Beats and rhythms are not known: there is neither a prediction nor a reference.";
  if (prediction === "failed") return `No prediction: ${message}`;
  if (prediction === "waiting") return "The prediction has not begun yet.";
  if (prediction !== "running") return "";
  return num_beats ? `Predicting: ${num_beats} beats are classified.` : "Predicting beats and rhythms.";
}
