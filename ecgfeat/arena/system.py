"""A system of the arena as one module: segments of signal in, logits out, and the side inputs of its network.

Shape suffixes: B batch, C leads, S samples, K classes.
"""

import inspect
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ecgfeat.arena import get_signal_system
from ecgfeat.arena.side_inputs import SideInputs
from ecgfeat.errors import UsageError
from ecgfeat.models import draw_network

SCALES = (0.5, 1.0, 3.0)
"""Lengths a multi-scale system reads, in segments: 5, 10 and 30 s of the rhythm task."""


class System(nn.Module):
    """A network with its side inputs.

    Parameters
    ----------
    network : nn.Module
        Called with the signal, then the side inputs.
    side : nn.Module, optional
        ``side(signal_BCS)`` gives the side inputs, ``side.fit(signal_BCS)`` learns what they need in training.
    reads_signal : bool
        False: the network is called with the side inputs alone.
    num_samples, num_classes : int
        S and K.
    fs_hz : float
        Rate of the signal.
    scales : sequence of float
        Lengths it is trained on and predicts in the rhythm task, as multiples of S; the posteriors are averaged.
    """

    def __init__(
        self,
        network: nn.Module,
        side: SideInputs | None = None,
        *,
        reads_signal: bool = True,
        num_samples: int,
        num_classes: int,
        fs_hz: float,
        scales: Sequence[float] = (1.0,),
    ) -> None:
        super().__init__()
        self.network, self.side_inputs, self.reads_signal = network, side, reads_signal
        self.num_samples, self.num_classes, self.fs_hz = num_samples, num_classes, fs_hz
        self.scales = tuple(scales)

    def fit_side(self, parts: Iterable[Tensor]) -> None:
        """Fit what the side inputs need, to training segments alone.

        Parameters
        ----------
        parts : iterable of Tensor, (B, C, S) float32
            Z-scored training segments, a few at a time, on the device that computes; not read without side inputs.
        """
        if self.side_inputs is not None:
            self.side_inputs.fit(parts)

    def side(self, signal_BCS: Tensor) -> tuple[Tensor | None, ...]:
        """Return the side inputs of segments: none for most systems; no gradient flows through them.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Z-scored segments.

        Returns
        -------
        tuple of Tensor or None
            What the network takes behind the signal; None for what it was built without.
        """
        if self.side_inputs is None:
            return ()
        with torch.no_grad():
            inputs: tuple[Tensor | None, ...] = self.side_inputs(signal_BCS)
        return inputs

    def forward(self, signal_BCS: Tensor, *side: Tensor | None) -> Tensor:
        """Name segments.

        Parameters
        ----------
        signal_BCS : Tensor, (B, C, S) float32
            Z-scored segments.
        *side : Tensor or None
            Their side inputs, where they are made already.

        Returns
        -------
        Tensor, (B, K) float32
            Logits.
        """
        inputs = side or self.side(signal_BCS)
        logits_BK: Tensor = self.network(*((signal_BCS,) if self.reads_signal else ()), *inputs)
        return logits_BK

    def l2_penalty(self) -> Tensor:
        """Return the penalty of the network on the weights that it names, ().

        Raises
        ------
        UsageError
            If it names none.
        """
        if not hasattr(self.network, "l2_penalty"):
            found = f"l2 for {type(self.network).__name__}"
            raise UsageError(
                "params", found=found, expected="a network that names the weights it is on", remedy="Set l2 to 0."
            )
        penalty: Tensor = self.network.l2_penalty()  # type: ignore[operator]
        return penalty


def build_system(
    name: str,
    settings: Mapping[str, Any],
    *,
    num_leads: int,
    num_classes: int,
    num_samples: int,
    seed: int,
    device: torch.device | str = "cpu",
) -> System:
    """Build a system with fresh weights.

    Parameters
    ----------
    name : str
        One of `ecgfeat.arena.signal_systems`.
    settings : mapping
        Its section of params; what the network has no keyword for is not its concern.
    num_leads, num_classes, num_samples : int
        C, K, S.
    seed : int
        Seeds the weights; torch's global generator is left as it was.
    device : torch.device or str
        Where a frozen encoder runs.

    Returns
    -------
    System
        On the CPU, in evaluation mode.

    Raises
    ------
    UsageError
        If there is no such system, or its encoder cannot be had.
    """
    entry = get_signal_system(name)
    shape = {"num_leads": num_leads, "num_samples": num_samples}
    keywords = inspect.signature(entry.network).parameters
    config = {key: value for key, value in {**settings, **shape}.items() if key in keywords}
    config["num_classes"] = num_classes
    side: SideInputs | None = None
    if entry.make_side is not None:
        side, widths = entry.make_side(settings, device=device, **shape)
        config |= widths
    try:
        network = draw_network(entry.network, seed=seed, **config)
    except ValueError as error:
        raise UsageError(
            name, found=str(error), expected="sizes that fit together", remedy="Change its section of params."
        ) from error
    return System(
        network,
        side,
        reads_signal=entry.reads_signal,
        num_samples=num_samples,
        num_classes=num_classes,
        fs_hz=float(settings["fs_hz"]),
        # A system whose section has no such key has one length.
        scales=SCALES if settings.get("scales") else (1.0,),
    ).eval()
