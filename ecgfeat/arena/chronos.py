"""Embeddings of signals by Chronos-2, a foundation model of time series whose weights are frozen here.

Needs chronos-forecasting: ``pip install ecgfeat[chronos]``. The weights come from the user's own Hugging Face cache, a
folder, or the hub; nothing here carries them.

Shape suffixes: B signals, C leads, S samples, T patches of 16 samples, E embedding.

References
----------
Ansari et al., "Chronos-2: From Univariate to Universal Forecasting", 2025, arXiv 2510.15821.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ecgfeat.arena.quiet import quiet
from ecgfeat.errors import UsageError, fault

CHECKPOINT = "amazon/chronos-2"
"""The published weights on the Hugging Face hub: 120 million values, embeddings of 768."""


class OutOfReachError(UsageError):
    """The encoder is not available: its package is not installed, or its weights are neither here nor to be fetched.

    Attributes
    ----------
    reason : str
        The same in a few words.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


def load_encoder(checkpoint: str | Path, device: torch.device | str = "cpu", *, revision: str | None = None) -> Any:
    """Load a Chronos-2 checkpoint.

    Parameters
    ----------
    checkpoint : str or Path
        A folder, or a name on the Hugging Face hub, which is looked for in the cache first.
    device : torch.device or str
        Where to compute.
    revision : str, optional
        Commit of the hub's repository. None: its newest, or the one in the cache.

    Returns
    -------
    chronos.Chronos2Pipeline
        What `embed` takes, in evaluation mode.

    Raises
    ------
    UsageError
        If chronos-forecasting is missing, the checkpoint cannot be found, read or reached, or is of another class.

    Notes
    -----
    * With ``HF_HUB_OFFLINE=1`` nothing is fetched from the network, even if it is set after the start of the process.
    """
    pipeline_class, model_class, config_class = _classes()
    is_offline = os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "ON", "YES", "TRUE")
    options = {"local_files_only": is_offline, "revision": revision}
    remedy = (
        f"Run `hf download {CHECKPOINT}` where there is a network, or name a folder that holds config.json and "
        "model.safetensors."
    )
    where = f"chronos checkpoint {checkpoint}"
    try:
        with quiet():
            described, _ = config_class.get_config_dict(str(checkpoint), **options)
        if not described:
            raise OSError("no config.json")
    except (OSError, ValueError) as error:
        found = "not in the cache, and HF_HUB_OFFLINE is set" if is_offline else "not found, or out of reach"
        if Path(checkpoint).is_absolute() or Path(checkpoint).is_dir():
            found = "no config.json there, or none that can be read"
        message = fault(where, found, "a folder or a model of the Hugging Face hub", remedy)
        raise OutOfReachError(message, f"{checkpoint} is not within reach") from error
    # Checkpoints of its predecessors load without complaint, into a model of random weights.
    if described.get("architectures") != [model_class.__name__]:
        found = f"a model of class {', '.join(described.get('architectures') or ['unknown'])}"
        raise UsageError(where, found=found, expected=model_class.__name__, remedy=remedy)
    try:
        with quiet():
            model, info = model_class.from_pretrained(str(checkpoint), output_loading_info=True, **options)
    except Exception as error:  # damaged weights surface as errors of a dozen classes
        raise UsageError(where, found=f"{error}", expected="weights that can be read", remedy=remedy) from error
    # What the file does not hold would stay random.
    if info["missing_keys"]:
        found = f"no weights of {', '.join(sorted(info['missing_keys'])[:3])}"
        raise UsageError(where, found=found, expected="all weights of the model", remedy=remedy)
    return pipeline_class(model=model.to(device).eval())


def tiny_encoder(seed: int = 0, embedding: int = 32) -> Any:
    """Make a tiny checkpoint of the same class with random weights, to run everything without a download.

    Parameters
    ----------
    seed : int
        Seed of the weights; the global random state is left as it was.
    embedding : int
        Width of the embedding, a multiple of 4.

    Returns
    -------
    chronos.Chronos2Pipeline
        What `embed` takes; its ``save_pretrained(folder)`` writes what `load_encoder` reads.

    Raises
    ------
    UsageError
        If chronos-forecasting is missing.
    """
    pipeline_class, model_class, config_class = _classes()
    config = config_class(
        d_model=embedding,
        d_kv=embedding // 4,
        d_ff=2 * embedding,
        num_layers=2,
        num_heads=4,
        initializer_factor=1.0,
        chronos_config={
            "context_length": 8192,
            "input_patch_size": 16,
            "input_patch_stride": 16,
            "output_patch_size": 16,
            "quantiles": [0.1, 0.5, 0.9],
            "use_reg_token": True,
            "use_arcsinh": True,
        },
    )
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        model = model_class(config)
    return pipeline_class(model=model.eval())


def embed(encoder: Any, signal_BCS: Tensor | NDArray[np.floating], *, batch_size: int = 64) -> Tensor:
    """Embed signals: the mean of the encoder's output over the patches of all leads.

    Parameters
    ----------
    encoder : chronos.Chronos2Pipeline
        What `load_encoder` or `tiny_encoder` returned.
    signal_BCS : Tensor or ndarray, (B, C, S)
        Signals in any unit: the encoder scales every lead itself. NaN where a sample is invalid.
    batch_size : int
        Signals per step. Another size may change the last bits.

    Returns
    -------
    Tensor, (B, E) float32
        Embeddings, on the CPU.

    Raises
    ------
    ValueError
        If there is no sample, or more than the encoder can look at, 8192 for the published one.

    Notes
    -----
    * The leads of a signal see each other, signals do not.
    * The two tokens behind the patches, which sum up and forecast, do not count.
    """
    signal_BCS = torch.as_tensor(signal_BCS).float().cpu()
    num_signals, num_leads, num_samples = signal_BCS.shape
    model = encoder.model
    if not 1 <= num_samples <= encoder.model_context_length:
        raise ValueError(f"signals of {num_samples} samples; expected 1 to {encoder.model_context_length}")
    num_patches = -(-num_samples // model.chronos_config.input_patch_size)
    embedding_BE = torch.empty(num_signals, model.config.d_model)
    with torch.no_grad(), quiet():
        for start in range(0, num_signals, batch_size):
            chunk_BCS = signal_BCS[start : start + batch_size]
            # The leads of one signal share a number, and only those of one number attend to each other.
            group = torch.arange(len(chunk_BCS)).repeat_interleave(num_leads)
            encoded, *_ = model.encode(
                context=chunk_BCS.flatten(0, 1).to(model.device), group_ids=group.to(model.device)
            )
            token_BCTE = encoded[0].float().cpu().unflatten(0, (len(chunk_BCS), num_leads))
            embedding_BE[start : start + len(chunk_BCS)] = token_BCTE[:, :, :num_patches].mean((1, 2))
    return embedding_BE


def _classes() -> tuple[Any, Any, Any]:
    """Return the pipeline, the model and the configuration class of chronos-forecasting."""
    try:
        with quiet():
            from chronos import Chronos2Model, Chronos2Pipeline
    except ImportError as error:
        remedy = "Run: pip install 'ecgfeat[chronos]'"
        message = fault("chronos", "no package chronos-forecasting", "2.3 or later", remedy)
        raise OutOfReachError(message, "chronos-forecasting is not installed") from error
    return Chronos2Pipeline, Chronos2Model, Chronos2Model.config_class
