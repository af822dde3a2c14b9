"""What a student copies of its teacher's error (Xue, Li and Mirzasoleiman 2025, arXiv 2502.00620): PredGap and its scores.

A student and the ceiling are ridge heads on one representation, fitted on the same n rows to the teacher's labels and to the
true labels. PredGap is their distance E (f_w2s - f_sc)^2. With a representation H (n, d) of these rows, centred, its normalised
kernel K = H H'/n and a ridge b the paper has

    P(H, b) = K (K + b I)^-1,     PredGap ~ ||P_s (I - P_w) y||^2 / n                                   (Theorem 3.8),

where P_s and P_w take the principal part of the strong and of the weak representation, and the ridge beta + gamma: what is left
of a representation acts on the n rows as a ridge gamma and carries no signal. (I - P_w) y is what the teacher cannot learn, P_s
what the student can express of it. The conventions are those of K + b I, not K + n b I.

All but :func:`projector` take factors, so that one factorisation of a representation serves every ridge and every other one:
K = U diag(values) U' with orthonormal columns U. Shapes: s and w directions of the strong and of the weak representation, k
outputs, and leading axes that broadcast. What is undefined is NaN.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "aligned_pred_gap",
    "effective_ridge",
    "operator_score",
    "pred_gap",
    "projector",
    "score_bound",
    "shrinkage",
    "trace_score",
]

Array = npt.NDArray[np.float64]


def shrinkage(value: npt.ArrayLike, ridge: npt.ArrayLike) -> Array:
    """Compute the eigenvalue value / (value + ridge) of P(H, ridge), for an eigenvalue of the kernel H H'/n.

    Domain: value >= 0 and ridge >= 0, not both zero. Source: definition of P(h, b) in the paper. Cost: O(size).
    """
    value, ridge = _float(value), _float(ridge)
    good = (value >= 0) & (ridge >= 0) & (value + ridge > 0) & np.isfinite(value + ridge)
    return _where(good, value, np.where(good, value + ridge, 1.0))


def effective_ridge(left: npt.ArrayLike, dimension: npt.ArrayLike, rows: npt.ArrayLike, fitted: npt.ArrayLike) -> Array:
    """Compute gamma = rows / (rows - dimension) left / fitted, the ridge that the rest of a representation acts as.

    ``left`` is the sum of the eigenvalues of H H'/rows beyond the first ``dimension``; left / (rows - dimension) is their mean,
    zeros included, which a rest in many directions has for every one of them. Rows in another number, ``fitted``, see rows /
    fitted of it. With ``dimension`` 0 and the variance of the rest for ``left`` it is left / fitted.

    Domain: left >= 0, 0 <= dimension < rows and fitted >= 1. Source: decomposability in the paper; the form is derived. Cost:
    O(size).
    """
    left, dimension, rows, fitted = (_float(a) for a in (left, dimension, rows, fitted))
    good = (left >= 0) & (dimension >= 0) & (dimension < rows) & (fitted >= 1) & np.isfinite(left + rows + fitted)
    return _where(good, rows * left, np.where(good, (rows - dimension) * fitted, 1.0))


def projector(features: npt.ArrayLike, ridge: npt.ArrayLike) -> Array:
    """Compute P = K (K + ridge I)^-1 of K = H H'/n, for features H (..., n, d) and ridges (...): (..., n, n), symmetric.

    Where d < n the primal form H (H'H + n ridge I)^-1 H' is used. Its eigenvalues lie in [0, 1).

    Domain: finite features and ridge > 0. Source: definition of P(h, b) in the paper. Cost: O(n^2 min(n, d) + min(n, d)^3).
    """
    features, ridge = _float(features), _float(ridge)
    n, d = features.shape[-2:]
    good = (ridge > 0) & np.isfinite(ridge) & np.isfinite(features).all(axis=(-2, -1))
    features = np.where(good[..., None, None], features, 0.0)
    strength = np.where(good, ridge, 1.0)[..., None, None] * n
    turned = np.swapaxes(features, -1, -2)
    if d < n:
        inner = np.linalg.solve(turned @ features + strength * np.eye(d), turned)
        found = features @ inner
    else:
        kernel = features @ turned
        found = np.linalg.solve(kernel + strength * np.eye(n), kernel)
    found = 0.5 * (found + np.swapaxes(found, -1, -2))
    return np.where(good[..., None, None], found, np.nan)


def pred_gap(
    overlap: npt.ArrayLike,
    strong: npt.ArrayLike,
    weak: npt.ArrayLike,
    strong_labels: npt.ArrayLike,
    weak_labels: npt.ArrayLike,
    rows: npt.ArrayLike,
) -> Array:
    """Compute ||P_s (I - P_w) y||^2 / n, what the student is expected to copy of its teacher's error.

    ``overlap`` (..., s, w) is U_s'U_w, ``strong`` (..., s) and ``weak`` (..., w) are shrinkages, ``strong_labels`` (..., s, k)
    and ``weak_labels`` (..., w, k) are U_s'y and U_w'y, ``rows`` (...) is n. Squares are summed over k outputs.

    Domain: shrinkages in [0, 1] and rows >= 1. Source: Theorem 3.8. Cost: O(s w + (s + w) k).
    """
    overlap, strong, weak, first, second, rows = (_float(a) for a in (overlap, strong, weak, strong_labels, weak_labels, rows))
    missed = first - overlap @ (weak[..., None] * second)
    total = np.sum((strong[..., None] * missed) ** 2, axis=(-2, -1))
    good = _shares(strong) & _shares(weak) & (rows >= 1)
    return _where(good, total, np.where(rows >= 1, rows, 1.0))


def operator_score(overlap: npt.ArrayLike, strong: npt.ArrayLike, weak: npt.ArrayLike) -> Array:
    """Compute ||P_s (I - P_w)||_op^2, a score of a weak model that needs no labels; in [0, 1].

    Arguments are those of :func:`pred_gap`. As soon as one strong direction is missing from the weak ones it is the square of
    that direction's shrinkage, whatever else is missing: it orders weak models where the overlap is partial.

    Domain: shrinkages in [0, 1]. Source: the label-free metric of the paper; its form is from memory. Cost: O(s^2 w + s^3).
    """
    product, good = _product(overlap, strong, weak)
    return np.where(good, np.clip(np.linalg.eigvalsh(product)[..., -1], 0.0, 1.0), np.nan)


def trace_score(overlap: npt.ArrayLike, strong: npt.ArrayLike, weak: npt.ArrayLike) -> Array:
    """Compute ||P_s (I - P_w)||_F^2 / tr P_s, a score without labels that counts every strong direction; in [0, 1].

    Arguments are those of :func:`pred_gap`. It is PredGap over label power for labels that are white in the strong directions,
    up to one more shrinkage.

    Domain: shrinkages in [0, 1], and a strong one above 0. Source: derived. Cost: O(s w).
    """
    overlap, strong, weak = (_float(a) for a in (overlap, strong, weak))
    kept = np.sum(overlap**2 * (weak * (2.0 - weak))[..., None, :], axis=-1)
    good = _shares(strong) & _shares(weak) & (np.sum(strong, axis=-1) > 0)
    total = np.sum(strong**2 * np.clip(1.0 - kept, 0.0, 1.0), axis=-1)
    return _where(good, total, np.where(good, np.sum(strong, axis=-1), 1.0))


def score_bound(score: npt.ArrayLike, label_power: npt.ArrayLike) -> Array:
    """Compute score x label_power: with the score of :func:`operator_score`, the most that the formula can give.

    ``label_power`` is ||y||^2 / n of centred labels.

    Domain: score in [0, 1] and label_power >= 0. Source: the paper, C = ||y||^2 / n. Cost: O(size).
    """
    score, power = _float(score), _float(label_power)
    good = (score >= 0) & (score <= 1) & (power >= 0) & np.isfinite(power)
    return _where(good, score * power, 1.0)


def aligned_pred_gap(power: npt.ArrayLike, strong: npt.ArrayLike, weak: npt.ArrayLike, cosine: npt.ArrayLike) -> Array:
    """Compute sum_j power_j strong_j^2 (1 - cosine_j^2 weak_j)^2 over the last axis: PredGap where directions come in pairs.

    Direction j holds ``power`` of the labels and has shrinkages ``strong`` and ``weak``; ``cosine`` is that between the strong
    and the weak coordinate, 0 where the weak model has none. It is the limit of the formula for many rows.

    Domain: powers >= 0; shrinkages and cosines in [0, 1]. Source: derived. Cost: O(size).
    """
    power, strong, weak, cosine = np.broadcast_arrays(*(_float(a) for a in (power, strong, weak, cosine)))
    good = _shares(strong) & _shares(weak) & _shares(cosine) & np.all((power >= 0) & np.isfinite(power), axis=-1)
    return np.where(good, np.sum(power * strong**2 * (1.0 - cosine**2 * weak) ** 2, axis=-1), np.nan)


def _product(overlap: npt.ArrayLike, strong: npt.ArrayLike, weak: npt.ArrayLike) -> tuple[Array, npt.NDArray[np.bool_]]:
    """Form P_s (I - P_w)^2 P_s in the strong directions, (..., s, s), and tell where it is defined."""
    overlap, strong, weak = (_float(a) for a in (overlap, strong, weak))
    good = _shares(strong) & _shares(weak)
    kept = (overlap * (weak * (2.0 - weak))[..., None, :]) @ np.swapaxes(overlap, -1, -2)
    product = strong[..., :, None] * (np.eye(overlap.shape[-2]) - kept) * strong[..., None, :]
    return np.where(good[..., None, None], product, 0.0), good


def _shares(values: Array) -> npt.NDArray[np.bool_]:
    return np.asarray(np.all((values >= 0) & (values <= 1), axis=-1))


def _where(good: npt.NDArray[np.bool_], top: Array, bottom: npt.ArrayLike) -> Array:
    """Divide where ``good``; NaN elsewhere."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where(good, top / np.asarray(bottom, dtype=np.float64), np.nan)


def _float(values: npt.ArrayLike) -> Array:
    return np.asarray(values, dtype=np.float64)
