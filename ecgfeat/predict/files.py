"""What ``ecgfeat predict`` writes of a record, as columns, annotations and a summary: beats and episodes.

References
----------
WFDB annotation codes and rhythm notes, https://wfdb.io/mit_wfdb/spec/annot.html.
"""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ecgfeat.predict.episodes import NO_SIGNAL, NOISE, UNNAMED, main_rhythm
from ecgfeat.records.formats import encode_annotations
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.store.columns import Column, TableSchema
from ecgfeat.store.schemas import BEAT_CLASSES, COMMON_FS_HZ, RHYTHMS
from ecgfeat.store.tables import Columns

EXTENSION = "ecg"
"""Of the annotation file; none of our corpora uses it for its reference."""

SYMBOL_OF_CLASS = {"N": "N", "S": "A", "V": "V", "": "Q"}
"""WFDB beat code written for each AAMI class; Q: a beat of none of them."""

RHYTHM_NOTES = {name: f"({'N' if name == 'NSR' else name}" for name in RHYTHMS} | {"": "("}
"""Note of a rhythm mark, spelt as in the LTAFDB; ``(`` alone ends a rhythm without naming another."""

RECORD_BEATS = TableSchema(
    "record_beats",
    2,
    {
        "record": Column(pa.string(), "", "record name"),
        "beat": Column(pa.int32(), "", "0-based number of the beat in its record"),
        "sample": Column(pa.int64(), "samples", "detected R-peak at the record's own rate"),
        "time_s": Column(pa.float64(), "s", "the same position in seconds from the start of the record"),
        "rr_s": Column(
            pa.float64(),
            "s",
            "interval to the R-peak before in the same usable stretch, detected at 128 Hz; NaN for the first",
        ),
        "aami": Column(pa.string(), "", "predicted AAMI class: N S V"),
        **{f"p_{name}": Column(pa.float32(), "1", f"probability of {name}") for name in BEAT_CLASSES},
        "rhythm": Column(pa.string(), "", "predicted rhythm at the beat; null where there is none"),
    },
)
RECORD_EPISODES = TableSchema(
    "record_episodes",
    5,
    {
        "record": Column(pa.string(), "", "record name"),
        "start_sample": Column(pa.int64(), "samples", "first sample of the episode at the record's own rate"),
        "stop_sample": Column(pa.int64(), "samples", "first sample after the episode"),
        "start_s": Column(pa.float64(), "s", "start in seconds from the start of the record"),
        "stop_s": Column(pa.float64(), "s", "stop in seconds from the start of the record"),
        "rhythm": Column(pa.string(), "", "predicted rhythm; null where there is none"),
        "certainty": Column(pa.float32(), "1", "probability that it is this rhythm; NaN where there is none"),
        "reason": Column(
            pa.string(),
            "",
            "why there is no rhythm: noise (with usable signal of less than 10 s), no signal, no R-peak, a pause of "
            "3 s or more between two R-peaks, or not classified (no rhythm is certain enough, or the usable stretch "
            "has fewer than 5 beats); else empty",
        ),
        "evidence": Column(
            pa.string(),
            "",
            "what in RR intervals, P waves, width and classes of the beats speaks for the rhythm, and after "
            "`against it:` what against it. Regular RR intervals in AFIB: atrial flutter, no rhythm of the six, is "
            "possible. A published system reads no P wave and no width. Empty where there is no rhythm",
        ),
        "num_beats": Column(pa.int64(), "beats", "R-peaks in the episode"),
        **{
            f"p_{name}": Column(
                pa.float32(),
                "1",
                f"probability of {name}, mean over its beats, or segments of a window head; NaN without usable signal",
            )
            for name in RHYTHMS
        },
    },
)


def annotation_rows(beats: Columns, episodes: Columns) -> tuple[Any, list[str], list[str]]:
    """Merge beats and rhythm marks into the rows of an annotation file.

    Parameters
    ----------
    beats, episodes : dict of str to array
        Columns of `RECORD_BEATS` and `RECORD_EPISODES`.

    Returns
    -------
    sample : ndarray of int64, shape (n,)
        Ascending; a rhythm mark comes before the beat on its sample.
    symbol, note : list of str, length n
        ``N A V Q`` with an empty note, or ``+`` with a rhythm note such as ``(AFIB``.
    """
    sample = np.concatenate([episodes["start_sample"], beats["sample"]]).astype(np.int64)
    symbol = ["+"] * len(episodes["rhythm"]) + [SYMBOL_OF_CLASS[name] for name in beats["aami"]]
    note = [RHYTHM_NOTES[name] for name in episodes["rhythm"]] + [""] * len(beats["aami"])
    order = np.argsort(sample, kind="stable")
    return sample[order], [symbol[i] for i in order], [note[i] for i in order]


