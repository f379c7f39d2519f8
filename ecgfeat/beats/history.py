"""History of a beat, which the classifier reads: features of the beats before, and labels fed back beat by beat.

Shapes: L beats, R records side by side, D features, K classes.

There are three kinds of history. ``oracle`` feeds the true labels of the preceding beats, which a user never
has; ``predicted`` feeds the model's own labels back; ``none`` leaves every label unknown. RR intervals are
part of all three.
"""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from ecgfeat.models.htf import HTF, NUM_EMBEDDING
from ecgfeat.store.schemas import BEAT_CLASSES

History = Literal["oracle", "predicted", "none"]
HISTORIES: tuple[History, ...] = ("oracle", "predicted", "none")
UNKNOWN = -1

# Beats whose projected features are held at a time (128 float32 each, so 64 MB).
HELD_BEATS = 2**17

# A product of fewer rows takes another path in the BLAS and rounds otherwise: it is filled up to this many.
LEAST_ROWS = 8


def beat_labels(aami: ArrayLike) -> NDArray[np.int64]:
    """Turn AAMI classes into the numbers of the classifier.

    Parameters
    ----------
    aami : array_like
        (L,) of ``N S V F Q`` or empty strings.

    Returns
    -------
    ndarray
        (L,) int64: 0 N, 1 S, 2 V, and -1 for F, Q and all others.
    """
    aami = np.asarray(aami, dtype=str)
    label = np.full(aami.shape, UNKNOWN, dtype=np.int64)
    for number, name in enumerate(BEAT_CLASSES):
        label[aami == name] = number
    return label


def history_features(rr_s: ArrayLike, label: ArrayLike, *, num_beats: int, num_classes: int = 3) -> NDArray[np.float32]:
    """Describe the beats before each beat of one record.

    Parameters
    ----------
    rr_s : array_like
        (L,) interval from the beat before to this one, in seconds; the first is not read.
    label : array_like
        (L,) int64 in [-1, num_classes): the label of each beat, -1 unknown.
    num_beats : int
        Preceding beats described.
    num_classes : int, default 3
        Width of each one-hot label.

    Returns
    -------
    ndarray
        (L, num_beats * (1 + num_classes)) float32. Column k - 1 is the interval in seconds from the k-th
        preceding beat to the one after it; then one one-hot label per preceding beat, most recent first. A
        missing beat or interval and an unknown label are zeros.

    Raises
    ------
    ValueError
        If the lengths differ or a label is out of range.
    """
    rr_s = np.array(rr_s, dtype=np.float32)
    label = np.asarray(label, dtype=np.int64)
    if rr_s.ndim != 1 or rr_s.shape != label.shape:
        raise ValueError(f"rr_s {rr_s.shape} and label {label.shape}; expected two vectors of one length")
    if label.size and not (label.min() >= UNKNOWN and label.max() < num_classes):
        raise ValueError(f"labels in [{label.min()}, {label.max()}]; expected [-1, {num_classes})")
    num = len(rr_s)
    rr_s[:1] = 0.0
    rr_s[np.isnan(rr_s)] = 0.0
    # The last row stands for "unknown", so that index -1 picks it.
    one_hot = np.vstack((np.eye(num_classes, dtype=np.float32), np.zeros((1, num_classes), np.float32)))
    feature = np.zeros((num, num_beats * (1 + num_classes)), dtype=np.float32)
    for back in range(1, min(num_beats, num - 1) + 1):
        column = num_beats + (back - 1) * num_classes
        feature[back:, back - 1] = rr_s[1 : num - back + 1]
        feature[back:, column : column + num_classes] = one_hot[label[: num - back]]
    return feature


