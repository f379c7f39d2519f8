"""The table of speed: ``make bench``, or ``python -m benchmarks.table predict embed`` for some of its rows.

Every row is a ratio to a named peer, taken in turn in the same run. The rows are kept in docs/results/speed.json, from
which ``make results`` writes the table of docs/speed.md. Takes over an hour on two cores; nothing else should run.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks import predict, repro, rpeaks, start, timeline, train_timeline
from benchmarks.pairs import BEFORE, ROOT, Pairs, run_probe

KEPT = Path("docs/results/speed.json")
COLUMNS = ["what", "peer", "times faster", "range", "must", "aim", "besides", "measured"]
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
    pairs, about = predict.measure_chain()
    if pairs is None:
        return None, "needs a clone with its history"
    own_s, peer_s = (statistics.median(of) for of in (pairs.own_s, pairs.peer_s))
    return pairs, (
        f"{own_s:.0f} CPU seconds, earlier {peer_s:.0f}; with seven views as then {about['seven_s']:.0f}; beats "
        f"{about['own_beats']:,.0f}, earlier {about['peer_beats']:,.0f}; peak {about['own_peak_mb']:.0f} MB, earlier "
        f"{about['peer_peak_mb']:.0f}"
    )


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


# A process of its own: that of the table may keep freed memory, as the stages do, and so would the eager module.
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
    return pairs, (
        f"{about['beats_per_s']:,.0f} beats a second, {about['gflops']:.0f} GFLOP/s of the layers' own products; a "
        f"large product reaches {about['peak_gflops']:.0f}; largest difference {about['largest_error']:.1e}"
    )


def _views() -> tuple[Pairs | None, str]:
    pairs = timeline.measure()["seven views, against one"]
    takes = f"seven take {1 / pairs.ratio:.2f} times as long as one; 1.5 times or less was wanted"
    return pairs, f"{takes}, or that the default is one, as it is now: see below"


def _train_timeline() -> tuple[Pairs | None, str]:
    pairs, about = train_timeline.measure()
    if pairs is None:
        return None, "needs a clone with its history, and ltafdb in ECGFEAT_MIRROR"
    return pairs, "a tenth of an epoch; loss {own_train_loss:.3f}, earlier {peer_train_loss:.3f}".format(**about)


def _repro() -> tuple[Pairs | None, str]:
    pairs, about = repro.measure()
    return pairs, f"all stages with all cores: {about['wall_s']:.0f} s"


def _naive() -> tuple[Pairs | None, str]:
    from benchmarks import naive  # with it come the settings of a stage, which rows before it do without

    if not os.environ.get("ECGFEAT_MIRROR"):
        return None, "needs ECGFEAT_MIRROR"
    own_s, naive_s, batched_s = (sum(of.values()) for of in naive.measure())
    about = f"{own_s:.0f} CPU seconds of one thread, naive {naive_s:.0f}; with embeddings in batches {batched_s:.0f}"
    return Pairs((own_s,), (naive_s,)), f"{about}, {batched_s / own_s:.2f} x"


ROWS: dict[str, Row] = {
    "predict-chain": Row(
        "`predict` of a rendered record of 24 h, two leads, by embedder and timeline head",
        f"commit {predict.FIRST}",
        "2",
        "4",
        _predict_chain,
    ),
    "predict": Row("`predict` of such a record by the default models", EARLIER, "2", "4", _predict),
    "rpeaks": Row("R-peaks, one lead", "sleepecg", "1.0", "2", lambda: _rpeaks("one lead")),
    "rpeaks-all": Row("R-peaks, all leads with quality", "sleepecg", "0.7", "1.5", lambda: _rpeaks("all leads")),
    "embed": Row("HTF embedding", "eager module", "2.4", "3", _embed),
    "views": Row("timeline head, seven views of a day", "one view", "0.67", "0.9", _views),
    "train-timeline": Row("training the timeline head on annotations", EARLIER, "2", "4", _train_timeline),
    "repro": Row("make repro, default", EARLIER, "1.5", "2.5", _repro),
    "naive": Row("make repro PRESET=mitdb", "the same stages written naively", "5", "10", _naive),
    "start": Row("start of a command", "", "0.3 s; 2 s", "", _start),
}


def keep(row: list[str]) -> None:
    """Put a row that was measured in the place of the one that was kept."""
    kept = json.loads(KEPT.read_text())["rows"] if KEPT.is_file() else []
    rows = {of[0]: of for of in (*kept, row)}
    content = {
        "columns": COLUMNS,
        "rows": [rows[of.what] for of in ROWS.values() if of.what in rows],
        "measured_on": {
            "sentence": f"{os.cpu_count()} cores ({platform.machine()}), torch {torch.__version__}, by `make bench`."
        },
    }
    KEPT.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def describe(row: Row, pairs: Pairs | None, besides: str) -> list[str]:
    """Return the cells of a row."""
    ratio, spread = "", ""
    if pairs is not None:
        ratio = f"{pairs.ratio:.2f}"
        spread = "one round" if len(pairs.own_s) == 1 else "{:.2f} to {:.2f}".format(*pairs.range)
    command = ["git", "rev-parse", "--short", "HEAD"]
    commit = subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    measured = f"{datetime.date.today()}, `{commit}`"
    return [row.what, row.peer, ratio, spread, row.must, row.aim, besides, measured]


def main() -> None:
    """Measure rows, print them, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="*", help="by default all")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(ROWS)}")
    os.chdir(ROOT)
    torch.set_num_threads(1)
    for name in arguments.rows or ROWS:
        cells = describe(ROWS[name], *ROWS[name].measure())
        print(" | ".join(cells), flush=True)
        keep(cells)


if __name__ == "__main__":
    main()
