"""The MIT (WFDB) binary formats, bytes to arrays and back: signal formats and annotation files.

Headers and folders are the job of `ecgfeat.records.headers` and `ecgfeat.records.reader`. An error raised here says
what was found; the caller adds the record.

References
----------
Moody, WFDB Applications Guide: signal(5) and annot(5), https://wfdb.io/mit_wfdb/spec/.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import numpy.typing as npt

# Bits per stored sample, and the value of an invalid sample.
BITS = {"16": 16, "61": 16, "80": 8, "160": 16, "24": 24, "32": 32, "212": 12}
INVALID = {"16": -(1 << 15), "61": -(1 << 15), "80": -128, "160": -(1 << 15), "24": -(1 << 23), "32": -(1 << 31)}
INVALID["212"] = -(1 << 11)
# Formats that wfdb decodes for us: too rare in ECG corpora for a decoder of our own.
INVALID_ELSEWHERE = {"310": -512, "311": -512, "508": -128, "516": -(1 << 15), "524": -(1 << 23)}

# Annotation codes 0-49 in order. Codes without a symbol of their own, for users to define, are written as [42].
_NAMED = (" ", *'NLRaVFJASEj/Q~ | sT*D"=pB^t+u?![]en@xf()r')
SYMBOLS = tuple(
    _NAMED[code] if code < len(_NAMED) and (code == 0 or _NAMED[code] != " ") else f"[{code}]" for code in range(50)
)
SKIP, NUM, SUB, CHN, AUX = 59, 60, 61, 62, 63
NOTE = 22

# Annotation files of the American Heart Association: records of 16 bytes, and the symbol of each letter.
_AHA_BYTES, _AHA_END = 16, 0xFF
_AHA_SYMBOLS = dict(zip("NVFEPQORU[]", 'NVFE/Q"r~[]', strict=True))


@dataclass(frozen=True)
class Decoded:
    """Contents of an annotation file: positions, symbols, notes and the stated resolution (None: not stated)."""

    sample: npt.NDArray[np.int64]
    symbol: npt.NDArray[np.str_]
    aux: npt.NDArray[np.object_]
    fs_hz: float | None


def bytes_of_samples(fmt: str, num_values: int) -> int:
    """Return how many bytes `num_values` stored samples take in format `fmt`."""
    return ceil(num_values * BITS[fmt] / 8)


def samples_of_bytes(fmt: str, num_bytes: int) -> int:
    """Return how many whole samples of format `fmt` fit into `num_bytes`."""
    return num_bytes * 8 // BITS[fmt]


def decode_signal(
    raw: npt.NDArray[np.uint8], fmt: str, num_values: int
) -> npt.NDArray[np.int16] | npt.NDArray[np.int32]:
    """Decode stored samples.

    Parameters
    ----------
    raw : ndarray of uint8, shape (n,)
        Bytes of the signal file from its first sample on; further bytes are ignored.
    fmt : {'16', '61', '80', '160', '24', '32', '212'}
        WFDB signal format.
    num_values : int
        Samples to decode, over all leads of the file.

    Returns
    -------
    ndarray of int16 or int32, shape (num_values,)
        Digital values in the order of the file; invalid ones as stored (`INVALID`).
    """
    assert len(raw) >= bytes_of_samples(fmt, num_values), "the caller checks the length first"
    used = raw[: bytes_of_samples(fmt, num_values)]
    if fmt == "16":
        return used.view("<i2").astype(np.int16, copy=False)
    if fmt == "61":
        return used.view(">i2").astype(np.int16)
    if fmt == "160":
        return (used.view("<u2").astype(np.int32) - (1 << 15)).astype(np.int16)
    if fmt == "80":
        return used.astype(np.int16) - np.int16(128)
    if fmt == "32":
        return used.view("<i4").astype(np.int32, copy=False)
    if fmt == "24":
        triple = used.reshape(-1, 3).astype(np.int32)
        return (triple[:, 0] | (triple[:, 1] << 8) | (triple[:, 2] << 16)) << 8 >> 8
    assert fmt == "212", fmt
    # Two samples share three bytes; an odd last sample has only its own two.
    triple = np.concatenate([used, np.zeros(-len(used) % 3, np.uint8)]).reshape(-1, 3).astype(np.int16)
    pair = np.empty((len(triple), 2), np.int16)
    pair[:, 0] = (triple[:, 0] | ((triple[:, 1] & 0x0F) << 8)) << 4 >> 4
    pair[:, 1] = (triple[:, 2] | ((triple[:, 1] & 0xF0) << 4)) << 4 >> 4
    return pair.reshape(-1)[:num_values]


def decode_annotations(raw: bytes) -> Decoded:
    """Decode an annotation file, in the format of MIT or of the AHA.

    Decodes all 16-bit words at once; only words with a payload are visited one by one. Subtypes, channels and numbers
    of annotations are ignored.

    Parameters
    ----------
    raw : bytes
        The whole file.

    Returns
    -------
    Decoded
        In the order of the file, without the notes that describe the file itself (resolution, own symbols).

    Raises
    ------
    ValueError
        If the end mark is missing or stands before the end, a payload is cut or an annotation code has no symbol.
    """
    # The C library tells the two formats apart by the same rule.
    if len(raw) > 1 and raw[0] == 0 and chr(raw[1]) in _AHA_SYMBOLS and chr(raw[1]) not in "[]":
        return _decode_aha(raw)
    if len(raw) < 2 or len(raw) % 2:
        raise ValueError(f"truncated: {len(raw)} bytes")
    words = np.frombuffer(raw, "<u2")
    codes = words >> 10
    is_word = np.ones(len(words), np.bool_)
    skips: list[tuple[int, int]] = []
    notes: list[tuple[int, str]] = []
    free = 0
    for at in np.flatnonzero((codes == SKIP) | (codes == AUX) | (words == 0)).tolist():
        if at < free:
            continue  # a payload that looks like a code
        if words[at] == 0:
            break
        size = 2 if codes[at] == SKIP else (int(words[at] & 0x3FF) + 1) // 2
        free = at + 1 + size
        if free > len(words):
            raise ValueError(f"truncated within an annotation: {len(raw)} bytes")
        is_word[at : at + 1 + size] = False
        payload = raw[2 * at + 2 : 2 * free]
        if codes[at] == SKIP:  # high half first, as on a PDP-11
            skips.append((at, int.from_bytes(payload[2:] + payload[:2], "little", signed=True)))
        else:
            notes.append((at, payload[: int(words[at] & 0x3FF)].decode("latin-1")))
    else:
        raise ValueError(f"truncated: no end mark after {len(raw)} bytes")
    stop = at
    if words[stop:].any():
        raise ValueError(f"an end mark at byte {2 * stop} of {len(raw)}, and annotations behind it")
    is_word[stop:] = False
    is_word[codes > SKIP] = False  # subtype, channel and number carry their value, not a time
    delta = np.where(is_word, words & 0x3FF, 0).astype(np.int64)
    for at, skip in skips:
        delta[at] = skip
    index = np.flatnonzero(is_word)
    sample, code = np.cumsum(delta)[index], codes[index]
    aux = np.full(len(index), "", dtype=object)
    for at, text in notes:
        owner = int(np.searchsorted(index, at)) - 1
        if owner >= 0:
            aux[owner] = text
    return _interpret(sample, code.astype(np.int64), aux)


def _decode_aha(raw: bytes) -> Decoded:
    """Decode an annotation file of the AHA: letter, position, and a note of up to six characters."""
    row = np.frombuffer(raw[: len(raw) - len(raw) % _AHA_BYTES], np.uint8).reshape(-1, _AHA_BYTES)
    ends = np.flatnonzero(row[:, 0] == _AHA_END)
    stop = int(ends[0]) if len(ends) else len(row)
    if not len(ends) and len(raw) % _AHA_BYTES and raw[len(row) * _AHA_BYTES] != _AHA_END:
        raise ValueError(f"truncated within an annotation: {len(raw)} bytes")
    if row[:stop, 0].any():
        raise ValueError(f"annotation {int(np.flatnonzero(row[:stop, 0])[0])} does not begin with a zero byte")
    letters = [chr(code) for code in row[:stop, 1]]
    unknown = sorted(set(letters) - set(_AHA_SYMBOLS))
    if unknown:
        raise ValueError(f"AHA code {unknown[0]!r} has no meaning")
    half = np.ascontiguousarray(row[:stop, 2:6]).view("<u2").astype(np.int64)  # high half first, as on a PDP-11
    sample = ((half[:, 0] << 16) | half[:, 1]).astype(np.int32).astype(np.int64) if stop else np.zeros(0, np.int64)
    symbol = np.array([_AHA_SYMBOLS[letter] for letter in letters], dtype="<U2")
    aux = np.array([bytes(note).rstrip(b"\0").decode("latin-1") for note in row[:stop, 10:]], dtype=object)
    return Decoded(sample, symbol, aux, None)


def _interpret(sample: npt.NDArray[np.int64], code: npt.NDArray[np.int64], aux: npt.NDArray[np.object_]) -> Decoded:
    """Remove the notes that describe the file itself, and turn codes into symbols."""
    table = [*SYMBOLS, *[" "] * (SKIP - len(SYMBOLS))]  # codes from 50 on are illegal
    fs_hz = None
    kept = code != 0
    defining = False
    for i in np.flatnonzero((sample == 0) & (code == NOTE) & kept).tolist():
        text = str(aux[i])
        if match := re.match(r"## time resolution: (\d+\.?\d*)", text):
            fs_hz = float(match.group(1))
            if not 1e-3 <= fs_hz <= 1e6:
                raise ValueError(f"time resolution of {fs_hz:g} Hz")
        elif text.startswith("## annotation type definitions"):
            defining = True
        elif text.startswith("## end of definitions"):
            defining = False
        elif defining and (match := re.match(r"(\d+) (\S+)", text)) and int(match.group(1)) < SKIP:
            table[int(match.group(1))] = match.group(2)
        else:
            continue
        kept[i] = False
    sample, code, aux = sample[kept], code[kept], aux[kept]
    nameless = [number for number in np.unique(code).tolist() if table[number] == " "]
    if nameless:
        raise ValueError(f"annotation code {nameless[0]} has no meaning")
    return Decoded(sample, np.array(table, dtype=f"<U{max(2, *map(len, table))}")[code], aux, fs_hz)


def encode_annotations(
    sample: npt.ArrayLike, symbol: Sequence[str] | npt.NDArray[np.str_], aux: Sequence[str] | None, fs_hz: float
) -> bytes:
    """Encode annotations as a WFDB annotation file.

    Parameters
    ----------
    sample : array_like of int, shape (n,)
        Positions in ascending order, from 0 on.
    symbol : sequence of str, shape (n,)
        WFDB symbols.
    aux : sequence of str, shape (n,), or None
        Notes of up to 255 Latin-1 characters; empty: none.
    fs_hz : float
        Sampling frequency of the positions, stated in the file.

    Returns
    -------
    bytes
        The file, with its end mark.

    Raises
    ------
    ValueError
        If positions descend or a symbol or note cannot be written.
    """
    position = np.asarray(sample, dtype=np.int64)
    step = np.diff(position, prepend=0)
    if (step < 0).any():
        raise ValueError("positions descend or are negative")
    names, inverse = np.unique(np.asarray(symbol, dtype=np.str_), return_inverse=True)
    unknown = [str(name) for name in names if name == " " or name not in SYMBOLS]
    if unknown:
        raise ValueError(f"symbol {unknown[0]!r} is no WFDB annotation symbol")
    code = np.array([SYMBOLS.index(str(name)) for name in names], dtype=np.int64)[inverse]
    notes = {}
    for i, text in enumerate(aux if aux is not None else ()):
        if text:
            notes[i] = str(text).encode("latin-1")
            if len(notes[i]) > 255:
                raise ValueError(f"a note of {len(notes[i])} characters")
    leaps = step > 0x3FF
    note_words = np.zeros(len(position), np.int64)
    note_words[list(notes)] = [1 + (len(text) + 1) // 2 for text in notes.values()]
    resolution = f"## time resolution: {fs_hz:.12g}".encode("ascii")
    head = [(NOTE << 10).to_bytes(2, "little"), (AUX << 10 | len(resolution)).to_bytes(2, "little"), resolution]
    if len(resolution) % 2:
        head.append(b"\0")
    at = np.cumsum(3 * leaps + 1 + note_words) - 1 - note_words  # where each annotation's own word goes
    words = np.zeros(int((3 * leaps + 1 + note_words).sum()) + 1, "<u2")
    words[at] = code << 10 | np.where(leaps, 0, step)
    words[at[leaps] - 3] = SKIP << 10
    words[at[leaps] - 2] = step[leaps] >> 16
    words[at[leaps] - 1] = step[leaps] & 0xFFFF
    for i, note in notes.items():
        words[at[i] + 1] = AUX << 10 | len(note)
        words[at[i] + 2 : at[i] + 2 + (len(note) + 1) // 2] = np.frombuffer(note + b"\0" * (len(note) % 2), "<u2")
    return b"".join(head) + words.tobytes()
