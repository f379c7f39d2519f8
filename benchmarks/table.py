"""The table of speed: ``make bench``, or ``python -m benchmarks.table predict embed`` for some of its rows.

Every row is a ratio to a named peer, taken in turn in the same run. The rows are kept in docs/results/speed.json, from
which ``make results`` writes the table of docs/speed.md. Takes over an hour on two cores; nothing else should run.
"""

import argparse
import datetime
import json
import os
import platform
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks import naive, predict, repro, rpeaks, start, timeline, train_timeline
from benchmarks.pairs import BEFORE, ROOT, Pairs, run_probe

KEPT = Path("docs/results/speed.json")
COLUMNS = ["what", "peer", "times faster", "range", "must", "aim", "besides"]
EARLIER = f"commit {BEFORE}"


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes
    ----------
    what, peer : str
        What is timed, and beside what.
    must, aim : str
        Targets, in the unit of the ratio.
    measure : callable
        Returns the times of both, None where the peer is not at hand, and what else is worth saying.
    """

    what: str
    peer: str
    must: str
    aim: str
    measure: Callable[[], tuple[Pairs | None, str]]


def _predict_chain() -> tuple[Pairs | None, str]:
    pairs, peaks = predict.measure_chain()
    return pairs, "peak {own_peak_mb:.0f} MB, earlier {peer_peak_mb:.0f}".format(**peaks) if peaks else ""


def _predict() -> tuple[Pairs | None, str]:
    pairs, both = predict.measure()
    return pairs, f"{both['beats']:,.0f} beats; {both['wall_s']:.1f} s on two threads, peak {both['peak_mb']:.0f} MB"


def _start() -> tuple[Pairs | None, str]:
    took = start.measure()
    return (
        None,
        f"`ecgfeat --help` {took['help_s']:.2f} s; `ecgfeat predict` to its first sample {took['predict_s']:.2f} s",
    )


def _rpeaks(leads: str) -> tuple[Pairs | None, str]:
    mirror = os.environ.get("ECGFEAT_MIRROR")
    if not mirror or not rpeaks.has_sleepecg():
        return None, "needs ECGFEAT_MIRROR and the extra peers"
    return _RPEAKS.setdefault(mirror, rpeaks.measure(Path(mirror) / "mitdb"))[leads], "48 records of mitdb at 128 Hz"


_RPEAKS: dict[str, dict[str, Pairs]] = {}


# A process of its own: that of the table keeps freed memory, as the stages do, and so would the eager module.
_EMBED = """
import json, torch
from benchmarks.embed import measure
torch.set_num_threads(1)
pairs, about = measure()
print(json.dumps(about | {"own_s": pairs.own_s, "peer_s": pairs.peer_s}))
"""


def _embed() -> tuple[Pairs | None, str]:
    about = run_probe(_EMBED, ROOT)
    pairs = Pairs(tuple(about.pop("own_s")), tuple(about.pop("peer_s")))
    return pairs, ", ".join(f"{name} {value:.3g}" for name, value in about.items())


def _views() -> tuple[Pairs | None, str]:
    pairs = timeline.measure()["seven views, against one"]
    takes = f"seven take {1 / pairs.ratio:.2f} times as long as one; must be 1.5, aim 1.1, or bring nothing"
    return pairs, f"{takes}: the default is one, see below"


def _train_timeline() -> tuple[Pairs | None, str]:
    pairs, about = train_timeline.measure()
    return pairs, ", ".join(f"{name} {value:.4f}" for name, value in about.items())


def _repro() -> tuple[Pairs | None, str]:
    pairs, about = repro.measure()
    return pairs, f"all stages with all cores: {about['wall_s']:.0f} s"


def _naive() -> tuple[Pairs | None, str]:
    if not os.environ.get("ECGFEAT_MIRROR"):
        return None, "needs ECGFEAT_MIRROR"
    own_s, naive_s, batched_s = (sum(of.values()) for of in naive.measure())
    about = f"{own_s:.0f} CPU seconds of one thread, naive {naive_s:.0f}; with embeddings in batches {batched_s:.0f}"
    return Pairs((own_s,), (naive_s,)), f"{about}, {batched_s / own_s:.2f} x"


ROWS: dict[str, Row] = {
    "predict-chain": Row(
        "`predict` of a rendered record of 24 h, two leads: embedder and timeline head",
        f"commit {predict.FIRST}",
        "2",
        "4",
        _predict_chain,
    ),
    "predict": Row("the same, today's default models", EARLIER, "2", "4", _predict),
    "rpeaks": Row("R-peaks, one lead", "sleepecg", "1.0", "2", lambda: _rpeaks("one lead")),
    "rpeaks-all": Row("R-peaks, all leads with quality", "sleepecg", "0.7", "1.5", lambda: _rpeaks("all leads")),
    "embed": Row("HTF embedding", "eager module", "2.4", "3", _embed),
    "views": Row("timeline head, seven views of a day", "one view", "0.67", "0.9", _views),
    "train-timeline": Row("training the timeline head on annotations", EARLIER, "2", "4", _train_timeline),
    "repro": Row("make repro, default", EARLIER, "1.5", "2.5", _repro),
    "naive": Row("make repro PRESET=mitdb", "the same stages written naively", "5", "10", _naive),
    "start": Row("start of a command", "", "0.3 s; 2 s", "", _start),
}


def keep(measured: dict[str, list[Any]]) -> None:
    """Replace the rows that were measured, and keep the others."""
    kept = json.loads(KEPT.read_text())["rows"] if KEPT.is_file() else []
    rows = {row[0]: row for row in kept} | {row[0]: row for row in measured.values()}
    order = [row.what for row in ROWS.values()]
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True)
    sentence = (
        f"Last measured on {datetime.date.today()} with commit `{commit.stdout.strip()}`, {os.cpu_count()} cores "
        f"({platform.machine()}), torch {torch.__version__}, by `make bench`."
    )
    content = {
        "columns": COLUMNS,
        "rows": sorted(rows.values(), key=lambda row: order.index(row[0]) if row[0] in order else len(order)),
        "measured_on": {"sentence": sentence},
    }
    KEPT.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def main() -> None:
    """Measure rows, print them, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="by default all")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(ROWS)}")
    os.chdir(ROOT)
    torch.set_num_threads(1)
    measured: dict[str, list[Any]] = {}
    for name in arguments.rows or ROWS:
        row = ROWS[name]
        pairs, besides = row.measure()
        ratio = "" if pairs is None else f"{pairs.ratio:.2f}"
        spread = "" if pairs is None else "{:.2f} to {:.2f}".format(*pairs.range)
        measured[name] = [row.what, row.peer, ratio, spread, row.must, row.aim, besides]
        print(" | ".join(map(str, measured[name])), flush=True)
        keep(measured)


if __name__ == "__main__":
    main()
