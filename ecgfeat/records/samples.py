"""Samples of WFDB records, read stretch by stretch: a record of a week is never in memory as a whole.

Every size is compared with the file before anything is allocated: a header of 60 bytes can state a length of terabytes.

Shape suffixes: S samples, F frames, V values of a frame, C leads.

References
----------
Moody, WFDB Applications Guide: header(5), signal(5), https://wfdb.io/mit_wfdb/spec/.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ecgfeat.errors import DataError
from ecgfeat.records.formats import BITS, INVALID, INVALID_ELSEWHERE, bytes_of_samples, decode_signal
from ecgfeat.records.headers import Header, Lead, beside, find_file, name_of, read_header
from ecgfeat.records.units import EXPECTED, millivolts_per

DEFAULT_GAIN = 200.0
"""Digital units per mV of a lead without a gain, as WFDB defines it. Such a lead is uncalibrated."""

COPY_AGAIN = "Copy or download the file again."
BLOCK_SAMPLES = 1 << 18
"""Samples of each lead that `Samples.blocks` reads at once."""

_Digital = npt.NDArray[np.int16] | npt.NDArray[np.int32]
_Floats = npt.NDArray[np.float32]


class Samples:
    """Samples of a record of one piece.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    header : Header
        Of a record with leads.

    Attributes
    ----------
    header : Header
        As given.
    num_samples : tuple of int, length C
        Samples of each lead. They differ where leads have different numbers of samples per frame.
    uncalibrated : tuple of str
        Leads without a gain, read with `DEFAULT_GAIN`: their amplitudes are relative.

    Raises
    ------
    DataError
        If a file is absent or shorter than the header states, or has several formats or an unknown one.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.header, self._where = header, name_of(folder, header.record)
        if not header.signals:
            remedy = "The record has annotations only."
            raise DataError(self._where, found="a header without leads", expected="at least one lead", remedy=remedy)
        self.num_samples = tuple(header.num_samples * lead.samples_per_frame for lead in header.signals)
        self.uncalibrated = tuple(lead.name or f"lead {at}" for at, lead in enumerate(header.signals) if not lead.gain)
        files = dict.fromkeys(lead.file for lead in header.signals)
        self._files = [
            _SignalFile(folder, header, [at for at, lead in enumerate(header.signals) if lead.file == file])
            for file in files
        ]

    def read(self, columns: Sequence[int], start: int, stop: int) -> _Floats:
        """Read a stretch of leads.

        Parameters
        ----------
        columns : sequence of int, length C
            Positions of leads of one rate.
        start, stop : int
            Half-open interval of samples at that rate, within the record.

        Returns
        -------
        ndarray of float32, shape (stop - start, C)
            Millivolts; NaN where invalid.

        Raises
        ------
        DataError
            If a lead is in no unit of voltage, or a rare format cannot be decoded.
        """
        signal_mv_SC = np.empty((stop - start, len(columns)), np.float32)
        for at, digital_S in self._digital(columns, start, stop):
            self._scale(columns[at], digital_S, signal_mv_SC[:, at])
        return signal_mv_SC

    def blocks(self, columns: Sequence[int], *, verify: bool = True) -> Iterator[_Floats]:
        """Read leads of one rate from start to end, and then compare the checksums.

        Parameters
        ----------
        columns : sequence of int, length C
            Positions of leads of one rate.
        verify : bool
            Compare the checksums that the header has with those of the samples.

        Yields
        ------
        ndarray of float32, shape (up to `BLOCK_SAMPLES`, C)
            Millivolts; NaN where invalid.

        Raises
        ------
        DataError
            As `read`; after the last block, if a checksum differs.
        """
        sums = [0] * len(columns)
        num_samples = self.num_samples[columns[0]]
        for start in range(0, num_samples, BLOCK_SAMPLES):
            stop = min(start + BLOCK_SAMPLES, num_samples)
            signal_mv_SC = np.empty((stop - start, len(columns)), np.float32)
            for at, digital_S in self._digital(columns, start, stop):
                sums[at] += int(np.sum(digital_S, dtype=np.int64))
                self._scale(columns[at], digital_S, signal_mv_SC[:, at])
            yield signal_mv_SC
        for column, total in zip(columns, sums, strict=True):
            lead = self.header.signals[column]
            if verify and lead.checksum is not None and total & 0xFFFF != lead.checksum & 0xFFFF:
                found = f"checksum {total & 0xFFFF} of lead {column} ({lead.name}) in {lead.file}"
                raise DataError(self._where, found=found, expected=f"{lead.checksum & 0xFFFF}", remedy=COPY_AGAIN)

    def _digital(self, columns: Sequence[int], start: int, stop: int) -> Iterator[tuple[int, _Digital]]:
        """Yield the samples of each lead as stored, with its place among `columns`."""
        for file in self._files:
            own = [(at, column) for at, column in enumerate(columns) if column in file.columns]
            if not own:
                continue
            per_frame = self.header.signals[own[0][1]].samples_per_frame
            first, last = start // per_frame, -(-stop // per_frame)
            frame_FV = file.read(first, last)
            for at, column in own:
                values_S = frame_FV[:, file.values[column]]
                yield at, values_S.reshape(-1)[start - first * per_frame : stop - first * per_frame]

    def _scale(self, column: int, digital_S: _Digital, physical_S: _Floats) -> None:
        lead = self.header.signals[column]
        factor = millivolts_per(lead.unit)
        if factor is None:
            found = f"unit {lead.unit} of lead {column} ({lead.name})"
            raise DataError(self._where, found=found, expected=EXPECTED)
        np.subtract(digital_S, np.float32(lead.baseline), out=physical_S, casting="same_kind", dtype=np.float32)
        # The assumed gain is one per mV, whatever unit the header names.
        physical_S *= np.float32(factor / lead.gain if lead.gain else 1 / DEFAULT_GAIN)
        invalid = INVALID.get(lead.fmt, INVALID_ELSEWHERE.get(lead.fmt))
        if invalid is not None:
            physical_S[digital_S == invalid] = np.nan


