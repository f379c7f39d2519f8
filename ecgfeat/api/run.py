"""A finished run of the pipeline, on the disk or in a bucket, with its arrays as labelled xarray, its beats as AnnData.

Positions in a run are samples at 128 Hz. Arrays are read when they are needed.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ecgfeat.api.artifacts import Artifacts, BucketArtifacts, FolderArtifacts
from ecgfeat.api.tables import Table
from ecgfeat.errors import DataError, UsageError, need_extras
from ecgfeat.store.feature_columns import FEATURE_NAMES
from ecgfeat.store.objects import ObjectFolder, is_address
from ecgfeat.store.schemas import (
    COMMON_FS_HZ,
    EMBEDDINGS,
    INVALID_UV,
    RECORDS,
    SIGNALS,
    TABLES,
    WINDOWS,
    ArraySchema,
)
from ecgfeat.store.tables import Columns, as_arrow, read_table

if TYPE_CHECKING:
    from ecgfeat.store.arrays import ArrayStore

_BEAT_COLUMNS = ("record", "subject", "time_s", "rr_s", "symbol", "aami", "rhythm", "quality")


class Run:
    """What the pipeline has made.

    Parameters
    ----------
    artifacts : Artifacts
        Where it is.
    """

    def __init__(self, artifacts: Artifacts) -> None:
        self._artifacts = artifacts
        tables = (Path(name) for name in artifacts.names("records"))
        self.corpora = tuple(table.stem for table in tables if table.suffix == ".parquet")
        """Slugs of the corpora of the run."""
        if not self.corpora:
            raise DataError(
                artifacts.where,
                found="no data/records",
                expected="the folder of a finished run",
                remedy="Run: dvc repro",
            )

    def table(self, kind: str, corpus: str) -> Table:
        """Return a table of a corpus.

        Parameters
        ----------
        kind : str
            records, beats (of the reference), episodes, quality, rpeaks, features or classes: a folder of ``data/``
            that holds a table of the corpus.
        corpus : str
            One of `corpora`.

        Returns
        -------
        Table
            Its columns are described on docs/store.md.

        Raises
        ------
        UsageError
            If the run has no such corpus, or no such table of it.
        DataError
            If the table is damaged.
        """
        self._check_corpus(corpus)
        kinds = [of for of in self._artifacts.kinds() if of in TABLES]
        tables = [of for of in kinds if f"{corpus}.parquet" in self._artifacts.names(of)]
        if kind not in tables:
            raise UsageError("table", found=kind, expected=f"one of {', '.join(tables)}")
        return Table(f"{kind} of {corpus}", as_arrow(self._read(kind, corpus), TABLES[kind]))

    def signal(self, corpus: str, record: str) -> Any:
        """Return the signal of a record at the common rate.

        Parameters
        ----------
        corpus, record : str
            Which.

        Returns
        -------
        xarray.DataArray
            Millivolts, float32, shape (time, lead), NaN where invalid. Coordinates: ``time`` in seconds from the start
            of the record, ``lead`` by name, and ``record``. Without baseline, as the models read it.

        Raises
        ------
        DataError
            If the store has no such record, or is damaged.
        """
        xarray = _import_xarray()
        signal_uv_SC = _open_array(self._array("signals", corpus), SIGNALS).read(record)
        signal_mv_SC = np.where(signal_uv_SC == INVALID_UV, np.float32(np.nan), signal_uv_SC / np.float32(1000))
        leads = self._leads_of(corpus)[record]
        return xarray.DataArray(
            signal_mv_SC,
            dims=("time", "lead"),
            coords={
                "time": ("time", np.arange(len(signal_mv_SC)) / COMMON_FS_HZ, {"units": "s"}),
                "lead": list(leads),
                "record": record,
            },
            name="signal",
            attrs={"units": "mV", "long_name": SIGNALS.long_name.split(",")[0], "fs_hz": COMMON_FS_HZ},
        )

    def beats(self, corpus: str) -> Any:
        """Return the beats of a corpus: what is known of each, its window and its embedding.

        Parameters
        ----------
        corpus : str
            Which.

        Returns
        -------
        xarray.Dataset
            Dimension ``beat``, with the coordinates record, subject, time_s, rr_s, symbol, aami, rhythm and quality.
            Variables, as far as the run has them: ``window`` (beat, lead, offset) in microvolts, NaN where invalid,
            with ``offset`` in seconds from the R-peak; ``embedding`` (beat, feature). Both are read from disk where
            they are used. Leads have names where all records have the same, else positions.

        Raises
        ------
        DataError
            If the table or a store is unfinished or damaged.
        """
        xarray = _import_xarray()
        rpeaks = self._read("rpeaks", corpus)
        variables = {}
        for schema, folder, name in ((WINDOWS, "windows", "window"), (EMBEDDINGS, "embeddings", "embedding")):
            if f"{corpus}.zarr" in self._artifacts.names(folder):
                path = self._array(folder, corpus)
                store = _open_array(path, schema, aligned_with=self._table("rpeaks", corpus))  # or a fault
                if store.rows:  # of windows.keep false, or embed.dtype live, there are none
                    variables[name] = self._open_lazily(path, schema)
        beats = xarray.Dataset(variables)
        if "window" in beats:
            beats["window"] = beats["window"].rename(sample="offset")
            num_samples, num_leads = beats.sizes["offset"], beats.sizes["lead"]
            offset_s = (np.arange(num_samples) - num_samples // 2) / COMMON_FS_HZ
            beats = beats.assign_coords(
                offset=("offset", offset_s, {"units": "s"}), lead=self._common_leads(corpus, num_leads)
            )
        return beats.assign_coords({name: ("beat", rpeaks[name]) for name in _BEAT_COLUMNS})

    def to_anndata(self, corpus: str, x: Literal["embedding", "features"] = "embedding") -> Any:
        """Return the beats of a corpus as AnnData, for the tools of single-cell analysis: neighbours, maps, clusters.

        Parameters
        ----------
        corpus : str
            Which.
        x : {'embedding', 'features'}
            Which numbers are the matrix X, (beats, variables): embeddings, or measured features by name.

        Returns
        -------
        anndata.AnnData
            ``obs`` has a row per beat: record, subject, time_s, rr_s, symbol, aami, rhythm, quality.

        Raises
        ------
        DataError
            If the run has no such numbers.
        UsageError
            If there is no such choice.
        """
        if x not in ("embedding", "features"):
            raise UsageError("x", found=x, expected="embedding or features")
        with need_extras():
            import anndata
            import pandas
        rpeaks = self._read("rpeaks", corpus)
        if x == "embedding":
            aligned = self._table("rpeaks", corpus)
            values = _open_array(self._array("embeddings", corpus), EMBEDDINGS, aligned_with=aligned).read()
            names = [f"{part}{number}" for part in ("time_", "frequency_") for number in range(values.shape[1] // 2)]
        else:
            columns, names = self._read("features", corpus), list(FEATURE_NAMES)
            values = np.stack([columns[name] for name in names], axis=1).astype(np.float32)
        index = [f"{record}/{beat}" for record, beat in zip(rpeaks["record"], rpeaks["beat"], strict=True)]
        return anndata.AnnData(
            values,
            obs=pandas.DataFrame({name: rpeaks[name] for name in _BEAT_COLUMNS}, index=index),
            var=pandas.DataFrame(index=names),
            uns={"corpus": corpus, "x": x},
        )

    def __repr__(self) -> str:
        kinds = ", ".join(self._artifacts.kinds())
        return f"<run in {self._artifacts.name}: {', '.join(self.corpora)}; data: {kinds}>"

    def _check_corpus(self, corpus: str) -> None:
        if corpus not in self.corpora:
            raise UsageError("corpus", found=corpus, expected=f"one of {', '.join(self.corpora)}")

    def _table(self, kind: str, corpus: str) -> Path:
        return self._artifacts.table(kind, self._name(kind, corpus, "parquet"))

    def _array(self, kind: str, corpus: str) -> Path | ObjectFolder:
        return self._artifacts.array(kind, self._name(kind, corpus, "zarr"))

    def _name(self, kind: str, corpus: str, ending: str) -> str:
        """Return the file name of an artifact of a corpus, which the run must have."""
        self._check_corpus(corpus)
        name = f"{corpus}.{ending}"
        if name not in self._artifacts.names(kind):
            where = f"{self._artifacts.where}/data/{kind}/{name}"
            raise DataError(where, found="nothing", expected=f"what a run keeps of {kind}", remedy="Run: dvc repro")
        return name

    def _read(self, kind: str, corpus: str) -> Columns:
        return read_table(self._table(kind, corpus), TABLES[kind])

    def _leads_of(self, corpus: str) -> dict[str, tuple[str, ...]]:
        """Return the names of the leads of each record."""
        columns = read_table(self._table("records", corpus), RECORDS, ["record", "leads"])
        return {record: tuple(leads) for record, leads in zip(columns["record"], columns["leads"], strict=True)}

    def _common_leads(self, corpus: str, num_leads: int) -> list[Any]:
        """Return the names of the leads of windows, where all records have the same; else positions."""
        names = {leads[:num_leads] for leads in self._leads_of(corpus).values()}
        only = next(iter(names)) if len(names) == 1 else ()
        return list(only) if len(only) == num_leads else list(range(num_leads))

    def _open_lazily(self, path: Path | ObjectFolder, schema: ArraySchema) -> Any:
        """Open an array without reading it; what is invalid becomes NaN where it is read."""
        from ecgfeat.store.arrays import as_zarr

        dataset = _import_xarray().open_zarr(
            as_zarr(path), consolidated=False, chunks=None, use_zarr_fill_value_as_mask=True, mask_and_scale=True
        )
        return dataset[schema.array]


def open_run(folder: Path | str = ".") -> Run:
    """Open what the pipeline has made.

    Parameters
    ----------
    folder : Path or str
        Where ``dvc repro`` was called; or ``s3://bucket/prefix``, where a copy of its ``data/`` is. From there a table
        is copied when it is first used, and of an array only what is used is read.

    Returns
    -------
    Run

    Raises
    ------
    DataError
        If there is no finished run, or the bucket cannot be read.
    UsageError
        If it is no address of a bucket, or there are no credentials for it.
    """
    return Run(BucketArtifacts(str(folder)) if is_address(folder) else FolderArtifacts(Path(folder)))


def _import_xarray() -> Any:
    with need_extras():
        import xarray
    return xarray


def _open_array(path: Path | ObjectFolder, schema: ArraySchema, *, aligned_with: Path | None = None) -> "ArrayStore":
    with need_extras():
        from ecgfeat.store.arrays import open_array
    return open_array(path, schema, aligned_with=aligned_with)
