"""Features of a record from thousands of fixed random kernels, and their projection to fewer numbers.

Shape suffixes: B batch, N records, C leads, S samples, K kernels of one dilation, T taps, F features, P components.

References
----------
A. Dempster et al., "ROCKET", Data Min Knowl Disc 34, 2020, doi:10.1007/s10618-020-00701-z, whose family these
kernels belong to. N. Halko et al., "Finding Structure with Randomness", SIAM Rev 53, 2011 (randomised SVD).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

from ecgfeat.errors import DataError, UsageError

TAPS = 9
THRESHOLD_SCALE = 0.1
KERNEL_SEED = 42
_TILE_SAMPLES = 512
_EXACT_SIZE = 4096


class Kernels(NamedTuple):
    """Random kernels, drawn once and the same for every record.

    Attributes
    ----------
    weights : tuple of Tensor, (K, C, 9) float32
        One tensor per dilation, of -1, 0 and +1.
    thresholds : tuple of Tensor, (K,) float32
        One tensor per dilation.
    dilations : tuple of int
        Distance between taps in samples, ascending.
    """

    weights: tuple[Tensor, ...]
    thresholds: tuple[Tensor, ...]
    dilations: tuple[int, ...]

    @property
    def num_features(self) -> int:
        """Features per record: two of every kernel."""
        return 2 * sum(len(threshold_K) for threshold_K in self.thresholds)


class Pca(NamedTuple):
    """A fitted projection: plain tensors, so that ``safetensors`` saves ``pca._asdict()`` and ``Pca(**loaded)`` is it.

    Attributes
    ----------
    mean : Tensor, (F,) float32
        Mean of the training records.
    components : Tensor, (P, F) float32
        Orthonormal directions by falling variance; rows of zeros where there was no variance left.
    variance : Tensor, (P,) float32
        Share of the training records' variance along each direction, in [0, 1].
    """

    mean: Tensor
    components: Tensor
    variance: Tensor


def list_dilations(num_samples: int) -> tuple[int, ...]:
    """Return 1, 2, 4, ... as far as a kernel of nine taps fits into the record.

    Raises
    ------
    UsageError
        If not even dilation 1 fits, which takes 9 samples.
    """
    widest = (num_samples - 1) // (TAPS - 1)
    if widest < 1:
        raise UsageError("num_samples", found=str(num_samples), expected=f"at least {TAPS}")
    return tuple(2**power for power in range(widest.bit_length()))


def draw_kernels(num_leads: int, num_samples: int, *, kernels_per_dilation: int, seed: int = KERNEL_SEED) -> Kernels:
    """Draw the kernels of records of one length.

    Parameters
    ----------
    num_leads, num_samples : int
        Leads and samples of the records; their length decides the dilations.
    kernels_per_dilation : int
        Kernels of each dilation.
    seed : int
        Seed of the generator, which is on the CPU so that every device gets the same kernels.

    Returns
    -------
    Kernels
        The defaults have ten dilations, 1 to 512, and give 20,000 features.

    Raises
    ------
    UsageError
        If a record is shorter than a kernel, or a count is below 1.
    """
    for name, value in (("num_leads", num_leads), ("kernels_per_dilation", kernels_per_dilation)):
        if value < 1:
            raise UsageError(name, found=str(value), expected="at least 1")
    dilations = list_dilations(num_samples)
    generator = torch.Generator().manual_seed(seed)
    weight, threshold = [], []
    for _ in dilations:
        drawn = torch.randint(-1, 2, (kernels_per_dilation, num_leads, TAPS), generator=generator)
        weight.append(drawn.to(torch.float32))
        threshold.append(torch.randn(kernels_per_dilation, generator=generator) * THRESHOLD_SCALE)
    return Kernels(tuple(weight), tuple(threshold), dilations)


@torch.no_grad()
def transform(
    signal_BCS: Tensor, kernels: Kernels, *, dtype: torch.dtype = torch.float32, as_float16: bool = False
) -> Tensor:
    """Compute the features of records: per kernel, how high its response rises and how often it exceeds a threshold.

    Parameters
    ----------
    signal_BCS : Tensor, (B, C, S) float
        Z-scored records, on the device that computes; a missing lead is zero.
    kernels : Kernels
        From `draw_kernels`, for C leads and S samples.
    dtype : torch.dtype
        Precision of the arithmetic, float32 or float64, which takes twice as long.
    as_float16 : bool
        Round the features to float16 and back, as a cache of half the size would.

    Returns
    -------
    Tensor, (B, F) float32
        For each dilation in turn: the maximum over time of each of its kernels, then the share of samples above the
        threshold (PPV, in [0, 1]) of each.

    Raises
    ------
    DataError
        If the signal has another number of leads or another length than the kernels, or a sample that is not finite.

    Notes
    -----
    * This is what the published code does, not the MiniRocket its text names: the kernels are random and
      multivariate, there is a maximum beside the PPV, thresholds are not quantiles of the data.
    * Each record is computed alone, so its features do not depend on the batch, bit for bit.
    * In float32 a maximum is right to 1e-5 of its size. A sample within rounding of the threshold may be counted on the
      wrong side, which moves a PPV by 1 / S: measured on noise of the default size, none or one of the 50 million of a
      record.
    * TF32 must be off on a GPU, as :func:`ecgfeat.device.choose_device` leaves it: it rounds the signal to 11 bits.
    """
    num_leads = kernels.weights[0].shape[1]
    num_samples = signal_BCS.shape[-1]
    if signal_BCS.ndim != 3 or signal_BCS.shape[1] != num_leads or list_dilations(num_samples) != kernels.dilations:
        expected = f"(batch, {num_leads}, samples) with dilations up to {kernels.dilations[-1]}"
        raise DataError(
            "signal", found=f"shape {tuple(signal_BCS.shape)}", expected=expected, remedy="Draw kernels for its length."
        )
    if not torch.isfinite(signal_BCS).all():
        raise DataError(
            "signal", found="samples that are not finite", expected="finite ones", remedy="Fill them beforehand."
        )
    signal_BCS = signal_BCS.to(dtype)
    feature_BF = torch.empty(len(signal_BCS), kernels.num_features, device=signal_BCS.device)
    first = 0
    for weight_KCT, threshold_K, dilation in zip(*kernels, strict=True):
        num_kernels = len(threshold_K)
        weight_KD = weight_KCT.flatten(1).to(signal_BCS)
        threshold_K1 = threshold_K[:, None].to(signal_BCS)
        middle, last = first + num_kernels, first + 2 * num_kernels
        for record, signal_CS in enumerate(signal_BCS):
            max_K, ppv_K = _respond(signal_CS, weight_KD, threshold_K1, dilation)
            feature_BF[record, first:middle] = max_K
            feature_BF[record, middle:last] = ppv_K
        first = last
    return feature_BF.half().float() if as_float16 else feature_BF


def _respond(signal_CS: Tensor, weight_KD: Tensor, threshold_K1: Tensor, dilation: int) -> tuple[Tensor, Tensor]:
    """Return maximum and PPV of the kernels of one dilation, as a matrix product over shifted copies of the record.

    The response of 1000 kernels is 20 MB per dilation. On a CPU it is made and reduced in pieces that stay in cache.
    """
    num_leads, num_samples = signal_CS.shape
    reach = (TAPS - 1) // 2 * dilation
    padded_CS = pad(signal_CS, (reach, reach))
    shifted_CTS = padded_CS.as_strided((num_leads, TAPS, num_samples), (padded_CS.stride(0), dilation, 1))
    shifted_DS = shifted_CTS.reshape(num_leads * TAPS, num_samples)
    tile = min(num_samples, _TILE_SAMPLES) if signal_CS.device.type == "cpu" else num_samples
    num_kernels = len(weight_KD)
    max_K = signal_CS.new_full((num_kernels,), -torch.inf)
    above_K = signal_CS.new_zeros(num_kernels)
    buffer_KS = signal_CS.new_empty(num_kernels, tile)
    for start in range(0, num_samples, tile):
        piece_DS = shifted_DS[:, start : start + tile]
        if piece_DS.shape[1] < tile:
            buffer_KS = signal_CS.new_empty(num_kernels, piece_DS.shape[1])
        response_KS = torch.mm(weight_KD, piece_DS, out=buffer_KS)
        torch.maximum(max_K, response_KS.amax(1), out=max_K)
        # In place, as numbers: a sum of booleans would first be widened to 64 bits. Counts are exact in float32.
        above_K += response_KS.gt_(threshold_K1).sum(1)
    return max_K, above_K / num_samples


@torch.no_grad()
def fit_pca(feature_NF: Tensor, num_components: int, seed: int) -> Pca:
    """Find the directions of largest variance among the training records of a fold, and of those records only.

    Nothing is scaled before and nothing whitened after.

    Parameters
    ----------
    feature_NF : Tensor, (N, F) float32
        Features of the training records, on the device that computes; at least two records.
    num_components : int
        Directions to find.
    seed : int
        Seed of the randomised decomposition.

    Returns
    -------
    Pca
        On the CPU. There are always `num_components` rows, so that the network after it has one size: N records have
        at most min(N - 1, F) directions, and the rows behind them are zero.

    Raises
    ------
    DataError
        With fewer than two records.
    UsageError
        If `num_components` is below 1.

    Notes
    -----
    * Up to 4096 records (or features) the decomposition is exact, from the smaller Gram matrix in float64, faster
      there than the randomised SVD of the source; beyond, it is randomised with four power iterations.
    * The sign of a direction is chosen so that its largest entry is positive.
    """
    if feature_NF.ndim != 2 or len(feature_NF) < 2:
        raise DataError(
            "features", found=f"shape {tuple(feature_NF.shape)}", expected="(records, features), two records or more"
        )
    if num_components < 1:
        raise UsageError("num_components", found=str(num_components), expected="at least 1")
    mean_F = feature_NF.mean(0, dtype=torch.float64)
    centred_NF = feature_NF.double() - mean_F if min(feature_NF.shape) <= _EXACT_SIZE else feature_NF - mean_F.float()
    num_records, num_features = centred_NF.shape
    total = float(torch.linalg.vector_norm(centred_NF)) ** 2
    possible = min(num_components, num_records - 1, num_features)
    if min(num_records, num_features) <= _EXACT_SIZE:
        energy_P, component_PF = _decompose_exactly(centred_NF, possible)
    else:
        # Ten more directions make the last ones accurate (Halko et al., section 4.2).
        with torch.random.fork_rng(devices=[centred_NF.device] if centred_NF.is_cuda else []):
            torch.manual_seed(seed)
            width = min(possible + 10, num_records, num_features)
            _, singular_P, basis_FP = torch.svd_lowrank(centred_NF, q=width, niter=4)
        energy_P, component_PF = singular_P[:possible].double() ** 2, basis_FP.T[:possible].double()
    largest_P = component_PF.abs().argmax(1)
    sign_P = component_PF.gather(1, largest_P[:, None]).sign()
    is_found_P = energy_P > energy_P.max() * num_records * torch.finfo(torch.float32).eps ** 2
    filled_PF = torch.zeros(num_components, num_features)
    filled_PF[:possible] = torch.where(is_found_P[:, None], component_PF * sign_P, 0).float().cpu()
    variance_P = torch.zeros(num_components)
    if total > 0:
        variance_P[:possible] = torch.where(is_found_P, energy_P / total, 0).float().cpu()
    return Pca(mean_F.float().cpu(), filled_PF, variance_P)


def _decompose_exactly(centred_NF: Tensor, possible: int) -> tuple[Tensor, Tensor]:
    """Return energies and directions by the eigenvectors of the smaller Gram matrix."""
    num_records, num_features = centred_NF.shape
    is_wide = num_records < num_features
    gram = centred_NF @ centred_NF.T if is_wide else centred_NF.T @ centred_NF
    energy, vector = torch.linalg.eigh(gram)
    energy_P, vector_P = energy[-possible:].flip(0).clamp_min(0), vector[:, -possible:].flip(1)
    if not is_wide:
        return energy_P, vector_P.T
    # Where there is no energy the direction would be noise divided by nothing; the caller leaves it out.
    scale_P = energy_P.clamp_min(torch.finfo(torch.float64).tiny).sqrt()
    return energy_P, vector_P.T @ centred_NF / scale_P[:, None]


def project(feature_NF: Tensor, pca: Pca) -> Tensor:
    """Project features on the components.

    Parameters
    ----------
    feature_NF : Tensor, (N, F) float32
        Features of any records.
    pca : Pca
        From `fit_pca`.

    Returns
    -------
    Tensor, (N, P) float32
        Coordinates, on the device of the features; zero where there was no direction left.
    """
    mean_F, component_PF = pca.mean.to(feature_NF), pca.components.to(feature_NF)
    return (feature_NF - mean_F) @ component_PF.T