class _SignalFile:
    """The leads of a record that share one file."""

    def __init__(self, folder: Path, header: Header, columns: list[int]) -> None:
        self._folder, self._header, self.columns = folder, header, columns
        self._lead: Lead = header.signals[columns[0]]
        self._where = name_of(folder, header.record)
        self._path = find_file((folder / header.record).parent / self._lead.file)
        sizes = [header.signals[column].samples_per_frame for column in columns]
        ends = np.cumsum(sizes).tolist()
        self.values = {column: slice(end - size, end) for column, end, size in zip(columns, ends, sizes, strict=True)}
        self._num_values = ends[-1]
        if not self._path.is_file():
            found = f"no signal file {self._lead.file} in {self._path.parent}"
            raise DataError(self._where, found=found, expected="the file beside the header")
        if any(header.signals[column].fmt != self._lead.fmt for column in columns):
            raise DataError(self._where, found=f"several formats in {self._lead.file}", expected="one format per file")
        if self._lead.fmt in BITS:
            size = self._path.stat().st_size
            expected = self._lead.byte_offset + bytes_of_samples(self._lead.fmt, header.num_samples * self._num_values)
            if size < expected:
                remedy = f"The file is cut short. {COPY_AGAIN}"
                found = f"{self._lead.file} has {size} bytes"
                raise DataError(self._where, found=found, expected=f"{expected}", remedy=remedy)
        elif self._lead.fmt not in INVALID_ELSEWHERE:
            formats = ", ".join([*BITS, *INVALID_ELSEWHERE])
            raise DataError(self._where, found=f"signal format {self._lead.fmt}", expected=f"one of {formats}")

    def read(self, first: int, last: int) -> _Digital:
        """Read frames as stored, shape (last - first, V)."""
        if self._lead.fmt not in BITS:
            return self._elsewhere[first:last]
        # Two samples of format 212 share three bytes: begin at an even one.
        skipped = first * self._num_values % 2
        begin = first * self._num_values - skipped
        num_values = last * self._num_values - begin
        offset = self._lead.byte_offset + bytes_of_samples(self._lead.fmt, begin)
        raw = np.fromfile(self._path, np.uint8, bytes_of_samples(self._lead.fmt, num_values), offset=offset)
        return decode_signal(raw, self._lead.fmt, num_values)[skipped:].reshape(last - first, self._num_values)

    @cached_property
    def _elsewhere(self) -> _Digital:
        """All frames of a format that wfdb decodes."""
        import wfdb  # slow to import, and needed for rare formats only

        try:
            read = wfdb.rdrecord(str(self._folder / self._header.record), physical=False, channels=self.columns)
        except (
            Exception
        ) as error:  # wfdb passes on every error of its decoders: IndexError, ValueError, soundfile's own
            found = f"{self._lead.file} that wfdb cannot read ({type(error).__name__}: {error})"
            expected = f"{self._header.num_samples} samples in format {self._lead.fmt}"
            raise DataError(self._where, found=found, expected=expected) from error
        digital_FV: npt.NDArray[np.int32] = np.asarray(read.d_signal)
        if len(digital_FV) != self._header.num_samples:
            found = f"{len(digital_FV)} samples in {self._lead.file}"
            raise DataError(self._where, found=found, expected=f"{self._header.num_samples}")
        return digital_FV


