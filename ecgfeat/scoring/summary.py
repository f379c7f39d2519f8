"""Every number of ``reports/scores.json``, computed from the prediction tables and from nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ecgfeat.scoring.beat_summary import summarise_beats
from ecgfeat.scoring.plain import plain_numbers
from ecgfeat.scoring.pooling import score_beat_table, score_rhythm_table
from ecgfeat.scoring.rhythm_summary import summarise_rhythm
from ecgfeat.scoring.rpeak_summary import summarise_rpeaks
from ecgfeat.scoring.tables import Table, is_empty

ORACLES = ("rpeaks", "history", "episodes")


def summarise(
    *,
    rpeaks: Table | None,
    beats: Table | Path | None,
    rhythm: Table | Path | None,
    oracles: Mapping[str, bool],
    fs_hz: float,
    seed: int,
    num_resamples: int,
    detector: str | None = None,
) -> dict[str, Any]:
    """Compute the content of ``reports/scores.json``.

    Parameters
    ----------
    rpeaks, beats, rhythm : pyarrow.Table or mapping, optional
        Prediction tables; a missing or empty one leaves its section empty. Beats and rhythm may be the Parquet files of
        the pipeline, at the common rate: they are read in parts, as a day of each of many records does not fit into
        memory.
    oracles : mapping of str to bool
        Which of `ORACLES` were on.
    fs_hz : float
        Rate the samples of the tables are counted in.
    seed : int
        Seed of the bootstrap over subjects.
    num_resamples : int
        Resamples of the bootstrap.
    detector : str, optional
        The R-peak detector that the pipeline uses.

    Returns
    -------
    dict
        ``beats, oracles, rhythm, rpeaks``: plain numbers, keys sorted, floats rounded to 6 digits, undefined ones None.

    Raises
    ------
    ValueError
        If `oracles` does not name exactly the three switches.
    """
    if sorted(oracles) != sorted(ORACLES):
        raise ValueError(f"oracles: {sorted(oracles)}; expected {sorted(ORACLES)}")
    draws: dict[str, Any] = {"num_resamples": num_resamples, "seed": seed}

    def of_beats() -> dict[str, dict[str, Any]]:
        if isinstance(beats, Path):
            return score_beat_table(beats, **draws)
        return {} if is_empty(beats) else summarise_beats(beats, fs_hz=fs_hz, **draws)

    def of_rhythm() -> dict[str, dict[str, Any]]:
        if isinstance(rhythm, Path):
            return score_rhythm_table(rhythm, **draws)
        return {} if is_empty(rhythm) else summarise_rhythm(rhythm, fs_hz=fs_hz, **draws)

    summary = {
        "rpeaks": {} if is_empty(rpeaks) else summarise_rpeaks(rpeaks, detector=detector, **draws),
        "beats": of_beats(),
        "rhythm": of_rhythm(),
        "oracles": {name: bool(on) for name, on in oracles.items()},
    }
    plain: dict[str, Any] = plain_numbers(summary)
    return plain
