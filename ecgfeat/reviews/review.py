"""A review in progress: a prediction that stays as it is, and the corrections that a reviewer makes of it.

Shape suffixes: L beats, E episodes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import UsageError
from ecgfeat.reviews.log import Correction, Kind, active_entries, check_name, check_reviewer, now_utc
from ecgfeat.store.tables import Columns

NOTHING = "no rhythm"
"""In ``was`` of an episode: time without a rhythm."""


class Review:
    """The corrections of one record.

    Parameters
    ----------
    record : str
        Its name.
    num_samples : int
        Its length at its own rate.
    beats, episodes : dict of str to array
        Of the prediction: ``sample`` and ``aami``; ``start_sample``, ``stop_sample`` and ``rhythm``.
    log : sequence of Correction
        What was done before, in order.
    """

    def __init__(
        self, record: str, num_samples: int, beats: Columns, episodes: Columns, log: Sequence[Correction] = ()
    ) -> None:
        self.record, self.num_samples = record, num_samples
        self._beats, self._episodes = beats, episodes
        self.log = list(log)

    def correct_beat(self, sample: int, now: str, reviewer: str) -> Correction:
        """Change the class of a beat, add one, or remove one.

        Parameters
        ----------
        sample : int
            Its R-peak, at the record's own rate.
        now : str
            N, S, V, F or Q; empty: there is no beat.
        reviewer : str
            Who says so.

        Returns
        -------
        Correction
            The new entry of the log.

        Raises
        ------
        UsageError
            If nothing would change, or a name is unknown, or the sample is outside of the record.
        """
        sample_L, aami_L = self.beats()
        at = int(np.searchsorted(sample_L, sample))
        was = str(aami_L[at]) if at < len(sample_L) and sample_L[at] == sample else ""
        return self._add("beat", sample, sample + 1, was, now, reviewer)

    def correct_episode(self, start_sample: int, stop_sample: int, now: str, reviewer: str) -> Correction:
        """Name the rhythm of a time. Parameters, result and errors are like those of `correct_beat`."""
        start_E, stop_E, rhythm_E = self.episodes()
        names = [str(name) or NOTHING for name in rhythm_E[(start_E < stop_sample) & (stop_E > start_sample)]]
        was = ", ".join(dict.fromkeys(names))
        return self._add("episode", start_sample, stop_sample, "" if was == NOTHING else was, now, reviewer)

    def mark_seen(self, start_sample: int, stop_sample: int, reviewer: str) -> Correction:
        """Say that what is left of the prediction in a time is right. Scores count such time alone."""
        return self._add("seen", start_sample, stop_sample, "", "", reviewer)

    def undo(self, reviewer: str) -> Correction:
        """Take back the last entry that holds.

        Raises
        ------
        UsageError
            If there is none.
        """
        active = active_entries(self.log)
        if not active:
            raise UsageError(self.record, found="no correction to undo", expected="at least one")
        last = active[-1]
        return self._append("undo", last.start_sample, last.stop_sample, last.now, last.was, reviewer, last.number)

    def redo(self, reviewer: str) -> Correction:
        """Take back the last undo, if nothing was corrected after it.

        Raises
        ------
        UsageError
            If the last entry is no undo.
        """
        undone = {entry.undoes for entry in self.log if entry.kind == "undo"}
        for entry in reversed(self.log):
            if entry.kind != "undo":
                break
            is_redo = self.log[entry.undoes].kind == "undo"
            if not is_redo and entry.number not in undone:
                return self._append(
                    "undo", entry.start_sample, entry.stop_sample, entry.now, entry.was, reviewer, entry.number
                )
        raise UsageError(self.record, found="no undo to take back", expected="an undo as the last entry")

    def beats(self) -> tuple[NDArray[np.int64], NDArray[Any]]:
        """Return the beats as they are after the corrections.

        Returns
        -------
        sample : ndarray of int64, (L,)
            Ascending.
        aami : ndarray of str, (L,)
            Their classes.
        """
        class_of = dict(zip(self._beats["sample"].tolist(), self._beats["aami"].tolist(), strict=True))
        for entry in active_entries(self.log):
            if entry.kind == "beat":
                class_of[entry.start_sample] = entry.now
        kept = sorted(sample for sample, aami in class_of.items() if aami)
        return np.array(kept, dtype=np.int64), np.array([class_of[sample] for sample in kept], dtype=object)

    def episodes(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
        """Return the episodes as they are after the corrections.

        Returns
        -------
        start_sample, stop_sample : ndarray of int64, (E,)
            They cover the record without a gap; neighbours differ in rhythm.
        rhythm : ndarray of str, (E,)
            Empty where there is none.
        """
        entries = [entry for entry in active_entries(self.log) if entry.kind == "episode"]
        predicted = self._episodes
        edges = [0, self.num_samples, *predicted["start_sample"].tolist(), *predicted["stop_sample"].tolist()]
        edges += [sample for entry in entries for sample in (entry.start_sample, entry.stop_sample)]
        edge_E = np.unique(np.clip(np.array(edges, dtype=np.int64), 0, self.num_samples))
        rhythm_E = np.full(len(edge_E) - 1, "", dtype=object)

        def paint(start: int, stop: int, rhythm: str) -> None:
            rhythm_E[slice(*np.searchsorted(edge_E, (start, stop)).tolist())] = rhythm

        rows = (predicted["start_sample"], predicted["stop_sample"], predicted["rhythm"])
        for start, stop, rhythm in zip(*rows, strict=True):
            paint(int(start), int(stop), rhythm or "")
        for entry in entries:
            paint(entry.start_sample, entry.stop_sample, entry.now)
        first = np.flatnonzero(np.append(True, rhythm_E[1:] != rhythm_E[:-1]))
        return edge_E[first], np.append(edge_E[first[1:]], edge_E[-1]), rhythm_E[first]

    def _add(self, kind: Kind, start: int, stop: int, was: str, now: str, reviewer: str) -> Correction:
        check_name(kind, now)
        if not 0 <= start < stop <= self.num_samples:
            found, expected = f"samples {start} to {stop}", f"a time within 0 to {self.num_samples}"
            raise UsageError(self.record, found=found, expected=expected)
        if kind != "seen" and was == now:
            raise UsageError(self.record, found=f"{now or 'nothing'} already", expected="a correction")
        return self._append(kind, start, stop, was, now, reviewer)

    def _append(
        self, kind: Kind, start: int, stop: int, was: str, now: str, reviewer: str, undoes: int = -1
    ) -> Correction:
        entry = Correction(
            len(self.log), kind, int(start), int(stop), was, now, check_reviewer(reviewer), now_utc(), undoes
        )
        self.log.append(entry)
        return entry


def seen_spans(log: Sequence[Correction]) -> list[tuple[int, int]]:
    """Return the time that was looked at, as half-open spans of samples, apart and in order.

    A corrected episode was looked at as a whole; a corrected beat says nothing of its neighbours.
    """
    spans = sorted(
        (entry.start_sample, entry.stop_sample) for entry in active_entries(log) if entry.kind in ("seen", "episode")
    )
    joined: list[tuple[int, int]] = []
    for start, stop in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(stop, joined[-1][1]))
        else:
            joined.append((start, stop))
    return joined
