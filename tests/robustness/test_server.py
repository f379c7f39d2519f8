"""A short campaign of downloads from a hostile server, and that it finds what it looks for."""

import pytest

from tests.robustness import server


def test_a_download_ends_whole_or_in_one_line() -> None:
    tally = server.download(25, 3)
    assert tally.defects == {}
    assert tally.num_whole > 0
    assert tally.num_refused > 0
    assert tally.num_whole + tally.num_refused == 25


def test_a_file_of_other_bytes_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    once = server.download_once
    monkeypatch.setattr(
        server, "download_once", lambda place, url, shelf, tally: once(place, url, shelf | {"100.dat": b""}, tally)
    )
    assert server.download(10, 3).defects == {"a file that is not of the database": "100.dat"}
