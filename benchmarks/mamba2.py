"""Time of our Mamba-2 mixer against that of transformers, forward and backward: ``python -m benchmarks.mamba2``."""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn

from ecgfeat.models.mamba2 import Mamba2


def median_s(call: Callable[[], object], repeats: int) -> float:
    """Return the median time of a call in seconds, after one that is not counted."""
    call()
    spent_s = []
    for _ in range(repeats):
        start_s = time.perf_counter()
        call()
        spent_s.append(time.perf_counter() - start_s)
    return statistics.median(spent_s)


def main() -> None:
    """Print milliseconds of both mixers, with the same weights, and their ratio, by length."""
    from transformers.models.mamba2.modeling_mamba2 import Mamba2Config, Mamba2Mixer

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[64, 729, 2916])
    parser.add_argument("--batch", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    ours: nn.Module = Mamba2().to(arguments.device)
    config = Mamba2Config(hidden_size=384, state_size=64, num_heads=12, head_dim=64, n_groups=1, num_hidden_layers=1)
    theirs: nn.Module = Mamba2Mixer(config, 0).to(arguments.device)
    theirs.load_state_dict(ours.state_dict())
    for length in arguments.lengths:
        x_BLD = torch.randn(arguments.batch, length, 384, device=arguments.device)

        def forward(mixer: nn.Module, x_BLD: torch.Tensor = x_BLD) -> float:
            with torch.no_grad():
                return float(mixer(x_BLD).sum())

        def both(mixer: nn.Module, x_BLD: torch.Tensor = x_BLD) -> float:
            mixer.zero_grad()
            value = mixer(x_BLD).square().sum()
            value.backward()
            return float(value.detach())

        for name, call in (("forward", forward), ("forward and backward", both)):
            took_s = [median_s(lambda c=call, m=mixer: c(m), arguments.repeats) for mixer in (ours, theirs)]  # type: ignore[misc]
            print(
                f"length {length:5d}, {name:20s}: ours {1000 * took_s[0]:8.1f} ms, "
                f"transformers {1000 * took_s[1]:8.1f} ms, {took_s[1] / took_s[0]:.2f} x faster"
            )


if __name__ == "__main__":
    main()
