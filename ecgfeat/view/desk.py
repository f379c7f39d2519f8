"""Corrections that a reviewer makes in the page, of one record; each is saved at once."""

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ecgfeat.errors import UsageError
from ecgfeat.reviews.files import ChangedError, read_log, save_review
from ecgfeat.reviews.log import Correction, active_entries
from ecgfeat.reviews.review import Review, seen_spans
from ecgfeat.view.marks import Marks

MOST_HISTORY: Final = 100
"""Entries of the log that the page lists."""

SAME_BEAT_S = 0.02
"""A time nearer to a beat names that beat."""


class Desk:
    """The review of one record.

    Parameters
    ----------
    folder : Path
        Where its log and annotations are written.
    record : str
        Name in them.
    num_samples : int
        Length of the record.
    fs_hz : float
        Its rate.
    prediction : Marks
        What is corrected.
    source : str
        Digest of the recording: the log of another one of this name is refused.

    Raises
    ------
    UsageError
        If the folder has the review of another recording of this name, or of a prediction by other models.
    DataError
        If its table is damaged.
    """

    def __init__(
        self, folder: Path, record: str, num_samples: int, fs_hz: float, prediction: Marks, source: str
    ) -> None:
        self.folder, self.fs_hz, self.prediction = folder, fs_hz, prediction
        self._about = {"source": source, "weights": prediction.made_by.get("weights", {})}
        self._lock = threading.Lock()
        log = read_log(folder, record, self._about)  # before anything that takes time: it may be refused
        beats = {"sample": self._samples(prediction.time_s), "aami": prediction.label.astype(object)}
        episodes = {
            "start_sample": self._samples(prediction.start_s),
            "stop_sample": self._samples(prediction.stop_s),
            "rhythm": np.array(prediction.rhythm, dtype=object),
        }
        self._review = Review(record, num_samples, beats, episodes, log)

    @cached_property
    def _gaps_s(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return start and stop of the gaps of the prediction, between beats without an interval.

        A gap is the time there that has no rhythm for a reason; without such, all of the time between the two beats.
        """
        time_s, rr_s = self.prediction.time_s, self.prediction.rr_s
        rows = zip(self.prediction.start_s, self.prediction.stop_s, self.prediction.reason, strict=True)
        unread = np.array([(start, stop) for start, stop, reason in rows if reason], np.float64).reshape(-1, 2)
        gaps = []
        for beat in np.flatnonzero(np.isnan(rr_s[1:])).tolist():
            before, after = time_s[beat], time_s[beat + 1]
            inside = unread[(unread[:, 0] < after) & (unread[:, 1] > before)]
            gaps.append((max(before, inside[0, 0]), min(after, inside[-1, 1])) if len(inside) else (before, after))
        starts, stops = np.array(gaps, np.float64).reshape(-1, 2).T
        return starts, stops

    def is_of(self, prediction: Marks, source: str) -> bool:
        """Return whether this is the review of a prediction: the same one, or an equal one of the same recording."""
        mine = self.prediction
        return mine is prediction or (
            self._about == {"source": source, "weights": prediction.made_by.get("weights", {})}
            and all(
                np.array_equal(getattr(mine, name), getattr(prediction, name))
                for name in ("time_s", "label", "start_s", "stop_s", "rhythm")
            )
        )

    def refresh(self) -> None:
        """Read the log anew where its table has changed: another process may have written to it.

        Raises
        ------
        UsageError, DataError
            As of the class.
        """
        with self._lock:
            self._refresh()

    def _refresh(self) -> None:
        self._review.log[:] = read_log(self.folder, self._review.record, self._about)

    def _samples(self, time_s: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.rint(time_s * self.fs_hz).astype(np.int64)

    @property
    def is_begun(self) -> bool:
        """Whether there is an entry in the log."""
        return bool(self._review.log)

    def apply(self, request: Mapping[str, Any]) -> str:
        """Make one correction, and save the review.

        Parameters
        ----------
        request : mapping
            ``action``: ``beat`` (with ``at_s`` and ``now``), ``add`` (the same, and never of a beat nearby),
            ``episode`` (``start_s``, ``stop_s``, ``now``), ``seen`` (``start_s``, ``stop_s``), ``undo`` or ``redo``;
            ``reviewer``; and ``num_entries``, the length of the log that the reviewer sees, without which only the
            log on disk is compared.

        Returns
        -------
        str
            What was done, in words.

        Raises
        ------
        ChangedError
            If the log is longer or another one, here or on disk, than what the reviewer sees. It is read anew.
        UsageError
            If it cannot be done; nothing is changed then.
        """
        actions: dict[str, Callable[[], Any]] = {
            "beat": lambda: self._review.correct_beat(self._beat_at(request["at_s"]), request["now"], reviewer),
            "add": lambda: self._add_beat(request["at_s"], request["now"], reviewer),
            "episode": lambda: self._review.correct_episode(*self._extent(request), request["now"], reviewer),
            "seen": lambda: self._review.mark_seen(*self._extent(request), reviewer),
            "undo": lambda: self._review.undo(reviewer),
            "redo": lambda: self._review.redo(reviewer),
        }
        with self._lock:
            before = tuple(self._review.log)
            if request.get("num_entries", len(before)) != len(before):
                raise ChangedError
            try:
                action, reviewer = actions[request["action"]], str(request["reviewer"])
                if not isinstance(request.get("now", ""), str):
                    raise TypeError
                entry = action()
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                if isinstance(error, UsageError):
                    raise
                raise UsageError("review", found="a request that lacks something", expected="a correction") from error
            try:
                save_review(self.folder, self._review, self.fs_hz, self._about, before=before)
            except BaseException as error:
                self._review.log.pop()  # what is not saved is not done
                if isinstance(error, ChangedError):
                    self._refresh()
                raise
        return self._in_words(entry)

    def _in_words(self, entry: Correction) -> str:
        what = {"seen": "marked as seen", "undo": "undone"}.get(
            entry.kind, f"{entry.was or 'nothing'} is now {entry.now or 'nothing'}"
        )
        return f"{entry.kind} at {entry.start_sample / self.fs_hz:.2f} s: {what}"

    def _add_beat(self, at_s: float, now: str, reviewer: str) -> Correction:
        """Add a beat exactly at a time; those nearby stay as they are."""
        sample = round(float(at_s) * self.fs_hz)
        beats, _ = self._review.beats()
        if sample in beats:
            found = f"a beat at {sample / self.fs_hz:.2f} s already"
            raise UsageError("review", found=found, expected="a time without a beat", remedy="Change its class.")
        return self._review.correct_beat(sample, now, reviewer)

    def _beat_at(self, at_s: float) -> int:
        """Return the sample of the beat at a time, or of the time where there is none."""
        sample = round(float(at_s) * self.fs_hz)
        beats, _ = self._review.beats()
        if not len(beats):
            return sample
        nearest = int(beats[np.abs(beats - sample).argmin()])
        return nearest if abs(nearest - sample) <= SAME_BEAT_S * self.fs_hz else sample

    def _extent(self, request: Mapping[str, Any]) -> tuple[int, int]:
        start, stop = (round(float(request[name]) * self.fs_hz) for name in ("start_s", "stop_s"))
        return max(0, start), min(stop, self._review.num_samples)

    def marks(self) -> Marks:
        """Return beats and episodes with all corrections that hold."""
        with self._lock:
            sample, aami = self._review.beats()
            start, stop, rhythm = self._review.episodes()
        time_s = sample / self.fs_hz
        rr_s = np.diff(time_s, prepend=np.nan)
        if len(time_s):  # an interval across a gap is none
            begins_before = np.searchsorted(self._gaps_s[0], time_s[1:])
            ends_before = np.searchsorted(self._gaps_s[1], time_s[:-1], side="right")
            rr_s[1:][begins_before > ends_before] = np.nan
        return Marks(
            time_s=time_s,
            rr_s=rr_s,
            label=aami.astype("<U1"),
            start_s=start / self.fs_hz,
            stop_s=stop / self.fs_hz,
            rhythm=[str(name) for name in rhythm],
            reason=[""] * len(start),
        )

    def describe(self) -> dict[str, Any]:
        """Return what the page says about the review.

        Returns
        -------
        dict
            In JSON types: length of the log, number of corrections, seen time, which beats they are of, and the last
            entries of the log, undone ones too, the newest first.
        """
        with self._lock:
            active = active_entries(self._review.log)
            return {
                "num_entries": len(self._review.log),
                "num_corrections": sum(entry.kind != "seen" for entry in active),
                "seen": [[start / self.fs_hz, stop / self.fs_hz] for start, stop in seen_spans(self._review.log)],
                "corrected_ms": sorted(
                    {round(1000 * entry.start_sample / self.fs_hz) for entry in active if entry.kind == "beat"}
                ),
                "history": [
                    {"made_at": entry.made_at, "reviewer": entry.reviewer, "what": self._in_words(entry)}
                    for entry in self._review.log[: -MOST_HISTORY - 1 : -1]
                ],
            }