def predict_labels(
    model: HTF,
    embedding_LD: Any,
    rr_s: ArrayLike,
    record_start: ArrayLike,
    *,
    history: History,
    oracle_label: ArrayLike | None = None,
    on_beats: Callable[[int], None] | None = None,
) -> NDArray[np.float32]:
    """Classify the beats of many records from stored embeddings.

    Parameters
    ----------
    model : HTF
        The classifier, in evaluation mode; computed on its own device, the feedback on the CPU.
    embedding_LD : array or Zarr array
        (L, 512) float32, records one after the other; read in slices, so it need not fit into memory.
    rr_s : array_like
        (L,) seconds from the beat before; NaN or anything at the first beat of a record.
    record_start : array_like
        (R + 1,) ascending: record r has the rows [record_start[r], record_start[r + 1]).
    history : {'oracle', 'predicted', 'none'}
        Where the labels of the preceding beats come from.
    oracle_label : array_like, optional
        (L,) int64 true labels, -1 unknown: needed by ``oracle``, refused by the others.
    on_beats : callable, optional
        Called with the number of beats done since the last call.

    Returns
    -------
    ndarray
        (L, K) float32 probabilities.

    Raises
    ------
    ValueError
        If the lengths differ, or true labels are given with another history than ``oracle``.

    Notes
    -----
    * Only the most probable label is fed back, as a true label would be.
    * The head's first layer is linear in the 512 stored features, so their share is computed for many beats in
      one product; what is left for each step of ``predicted`` is small, and all records take it together.
    * The result for a record does not depend on the records beside it.
    """
    rr_s = np.asarray(rr_s, dtype=np.float32)
    starts = np.asarray(record_start, dtype=np.int64)
    _check(model, embedding_LD, rr_s, starts, history, oracle_label)
    head = _Head(model)
    probability = np.empty((len(rr_s), head.num_classes), dtype=np.float32)
    with torch.inference_mode():
        if history == "predicted":
            for num in _predict_side_by_side(head, embedding_LD, rr_s, starts, probability):
                _report(on_beats, num)
        else:
            unknown = np.full(len(rr_s), UNKNOWN)
            label = unknown if oracle_label is None else np.asarray(oracle_label, dtype=np.int64)
            for start, stop in pairwise(starts):
                feature = torch.from_numpy(head.describe(rr_s[start:stop], label[start:stop]))
                logits = head.step(head.project(embedding_LD[start:stop]), feature)
                probability[start:stop] = logits.softmax(-1).numpy()
                _report(on_beats, int(stop - start))
    return probability


def _check(
    model: HTF,
    embedding_LD: Any,
    rr_s: NDArray[np.float32],
    starts: NDArray[np.int64],
    history: str,
    oracle_label: ArrayLike | None,
) -> None:
    """Raise ValueError for wrong arguments of `predict_labels`."""
    if embedding_LD.shape != (len(rr_s), NUM_EMBEDDING):
        raise ValueError(f"embedding {embedding_LD.shape}; expected ({len(rr_s)}, {NUM_EMBEDDING}) as rr_s has")
    if starts[0] != 0 or starts[-1] != len(rr_s) or (np.diff(starts) < 0).any():
        raise ValueError(f"record_start {starts}; expected ascending rows from 0 to {len(rr_s)}")
    if history not in HISTORIES:
        raise ValueError(f"history {history!r}; expected one of {', '.join(HISTORIES)}")
    if (history == "oracle") != (oracle_label is not None):
        raise ValueError(f"history {history}: oracle_label must be given with oracle, and only with it")
    if model.training:
        raise ValueError("model in training mode; expected model.eval()")


