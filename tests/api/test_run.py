"""A finished run from Python: labelled arrays that agree with the tables and stores they come from."""

import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import zarr

import ecgfeat as ef
from ecgfeat.errors import DataError, UsageError


@pytest.fixture
def run(systems_run: Path):
    return ef.open_run(systems_run)


def test_a_signal_is_labelled_by_lead_and_time_in_millivolts(run, systems_run: Path) -> None:
    record = run.table("records", "simulate")["record"][0]
    signal = run.signal("simulate", record)
    start, stop = zarr.open_group(systems_run / "data/signals/simulate.zarr", mode="r").attrs["records"][record]
    stored_uv = zarr.open_group(systems_run / "data/signals/simulate.zarr", mode="r")["signal_uv"][start:stop]
    assert signal.dims == ("time", "lead")
    assert signal.attrs["units"] == "mV"
    expected_mv = np.where(stored_uv == -32768, np.nan, stored_uv / 1000)
    assert np.allclose(signal.values, expected_mv, atol=1e-6, equal_nan=True)
    lead = str(signal["lead"].values[0])
    part = signal.sel(lead=lead, time=slice(10, 20))
    assert part.sizes["time"] == 10 * 128 + 1
    assert float(part["time"][0]) == 10.0


def test_beats_stand_beside_their_windows_and_embeddings(run, systems_run: Path) -> None:
    beats = run.beats("simulate")
    rpeaks = pq.read_table(systems_run / "data/rpeaks/simulate.parquet")
    assert beats.sizes["beat"] == rpeaks.num_rows
    assert beats["aami"].values.tolist() == rpeaks["aami"].to_pylist()
    assert set(beats.data_vars) == {"window", "embedding"}
    window = beats["window"].isel(beat=5)
    stored_uv = zarr.open_group(systems_run / "data/windows/simulate.zarr", mode="r")["window_uv"][5]
    assert np.array_equal(window.values, np.where(stored_uv == -32768, np.nan, stored_uv), equal_nan=True)
    # The R-peak is at offset 0.
    assert float(beats["offset"][0]) == -1.0
    assert float(beats["offset"][128]) == 0.0
    assert beats["lead"].values.tolist() == list(run.table("records", "simulate").arrow["leads"][0].as_py())


@pytest.mark.parametrize("x", ["embedding", "features"])
def test_beats_as_anndata(run, x: str) -> None:
    data = run.to_anndata("simulate", x)
    beats = run.beats("simulate")
    assert data.n_obs == beats.sizes["beat"]
    assert data.obs["rhythm"].tolist() == beats["rhythm"].values.tolist()
    if x == "embedding":
        assert np.array_equal(data.X, beats["embedding"].values, equal_nan=True)
        assert data.var_names[0] == "time_0"
        assert data.var_names[-1] == "frequency_255"
    else:
        features = run.table("features", "simulate")
        name = data.var_names[3]
        assert np.array_equal(data.X[:, 3], features[name].astype(np.float32), equal_nan=True)
    assert data.obs_names.is_unique


def test_what_a_run_has_not_is_one_line(run, tmp_path: Path) -> None:
    assert repr(run).endswith("signals, wander, windows>")
    assert ": simulate, simulate12; data: beats, " in repr(run)
    with pytest.raises(DataError, match=r"no data/records; expected the folder of a finished run"):
        ef.open_run(tmp_path)
    with pytest.raises(UsageError, match=r"^corpus: nowhere; expected one of simulate, simulate12"):
        run.signal("nowhere", "x")
    with pytest.raises(UsageError, match=r"^x: windows; expected embedding or features"):
        run.to_anndata("simulate", "windows")
    with pytest.raises(DataError, match="no record x"):
        run.signal("simulate", "x")


@pytest.fixture
def begun(tmp_path: Path):
    """A run of which two tables and two stores are there, all of them empty."""
    for kind, ending in (("records", "parquet"), ("rpeaks", "parquet"), ("signals", "zarr"), ("windows", "zarr")):
        (tmp_path / "data" / kind).mkdir(parents=True)
        (tmp_path / "data" / kind / f"mitdb.{ending}").touch()
    return ef.open_run(tmp_path)


@pytest.mark.parametrize("kind", ["windows", "signals", "nope", "beats", "../data/records"])
def test_what_is_no_table_is_refused_with_the_tables_there_are(begun, kind: str) -> None:
    with pytest.raises(UsageError) as error:
        begun.table(kind, "mitdb")
    assert str(error.value) == f"table: {kind}; expected one of records, rpeaks."
    with pytest.raises(UsageError, match=r"^corpus: nowhere; expected one of mitdb\."):
        begun.table(kind, "nowhere")


@pytest.mark.parametrize("read", [lambda run: run.signal("mitdb", "100"), lambda run: run.beats("mitdb")])
def test_without_zarr_the_extra_is_named(begun, monkeypatch, read) -> None:
    monkeypatch.setattr(begun, "_read", lambda kind, corpus: {})
    monkeypatch.setitem(sys.modules, "zarr", None)
    monkeypatch.delitem(sys.modules, "ecgfeat.store.arrays", raising=False)
    with pytest.raises(UsageError, match=r"^zarr: not installed; expected the packages of the extra pipeline\."):
        read(begun)


def test_an_unfinished_store_is_refused(run, systems_run: Path, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "run"
    for kind in ("records", "rpeaks", "windows"):
        shutil.copytree(systems_run / "data" / kind, copy / "data" / kind)
    shard = next(path for path in (copy / "data/windows/simulate.zarr/window_uv/c").rglob("*") if path.is_file())
    shard.unlink()
    with pytest.raises(DataError, match="shard files are missing"):
        ef.open_run(copy).beats("simulate")
