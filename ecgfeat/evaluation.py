"""Compute the numbers of ``reports/metrics.json`` again from the prediction tables, and from nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgfeat.artifacts import table_header
from ecgfeat.errors import DataError, UsageError, fault
from ecgfeat.schemas import BEAT_PREDICTIONS, COMMON_FS_HZ, RHYTHM_PREDICTIONS, RPEAK_SCORES
from ecgfeat.scoring.summary import ORACLES, summarise
from ecgfeat.store import Columns, read_table

TABLES = {"rpeaks": RPEAK_SCORES, "beats": BEAT_PREDICTIONS, "rhythm": RHYTHM_PREDICTIONS}


def score_predictions(
    folder: Path, *, oracles: Mapping[str, bool | None], num_resamples: int, seed: int
) -> dict[str, Any]:
    """Score a folder of predictions.

    Parameters
    ----------
    folder : Path
        With ``rpeaks.parquet``, ``beats.parquet``, ``rhythm.parquet``, or some of them.
    oracles : mapping of str to bool or None
        Whether R-peaks, history and episodes came from the reference. None: as the tables themselves say.
    num_resamples, seed : int
        Of the bootstrap over subjects.

    Returns
    -------
    dict
        As `ecgfeat.scoring.summary.summarise` has it.

    Raises
    ------
    DataError
        If there is no table, or one is damaged.
    UsageError
        If an oracle is neither given nor recorded.
    """
    paths = {name: folder / f"{name}.parquet" for name in TABLES}
    present = {name: path for name, path in paths.items() if path.is_file()}
    if not present:
        expected = ", ".join(path.name for path in paths.values())
        raise DataError(fault(str(folder), "no table of predictions", expected, "Run: dvc repro evaluate"))
    tables: dict[str, Columns | None] = dict.fromkeys(TABLES)
    tables |= {name: read_table(path, TABLES[name]) for name, path in present.items()}
    recorded = recorded_oracles(present, tables["rpeaks"])
    known = {name: recorded[name] if oracles.get(name) is None else bool(oracles[name]) for name in ORACLES}
    unknown = [name for name, value in known.items() if value is None]
    if unknown:
        found = f"no record of oracles: {', '.join(unknown)}"
        flags = ", ".join(f"--oracle-{name} or --no-oracle-{name}" for name in unknown)
        raise UsageError(fault(str(folder), found, flags, "Say which were on."))
    rpeaks = tables["rpeaks"]
    return summarise(
        rpeaks=rpeaks,
        beats=tables["beats"],
        rhythm=tables["rhythm"],
        oracles={name: bool(value) for name, value in known.items()},
        fs_hz=COMMON_FS_HZ,
        seed=seed,
        detector=str(rpeaks["detector"][0]) if rpeaks is not None and len(rpeaks["detector"]) else None,
        num_resamples=num_resamples,
    )


def recorded_oracles(paths: Mapping[str, Path], rpeaks: Columns | None) -> dict[str, bool | None]:
    """Read from the tables which oracles were on.

    Parameters
    ----------
    paths : mapping of str to Path
        The tables that are there.
    rpeaks : dict of str to array or None
        The table of R-peak counts; its ``detector`` says whether R-peaks were annotated.

    Returns
    -------
    dict of str to bool or None
        By name; None where nothing tells.
    """
    found: dict[str, bool | None] = dict.fromkeys(ORACLES)
    if rpeaks is not None and len(rpeaks["detector"]):
        found["rpeaks"] = "annotated" in set(rpeaks["detector"])
    for path in paths.values():
        params = table_header(path).get("params", {})
        training, evaluation = params.get("train_rhythm", {}), params.get("evaluate", {})
        if {"features", "history"} <= set(training):
            found["history"] = training["features"] == "annotations" or training["history"] == "oracle"
        if "protocols" in evaluation:
            found["episodes"] = "episode" in evaluation["protocols"]
    return found


def as_table(scores: Mapping[str, Any]) -> str:
    """Lay the main numbers out for reading.

    Parameters
    ----------
    scores : mapping
        What `score_predictions` returned.

    Returns
    -------
    str
        A line per corpus and detector, history, or head, protocol and view.
    """
    rows = [("", "scores")]
    for corpus, of_corpus in scores["rpeaks"].items():
        rows.append((f"rpeaks {corpus}", _numbers(of_corpus, ("sensitivity", "positive_predictivity", "f1"))))
    for corpus, of_corpus in scores["beats"].items():
        for history, one in of_corpus.items():
            rows.append((f"beats {corpus} {history}", _numbers(one, ("n_f1", "s_f1", "v_f1"))))
    for corpus, of_corpus in scores["rhythm"].items():
        for head, of_head in of_corpus.items():
            for protocol, views in of_head.items():
                for view, one in views.items():
                    numbers = _numbers(one, ("macro_f1", "accuracy", "balanced_accuracy"))
                    rows.append((f"rhythm {corpus} {head} {protocol} {view}", numbers))
    rows.append(("oracles", ", ".join(name for name, on in scores["oracles"].items() if on) or "none"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows[1:])


def _numbers(scores: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return "  ".join(f"{name} {'-' if scores.get(name) is None else format(scores[name], '.4f')}" for name in names)
