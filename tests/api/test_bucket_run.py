"""A finished run in a bucket: what it gives is that of its folder, though the server is killed in the middle."""

from pathlib import Path

import numpy as np
import pytest

import ecgfeat as ef
from ecgfeat.errors import DataError
from ecgfeat.store import objects
from ecgfeat.store.objects import ObjectFolder

KINDS = ("records", "rpeaks", "features", "signals", "windows", "embeddings")
CORPUS = "simulate"


@pytest.fixture
def bucket(s3, systems_run: Path) -> ObjectFolder:
    """Return the objects of a run, of which the bucket has some artifacts."""
    objects = ObjectFolder("s3://lab/runs/7")
    for kind in KINDS:
        for path in (systems_run / "data" / kind).rglob("*"):
            if path.is_file():
                objects.write(path.relative_to(systems_run).as_posix(), path.read_bytes())
    return objects


def test_a_run_in_a_bucket_is_that_of_its_folder(bucket, systems_run: Path) -> None:
    near, far = ef.open_run(systems_run), ef.open_run(f"{bucket.address}/")
    assert far.corpora == near.corpora
    assert repr(far) == f"<run in s3://lab/runs/7: {', '.join(near.corpora)}; data: {', '.join(sorted(KINDS))}>"
    assert far.table("rpeaks", CORPUS).to_pandas().equals(near.table("rpeaks", CORPUS).to_pandas())
    record = near.table("records", CORPUS)["record"][0]
    assert far.signal(CORPUS, record).identical(near.signal(CORPUS, record))
    assert far.beats(CORPUS).isel(beat=slice(3, 9)).identical(near.beats(CORPUS).isel(beat=slice(3, 9)))
    assert np.array_equal(far.to_anndata(CORPUS).X, near.to_anndata(CORPUS).X, equal_nan=True)


def test_only_what_is_used_is_read(bucket, s3) -> None:
    run = ef.open_run(bucket.address)
    record = run.table("records", CORPUS)["record"][0]
    bucket.remove([name for name in bucket.list_sizes() if "/signals/" not in name])
    # The table of records was copied; the store of signals is read where it is.
    assert run.signal(CORPUS, record).sizes["time"] > 0
    with pytest.raises(DataError, match=r"^s3://lab/runs/7/data/rpeaks/simulate.parquet: no such object"):
        run.beats(CORPUS)
    with pytest.raises(DataError, match=r"^s3://lab/runs/7: no data/records"):
        ef.open_run(bucket.address)


def test_server_killed_in_the_middle_of_a_chunk_loses_nothing(bucket, s3, systems_run: Path) -> None:
    near, far = ef.open_run(systems_run), ef.open_run(bucket.address)
    record = near.table("records", CORPUS)["record"][0]
    far.table("records", CORPUS)
    largest = max(of for name, of in bucket.list_sizes().items() if "/signals/" in name)
    assert largest > 10_000
    with s3.killed_in_the_middle("GET 4"):
        signal = far.signal(CORPUS, record)
    assert signal.identical(near.signal(CORPUS, record))


def test_server_killed_in_the_middle_of_a_chunk_of_lazy_beats_loses_nothing(bucket, s3, systems_run: Path) -> None:
    near, far = (ef.open_run(where).beats(CORPUS)["window"] for where in (systems_run, bucket.address))
    with s3.killed_in_the_middle("GET 2"):
        windows = far[100:400].values
    assert np.array_equal(windows, near[100:400].values, equal_nan=True)


def test_server_that_is_gone_is_one_line_for_lazy_beats(bucket, s3, monkeypatch) -> None:
    monkeypatch.setattr(objects, "_RETRIES", objects._RETRIES | {"max_retries": 1})
    beats = ef.open_run(bucket.address).beats(CORPUS)
    s3.stop()
    with pytest.raises(DataError, match=r"^s3://lab/runs/7/data/windows/simulate.zarr/window_uv/.*: no whole answer"):
        beats["window"][1000:1010].load()


def test_what_is_wrong_in_a_bucket_is_one_line(bucket, s3) -> None:
    with pytest.raises(DataError, match=r"^s3://lab/runs/8: no data/records; expected the folder of a finished run"):
        ef.open_run("s3://lab/runs/8")
    with pytest.raises(DataError, match=r"^s3://nowhere: no such bucket"):
        ef.open_run("s3://nowhere/runs")
    run = ef.open_run(bucket.address)
    record = run.table("records", CORPUS)["record"][0]
    layout = "data/signals/simulate.zarr/signal_uv/zarr.json"
    whole = bucket.read(layout)
    bucket.write(layout, whole + b" ")
    with pytest.raises(DataError, match=r"^s3://lab/runs/7/data/signals/simulate.zarr: signal_uv/zarr.json with"):
        run.signal(CORPUS, record)
    bucket.write(layout, whole)
    shard = next(name for name in bucket.list_sizes() if "/signal_uv/c/" in name)
    content = bytearray(bucket.read(shard))
    content[len(content) // 3] ^= 1
    bucket.write(shard, bytes(content))
    with pytest.raises(DataError, match=r"^s3://lab/runs/7/data/signals/simulate.zarr: damaged rows"):
        for name in run.table("records", CORPUS)["record"]:
            run.signal(CORPUS, name)
    bucket.remove([shard])
    with pytest.raises(DataError, match="1 shard files are missing"):
        run.signal(CORPUS, record)
