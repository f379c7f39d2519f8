"""The records of a finished run of the pipeline, and its models."""

from pathlib import Path

from ecgfeat.errors import DataError, UsageError
from ecgfeat.files.folders import Found
from ecgfeat.files.formats import wfdb_record
from ecgfeat.pretrained import DEFAULT, find_models
from ecgfeat.store.schemas import RECORDS
from ecgfeat.store.tables import read_table


def is_run(folder: Path) -> bool:
    """Return whether a folder is that of a finished run: it has raw corpora, and tables of their records."""
    return (folder / "data" / "raw").is_dir() and any((folder / "data" / "records").glob("*.parquet"))


def find_records_of_run(folder: Path) -> list[tuple[Found, Path, str]]:
    """Find the raw records that a run has used.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    list of (Found, Path, str)
        As `ecgfeat.files.folders.find_inputs` returns recordings: those of the test first, then in the order of
        corpora and records. Records whose raw files are gone are left out.

    Raises
    ------
    DataError
        If a table is damaged.
    UsageError
        If no raw file is left.
    """
    of_test: dict[bool, list[tuple[Found, Path, str]]] = {True: [], False: []}
    for path in sorted((folder / "data" / "records").glob("*.parquet")):
        records = read_table(path, RECORDS)
        for record, split, status in zip(records["record"], records["split"], records["status"], strict=True):
            file, below = folder / "data" / "raw" / path.stem / str(record), Path(path.stem) / str(record)
            if status == "used" and wfdb_record(file) is not None:
                of_test[split == "test"].append((Found(file, below.parent), below.parent, below.name))
    if not any(of_test.values()):
        raise UsageError(
            str(folder), found="no raw record that the run has used", expected="WFDB records in data/raw/<corpus>"
        )
    return of_test[True] + of_test[False]


def choose_models_of_run(folder: Path) -> tuple[Path, str]:
    """Return the models of a run if they can be read, else the shipped ones, and a sentence that says which.

    Parameters
    ----------
    folder : Path
        Of the run.

    Returns
    -------
    models : Path
        Folder with ``beats/classifier`` and ``rhythm``.
    note : str
        For the page.
    """
    from ecgfeat.prediction.models import load_models

    try:
        load_models(folder / "models")
    except DataError as error:
        return find_models(DEFAULT), f"Predicted by the shipped models: those of the run cannot be used ({error})."
    return folder / "models", "Predicted by the models of the run, which have learnt from its training records."
