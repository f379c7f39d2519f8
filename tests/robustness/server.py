"""Download from a hostile server: ``python -m tests.robustness.server [N] [--seed S]``.

A real server on loopback answers with changed bytes: in status lines, headers, lists, checksums, headers of records and
bodies, cut or too long. A download must end with the files of the database, or with one line, and leave nothing that is
half there.
"""

import random
import socketserver
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import ClassVar

import numpy as np

from ecgfeat.acquire.download import acquire_corpus
from ecgfeat.acquire.sources import Limits
from ecgfeat.corpora import get_corpus
from ecgfeat.errors import DataError
from ecgfeat.records.writer import write_annotation_file, write_record
from tests.robustness.campaign import read_arguments
from tests.robustness.fuzz import mutate

LONGEST_S = 20.0
CORPUS = replace(get_corpus("mitdb"), path="mitdb/1.0.0", records=(), excluded={}, subjects={}, heavy_records=())


@dataclass
class Tally:
    """What a campaign found: downloads that ended whole and in one line, and one example of each kind of defect."""

    num_whole: int = 0
    num_refused: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    defects: dict[str, str] = field(default_factory=dict)


class Hostile(socketserver.StreamRequestHandler):
    """Answers one request, and changes the bytes of some answers."""

    shelf: ClassVar[dict[str, bytes]] = {}
    rng: ClassVar[random.Random]
    share: ClassVar[float] = 0.0

    def handle(self) -> None:
        """Answer, and close the connection."""
        request = self.rfile.readline(4096).decode("latin-1").split()
        first = 0
        while (line := self.rfile.readline(4096)) not in (b"\r\n", b""):
            if line.lower().startswith(b"range: bytes="):
                first = int(line.split(b"=")[1].split(b"-")[0] or 0)
        name = request[1].split("/mitdb/1.0.0/")[-1] if len(request) > 1 else ""
        body = self.shelf.get(name)
        if body is None:
            answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        else:
            total, part = len(body), body[first:]
            head = "206 Partial Content" if first else "200 OK"
            span = f"Content-Range: bytes {first}-{total - 1}/{total}\r\n" if first else ""
            answer = (
                f"HTTP/1.1 {head}\r\nContent-Length: {len(part)}\r\n{span}Connection: close\r\n\r\n".encode() + part
            )
        if self.rng.random() < self.share:
            answer = mutate(answer, self.rng)
        self.wfile.write(answer)


def make_shelf(folder: Path) -> dict[str, bytes]:
    """Return the files of a small database, by name, with their checksums."""
    rng = np.random.default_rng(0)
    folder.mkdir()
    for record in ("100", "101"):
        write_record(folder, record, rng.integers(-500, 500, (720, 2)).astype(np.int16), 360.0, ["MLII", "V1"])
        write_annotation_file(folder, record, "atr", [10, 300], ["+", "N"], ["(N", ""], 360.0)
    (folder / "RECORDS").write_text("100\n101\n")
    shelf = {path.name: path.read_bytes() for path in sorted(folder.iterdir())}
    sums = "".join(f"{sha256(content).hexdigest()} {name}\n" for name, content in shelf.items())
    return shelf | {"SHA256SUMS.txt": sums.encode()}


def download(num: int, seed: int) -> Tally:
    """Download many times, each into a folder of its own."""
    tally, rng = Tally(), random.Random(seed)
    with tempfile.TemporaryDirectory() as scratch:
        shelf = make_shelf(Path(scratch) / "shelf")
        handler = type("Bound", (Hostile,), {"shelf": shelf, "rng": rng})
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
            server.daemon_threads = True
            threading.Thread(target=server.serve_forever, daemon=True).start()
            url = f"http://127.0.0.1:{server.server_address[1]}"
            for number in range(num):
                handler.share = rng.choice((0.1, 0.3, 1.0))  # type: ignore[attr-defined]
                download_once(Path(scratch) / str(number), url, shelf, tally)
            server.shutdown()
    return tally


def download_once(place: Path, url: str, shelf: dict[str, bytes], tally: Tally) -> None:
    """Download into a folder, and count how it ended."""
    folder, start_s = place / "mitdb", time.perf_counter()
    try:
        acquire_corpus(CORPUS, folder, mirror=None, url=url, retries=2, backoff_s=0.001, limits=Limits(file_mb=1))
    except DataError as error:
        tally.num_refused += 1
        if not str(error).isprintable():
            tally.defects.setdefault("a message that is no line", str(error)[:200])
        if folder.exists():
            tally.defects.setdefault("a refused download that is there", str(error)[:200])
    except Exception as error:
        tally.defects.setdefault(type(error).__name__, str(error)[:200])
    else:
        tally.num_whole += 1
        for path in folder.iterdir():
            if path.name != "corpus.json" and path.read_bytes() != shelf.get(path.name):
                tally.defects.setdefault("a file that is not of the database", path.name)
    if time.perf_counter() - start_s > LONGEST_S:
        tally.defects.setdefault(f"a download of more than {LONGEST_S:g} s", "")


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    """Run a campaign from the command line."""
    num, seed = read_arguments(arguments, __doc__, 100)
    tally = download(num, seed)
    for defect, example in sorted(tally.defects.items()):
        say(f"defect: {defect} ({example})")
    say(
        f"server: {num:,} downloads, {tally.num_whole:,} whole, {tally.num_refused:,} refused in one line, "
        f"{len(tally.defects)} defects"
    )
    return 1 if tally.defects else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