def summarise_prediction(record: str, beats: Columns, episodes: Columns, duration_s: float) -> str:
    """Summarise the prediction of a record in three lines, and one for its main rhythm if it has any.

    Parameters
    ----------
    record : str
        Name.
    beats, episodes : dict of str to array
        Columns of `RECORD_BEATS` and `RECORD_EPISODES`.
    duration_s : float
        Length of the record.

    Returns
    -------
    str
        Usable hours and beats per class; minutes per rhythm, and without one by reason; AF burden, the share of AFIB in
        the time with a rhythm. Then the main rhythm, that of most time: its share of the time with a rhythm, its
        certainty, and the evidence of its longest episode. See `ecgfeat.predict.episodes.main_rhythm`.
    """
    beat_class = beats["aami"]
    counts = ", ".join(f"{int((beat_class == name).sum()):,} {name}" for name in BEAT_CLASSES)
    length_s = episodes["stop_s"] - episodes["start_s"]
    name_of = np.where(episodes["rhythm"] != "", episodes["rhythm"], episodes["reason"])
    of_rhythm = {name: float(length_s[name_of == name].sum()) for name in (*RHYTHMS, *UNNAMED)}
    minutes = ", ".join(f"{name} {total_s / 60:.1f}" for name, total_s in of_rhythm.items() if total_s)
    named_s = sum(of_rhythm[name] for name in RHYTHMS)
    usable_s = duration_s - of_rhythm[NOISE] - of_rhythm[NO_SIGNAL]
    unit, unit_s = ("h", 3600) if duration_s >= 3600 else ("min", 60)
    usable = f"{usable_s / unit_s:.1f} of {duration_s / unit_s:.1f} {unit}"
    burden = f"{100 * of_rhythm['AFIB'] / named_s:.1f} % of the time with a rhythm" if named_s else "unknown"
    lines = (
        f"{record}: usable {usable}, {len(beat_class):,} beats: {counts}\n"
        f"{record}: minutes: {minutes} ({len(length_s):,} episode{'s' * (len(length_s) != 1)})\n"
        f"{record}: AF burden {burden}"
    )
    if not named_s:
        return lines
    main, certainty = main_rhythm(episodes["rhythm"], length_s, episodes["certainty"], episodes["num_beats"])
    rows = np.flatnonzero(episodes["rhythm"] == main)
    share = f"{100 * of_rhythm[main] / named_s:.0f} % of the time with a rhythm"
    which = "its longest episode: " if len(rows) > 1 else ""
    evidence = episodes["evidence"][rows[length_s[rows].argmax()]]
    return f"{lines}\n{record}: {main} {share}, certainty {certainty:.2f}; {which}{evidence}"


def write_prediction_annotations(
    folder: Path,
    records: Sequence[RhythmRecord],
    headers: Mapping[tuple[str, str], Mapping[str, Any]],
    rhythms: Columns,
    beats: Columns,
    *,
    view: str,
    note: str,
) -> None:
    """Write ``<folder>/<corpus>/<record>.ecg`` for each record.

    Parameters
    ----------
    folder : Path
        Where to.
    records : sequence of RhythmRecord
        The test records, or their usable stretches in order.
    headers : mapping of (str, str) to mapping
        By corpus and record: ``fs_hz`` and ``num_samples`` of the raw record.
    rhythms, beats : dict of str to array
        Columns of ``rhythm_predictions`` and ``beat_predictions``. The rhythms are those of the timeline head under
        the protocol timeline; without that protocol, files hold beats alone. The beats are those with predicted
        history; a record without any, because it has no signal, gets the reference classes of its R-peaks.
    view : str
        View of the rhythms.
    note : str
        Comment near the first sample of each file: the oracles of the predictions.
    """
    is_written = (rhythms["head"] == "timeline") & (rhythms["protocol"] == "timeline") & (rhythms["view"] == view)
    is_written &= rhythms["num_beats"] > 0
    rhythm_of = _by_record(rhythms, is_written, rhythms["predicted"][is_written])
    at_rpeak = (beats["history"] == "predicted") & np.isfinite(beats["p_N"])
    probability_NK = np.stack([beats[f"p_{name}"][at_rpeak] for name in BEAT_CLASSES], axis=1)
    beat_of = _by_record(beats, at_rpeak, np.array(BEAT_CLASSES)[probability_NK.argmax(axis=1)])
    for key, group in itertools.groupby(records, key=lambda record: (record.corpus, record.record)):
        stretches = list(group)
        path = folder / key[0] / f"{key[1]}.{EXTENSION}"
        path.parent.mkdir(parents=True, exist_ok=True)
        label = np.concatenate([record.label for record in stretches])
        path.write_bytes(
            encode_record(
                np.concatenate([record.start + record.sample for record in stretches]),
                beat_of.get(key, np.array([*BEAT_CLASSES, ""])[label]),
                rhythm_of.get(key),
                note,
                spans=[(record.start, record.start + record.num_samples) for record in stretches],
                fs_hz=float(headers[key]["fs_hz"]),
                num_samples=int(headers[key]["num_samples"]),
            )
        )


