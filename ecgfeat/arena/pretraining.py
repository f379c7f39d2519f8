"""Training without labels before the rhythm task: a trunk learns to rebuild hidden signal."""

from collections.abc import Iterator

import numpy as np
import torch

from ecgfeat.arena.masking import MaskedAutoencoder, pretrain
from ecgfeat.arena.recipe import Recipe
from ecgfeat.arena.signal_table import SignalTable
from ecgfeat.arena.system import System


def pretrain_trunk(
    system: System,
    signals: SignalTable,
    recipe: Recipe,
    *,
    num: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> list[dict[str, float]]:
    """Let the trunk of a system rebuild hidden patches of segments from anywhere in the training records.

    Parameters
    ----------
    system : System
        With a network that has ``trunk()``: an encoder, its channels and its stride.
    signals : SignalTable
        Training records. Neither rhythms nor R-peaks are looked at.
    recipe : Recipe
        Rate, weight decay, batch and ``pretrain_epochs``.
    num : int
        Segments of an epoch.
    seed, device
        As `train_on_rhythms` takes them.

    Returns
    -------
    list of dict
        One row per epoch: ``epoch, lr, train_loss``, the latter as `MaskedAutoencoder.loss` has it.
    """
    encoder, channels, patch = system.network.trunk()  # type: ignore[operator]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = MaskedAutoencoder(encoder, channels=channels, patch=patch, num_leads=signals.num_leads)
    spare = np.array([max(1, signal.shape[1] - system.num_samples + 1) for signal in signals.signal])

    def batches(epoch: int) -> Iterator[torch.Tensor]:
        rng = np.random.default_rng([seed, epoch])
        record = rng.choice(len(spare), num, p=spare / spare.sum())
        start = rng.integers(spare[record])
        for rows in np.array_split(np.arange(num), max(1, round(num / recipe.batch))):
            yield signals.segments(record[rows], start[rows], system.num_samples, device)

    log = pretrain(
        model,
        batches,
        epochs=recipe.pretrain_epochs,
        lr=recipe.lr,
        weight_decay=recipe.weight_decay,
        seed=seed,
        device=device,
    )
    system.eval()
    return log
