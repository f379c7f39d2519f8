"""Time a training step of the window head: packed beats against torch's own encoder with padding.

Run it with ``python -m benchmarks.train_window``. Windows have the beat counts of LTAFDB (mean 10.9, most 32);
three ways to feed the same network are timed in turn, and their medians printed as ratios to the first.
"""

import statistics
import time

import torch
from torch import Tensor, nn

from ecgfeat.models.rhythm_window import RhythmWindow

NUM_FEATURES = 577
BATCH = 32
ROUNDS = 20
MAX_BEATS = 32


class PaddedWindow(nn.Module):
    """The same layers from torch's parts, computed over all slots, padding included."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(NUM_FEATURES, 128)
        self.position_LD = nn.Parameter(0.02 * torch.randn(64, 128))
        layer = nn.TransformerEncoderLayer(
            128, 4, 512, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(layer, 4, norm=nn.LayerNorm(128), enable_nested_tensor=False)
        self.head = nn.Sequential(nn.Linear(128, 128), nn.GELU(), nn.Dropout(0.1), nn.Linear(128, 6))

    def forward(self, feature_BLD: Tensor, valid_BL: Tensor) -> Tensor:
        """Return the logits of each window."""
        x_BLD = self.project(feature_BLD) + self.position_LD[: feature_BLD.shape[1]]
        x_BLD = self.encoder(x_BLD, src_key_padding_mask=~valid_BL)
        weight_BL1 = valid_BL[..., None].float()
        return self.head((x_BLD * weight_BL1).sum(1) / weight_BL1.sum(1))


def make_batch(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return features, validity and labels of a batch, padded to 32 beats."""
    generator = torch.Generator().manual_seed(seed)
    num_beats = (10.9 + 3.5 * torch.randn(BATCH, generator=generator)).round().clamp(4, MAX_BEATS)
    feature_BLD = torch.randn(BATCH, MAX_BEATS, NUM_FEATURES, generator=generator)
    return feature_BLD, torch.arange(MAX_BEATS) < num_beats[:, None], torch.arange(BATCH) % 6


def step_s(model: nn.Module, optimiser: torch.optim.Optimizer, batch: tuple[Tensor, Tensor, Tensor]) -> float:
    """Train on one batch and return the CPU seconds it took."""
    feature_BLD, valid_BL, label_B = batch
    begin = time.process_time()
    optimiser.zero_grad()
    nn.functional.cross_entropy(model(feature_BLD, valid_BL), label_B).backward()
    optimiser.step()
    return time.process_time() - begin


def main() -> None:
    """Time the three ways and print one line for each."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    ways = {
        "torch encoder, padded to 32 beats": (PaddedWindow(), MAX_BEATS),
        "torch encoder, padded to the longest window": (PaddedWindow(), 0),
        "RhythmWindow (packed beats)": (RhythmWindow(num_features=NUM_FEATURES), 0),
    }
    optimisers = {name: torch.optim.AdamW(model.parameters(), fused=True) for name, (model, _) in ways.items()}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(ROUNDS + 2):
        feature_BLD, valid_BL, label_B = make_batch(turn)
        for name, (model, padded) in ways.items():
            length = padded or int(valid_BL.sum(1).max())
            taken = step_s(model, optimisers[name], (feature_BLD[:, :length], valid_BL[:, :length], label_B))
            if turn >= 2:  # the first rounds warm up
                times[name].append(taken)
    peer = statistics.median(times["torch encoder, padded to 32 beats"])
    for name, taken_s in times.items():
        median = statistics.median(taken_s)
        print(f"{name:<45} {median * 1e3:7.1f} ms per step   x {peer / median:.2f}")


if __name__ == "__main__":
    main()
