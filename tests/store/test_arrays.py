"""Zarr stores: rows come back by record; unfinished, damaged, foreign and misaligned stores are refused."""

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from ecgfeat.errors import DataError
from ecgfeat.store.arrays import create_array, open_array
from ecgfeat.store.publish import hash_file
from ecgfeat.store.schemas import EMBEDDINGS, WINDOWS


def write_rows(path: Path, num_rows=None, source="0" * 64, schema=WINDOWS, **kwargs):
    num_rows = {"a": 700, "b": 500} if num_rows is None else num_rows
    rng = np.random.default_rng(0)
    with create_array(
        path, schema, num_rows=num_rows, row_shape=(2, 8), params={"num_samples": 8}, source=source, **kwargs
    ) as writer:
        rows = {record: rng.integers(-9, 9, (n, 2, 8)).astype(np.int16) for record, n in num_rows.items()}
        for value in rows.values():
            writer.append(value)
    return rows


def files_below(path: Path):
    return {p.relative_to(path).as_posix(): p.read_bytes() for p in sorted(path.rglob("*")) if p.is_file()}


def test_array_returns_what_was_written_by_record(tmp_path):
    rows = write_rows(tmp_path / "w.zarr")
    store = open_array(tmp_path / "w.zarr", WINDOWS)
    assert store.rows == {"a": (0, 700), "b": (700, 1200)}
    np.testing.assert_array_equal(store.read("b"), rows["b"])
    np.testing.assert_array_equal(store.read(), np.concatenate(list(rows.values())))
    with pytest.raises(DataError, match="no record c"):
        store.read("c")


def test_array_bytes_do_not_depend_on_how_rows_were_appended(tmp_path):
    rows = write_rows(tmp_path / "w.zarr")
    with create_array(
        tmp_path / "v.zarr",
        WINDOWS,
        num_rows={"a": 700, "b": 500},
        row_shape=(2, 8),
        params={"num_samples": 8},
        source="0" * 64,
    ) as writer:
        for row in np.array_split(np.concatenate(list(rows.values())), 37):
            writer.append(row)
    assert files_below(tmp_path / "w.zarr") == files_below(tmp_path / "v.zarr")


def test_array_spans_shards(tmp_path):
    num_rows = {"a": WINDOWS.shard_rows - 3, "b": 10}
    rows = write_rows(tmp_path / "w.zarr", num_rows)
    np.testing.assert_array_equal(open_array(tmp_path / "w.zarr", WINDOWS).read("b"), rows["b"])
    assert len(list((tmp_path / "w.zarr" / "window_uv" / "c").rglob("0"))) >= 1


def test_array_of_fill_values_keeps_its_shards(tmp_path):
    with create_array(
        tmp_path / "w.zarr", WINDOWS, num_rows={"a": 3}, row_shape=(2, 8), params={}, source=""
    ) as writer:
        writer.append(np.full((3, 2, 8), -32768, np.int16))
    assert (open_array(tmp_path / "w.zarr", WINDOWS).read() == -32768).all()


def test_array_without_rows_is_complete(tmp_path):
    write_rows(tmp_path / "w.zarr", {})
    assert open_array(tmp_path / "w.zarr", WINDOWS).read().shape == (0, 2, 8)


def test_array_short_of_rows_is_never_published(tmp_path):
    with pytest.raises(AssertionError, match="1 rows written of 3"):
        with create_array(
            tmp_path / "w.zarr", WINDOWS, num_rows={"a": 3}, row_shape=(2, 8), params={}, source=""
        ) as writer:
            writer.append(np.zeros((1, 2, 8), np.int16))
    assert list(tmp_path.iterdir()) == []


def test_array_refusals(tmp_path):
    path = tmp_path / "w.zarr"
    with pytest.raises(DataError, match="no such folder"):
        open_array(path, WINDOWS)
    write_rows(path)
    with pytest.raises(DataError, match="schema windows version 1"):
        open_array(path, EMBEDDINGS)
    attrs = path / "zarr.json"
    whole = attrs.read_text()
    attrs.write_text(whole.replace('"complete": true', '"complete": false'))
    with pytest.raises(DataError, match="not complete"):
        open_array(path, WINDOWS)
    attrs.write_text(whole.replace('"version": 1', '"version": 2'))
    with pytest.raises(DataError, match="expected windows version 1"):
        open_array(path, WINDOWS)
    attrs.write_text("{")
    with pytest.raises(DataError, match="not a Zarr v3 group"):
        open_array(path, WINDOWS)


def test_array_made_from_another_table_is_refused(tmp_path):
    (tmp_path / "t.parquet").write_bytes(b"a table")
    write_rows(tmp_path / "w.zarr", source=hash_file(tmp_path / "t.parquet"))
    open_array(tmp_path / "w.zarr", WINDOWS, aligned_with=tmp_path / "t.parquet")
    (tmp_path / "t.parquet").write_bytes(b"another table")
    with pytest.raises(DataError, match="another table"):
        open_array(tmp_path / "w.zarr", WINDOWS, aligned_with=tmp_path / "t.parquet")


def test_array_with_an_absent_shard_is_refused(tmp_path):
    write_rows(tmp_path / "w.zarr")
    next(p for p in (tmp_path / "w.zarr" / "window_uv" / "c").rglob("*") if p.is_file()).unlink()
    with pytest.raises(DataError, match="1 shard files are missing"):
        open_array(tmp_path / "w.zarr", WINDOWS)


@pytest.mark.parametrize("where", [0.1, 0.5, 0.9, 0.999])
def test_flipped_bit_in_array_is_found(tmp_path, where):
    write_rows(tmp_path / "w.zarr")
    shard = next(p for p in (tmp_path / "w.zarr" / "window_uv" / "c").rglob("*") if p.is_file())
    data = bytearray(shard.read_bytes())
    data[int(len(data) * where)] ^= 1
    shard.write_bytes(data)
    with pytest.raises(DataError, match="damaged"):
        open_array(tmp_path / "w.zarr", WINDOWS).read()


def test_killed_writer_leaves_no_artifact_and_the_next_run_removes_its_part(tmp_path):
    script = textwrap.dedent(f"""
        import time, numpy as np
        from pathlib import Path
        from ecgfeat.store.schemas import WINDOWS
        from ecgfeat.store.arrays import create_array
        with create_array(Path({str(tmp_path)!r}) / "w.zarr", WINDOWS, num_rows={{"a": 40000}}, row_shape=(2, 8),
                          params={{"num_samples": 8}}, source="0" * 64) as writer:
            writer.append(np.zeros((33000, 2, 8), np.int16))
            print("writing", flush=True)
            time.sleep(60)
    """)
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"writing\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert not (tmp_path / "w.zarr").exists()
    assert len(list(tmp_path.iterdir())) == 1
    write_rows(tmp_path / "w.zarr")
    assert [p.name for p in tmp_path.iterdir()] == ["w.zarr"]