class SegmentedSamples:
    """Samples of a multi-segment record: segments in order; gaps and leads that a segment lacks are invalid.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    header : Header
        Of a record with segments.

    Attributes
    ----------
    header, num_samples, uncalibrated
        As of `Samples`.

    Raises
    ------
    DataError
        If a segment cannot be opened, or its length, rate or leads are not those of the record.
    """

    def __init__(self, folder: Path, header: Header) -> None:
        self.header, where = header, name_of(folder, header.record)
        self.num_samples = (header.num_samples,) * len(header.leads)
        varies = header.segments[0][1] == 0
        if varies and len(set(header.leads)) != len(header.leads):
            found = f"leads {', '.join(header.leads)} in a variable layout"
            raise DataError(where, found=found, expected="one name per lead")
        self._segments: list[tuple[int, Samples | None, dict[int, int]]] = []
        uncalibrated: dict[str, None] = {}
        for name, length in header.segments:
            if name == "~" or not length:
                self._segments.append((length, None, {}))
                continue
            inner = read_header(folder, beside(header.record, name), is_segment=True)
            if inner.num_samples != length or inner.fs_hz != header.fs_hz:
                found = f"segment {name} of {inner.num_samples} samples at {inner.fs_hz:g} Hz"
                raise DataError(where, found=found, expected=f"{length} at {header.fs_hz:g} Hz")
            if not varies and inner.leads != header.leads:
                found = f"segment {name} with leads {', '.join(inner.leads)}"
                raise DataError(where, found=found, expected=", ".join(header.leads))
            for lead in inner.leads:
                if lead not in header.leads:
                    raise DataError(where, found=f"segment {name} with lead {lead}", expected=", ".join(header.leads))
            column_of = {header.leads.index(lead) if varies else at: at for at, lead in enumerate(inner.leads)}
            samples = Samples(folder, inner)
            uncalibrated |= dict.fromkeys(samples.uncalibrated)
            self._segments.append((length, samples, column_of))
        self.uncalibrated = tuple(uncalibrated)

    def read(self, columns: Sequence[int], start: int, stop: int) -> _Floats:
        """Read a stretch of leads, as `Samples.read` does."""
        signal_mv_SC = np.full((stop - start, len(columns)), np.nan, np.float32)
        begin = 0
        for length, samples, column_of in self._segments:
            low, high = max(start, begin), min(stop, begin + length)
            at = [place for place, column in enumerate(columns) if column in column_of]
            if samples is not None and low < high and at:
                inside = [column_of[columns[place]] for place in at]
                signal_mv_SC[low - start : high - start, at] = samples.read(inside, low - begin, high - begin)
            begin += length
        return signal_mv_SC

    def blocks(self, columns: Sequence[int], *, verify: bool = True) -> Iterator[_Floats]:
        """Read leads from start to end, and compare the checksums after each segment, as `Samples.blocks` does."""
        for length, samples, column_of in self._segments:
            at = [place for place, column in enumerate(columns) if column in column_of]
            if samples is None or not at:
                for start in range(0, length, BLOCK_SAMPLES):
                    yield np.full((min(BLOCK_SAMPLES, length - start), len(columns)), np.nan, np.float32)
                continue
            for block_mv_SC in samples.blocks([column_of[columns[place]] for place in at], verify=verify):
                whole_mv_SC = np.full((len(block_mv_SC), len(columns)), np.nan, np.float32)
                whole_mv_SC[:, at] = block_mv_SC
                yield whole_mv_SC


def open_samples(folder: Path, record: str, *, many_rates: bool = False) -> Samples | SegmentedSamples:
    """Open the samples of a record.

    Parameters
    ----------
    folder : Path
        Folder of the corpus.
    record : str
        Record name below it.
    many_rates : bool
        Accept leads of different rates.

    Returns
    -------
    Samples or SegmentedSamples
        To be read stretch by stretch.

    Raises
    ------
    DataError
        If a file is absent, malformed, or shorter than the header states.
    """
    header = read_header(folder, record, many_rates=many_rates)
    return SegmentedSamples(folder, header) if header.segments else Samples(folder, header)
