"""Stage evaluate_systems: test records -> what every system that reads signal says of their rhythms."""

import json
import sys
from collections.abc import Sequence

import numpy as np

from ecgfeat.arena.checkpoint import load_system, read_description
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.rhythm_task import predict_rhythms
from ecgfeat.device import choose_device
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.rows import head_rows
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHM_PREDICTIONS, RHYTHMS
from ecgfeat.store.tables import Columns, stack_columns, write_table
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.read.rhythms import read_rhythm_records
from pipeline.read.signals import keep_with_signal, read_signal_records
from pipeline.run.stage import progress_bar, run_stage


def main() -> str:
    """Predict the test records, under the protocols, windows and views of stage evaluate."""
    params = read_params()
    names = [name for name in params.models if "left_out" not in read_description(paths.system(name))]
    records = keep_with_signal(read_rhythm_records(params.corpora, "test", params, with_embeddings=False), "test")
    columns, left_out = _predict_rhythms(names, records, params)
    made_by = {name: getattr(params, name).model_dump() for name in ("rpeaks", "rhythm", "evaluate")}
    # No system is told of labels: whatever the heads on beats were told, here nothing was.
    made_by["rhythm"] |= {"history": "none", "features": "embeddings"}
    with publish(paths.SYSTEM_PREDICTIONS) as folder:
        write_table(folder / "rhythm.parquet", columns, RHYTHM_PREDICTIONS, made_by)
        (folder / "left_out.json").write_text(json.dumps(left_out, indent=1) + "\n")
    return f"{len(names) - len(left_out)} systems, {len(records)} test records; rows: {len(columns['record'])}"


def _predict_rhythms(
    names: Sequence[str], records: Sequence[RhythmRecord], params: Params
) -> tuple[Columns, dict[str, str]]:
    """Let each system name the rhythms of the test records: no rows where there is none of either.

    Besides the rows, say which system could not be asked, and why: its encoder may have gone out of reach since.
    """
    nothing: Columns = {name: np.array([], dtype=object) for name in RHYTHM_PREDICTIONS.columns}
    left_out: dict[str, str] = {}
    if not names or not records:
        return nothing, left_out
    device = choose_device(params.runtime.device, params.runtime.threads)
    window_samples = params.train_window.window_samples
    rhythm_E = np.concatenate([one.episodes.rhythm for one in records])
    parts: list[Columns] = []
    for name in names:
        try:
            system, described = load_system(paths.system(name), device)
        except OutOfReachError as error:
            print(error, file=sys.stderr)
            left_out[name] = error.reason
            continue
        seen = read_signal_records(records, getattr(params, name))
        with progress_bar(desc=f"evaluate_systems {name}", unit="window") as progress:
            head = predict_rhythms(
                name,
                system,
                seen,
                prior_K=described["info"]["prior"],
                classes=RHYTHMS,
                protocols=params.evaluate.protocols,
                window_samples=window_samples,
                num_views=params.evaluate.views,
                batch=params.evaluate_systems.batch,
                device=device,
                on_windows=progress.update,
            )
        for protocol in params.evaluate.protocols:
            rows = head_rows(head, protocol, seen.beats, seen.episodes, rhythm_E, window_samples=window_samples)
            parts.append(rows | {"head": np.full(len(rows["record_index"]), name)})
    if not parts:
        return nothing, left_out
    columns = stack_columns(parts, list(parts[0]))
    index = columns.pop("record_index")
    for name in ("corpus", "subject", "record"):
        columns[name] = np.array([getattr(one, name) for one in records])[index]
    return columns, left_out


if __name__ == "__main__":
    sys.exit(run_stage("evaluate_systems", main))
