"""Stage evaluate_systems: test records -> the rhythms that every system on signal predicts."""

import sys
from collections.abc import Sequence

from ecgfeat.arena.checkpoint import load_system, read_description
from ecgfeat.arena.chronos import OutOfReachError
from ecgfeat.arena.rhythm_task import predict_rhythms
from ecgfeat.arena.signal_table import Band
from ecgfeat.device import choose_device
from ecgfeat.rhythm.records import RhythmRecord
from ecgfeat.rhythm.row_parts import tabulate_rhythms
from ecgfeat.rhythm.rows import HeadOutput
from ecgfeat.store.publish import publish
from ecgfeat.store.schemas import RHYTHM_PREDICTIONS, RHYTHMS
from ecgfeat.store.seal import write_report
from ecgfeat.store.tables import Columns, write_table
from pipeline.params import Params, read_params
from pipeline.read import paths
from pipeline.read.signals import read_rhythm_split, read_signal_records
from pipeline.run.stage import progress_bar, run_stage


def main() -> str:
    """Predict the test records, under the protocols, segments and views of stage evaluate."""
    params = read_params()
    names = [name for name in params.models if "left_out" not in read_description(paths.system(name))]
    records = read_rhythm_split("test", params)
    columns, left_out = predict_systems(names, records, params)
    made_by = {name: getattr(params, name).model_dump() for name in ("rpeaks", "rhythm", "evaluate")}
    # No system reads labels, whatever the heads on beats were given.
    made_by["rhythm"] |= {"history": "none", "features": "embeddings"}
    with publish(paths.SYSTEM_PREDICTIONS) as folder:
        write_table(folder / "rhythm.parquet", columns, RHYTHM_PREDICTIONS, made_by)
        write_report(folder / "left_out.json", "left_out", left_out)
    return f"{len(names) - len(left_out)} systems, {len(records)} test records; rows: {len(columns['record'])}"


def predict_systems(
    names: Sequence[str], records: Sequence[RhythmRecord], params: Params
) -> tuple[Columns, dict[str, str]]:
    """Return the rows of all systems, and the reason of each that is left out: its encoder may be gone by now."""
    heads: list[HeadOutput] = []
    left_out: dict[str, str] = {}
    device = choose_device(params.runtime.device, params.runtime.threads)
    window_samples, protocols = params.train_window.window_samples, params.evaluate.protocols
    for name in names if records else ():
        try:
            system, described = load_system(paths.system(name), device)
        except OutOfReachError as error:
            print(error, file=sys.stderr)
            left_out[name] = error.reason
            continue
        with progress_bar(desc=f"evaluate_systems {name}", unit="segment") as progress:
            head = predict_rhythms(
                name,
                system,
                read_signal_records(records, Band.of(described["settings"])),
                prior_K=described["info"]["prior"],
                classes=RHYTHMS,
                protocols=protocols,
                window_samples=window_samples,
                num_views=params.evaluate.views,
                batch=params.evaluate_systems.batch,
                device=device,
                on_segments=progress.update,
            )
        heads.append(head)
    return tabulate_rhythms(heads, records, protocols, window_samples=window_samples), left_out


if __name__ == "__main__":
    sys.exit(run_stage("evaluate_systems", main))