def _by_record(table: Columns, rows: NDArray[np.bool_], values: NDArray[Any]) -> dict[tuple[str, str], NDArray[Any]]:
    """Divide the values of selected rows among their records."""
    if not len(values):
        return {}
    corpus, record = table["corpus"][rows], table["record"][rows]
    first = np.flatnonzero(np.append(True, (corpus[1:] != corpus[:-1]) | (record[1:] != record[:-1])))
    keys = [(str(corpus[row]), str(record[row])) for row in first]
    assert len(set(keys)) == len(keys), "rows of a record are neighbours"
    return dict(zip(keys, np.split(values, first[1:]), strict=True))


def encode_record(
    rpeaks: NDArray[np.int64],
    beat: NDArray[Any],
    rhythm: NDArray[Any] | None,
    note: str = "",
    *,
    spans: Sequence[tuple[int, int]],
    fs_hz: float,
    num_samples: int,
) -> bytes:
    """Encode the beats and rhythms of a record at its own rate.

    Parameters
    ----------
    rpeaks : ndarray of int64, (L,)
        R-peaks at the common rate, ascending.
    beat : ndarray of str, (L,)
        Class of each, N S V; empty: of none of them, written as Q.
    rhythm : ndarray of str, (L,), or None
        Rhythm of each; None: beats only.
    note : str
        Comment near the first sample; empty: none.
    spans : sequence of (int, int)
        Usable stretches at the common rate; every R-peak lies in one.
    fs_hz : float
        Rate of the raw record.
    num_samples : int
        Its length.

    Returns
    -------
    bytes
        A WFDB annotation file: ``N A V Q``, and a ``+`` with a note such as ``(AFIB`` where the rhythm changes. The
        first rhythm of a stretch begins with it, each other one at its first R-peak; between stretches there is none.
    """
    assert len(rpeaks) == len(beat), "one class per R-peak"

    def to_own_rate(position: Any) -> NDArray[np.int64]:
        own = np.rint(np.asarray(position, dtype=np.int64) * (fs_hz / COMMON_FS_HZ)).astype(np.int64)
        return np.minimum(own, num_samples - 1)

    sample = to_own_rate(rpeaks)
    marks: list[tuple[int, str]] = []
    if rhythm is not None and len(rhythm):
        assert len(rhythm) == len(rpeaks), "one rhythm per R-peak"
        for (start, stop), follower in zip(spans, [*(span[0] for span in spans[1:]), None], strict=True):
            low, high = np.searchsorted(rpeaks, [start, stop]).tolist()
            changes = low + np.flatnonzero(rhythm[low:high][1:] != rhythm[low:high][:-1]) + 1
            marks.append((int(to_own_rate(start)), str(rhythm[low])))
            marks += [(int(sample[beat]), str(rhythm[beat])) for beat in changes]
            end = round(stop * (fs_hz / COMMON_FS_HZ))
            if stop != follower and end < num_samples:
                marks.append((end, ""))
    marks_of = {
        "start_sample": np.array([at for at, _ in marks], dtype=np.int64),
        "rhythm": np.array([name for _, name in marks], dtype=object),
    }
    position, symbol, aux = annotation_rows({"sample": sample, "aami": beat}, marks_of)
    if note:
        # Some readers take a comment on sample 0 for the header of the file.
        at = int(np.searchsorted(position, 1))
        position = np.insert(position, at, min(1, num_samples - 1))
        symbol, aux = [*symbol[:at], '"', *symbol[at:]], [*aux[:at], note, *aux[at:]]
    return encode_annotations(position, symbol, aux, fs_hz)
