"""The file formats that are read, each recognised by its content: endings are wrong as often as they are absent."""

import re
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final, Protocol

from ecgfeat.errors import DataError, printable
from ecgfeat.files.recording import Recording
from ecgfeat.records.headers import find_file

_HEAD_BYTES = 1 << 16
READ: Final = (
    "WFDB, .npy, .npz, CSV, MATLAB, JSON; with the extra formats EDF, EDF+, BDF, DICOM, SCP-ECG, ISHNE, HL7 aECG, "
    "GE MUSE XML, Philips XML, AliveCor JSON, MFER, Mortara XML"
)
"""What can be read, for messages."""

_PARTS_OF_RECORD: Final = (".hea", ".dat", ".mat", ".atr", ".qrs")

# Headers of files that are often taken for recordings.
_KNOWN_OTHERS: Final = {
    b"\x89HDF\r\n\x1a\n": "an HDF5 file (MATLAB 7.3 writes these: save it with -v7, or export CSV)",
    b"%PDF": "a PDF file",
    b"\x89PNG": "a picture",
    b"\xff\xd8\xff": "a picture",
    b"PAR1": "a Parquet table",
    b"\x1f\x8b": "a gzip file (unpack it first)",
    b"7z\xbc\xaf": "a 7z file (unpack it first)",
    b"BrainVision": "a BrainVision header",
    b"Brain Vision": "a BrainVision header",
}


