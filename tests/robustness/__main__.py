"""All campaigns, and their figures in docs/robustness.md: ``make robustness N=1000``.

N kills and hostile downloads, ten times as many damages, a thousand times as many fuzzed inputs.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path

from tests.robustness import damage, fuzz, kill, server

PAGE = Path(__file__).parents[2] / "docs" / "robustness.md"
CAMPAIGNS: dict[str, tuple[Callable[..., int], int]] = {
    "fuzz": (fuzz.main, 1000),
    "damage": (damage.main, 10),
    "kill": (kill.main, 1),
    "server": (server.main, 1),
}


def run_campaign(name: str, num: int, seed: int) -> tuple[int, str]:
    """Run a campaign; return its exit code, and its figures as a block of the page."""
    run, factor = CAMPAIGNS[name]
    lines: list[str] = []

    def say(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    start_s = time.perf_counter()
    code = run([str(num * factor), "--seed", str(seed)], say)
    minutes = (time.perf_counter() - start_s) / 60
    command = f"$ python -m tests.robustness.{name} {num * factor} --seed {seed}    # {minutes:.0f} min"
    return code, "\n".join(["```console", command, *lines, "```"])


def replace_figures(page: str, name: str, figures: str) -> str:
    """Return the page with the figures of one campaign replaced."""
    block = re.compile(rf"(<!-- campaign: {name} -->\n).*?(<!-- end of campaign -->)", re.DOTALL)
    assert block.search(page), name
    return block.sub(lambda match: f"{match[1]}\n{figures}\n{match[2]}", page)


def main(arguments: list[str]) -> int:
    """Run campaigns from the command line, and keep the figures of those that found nothing."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("num", nargs="?", type=int, default=20)
    parser.add_argument("--seed", type=int, default=date.today().toordinal())
    parser.add_argument("--only", choices=CAMPAIGNS, action="append")
    parser.add_argument("--keep", action="store_true", help="write the figures into docs/robustness.md")
    given = parser.parse_args(arguments)
    worst = 0
    for name in given.only or list(CAMPAIGNS):
        code, figures = run_campaign(name, given.num, given.seed)
        worst = max(worst, code)
        if given.keep and code == 0:
            PAGE.write_text(replace_figures(PAGE.read_text(), name, figures))
    return worst


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
