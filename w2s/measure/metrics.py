"""What is measured: gain, misfit, PGR, OPR, PredGap, agreement. The one place where they are defined.

Every error is "lower is better"; an accuracy enters as ``1 - accuracy``, so the same formulas serve both. Predictions
have shape (..., n, k): any leading batch axes, n items, k outputs; the result has the leading shape. All sums run in
float64 whatever the input, all functions are pure NumPy, and a value that cannot be computed is NaN, never infinity.

Sources: gain and misfit, Charikar et al. 2024 (arXiv 2405.15116); PGR, Burns et al. 2023 (arXiv 2312.09390); OPR, Dong
et al. 2025 (arXiv 2502.05075); PredGap, Xue et al. 2025 (arXiv 2502.00620).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = [
    "cross_term",
    "disagreement",
    "gain",
    "misfit",
    "opr",
    "pgr",
    "pgr_from_gap",
    "pred_gap",
    "squared_error",
    "weak_distance",
    "zero_one_error",
]

FloatArray = npt.NDArray[np.float64]
StatusArray = npt.NDArray[np.str_]


def gain(weak_error: npt.ArrayLike, student_error: npt.ArrayLike) -> FloatArray:
    """Compute the gain weak_error - student_error: by how much the student beats its teacher.

    Inputs broadcast. Negative when the student is worse. Where both errors are small and close, a solver that knows
    the difference form of the two risks should store that instead: this subtraction loses the shared digits.
    """
    return _float(weak_error) - _float(student_error)


def pgr(
    weak_error: npt.ArrayLike, student_error: npt.ArrayLike, ceiling_error: npt.ArrayLike
) -> tuple[FloatArray, StatusArray]:
    """Compute the performance gap recovered: (weak_error - student_error) / (weak_error - ceiling_error).

    1 means that the student reached the ceiling, 0 that it stayed at its teacher; both sides can be passed. Inputs
    broadcast. Returns the value and a status of the same shape: "ok"; "gap_nonpositive" when the ceiling is no better
    than the teacher; "nonfinite" when an input, or the quotient, is not a finite number. The value is NaN exactly where
    the status is not "ok", so nothing has to be dropped by hand.
    """
    weak = _float(weak_error)
    return pgr_from_gap(weak - _float(student_error), weak - _float(ceiling_error))


def pgr_from_gap(gain: npt.ArrayLike, gap: npt.ArrayLike) -> tuple[FloatArray, StatusArray]:
    """Compute PGR from its two parts, gain / gap with gap = weak_error - ceiling_error; statuses as in `pgr`.

    The form for solvers that compute the gain without cancellation, and for means over seeds.
    """
    top, bottom = np.broadcast_arrays(_float(gain), _float(gap))
    finite = np.isfinite(top) & np.isfinite(bottom)
    positive = finite & (bottom > 0)
    value = _divide(top, bottom, positive)
    ok = np.isfinite(value)
    status = np.where(ok, "ok", np.where(finite & ~positive, "gap_nonpositive", "nonfinite"))
    return np.where(ok, value, np.nan), status


def opr(strong_error: npt.ArrayLike, student_error: npt.ArrayLike) -> FloatArray:
    """Compute the outperforming ratio strong_error / student_error; above 1, many weak labels beat the few true ones.

    Inputs broadcast. NaN where an input is not finite, where student_error <= 0, or where the quotient overflows.
    """
    top, bottom = np.broadcast_arrays(_float(strong_error), _float(student_error))
    value = _divide(top, bottom, np.isfinite(top) & np.isfinite(bottom) & (bottom > 0))
    return np.where(np.isfinite(value), value, np.nan)


def squared_error(pred: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """Average over the n items of sum_k (pred - truth)^2, for (..., n, k) arrays; leading axes broadcast.

    Against noiseless targets this is the excess risk, against noisy ones it includes the noise. O(size) time, one
    temporary of the broadcast shape. ValueError when the last two axes differ: a (n, 1) array is never stretched to k.
    """
    difference = _difference(pred, truth)
    return _mean_over_items(np.square(difference, out=difference))


def misfit(student: npt.ArrayLike, labels: npt.ArrayLike) -> FloatArray:
    """Compute the misfit E |f_s - y_w|^2: how far the student is from what it was trained on. Shapes as `squared_error`.

    ``labels`` are the weak labels of the same items as the student got them: the outputs of its teacher, or what a rule made of
    them, such as one-hot vectors. For the outputs themselves, whose error is ``weak_error``, see `weak_distance`.
    """
    return squared_error(student, labels)


def weak_distance(student: npt.ArrayLike, weak: npt.ArrayLike) -> FloatArray:
    """Compute E |f_s - f_w|^2, the distance between the student and the outputs of the weak model. Shapes as `squared_error`.

    The outputs are those that `gain` and `cross_term` are about: gain = weak_distance + cross_term. It is the misfit of a
    student that was trained on these outputs as they are.
    """
    return squared_error(student, weak)


def pred_gap(student: npt.ArrayLike, ceiling: npt.ArrayLike) -> FloatArray:
    """Compute PredGap E |f_s - f_c|^2 between the student and the ceiling model. Shapes as `squared_error`."""
    return squared_error(student, ceiling)


def cross_term(student: npt.ArrayLike, weak: npt.ArrayLike, truth: npt.ArrayLike) -> FloatArray:
    """Compute 2 E <f_w - f_s, f_s - f*>: the exact difference gain - weak_distance of the squared loss.

    From |w - t|^2 - |s - t|^2 = |w - s|^2 + 2 <w - s, s - t>, which needs no assumption. Zero or positive means that
    the gain is at least the weak distance, as when f_s is the projection of f_w on a convex set that holds f*; for a student
    of these outputs that distance is its misfit. Shapes as `squared_error`.
    """
    first, second = _difference(weak, student), _difference(student, truth)
    return 2.0 * _mean_over_items(first * second)


def zero_one_error(scores: npt.ArrayLike, labels: npt.ArrayLike) -> FloatArray:
    """Compute the share of the n items whose argmax over the k classes is not the label.

    `scores` is (..., n, k) with k >= 2, `labels` (n,) integers in 0..k-1. **Ties go to the first index**, as in
    `numpy.argmax`, so a constant score always predicts class 0. A batch entry with a NaN score gets NaN.
    """
    values = _scores(scores)
    truth = np.asarray(labels)
    if truth.shape != values.shape[-2:-1] or truth.dtype.kind not in "iub":
        raise ValueError(f"labels must be {values.shape[-2]} integers, got shape {truth.shape}, dtype {truth.dtype}")
    if truth.size and not 0 <= int(truth.min()) <= int(truth.max()) < values.shape[-1]:
        raise ValueError(f"labels span {truth.min()}..{truth.max()}, but the scores have {values.shape[-1]} classes")
    return _share(values.argmax(axis=-1) != truth, _has_nan(values))


def disagreement(scores_a: npt.ArrayLike, scores_b: npt.ArrayLike) -> FloatArray:
    """Compute the share of items on which two models predict different classes: P(argmax a != argmax b).

    Both (..., n, k); leading axes broadcast, and k may differ. Ties go to the first index; NaN scores give NaN.
    """
    first, second = _scores(scores_a), _scores(scores_b)
    if first.shape[-2] != second.shape[-2]:
        raise ValueError(f"the models scored {first.shape[-2]} and {second.shape[-2]} items; they must be the same")
    return _share(first.argmax(axis=-1) != second.argmax(axis=-1), _has_nan(first) | _has_nan(second))


def _float(values: npt.ArrayLike) -> FloatArray:
    return np.asarray(values, dtype=np.float64)


def _divide(top: FloatArray, bottom: FloatArray, where: npt.NDArray[np.bool_]) -> FloatArray:
    out = np.full(top.shape, np.nan)
    with np.errstate(over="ignore"):
        np.divide(top, bottom, out=out, where=where)
    return out


def _difference(first: npt.ArrayLike, second: npt.ArrayLike) -> FloatArray:
    a, b = np.asarray(first), np.asarray(second)
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError(f"predictions must be (..., n, k), got {a.shape} and {b.shape}; one output is values[:, None]")
    if a.shape[-2:] != b.shape[-2:] or a.shape[-2] == 0:
        raise ValueError(f"predictions must share a non-empty (n, k), got {a.shape[-2:]} and {b.shape[-2:]}")
    # NaN and infinite predictions are data here: they become a NaN or infinite error, which the row's status names.
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.subtract(a, b, dtype=np.float64))


def _mean_over_items(values: FloatArray) -> FloatArray:
    return np.asarray(values.sum(axis=(-2, -1)) / values.shape[-2])


def _scores(scores: npt.ArrayLike) -> npt.NDArray[Any]:
    values = np.asarray(scores)
    if values.ndim < 2 or values.shape[-1] < 2 or values.shape[-2] == 0:
        raise ValueError(
            f"scores must be (..., n, k) with n >= 1 and k >= 2, got {values.shape}; one score per item is [-s, s]"
        )
    return values


def _has_nan(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.isnan(values).any(axis=(-2, -1)))


def _share(differs: npt.NDArray[np.bool_], invalid: npt.NDArray[np.bool_]) -> FloatArray:
    return np.where(invalid, np.nan, differs.mean(axis=-1, dtype=np.float64))