class Open(Protocol):
    """Function that opens a file of one format."""

    def __call__(self, path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
        """Open the file."""


@dataclass(frozen=True)
class Format:
    """A file format.

    Attributes
    ----------
    name : str
        For messages.
    module, function : str
        Where the `Open` of this format is; imported when a file of it is opened.
    matches : callable
        Given the path and the first bytes of a file, tells whether it is of this format.
    has_mark : bool
        Whether such files begin with a mark of their own.
    """

    name: str
    module: str
    function: str
    matches: Callable[[Path, bytes], bool]
    has_mark: bool = True

    def open(self, path: Path, *, fs_hz: float | None, unit: str | None) -> Recording:
        """Open a file of this format."""
        opener: Open = getattr(import_module(self.module), self.function)
        return opener(path, fs_hz=fs_hz, unit=unit)


def recognise(path: Path) -> Format:
    """Recognise the format of a recording by its content.

    Parameters
    ----------
    path : Path
        A file, or a WFDB record with or without the ending of its header.

    Returns
    -------
    Format

    Raises
    ------
    DataError
        If there is no such file or record, or it is of no known format; the message says what is read.
    """
    where = printable(str(path))
    try:
        is_record, is_folder = wfdb_record(path) is not None, path.is_dir()
        head = b"" if is_record or is_folder else _read_head(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: a name with NUL
        found = f"no such file, and no WFDB header {printable(path.name)}.hea"
        raise DataError(where, found=found, expected=f"a recording: {READ}") from None
    except OSError as error:
        raise DataError(where, found=error.strerror or str(error), expected="a readable file") from None
    if is_record:
        return WFDB
    if is_folder:
        raise DataError(where, found="a folder", expected="a recording", remedy="Name one of the files in it.")
    if not head:
        raise DataError(where, found="an empty file", expected="a recording")
    other = next((name for start, name in _KNOWN_OTHERS.items() if head.startswith(start)), None)
    kind = next((kind for kind in FORMATS if other is None and kind.matches(path, head)), None)
    if kind is None:
        # What `.dat` holds is known by its header alone.
        header = path.with_suffix(".hea")
        is_without_header = other is None and path.suffix.casefold() == ".dat"
        raise DataError(
            where,
            found=other or "no recording that is known",
            expected=f"one of {READ}",
            remedy=f"If it is of a WFDB record, its header {printable(header.name)} is missing." * is_without_header,
        )
    return kind


def _read_head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEAD_BYTES)


def record_name(path: Path) -> str:
    """Return the name of a recording: that of its file without ending, or of a WFDB record, in printable letters."""
    record = wfdb_record(path)
    return printable(path.stem if record is None else record.name)


def wfdb_record(path: Path) -> Path | None:
    """Return the path of a WFDB record without ending, given with or without one; None if there is no header."""
    if _has_header(path):
        return path
    # A file of another format may lie beside a record of the same name: x.edf beside x.hea.
    is_part = path.suffix.casefold() in _PARTS_OF_RECORD or (path.suffix != "" and not path.is_file())
    return path.with_suffix("") if is_part and _has_header(path.with_suffix("")) else None


def _has_header(record: Path) -> bool:
    return record.name != "" and find_file(record.with_name(f"{record.name}.hea")).is_file()


def _is_edf(path: Path, head: bytes) -> bool:
    # The version is eight bytes; the number of header bytes must fit the number of signals.
    if not (head[:8] == b"0       " or head[:8] == b"\xffBIOSEMI") or len(head) < 256:
        return False
    size, signals = head[184:192].strip(), head[252:256].strip()
    return size.isdigit() and signals.isdigit() and int(size) == 256 * (int(signals) + 1)


def _is_numpy(path: Path, head: bytes) -> bool:
    return head.startswith(b"\x93NUMPY")


def _is_archive(path: Path, head: bytes) -> bool:
    if not head.startswith(b"PK\x03\x04"):
        return False
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return path.suffix.casefold() == ".npz"
    return bool(names) and all(name.endswith(".npy") for name in names)


def _is_matlab(path: Path, head: bytes) -> bool:
    if head.startswith(b"MATLAB 5.0 MAT-file"):
        return True
    # Version 4 has no mark: type, rows, columns, imaginary, length of the name.
    if len(head) < 22 or path.suffix.casefold() != ".mat":
        return False
    kind, rows, columns, imaginary, length = (int.from_bytes(head[at : at + 4], "little") for at in range(0, 20, 4))
    return kind < 5000 and rows > 0 and columns > 0 and imaginary in (0, 1) and 1 < length < 256


def _is_maker(path: Path, head: bytes) -> bool:
    if head[128:132] == b"DICM" or head.startswith((b"ISHNE1.0", b"ANN  1.0")) or _is_scp(path, head):
        return True
    if _MFER.match(head):
        return True
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", errors="ignore")
    if "<" in text[:200]:
        return _XML.search(text) is not None
    return text.lstrip("\ufeff \t\r\n").startswith("{") and len(set(_KARDIA.findall(text))) > 1


def _is_scp(path: Path, head: bytes) -> bool:
    # Size of the file, and section 0 first: its number, length and version. The name is empty in early files.
    if head[16:22] == b"SCPECG":
        return True
    size, section, length = (int.from_bytes(head[at : at + n], "little") for at, n in ((2, 4), (8, 2), (10, 4)))
    return len(head) > 136 and section == 0 and 120 <= length <= size == path.stat().st_size


_MFER = re.compile(rb"@.MFR ", re.DOTALL)
_XML = re.compile(r"<(\w+:)?(AnnotatedECG|restingecgdata|RestingECG|ECG)[\s>]", re.IGNORECASE)
_KARDIA = re.compile(r'"(recordedAt|algorithmDetermination|patientID|amplitudeResolution|data12L)"')


def _is_json(path: Path, head: bytes) -> bool:
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8", errors="ignore")
    return _JSON.match(text) is not None or (path.suffix.casefold() == ".json" and text.lstrip()[:1] in ("{", "["))


_JSON = re.compile(r"\ufeff?\s*(\{\s*\"|\[\s*[\[{\d.-])")


def _is_text(path: Path, head: bytes) -> bool:
    """Tell whether a file is a table of numbers: text without control characters, and some lines of numbers."""
    if b"\0" in head and head[:2] not in (b"\xff\xfe", b"\xfe\xff"):
        return False
    text = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "latin-1", errors="ignore")
    if any(ord(letter) < 32 and letter not in "\t\r\n\x1a" for letter in text) or text.lstrip().startswith("<"):
        return False
    num_lines = sum(bool(_NUMBERS.fullmatch(line)) and any(map(str.isdecimal, line)) for line in text.splitlines())
    return num_lines > 1 or path.suffix.casefold() in (".csv", ".tsv")


_NUMBERS = re.compile(r"""[\s\d.,;|:+\-eETZnaNA/"']{1,4096}""")

WFDB: Final = Format("WFDB record", "ecgfeat.files.wfdb_record", "open_wfdb", lambda path, head: False)
FORMATS: Final = (
    Format("EDF or BDF file", "ecgfeat.files.edf", "open_edf", _is_edf),
    Format("NumPy array", "ecgfeat.files.arrays", "open_npy", _is_numpy),
    Format("NumPy archive", "ecgfeat.files.arrays", "open_npz", _is_archive),
    Format("MATLAB file", "ecgfeat.files.arrays", "open_matlab", _is_matlab),
    Format("recording of a maker", "ecgfeat.files.makers", "open_maker", _is_maker),
    Format("JSON file", "ecgfeat.files.json_leads", "open_json", _is_json, has_mark=False),
    Format("table of text", "ecgfeat.files.text_table", "open_table", _is_text, has_mark=False),
)
