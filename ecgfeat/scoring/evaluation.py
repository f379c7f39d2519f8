"""Compute the numbers of ``reports/scores.json`` again from the prediction tables, and from nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgfeat.errors import DataError, UsageError
from ecgfeat.scoring.rhythm import NAMED_SCORES
from ecgfeat.scoring.summary import ORACLES, summarise
from ecgfeat.scoring.tables import read_if_small
from ecgfeat.store.schemas import BEAT_PREDICTIONS, COMMON_FS_HZ, RHYTHM_PREDICTIONS, RPEAK_SCORES
from ecgfeat.store.tables import Columns, read_table, table_header

SCORED_TABLES = {"rpeaks": RPEAK_SCORES, "beats": BEAT_PREDICTIONS, "rhythm": RHYTHM_PREDICTIONS}

EPISODE_PROTOCOL = "episode"
"""The protocol in which the model is given where episodes begin and end."""


def score_predictions(
    path: Path, *, oracles: Mapping[str, bool | None], num_resamples: int, seed: int
) -> dict[str, Any]:
    """Score the predictions of a folder, or of one table.

    Parameters
    ----------
    path : Path
        Folder with one or more of ``rpeaks.parquet``, ``beats.parquet``, ``rhythm.parquet``; or one such table of any
        file name, recognised by its schema.
    oracles : mapping of str to bool or None
        Whether R-peaks, history and episodes came from the reference. None: as recorded in the tables.
    num_resamples, seed : int
        Of the bootstrap over subjects.

    Returns
    -------
    dict
        As `ecgfeat.scoring.summary.summarise` returns it, and ``oracles_by_protocol``: only in protocol ``episode``
        the model is given where episodes begin and end.

    Raises
    ------
    DataError
        If there is no table, or one is damaged.
    UsageError
        If an oracle is neither given nor recorded.
    """
    present = find_tables(path)
    tables: dict[str, Columns | Path | None] = dict.fromkeys(SCORED_TABLES)
    tables |= {name: read_if_small(file, SCORED_TABLES[name]) for name, file in present.items()}
    rpeaks = read_table(present["rpeaks"], SCORED_TABLES["rpeaks"]) if "rpeaks" in present else None
    recorded = recorded_oracles(present, rpeaks)
    switches = {name: recorded[name] if oracles.get(name) is None else bool(oracles[name]) for name in ORACLES}
    unknown = [name for name, value in switches.items() if value is None]
    if unknown:
        found = f"no record of oracles: {', '.join(unknown)}"
        flags = ", ".join(f"--oracle-{name} or --no-oracle-{name}" for name in unknown)
        raise UsageError(str(path), found=found, expected=flags, remedy="Add the options that apply.")
    scores = summarise(
        rpeaks=rpeaks,
        beats=tables["beats"],
        rhythm=tables["rhythm"],
        oracles={name: bool(value) for name, value in switches.items()},
        fs_hz=COMMON_FS_HZ,
        seed=seed,
        detector=str(rpeaks["detector"][0]) if rpeaks is not None and len(rpeaks["detector"]) else None,
        num_resamples=num_resamples,
    )
    protocols = {name for heads in scores["rhythm"].values() for of_head in heads.values() for name in of_head}
    scores["oracles_by_protocol"] = {
        name: scores["oracles"] | {"episodes": name == EPISODE_PROTOCOL} for name in sorted(protocols)
    }
    return scores


def find_tables(path: Path) -> dict[str, Path]:
    """Find the tables of predictions at a path.

    Parameters
    ----------
    path : Path
        Folder, or one Parquet file of any name.

    Returns
    -------
    dict of str to Path
        By ``rpeaks``, ``beats``, ``rhythm``: at least one of them.

    Raises
    ------
    DataError
        If there is none.
    """
    if path.is_file():
        schema = table_header(path).get("schema")
        present = {name: path for name, table in SCORED_TABLES.items() if table.name == schema}
        expected = ", ".join(table.name for table in SCORED_TABLES.values())
    else:
        present = {name: path / f"{name}.parquet" for name in SCORED_TABLES if (path / f"{name}.parquet").is_file()}
        expected = ", ".join(f"{name}.parquet" for name in SCORED_TABLES)
    if not present:
        raise DataError(str(path), found="no table of predictions", expected=expected, remedy="Run: dvc repro evaluate")
    return present


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
        By name; None if it is not recorded.

    Notes
    -----
    * Params are those of the whole run: ``episodes`` is on if the run has the protocol ``episode``.
    """
    oracles: dict[str, bool | None] = dict.fromkeys(ORACLES)
    for path in paths.values():
        params = table_header(path).get("params", {})
        if "method" in params.get("rpeaks", {}):
            oracles["rpeaks"] = params["rpeaks"]["method"] == "annotated"
        head = params.get("rhythm", {})
        if {"features", "history"} <= set(head):
            oracles["history"] = head["features"] == "annotations" or head["history"] == "oracle"
        if "protocols" in params.get("evaluate", {}):
            oracles["episodes"] = EPISODE_PROTOCOL in params["evaluate"]["protocols"]
    if rpeaks is not None and len(rpeaks["detector"]):
        oracles["rpeaks"] = "annotated" in set(rpeaks["detector"])
    return oracles


def as_table(scores: Mapping[str, Any]) -> str:
    """Write the main numbers as lines of text.

    Parameters
    ----------
    scores : mapping
        Result of `score_predictions`.

    Returns
    -------
    str
        A line for each corpus and detector, history, or head, protocol and view. Further lines for beats after the
        first five minutes and for rhythms by the second.
    """
    rows: list[tuple[str, str]] = []
    for corpus, of_corpus in scores["rpeaks"].items():
        rows.append((f"rpeaks {corpus}", _numbers(of_corpus, ("sensitivity", "positive_predictivity", "f1"))))
        if "usable_h" in of_corpus:
            rows.append((f"usable {corpus}", f"{of_corpus['usable_h']:.2f} of {of_corpus['duration_h']:.2f} h"))
    for corpus, of_corpus in scores["beats"].items():
        for history, of_history in of_corpus.items():
            rows.append((f"beats {corpus} {history}", _numbers(of_history, ("n_f1", "s_f1", "v_f1"))))
            if "after_5min" in of_history:
                numbers = _numbers(of_history["after_5min"], ("n_f1", "s_f1", "v_f1"))
                rows.append((f"beats {corpus} {history} after 5 min", numbers))
    for corpus, of_corpus in scores["rhythm"].items():
        for head, of_head in of_corpus.items():
            for protocol, views in of_head.items():
                for view, of_view in views.items():
                    name, keys = f"rhythm {corpus} {head} {protocol} {view}", NAMED_SCORES
                    rows.append((name, _numbers(of_view, keys)))
                    if "per_second" in of_view:
                        rows.append((f"{name} per second", _numbers(of_view["per_second"], keys)))
    rows.append(("oracles", ", ".join(name for name, on in scores["oracles"].items() if on) or "none"))
    width = max(len(name) for name, _ in rows)
    return "\n".join(f"{name:<{width}}  {text}" for name, text in rows)


def _numbers(scores: Mapping[str, Any], names: tuple[str, ...]) -> str:
    return "  ".join(f"{name} {'-' if scores.get(name) is None else format(scores[name], '.4f')}" for name in names)
