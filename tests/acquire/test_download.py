"""Corpora are acquired whole, verified and resumed: against a real HTTP server on loopback that misbehaves on order."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.acquire.download import acquire_corpus
from ecgfeat.acquire.manifest import MANIFEST, find_faults
from ecgfeat.acquire.sources import SUMS, Limits, parse_sums
from ecgfeat.corpora import CORPORA, Corpus
from ecgfeat.corpora.diagnostic import DIAGNOSTIC_CORPORA
from ecgfeat.errors import DataError
from ecgfeat.records.writer import write_annotation_file, write_record
from ecgfeat.store.publish import hash_file
from ecgfeat.store.seal import seal

NO_SERVER = "http://127.0.0.1:9"
TINY = Corpus(
    slug="tiny",
    title="Tiny",
    version="1.0.0",
    path="tiny/1.0.0",
    records=("a", "sub/b"),
    fs_hz=128.0,
    num_leads=2,
    lead_names=("I", "II"),
    annotation="atr",
    rhythm_labels={},
    default_split="seed42",
    licence="none",
    citation="none",
)
FILES = ["a.atr", "a.dat", "a.hea", "sub/b.atr", "sub/b.dat", "sub/b.hea"]


class Shelf:
    """A server's files, the faults to make per file, and the requests received."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.faults: dict[str, list[str]] = defaultdict(list)
        self.seen: list[tuple[str, str]] = []
        self.stalled = threading.Event()
        self.url = ""

    def ranges_of(self, name: str) -> list[str]:
        return [sent for path, sent in self.seen if path.endswith(name)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shelf: Shelf

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        name = self.path.removeprefix("/files/tiny/1.0.0/")
        sent = self.headers.get("Range", "")
        self.shelf.seen.append((self.path, sent))
        queue = self.shelf.faults[name]
        fault = (queue[0] if queue[0].endswith("always") else queue.pop(0)) if queue else ""
        path = self.shelf.root / name
        if fault.startswith("status"):
            return self.answer(int(fault.split()[1]), b"no", {"Retry-After": "0"})
        if not path.is_file():
            return self.answer(404, b"no such file", {})
        body = path.read_bytes()
        if fault.startswith("flip"):
            body = body[:-1] + bytes([body[-1] ^ 1])
        start = int(sent.removeprefix("bytes=").removesuffix("-")) if sent and not fault.startswith("norange") else 0
        if start and start >= len(body):
            return self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
        status, extra = 200, {}
        if start:
            status, extra = 206, {"Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        if fault == "wrongrange":
            status, extra = 206, {"Content-Range": f"bytes 0-{len(body) - 1}/{len(body)}"}
        rest = body[start:]
        self.send_response(status)
        for key, value in extra.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(rest)))
        self.end_headers()
        if "cut" in fault or "stall" in fault:
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            if "stall" in fault:
                self.shelf.stalled.wait(30)
            self.close_connection = True
            self.connection.close()
            return None
        self.wfile.write(rest)
        return None

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *args: object) -> None:  # a connection we closed on purpose
        pass


def write_tiny(root: Path) -> None:
    rng = np.random.default_rng(0)
    for record in TINY.records:
        (root / record).parent.mkdir(parents=True, exist_ok=True)
        write_record(root, record, rng.integers(-500, 500, (4000, 2), dtype=np.int16), 128, ("I", "II"))
        write_annotation_file(root, record, "atr", [0, 10, 3000], ["+", "N", "V"], ["(N", "", ""], 128)


def write_sums(root: Path) -> None:
    names = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    (root / SUMS).write_text("".join(f"{hash_file(root / name)} {name}\n" for name in names if name != SUMS))


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    root = tmp_path / "physionet"
    root.mkdir()
    write_tiny(root)
    write_sums(root)
    shelf = Shelf(root)
    server = QuietServer(("127.0.0.1", 0), type("Bound", (Handler,), {"shelf": shelf}))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    shelf.url = f"http://127.0.0.1:{server.server_port}/files"
    yield shelf
    shelf.stalled.set()
    server.shutdown()
    server.server_close()
    thread.join()


def acquire(shelf: Shelf, folder: Path, **more: object) -> dict:
    return acquire_corpus(TINY, folder, mirror=None, url=shelf.url, backoff_s=0.001, **more)


