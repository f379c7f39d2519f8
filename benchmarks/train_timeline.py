"""Time the training of the timeline head on annotations of LTAFDB against the code before the work on speed.

Run it with ``python -m benchmarks.train_timeline``; ``ECGFEAT_MIRROR`` names the folder with ``ltafdb``. It does a
tenth of an epoch of the preset ``ltafdb-annotations``: 640 chunks, one validation record of a day. Both ways draw the
same chunks. Dropout is drawn by another generator now, so weights, loss and scores differ by chance: of the seeds 42,
43 and 44, two epochs each, the earlier code had the larger macro F1 once.
"""

import os
from pathlib import Path

from benchmarks.pairs import ROOT, Pairs, earlier_code, run_probe

PROBE = """
import contextlib, json, sys, time
from pathlib import Path
with contextlib.suppress(ImportError):  # as the stage does; the earlier one did not
    from ecgfeat.process import prepare_process
    prepare_process()
import numpy as np
import torch
from ecgfeat.acquire.rhythm_records import describe_record
from ecgfeat.corpora import get_corpus
from ecgfeat.models import build_model
from ecgfeat.records.annotations import Episodes
from ecgfeat.rhythm.features import one_hot_labels, timeline_features, timeline_layout
from ecgfeat.rhythm.records import RhythmData, RhythmRecord, stack_records
from ecgfeat.rhythm.timeline_training import TimelineSettings, train_timeline

def read(name):
    entry = describe_record(get_corpus("ltafdb"), Path(sys.argv[1]), name, split="train", signals="none",
                            aami="dechazal", before_first="nsr", min_episode_samples=16)
    beats, episodes, sample = entry.beats, entry.episodes, np.asarray(entry.beats["sample"], dtype=np.int64)
    aami = np.asarray(beats["aami"]).astype(str)
    label = np.select([aami == "N", aami == "S", aami == "V"], [0, 1, 2], -1)
    spans = [np.asarray(episodes[key], dtype=np.int64) for key in ("start_sample", "stop_sample")]
    rhythm = Episodes(*spans, np.asarray(episodes["rhythm"]).astype(str))
    rr_s = np.diff(sample / 128, prepend=np.nan)
    return RhythmRecord("ltafdb", name, name, int(entry.row["num_samples"]), sample, rr_s, label, rhythm)

def gather(names):
    records = [read(name) for name in names]
    features = [timeline_features(record.rr_s, one_hot_labels(record.label), num_beats=3, is_rr_used=True)
                for record in records]
    return RhythmData(*stack_records(records), torch.from_numpy(np.concatenate(features)))

training, validation = gather(["00", "01", "03", "05", "06", "07", "08"]), gather(["100"])
layout = timeline_layout(3, 3, num_embedded=0)
settings = TimelineSettings(
    neighbour_beats=3, chunk_beats=256, width=64, blocks=3, epochs=int(sys.argv[2]), chunks=640, batch=32, lr=2e-3,
    weight_decay=5e-2, dropout=0.1, label_smoothing=0.05, class_weight_power=0.5, rarity_power=0.3, length_power=0.5,
    label_dropout=0.1, embedding_dropout=0.3)
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # loads what it needs: once a process, not once an epoch
model = build_model("rhythm_timeline", seed=42, num_features=layout.num_features, num_classes=6, width=64, num_blocks=3)
started_s = time.process_time()
log = train_timeline(model, training, validation, layout, settings, seed=42)
numbers = {"cpu_s": time.process_time() - started_s, "beats": len(validation.features)}
print(json.dumps(numbers | {key: log[-1][key] for key in ("train_loss", "beat_macro_f1", "episode_macro_f1")}))
"""


def measure(num_epochs: int = 1, num_rounds: int = 3) -> tuple[Pairs | None, dict[str, float]]:
    """Train with this code and with the earlier one, in turn.

    Parameters
    ----------
    num_epochs : int
        Passes.
    num_rounds : int
        How often.

    Returns
    -------
    Pairs or None
        CPU seconds of one thread; None where the earlier code or LTAFDB is not at hand.
    dict of str to float
        ``train_loss``, ``beat_macro_f1`` and ``episode_macro_f1`` of the last epoch of both: ``own_`` and ``peer_``.
    """
    folder = Path(os.environ.get("ECGFEAT_MIRROR", "")).resolve() / "ltafdb"
    with earlier_code() as earlier:
        if earlier is None or not folder.is_dir():
            return None, {}
        rounds = [
            [run_probe(PROBE, code, str(folder), str(num_epochs)) for code in (ROOT, earlier)]
            for _ in range(num_rounds)
        ]
    scores = {
        f"{who}_{key}": value
        for who, numbers in zip(("own", "peer"), rounds[-1], strict=True)
        for key, value in numbers.items()
        if key not in ("cpu_s", "beats")
    }
    return Pairs(*(tuple(numbers["cpu_s"] for numbers in of) for of in zip(*rounds, strict=True))), scores


def main() -> None:
    """Print the ratio and the scores of both."""
    pairs, scores = measure()
    if pairs is None:
        print("needs a clone with its history, and ltafdb in ECGFEAT_MIRROR")
        return
    print(f"{pairs.own_s} s of CPU, earlier {pairs.peer_s}: {pairs.ratio:.2f} x ({pairs.range})")
    print(", ".join(f"{name} {value:.4f}" for name, value in scores.items()))


if __name__ == "__main__":
    main()
