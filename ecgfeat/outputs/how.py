"""How recordings are predicted. Importing this imports no torch, which takes seconds."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class HowToPredict:
    """How recordings are predicted, in texts and numbers, so that another process can be given it.

    Attributes
    ----------
    out : str
        Folder to write to.
    models : str
        Folder of a beat classifier and a rhythm head; empty with `rhythm`.
    rhythm, htf : str
        Folders of a published head and of its beat embedder.
    fs_hz, leads, unit
        As `ecgfeat.files.read` takes them.
    formats : tuple of str
        As `ecgfeat.outputs.write.write_prediction` takes them.
    pages : tuple of (str, str)
        Kinds of `ecgfeat.outputs.endings.PAGE_ENDINGS`, and where the function that writes such a page is:
        ``module:function``.
    num_views : int
        As `ecgfeat.prediction.record.predict_record` takes it.
    device : {'auto', 'cpu', 'cuda'}
        Where to compute.
    threads : int
        Threads of a process; 0 for as many as torch takes.
    opens : str
        Where the function that opens a recording is.
    """

    out: str
    models: str = ""
    rhythm: str = ""
    htf: str = ""
    fs_hz: float | None = None
    leads: Sequence[str] | None = None
    unit: str | None = None
    formats: Sequence[str] = ("parquet", "wfdb")
    pages: Sequence[tuple[str, str]] = ()
    num_views: int = 7
    device: str = "auto"
    threads: int = 0
    opens: str = "ecgfeat.files:open_ecg"
