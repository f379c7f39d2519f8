"""Confusion matrices of rhythms, one for each subject, and the scores that follow from them.

Shape suffixes: B units, G subjects, K classes. A class without reference units has no F1, and means over classes are
taken without it. A unit that is wrongly predicted as this class still counts as an error of its reference class.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

NAMED_SCORES = ("macro_f1", "accuracy", "balanced_accuracy")


def ratio(part: ArrayLike, whole: ArrayLike) -> NDArray[np.float64]:
    """Divide, giving NaN where the divisor is 0.

    Parameters
    ----------
    part, whole : array of numbers
        Dividend and divisor, of shapes that broadcast.

    Returns
    -------
    ndarray of float64
        ``part / whole``.
    """
    dividend, divisor = np.broadcast_arrays(np.asarray(part, np.float64), np.asarray(whole, np.float64))
    return np.divide(dividend, divisor, out=np.full(dividend.shape, np.nan), where=divisor > 0)


def class_codes(reference: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    """Turn class names into their index in `classes`.

    Parameters
    ----------
    reference : array of str, shape (B,)
        Class names.
    classes : sequence of str
        The K classes of the task, in order.

    Returns
    -------
    ndarray of int64, shape (B,)
        Index in [0, K), or -1 for a name outside the task.
    """
    reference = np.asarray(reference)
    code = np.full(reference.shape, -1, dtype=np.int64)
    for index, name in enumerate(classes):
        code[reference == name] = index
    return code


def subject_confusion(
    reference: NDArray[np.integer],
    predicted: NDArray[np.integer],
    subject: NDArray[np.integer],
    num_classes: int,
    num_subjects: int,
    weight: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Count a confusion matrix for each subject.

    Parameters
    ----------
    reference, predicted, subject : ndarray of int, shape (B,)
        Class indices in [0, num_classes) and subject index in [0, num_subjects).
    num_classes, num_subjects : int
        K and G.
    weight : ndarray of float, shape (B,), optional
        Weight of each unit, such as its duration in hours; 1 by default.

    Returns
    -------
    ndarray of float64, shape (G, K, K)
        Rows are the reference, columns the prediction.
    """
    cell = (np.asarray(subject) * num_classes + reference) * num_classes + predicted
    size = num_subjects * num_classes * num_classes
    count = np.bincount(cell, weights=weight, minlength=size).astype(np.float64)
    return count.reshape(num_subjects, num_classes, num_classes)


def confusion_matrix(
    reference: NDArray[np.integer],
    predicted: NDArray[np.integer],
    num_classes: int,
    weight: NDArray[np.floating] | None = None,
) -> NDArray[np.float64]:
    """Count how often each reference class has each predicted class; with weights, sum them.

    Parameters
    ----------
    reference, predicted : ndarray of int, shape (B,)
        Class indices; units with a reference of -1 (outside the task) are not counted.
    num_classes : int
        K.
    weight : ndarray of float, shape (B,), optional
        Weight of each unit, such as its duration in hours; 1 by default.

    Returns
    -------
    ndarray of float64, shape (K, K)
        Rows are the reference, columns the prediction.
    """
    reference, predicted = np.asarray(reference), np.asarray(predicted)
    scored = reference >= 0
    kept = None if weight is None else np.asarray(weight)[scored]
    same_subject = np.zeros(int(scored.sum()), dtype=np.int64)
    return subject_confusion(reference[scored], predicted[scored], same_subject, num_classes, 1, kept)[0]


def class_f1(confusion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the F1 of each class; NaN for a class without reference units.

    Parameters
    ----------
    confusion : ndarray of float, shape (..., K, K)
        Confusion matrices, rows the reference.

    Returns
    -------
    ndarray of float64, shape (..., K)
        F1 in [0, 1].
    """
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    support, predicted = confusion.sum(axis=-1), confusion.sum(axis=-2)
    return np.where(support > 0, ratio(2 * hit, support + predicted), np.nan)


def overall_scores(confusion: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return macro F1, accuracy and balanced accuracy over the classes that have reference units.

    Parameters
    ----------
    confusion : ndarray of float, shape (..., K, K)
        Confusion matrices, rows the reference.

    Returns
    -------
    ndarray of float64, shape (..., 3)
        In the order of `NAMED_SCORES`; NaN without units.
    """
    hit = np.diagonal(confusion, axis1=-2, axis2=-1)
    support = confusion.sum(axis=-1)
    num_present = (support > 0).sum(axis=-1)
    macro = ratio(np.nan_to_num(class_f1(confusion)).sum(axis=-1), num_present)
    balanced = ratio(np.nan_to_num(ratio(hit, support)).sum(axis=-1), num_present)
    accuracy = ratio(hit.sum(axis=-1), support.sum(axis=-1))
    return np.stack([macro, accuracy, balanced], axis=-1)