def content(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def assert_whole(shelf: Shelf, folder: Path, manifest: dict) -> None:
    found = content(folder)
    assert json.loads(found.pop(MANIFEST)) == seal(manifest)
    assert found == {name: (shelf.root / name).read_bytes() for name in FILES}
    assert sorted(path.name for path in folder.parent.iterdir()) == sorted(["physionet", folder.name])
    assert manifest["files"] == {name: hash_file(shelf.root / name) for name in FILES}
    assert (manifest["signals"], manifest["verified"]) == ("measured", True)


def test_acquires_exactly_the_files_of_the_records(shelf: Shelf, tmp_path: Path) -> None:
    calls: list[tuple[int, int, int]] = []
    (shelf.root / "notes.txt").write_text("not requested")
    write_sums(shelf.root)
    manifest = acquire(shelf, tmp_path / "tiny", on_progress=lambda *counts: calls.append(counts))
    assert_whole(shelf, tmp_path / "tiny", manifest)
    assert calls == sorted(calls)
    assert calls[-1][:2] == (6, 6)
    assert calls[-1][2] == sum((shelf.root / name).stat().st_size for name in [*FILES, SUMS])
    assert find_faults(tmp_path / "tiny") == []


def test_a_cut_connection_is_resumed_where_it_broke(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults["a.dat"] = ["cut", "cut", "cut"]
    assert_whole(shelf, tmp_path / "tiny", acquire(shelf, tmp_path / "tiny"))
    # 16,000 bytes, halved thrice.
    assert shelf.ranges_of("a.dat") == ["", "bytes=8000-", "bytes=12000-", "bytes=14000-"]


@pytest.mark.parametrize("faults", [["cut", "norange"], ["cut", "wrongrange"], ["cut", "norange cut", "cut"]])
def test_a_server_without_ranges_is_started_over(shelf: Shelf, tmp_path: Path, faults: list[str]) -> None:
    shelf.faults["a.dat"] = faults
    assert_whole(shelf, tmp_path / "tiny", acquire(shelf, tmp_path / "tiny"))


def test_wrong_bytes_once_are_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults["sub/b.atr"] = ["flip"]
    assert_whole(shelf, tmp_path / "tiny", acquire(shelf, tmp_path / "tiny"))
    assert shelf.ranges_of("sub/b.atr") == ["", ""]


def test_wrong_bytes_always_are_refused(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults["a.dat"] = ["flip always"]
    with pytest.raises(
        DataError, match=r"/tiny/1.0.0/a\.dat: SHA-256 [0-9a-f]{64} twice; expected [0-9a-f]{64}"
    ) as error:
        acquire(shelf, tmp_path / "tiny")
    assert "\n" not in str(error.value)
    assert len(shelf.ranges_of("a.dat")) == 2
    assert not (tmp_path / "tiny").exists()


def test_a_file_that_has_gone_is_refused_at_once(shelf: Shelf, tmp_path: Path) -> None:
    (shelf.root / "a.dat").unlink()
    with pytest.raises(DataError, match=r"a\.dat: HTTP 404"):
        acquire(shelf, tmp_path / "tiny")
    assert len(shelf.ranges_of("a.dat")) == 1
    assert not (tmp_path / "tiny").exists()


def test_a_database_that_lacks_files_says_which(shelf: Shelf, tmp_path: Path) -> None:
    (shelf.root / "sub/b.atr").unlink()
    write_sums(shelf.root)
    with pytest.raises(DataError, match=r"1 of 4 files missing: sub/b\.atr;"):
        acquire(shelf, tmp_path / "tiny")


def test_a_busy_server_gets_more_attempts_and_a_dead_one_is_an_error(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults["a.hea"] = ["status 503", "status 429", "status 500"]
    assert_whole(shelf, tmp_path / "tiny", acquire(shelf, tmp_path / "tiny"))
    shelf.faults["a.hea"] = ["status 503 always"]
    with pytest.raises(DataError, match="a.hea: HTTP 503 after 3 attempts; expected the file. Run again"):
        acquire(shelf, tmp_path / "again", retries=3)


def test_no_server_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"SHA256SUMS\.txt: connection lost \(\w+\) after 2 attempts"):
        acquire_corpus(TINY, tmp_path / "tiny", mirror=None, url=NO_SERVER, retries=2, backoff_s=0.001)


def test_a_failed_run_leaves_finished_files_for_the_next(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults["sub/b.dat"] = ["status 403"]
    with pytest.raises(DataError, match="HTTP 403"):
        acquire(shelf, tmp_path / "tiny")
    shelf.seen.clear()
    assert_whole(shelf, tmp_path / "tiny", acquire(shelf, tmp_path / "tiny"))
    assert [path.rsplit("/", 1)[1] for path, _ in shelf.seen] == [SUMS, "b.dat"]


def test_a_killed_run_is_never_visible_and_goes_on(shelf: Shelf, tmp_path: Path) -> None:
    shelf.faults["sub/b.dat"] = ["stall"]
    folder = tmp_path / "tiny"
    code = (
        "from pathlib import Path; import tests.acquire.test_download as t;"
        "from ecgfeat.acquire.download import acquire_corpus;"
        f"acquire_corpus(t.TINY, Path({str(folder)!r}), mirror=None, url={shelf.url!r})"
    )
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", code], cwd=root, env={**os.environ, "PYTHONPATH": str(root)})
    half = tmp_path / ".tiny.part/sub/b.dat.part"
    until = time.monotonic() + 60
    while time.monotonic() < until and not (shelf.ranges_of("b.dat") and half.is_file()):
        time.sleep(0.01)
    assert not folder.exists()
    with pytest.raises(DataError, match="another process that acquires it"):
        acquire(shelf, folder)
    process.send_signal(signal.SIGKILL)
    process.wait()
    shelf.stalled.set()
    assert_whole(shelf, folder, acquire(shelf, folder))


def test_a_complete_folder_is_left_alone_and_a_damaged_one_replaced(shelf: Shelf, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    manifest = acquire(shelf, folder)
    shelf.seen.clear()
    assert acquire(shelf, folder) == manifest
    assert shelf.seen == []
    (folder / "a.dat").write_bytes(b"rot")
    (folder / "stray").write_bytes(b"old")
    assert "a.dat" in find_faults(folder)[0]
    assert_whole(shelf, folder, acquire(shelf, folder))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
@pytest.mark.parametrize("mirrored", [False, True])
def test_a_full_disk_is_one_line(shelf: Shelf, tmp_path: Path, mirrored: bool) -> None:
    (tmp_path / ".tiny.part").mkdir()
    (tmp_path / ".tiny.part/a.dat.part").symlink_to("/dev/full")
    shelf.root.rename(tmp_path / "mirror")
    (tmp_path / "mirror/tiny").symlink_to(tmp_path / "mirror")
    shelf.root = tmp_path / "mirror"
    with pytest.raises(DataError, match=r"tiny: the disk is full; expected room .* Free some space") as error:
        acquire_corpus(TINY, tmp_path / "tiny", mirror=tmp_path / "mirror" if mirrored else None, url=shelf.url)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "tiny").exists()


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    (tmp_path / "mirror/tiny").mkdir(parents=True)
    write_tiny(tmp_path / "mirror/tiny")
    return tmp_path / "mirror"


def test_a_mirror_serves_the_same_bytes_and_no_server(mirror: Path, tmp_path: Path) -> None:
    first = acquire_corpus(TINY, tmp_path / "one", mirror=mirror, url=NO_SERVER)
    second = acquire_corpus(TINY, tmp_path / "two", mirror=mirror, url=NO_SERVER)
    assert first == second
    assert content(tmp_path / "one") == content(tmp_path / "two")
    assert (first["signals"], first["verified"]) == ("measured", False)


def test_a_mirror_is_verified_where_it_has_checksums(mirror: Path, tmp_path: Path) -> None:
    write_sums(mirror / "tiny")
    assert acquire_corpus(TINY, tmp_path / "one", mirror=mirror, url=NO_SERVER)["verified"]
    (mirror / "tiny/a.dat").write_bytes(b"rot")
    with pytest.raises(DataError, match=r"a\.dat: SHA-256 .* Repair the mirror"):
        acquire_corpus(TINY, tmp_path / "two", mirror=mirror, url=NO_SERVER)
    assert not (tmp_path / "two").exists()


def test_a_mirror_that_lacks_files_says_which(mirror: Path, tmp_path: Path) -> None:
    (mirror / "tiny/sub/b.dat").unlink()
    with pytest.raises(DataError, match=r"tiny in .*mirror/tiny: 1 of 2 files missing: sub/b\.dat;"):
        acquire_corpus(TINY, tmp_path / "tiny", mirror=mirror, url=NO_SERVER)


def test_annotations_without_one_signal_are_accepted(mirror: Path, tmp_path: Path) -> None:
    for name in ("a.dat", "sub/b.dat"):
        (mirror / "tiny" / name).unlink()
    manifest = acquire_corpus(TINY, tmp_path / "tiny", mirror=mirror, url=NO_SERVER)
    assert manifest["signals"] == "none"
    assert list(manifest["files"]) == ["a.atr", "a.hea", "sub/b.atr", "sub/b.hea"]


def test_only_the_named_records(mirror: Path, tmp_path: Path) -> None:
    manifest = acquire_corpus(TINY, tmp_path / "tiny", mirror=mirror, url=NO_SERVER, records=["sub/b"])
    assert list(manifest["files"]) == ["sub/b.atr", "sub/b.dat", "sub/b.hea"]


@pytest.mark.parametrize(("listing", "more"), [("a\nsub/b\n", {}), ("a\nsub/\n", {"sub/RECORDS": "b\n"})])
def test_records_are_read_where_the_corpus_lists_none(
    mirror: Path, tmp_path: Path, listing: str, more: dict[str, str]
) -> None:
    unlisted = Corpus(**{**vars(TINY), "records": ()})
    with pytest.raises(DataError, match="no file RECORDS"):
        acquire_corpus(unlisted, tmp_path / "tiny", mirror=mirror, url=NO_SERVER)
    for name, text in {"RECORDS": listing, **more}.items():
        (mirror / "tiny" / name).write_text(text)
    manifest = acquire_corpus(unlisted, tmp_path / "tiny", mirror=mirror, url=NO_SERVER)
    assert manifest["records"] == ["a", "sub/b"]
    assert sorted(manifest["files"]) == sorted([*FILES, "RECORDS", *more])


def test_a_record_list_cannot_leave_the_folder(mirror: Path, tmp_path: Path) -> None:
    (mirror / "tiny/RECORDS").write_text("../../etc/passwd\n")
    with pytest.raises(DataError, match="a name below the database"):
        acquire_corpus(Corpus(**{**vars(TINY), "records": ()}), tmp_path / "tiny", mirror=mirror, url=NO_SERVER)


@pytest.mark.parametrize("text", ["", "abc  file\n", f"{'0' * 63}  file\n"])
def test_checksum_lists_are_read_strictly(text: str) -> None:
    with pytest.raises(DataError, match=SUMS):
        parse_sums(text, "tiny")
    digest = "AB" * 32
    assert parse_sums(f"{digest}  ./x y.dat\n{digest} *b\n", "tiny") == {"x y.dat": "ab" * 32, "b": "ab" * 32}


def test_a_corpus_without_address_needs_a_mirror(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no address to download it from"):
        acquire_corpus(Corpus(**{**vars(TINY), "path": ""}), tmp_path / "tiny", mirror=tmp_path, url=NO_SERVER)


def test_ltafdb_has_no_signals_in_the_mirror(ltafdb: Path, tmp_path: Path) -> None:
    manifest = acquire_corpus(CORPORA["ltafdb"], tmp_path / "ltafdb", mirror=ltafdb.parent, url=NO_SERVER)
    assert (len(manifest["files"]), manifest["signals"]) == (168, "none")


def test_mitdb_comes_whole_from_the_mirror(mitdb: Path, tmp_path: Path) -> None:
    manifest = acquire_corpus(CORPORA["mitdb"], tmp_path / "mitdb", mirror=mitdb.parent, url=NO_SERVER)
    assert (len(manifest["files"]), manifest["signals"]) == (144, "measured")
    assert (tmp_path / "mitdb/100.dat").read_bytes() == (mitdb / "100.dat").read_bytes()


def test_a_corpus_may_call_its_list_otherwise_and_leave_some_records_unannotated(mirror: Path, tmp_path: Path) -> None:
    (mirror / "tiny/RECORDS.txt").write_text("a\nsub/b\n")
    (mirror / "tiny/sub/b.atr").rename(mirror / "tiny/sub/b.qrs")
    (mirror / "tiny/a.qrs").write_bytes((mirror / "tiny/a.atr").read_bytes())
    corpus = replace(TINY, records=(), records_file="RECORDS.txt", beat_annotation="qrs", some_unannotated=True)
    manifest = acquire_corpus(corpus, tmp_path / "tiny", mirror=mirror, url=NO_SERVER)
    assert manifest["records"] == ["a", "sub/b"]
    expected = ["RECORDS.txt", "a.atr", "a.dat", "a.hea", "a.qrs", "sub/b.dat", "sub/b.hea", "sub/b.qrs"]
    assert sorted(manifest["files"]) == expected
    with pytest.raises(DataError, match=r"1 of 6 files missing: sub/b\.atr"):
        acquire_corpus(replace(corpus, some_unannotated=False), tmp_path / "all", mirror=mirror, url=NO_SERVER)


def test_records_of_a_pattern_are_the_headers_that_a_server_lists(shelf: Shelf, tmp_path: Path) -> None:
    (shelf.root / "sub" / "copy.hea").write_text("not of this corpus\n")
    (shelf.root / "LABELS.csv").write_text("a,N\n")
    (shelf.root / "sub" / "b.dat").unlink()  # a header without its signal fails when the record is read
    write_sums(shelf.root)
    found = replace(
        DIAGNOSTIC_CORPORA["cinc2017"],
        slug="tiny",
        path="tiny/1.0.0",
        record_pattern=r"(sub/)?[ab]",
        extra_files=("LABELS.csv",),
    )
    manifest = acquire_corpus(found, tmp_path / "raw" / "tiny", mirror=None, url=shelf.url)
    assert manifest["records"] == ["a", "sub/b"]
    assert list(manifest["files"]) == ["LABELS.csv", "a.dat", "a.hea", "sub/b.hea"]
    assert (manifest["signals"], manifest["verified"]) == ("measured", True)
    assert not shelf.ranges_of("RECORDS")


@pytest.mark.parametrize(
    ("name", "found"),
    [("../../x.hea", r"'\.\./\.\./x\.hea'"), ("/etc/x.hea", "'/etc/x.hea'"), ("a" * 2000, "'aaaa"), ("\0", r"\\x00")],
)
def test_a_list_that_leads_elsewhere_is_refused(name: str, found: str) -> None:
    with pytest.raises(DataError, match=f"{found}.* in SHA256SUMS.txt; expected a name below the database"):
        parse_sums(f"{'0' * 64} {name}\n", "here")


def test_a_list_of_any_bytes_is_one_line(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror/tiny"
    mirror.mkdir(parents=True)
    (mirror / "SHA256SUMS.txt").write_bytes(b"\xff\xfe\x1b[2J\n")
    with pytest.raises(DataError, match="line .* in SHA256SUMS.txt") as error:
        acquire_corpus(TINY, tmp_path / "tiny", mirror=tmp_path / "mirror", url=NO_SERVER)
    assert str(error.value).isprintable()


class Endless(BaseHTTPRequestHandler):
    """A server whose lists are sound and whose files never end; slow ones drip."""

    drips = False

    def do_GET(self) -> None:
        self.send_response(200)
        if self.path.endswith("SHA256SUMS.txt"):
            names = [f"{record}.{ending}" for record in TINY.records for ending in ("hea", "atr", "dat")]
            body = "".join(f"{'0' * 64} {name}\n" for name in names).encode()
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            return
        self.send_header("Retry-After", "\xb2")
        self.send_header("Content-Length", "\xb2")
        self.end_headers()
        with contextlib.suppress(OSError):
            while True:
                self.wfile.write(b"x" * (1 if self.drips else 1 << 16))
                time.sleep(0.05 if self.drips else 0)

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@pytest.fixture
def endless() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_endless_file_ends(endless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Endless, "drips", False)
    with pytest.raises(DataError, match=r"more than 2 MB; expected a file of the database.*acquire\.largest_file_mb"):
        acquire_corpus(TINY, tmp_path / "tiny", mirror=None, url=endless, limits=Limits(file_mb=2))


def test_a_dripping_file_ends(endless: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Endless, "drips", True)
    monkeypatch.setattr("ecgfeat.acquire.sources._RATE_AFTER_S", 0.5)
    with pytest.raises(
        DataError, match=r"bytes per second for .* s; expected 1 kB per second.*acquire\.least_kb_per_s"
    ):
        acquire_corpus(TINY, tmp_path / "tiny", mirror=None, url=endless, limits=Limits())


def test_lists_of_lists_end(tmp_path: Path) -> None:
    folder = tmp_path / "mirror/tiny"
    for _ in range(12):
        folder.mkdir(parents=True)
        (folder / "RECORDS").write_text("a/\n")
        folder /= "a"
    listed = Corpus(**{**vars(TINY), "records": ()})
    with pytest.raises(DataError, match="folders; expected lists that end"):
        acquire_corpus(listed, tmp_path / "tiny", mirror=tmp_path / "mirror", url=NO_SERVER)
