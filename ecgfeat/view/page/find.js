// Find the next AF onset, V beat, run, pause, uncertain episode, or disagreement with the reference.

import { clock } from "./scale.js";
import { isSeen, span, view } from "./view.js";

/** Kinds of events: their name on the server, and on the page. */
export const KINDS = [
  ["af_onset", "onset of AFIB"], ["pvc", "V beat (PVC)"], ["run", "run of 3 or more S or V"], ["pause", "pause over 2 s"],
  ["uncertain", "least certain episode"], ["disagreement", "disagreement with the reference"],
];

/** What was found last. */
let last = { kind: "", at: -1, id: "", at_s: NaN };

/**
 * The search goes on from what was found last, as long as the strip shows it; else it begins at the left edge of the strip,
 * backwards at its right edge, so that nothing that is to be seen is left out.
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
  const is_here = last.kind === kind && last.id === view.id && isSeen(last.at_s);
  let at;
  // They are in order of certainty, not of time.
  if (kind === "uncertain") at = is_here ? last.at + direction : 0;
  else if (direction > 0) {
    at = times.findIndex((time) => (is_here ? time > last.at_s : time >= view.from_s));
    if (at < 0) at = times.length;
  } else at = times.findLastIndex((time) => time < (is_here ? last.at_s : view.from_s + span()));
  if (at < 0 || at >= times.length) return `There is no ${direction > 0 ? "later" : "earlier"} one: ${name}.`;
  goTo(times[at]);
  last = { kind, at, id: view.id, at_s: times[at] };
  return `${name}: ${at + 1} of ${times.length}, at ${clock(times[at], 1)}`;
}