class _Head:
    """The classifier after the embedding, split into what is computed beforehand and what must wait for a label."""

    def __init__(self, model: HTF) -> None:
        def weights(layer: Any) -> tuple[torch.Tensor, torch.Tensor]:
            return layer.weight.detach().float().T.contiguous(), layer.bias.detach().float()

        first, self.bias = weights(model.head[0])
        self.window_weight = first[:NUM_EMBEDDING].contiguous()
        self.history_weight = first[NUM_EMBEDDING:].cpu().contiguous()
        self.layers = [
            tuple(part.cpu() for part in weights(layer))
            for layer in (model.history[0], model.history[3], model.head[3])
        ]
        self.num_beats, self.num_classes = model.history_beats, model.num_classes

    def describe(self, rr_s: NDArray[np.float32], label: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the history features of one record."""
        return history_features(rr_s, label, num_beats=self.num_beats, num_classes=self.num_classes)

    def project(self, embedding_LD: Any) -> torch.Tensor:
        """Return the share of the 512 window features in the head's first layer, on the CPU."""
        num = len(embedding_LD)
        filled = torch.zeros(max(num, LEAST_ROWS), NUM_EMBEDDING)
        filled[:num] = torch.from_numpy(np.ascontiguousarray(embedding_LD, dtype=np.float32))
        return torch.addmm(self.bias, filled.to(self.bias.device), self.window_weight).cpu()[:num]

    def step(self, projected: torch.Tensor, history: torch.Tensor) -> torch.Tensor:
        """Return logits from projected window features and history features."""
        (weight_0, bias_0), (weight_1, bias_1), (weight_2, bias_2) = self.layers
        hidden = torch.addmm(bias_0, history, weight_0).relu_()
        hidden = torch.addmm(bias_1, hidden, weight_1).relu_()
        hidden = torch.addmm(projected, hidden, self.history_weight).relu_()
        return torch.addmm(bias_2, hidden, weight_2)


def _predict_side_by_side(
    head: _Head,
    embedding_LD: Any,
    rr_s: NDArray[np.float32],
    starts: NDArray[np.int64],
    probability: NDArray[np.float32],
) -> Iterator[int]:
    """Fill `probability` beat by beat, all records at once; yield the number of beats done."""
    num_beats, num_classes = head.num_beats, head.num_classes
    lengths = np.diff(starts)
    # Longest first, so that the records still running are always the first lanes.
    lanes = np.argsort(-lengths, kind="stable")
    lane_start, lane_stop = starts[:-1][lanes], starts[1:][lanes]
    one_hot = torch.eye(num_classes)
    label_RD = torch.zeros(max(len(lanes), LEAST_ROWS), num_beats * num_classes)
    block = max(1, HELD_BEATS // len(label_RD))
    for done in range(0, int(lengths.max(initial=0)), block):
        running = int((lengths > done).sum())
        num_lanes = max(running, LEAST_ROWS)
        begins = lane_start[:running] + done
        ends = np.minimum(begins + block, lane_stop[:running])
        spans = list(zip(begins.tolist(), ends.tolist(), strict=True))
        widest = spans[0][1] - spans[0][0]
        projected = torch.zeros(widest, num_lanes, len(head.bias))
        history = torch.zeros(widest, num_lanes, num_beats * (1 + num_classes))
        logits = torch.zeros(widest, num_lanes, num_classes)
        for lane, (begin, end) in enumerate(spans):
            projected[: end - begin, lane] = head.project(embedding_LD[begin:end])
            # A few beats of the block before, for their intervals.
            context = max(begin - num_beats, int(lane_start[lane]))
            feature = head.describe(rr_s[context:end], np.full(end - context, UNKNOWN))
            history[: end - begin, lane] = torch.from_numpy(feature[begin - context :])
        label_RD = label_RD[:num_lanes]
        for beat in range(widest):
            # Records that end within the block keep their lane to its end: their output after that is discarded.
            history[beat, :, num_beats:] = label_RD
            logits[beat] = head.step(projected[beat], history[beat])
            latest_RK = one_hot[logits[beat].argmax(-1)]
            label_RD = torch.cat((latest_RK, label_RD[:, :-num_classes]), dim=-1)
        for lane, (begin, end) in enumerate(spans):
            probability[begin:end] = logits[: end - begin, lane].softmax(-1).numpy()
        yield int((ends - begins).sum())


def _report(on_beats: Callable[[int], None] | None, num: int) -> None:
    if on_beats is not None:
        on_beats(num)
