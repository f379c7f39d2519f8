"""The filters of resampling: one matrix for a ratio of small integers, a table of taps for every other ratio.

Filter and result are those of :func:`scipy.signal.resample_poly` (Kaiser window, beta 5). Each filters the outputs
``[start, stop)`` of a lead from the input samples that are in reach of them.

Shape suffixes: S samples, F frames, T taps, P phases.

References
----------
R. E. Crochiere, L. R. Rabiner, "Multirate Digital Signal Processing", 1983, section 3.3. J. O. Smith, P. Gossett, "A
flexible sampling-rate conversion method", ICASSP 1984 (the table of taps).
"""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch

_FRAMES_PER_PRODUCT = 2048
_ZERO_CROSSINGS = 10
_KAISER_BETA = 5.0
_PHASES = 512
_OUTPUTS_PER_PIECE = 1 << 15
_MIN_FRAME_SAMPLES = 64


class Polyphase:
    """Filter leads by the matrix of a ratio of small integers."""

    def __init__(self, up: int, down: int, device: str | torch.device) -> None:
        matrix, energy, self._hop, self._before = _frame_matrices(up, down)
        self._matrix, self._energy = matrix.to(device), energy.to(device)
        self._rows, self._columns = matrix.shape
        self.outputs_per_piece = _FRAMES_PER_PRODUCT * self._columns

    def reach(self, start: int, stop: int) -> tuple[int, int]:
        """Return the half-open interval of input samples that outputs ``[start, stop)`` read."""
        first, last = start // self._columns, -(-stop // self._columns)
        return first * self._hop - self._before, (last - 1) * self._hop - self._before + self._rows

    def filter(self, lead_S: npt.NDArray[np.float32], start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return outputs ``[start, stop)`` from the input samples in reach of them."""
        return self._product(lead_S, self._matrix, stop - start)

    def support(self, valid_S: npt.NDArray[np.float32], start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return the share of the energy of each output sample that falls on valid samples."""
        return self._product(valid_S, self._energy, stop - start)

    def _product(self, signal_S: npt.NDArray[np.float32], matrix: torch.Tensor, size: int) -> npt.NDArray[np.float32]:
        frame_FS = torch.from_numpy(signal_S).to(matrix.device).unfold(0, self._rows, self._hop)
        return np.asarray(torch.mm(frame_FS, matrix).reshape(-1)[:size].cpu().numpy())


class Interpolator:
    """Filter leads with taps for each output sample, between two phases of a table."""

    outputs_per_piece = _OUTPUTS_PER_PIECE

    def __init__(self, step_samples: float, device: str | torch.device) -> None:
        self._step_samples, self._device = step_samples, torch.device(device)
        self._half = math.ceil(_ZERO_CROSSINGS * max(1.0, step_samples))
        cutoff = 1 / max(1.0, step_samples)
        phase_P = np.arange(_PHASES + 1) / _PHASES
        # Tap t of an output sample a phase after input sample n reads input sample n - half + 1 + t.
        distance_PT = np.arange(2 * self._half) - self._half + 1 - phase_P[:, None]
        inside_PT = np.clip(1 - (distance_PT * cutoff / _ZERO_CROSSINGS) ** 2, 0, None)
        taps_PT = np.sinc(cutoff * distance_PT) * np.i0(_KAISER_BETA * np.sqrt(inside_PT)) * (inside_PT > 0)
        taps_PT /= taps_PT.sum(axis=1, keepdims=True)
        self._taps_PT = torch.from_numpy(taps_PT.astype(np.float32)).to(device)

    def reach(self, start: int, stop: int) -> tuple[int, int]:
        """Return the half-open interval of input samples that outputs ``[start, stop)`` read."""
        first, last = (math.floor(output * self._step_samples) for output in (start, stop - 1))
        return first + 1 - self._half, last + 1 + self._half

    def filter(self, lead_S: npt.NDArray[np.float32], start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return outputs ``[start, stop)`` from the input samples in reach of them."""
        return self._product(lead_S, self._taps_PT, start, stop)

    def support(self, valid_S: npt.NDArray[np.float32], start: int, stop: int) -> npt.NDArray[np.float32]:
        """Return the share of the energy of each output sample that falls on valid samples."""
        energy_PT = self._taps_PT.square()
        return self._product(valid_S, energy_PT / energy_PT.sum(dim=1, keepdim=True), start, stop)

    def _product(
        self, signal_S: npt.NDArray[np.float32], table_PT: torch.Tensor, start: int, stop: int
    ) -> npt.NDArray[np.float32]:
        frame_ST = torch.from_numpy(signal_S).to(self._device).unfold(0, 2 * self._half, 1)
        position = torch.arange(start, stop, dtype=torch.float64, device=self._device) * self._step_samples
        sample = position.floor()
        place = (position - sample) * _PHASES
        phase = place.floor().clamp(max=_PHASES - 1)
        share = (place - phase).to(torch.float32)
        phase, sample = phase.to(torch.int64), sample.to(torch.int64)
        piece_ST = frame_ST[sample - sample[0]]
        before, after = ((piece_ST * table_PT[phase + k]).sum(dim=1) for k in (0, 1))
        return np.asarray(torch.lerp(before, after, share).cpu().numpy())


@lru_cache(maxsize=32)
def _frame_matrices(up: int, down: int) -> tuple[torch.Tensor, torch.Tensor, int, int]:
    """Write the polyphase filter as a matrix from one input frame to one output frame.

    Returns the matrix, its squares with columns that sum to 1 (the share of an output sample's energy that
    each input sample carries), the input samples per frame step, and how many samples a frame reaches back.
    """
    from scipy.signal import firwin  # its import takes half a second

    half = _ZERO_CROSSINGS * max(up, down)
    taps = firwin(2 * half + 1, 1 / max(up, down), window=("kaiser", _KAISER_BETA)) * up
    # Short periods are joined into one frame: a matrix of 16 columns would be slow.
    periods = -(-_MIN_FRAME_SAMPLES // up)
    columns, hop = up * periods, down * periods
    before, after = half // up, half // up + 1
    rows = before + hop + after
    # Output m reads input n through tap half + m * down - n * up, all counted from the start of the frame.
    tap = half + np.arange(columns)[None, :] * down - (np.arange(rows)[:, None] - before) * up
    inside = (tap >= 0) & (tap < taps.size)
    matrix = np.where(inside, taps[np.clip(tap, 0, taps.size - 1)], 0.0)
    energy = matrix**2 / np.sum(matrix**2, axis=0)
    as_float32 = [torch.from_numpy(array.astype(np.float32)) for array in (matrix, energy)]
    return as_float32[0], as_float32[1], hop, before
