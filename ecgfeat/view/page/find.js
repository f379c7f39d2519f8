// Find the next AF onset, V beat, run, pause, uncertain episode, or disagreement with the reference.

import { clock } from "./scale.js";
import { span, view } from "./view.js";

/** Kinds of events: their name on the server, and on the page. */
export const KINDS = [
  ["af_onset", "onset of AFIB"], ["pvc", "V beat (PVC)"], ["run", "run of 3 or more S or V"], ["pause", "pause over 2 s"],
  ["uncertain", "least certain episode"], ["disagreement", "disagreement with the reference"],
];

let last = { kind: "", at: -1, id: "", from_s: NaN };

/**
 * @param {string} kind @param {number} direction 1 or -1 @param {(at_s: number) => void} goTo Shows a time in the middle.
 * @returns {string} What was found, in words.
 */
export function findNext(kind, direction, goTo) {
  const name = KINDS.find(([key]) => key === kind)[1];
  const marks = view.prediction ?? view.reference;
  if (!marks) return "Beats are not known yet.";
  const times = marks.events[kind];
  if (!times.length) return kind === "disagreement" && !(view.prediction && view.reference)
    ? "A disagreement needs a prediction and a reference." : `There is none: ${name}.`;
  const is_here = last.kind === kind && last.id === view.id && last.from_s === view.from_s;
  let at;
  if (is_here) at = last.at + direction;
  else if (kind === "uncertain") at = 0; // they are in order of certainty, not of time
  else {
    const now = view.from_s + span() / 2;
    at = direction > 0 ? times.findIndex((time) => time > now) : times.findLastIndex((time) => time < now);
    if (at < 0) at = direction > 0 ? times.length : -1;
  }
  if (at < 0 || at >= times.length) return `There is no ${direction > 0 ? "later" : "earlier"} one: ${name}.`;
  goTo(times[at]);
  last = { kind, at, id: view.id, from_s: view.from_s };
  return `${name}: ${at + 1} of ${times.length}, at ${clock(times[at], 1)}`;
}
