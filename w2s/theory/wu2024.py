"""Interpolation of weak labels under bi-level spiked covariances (Wu and Sahai 2024, arXiv 2410.04638).

A model has d = n^p Gaussian features, of which s = n^r are spikes that share the part a = n^-q of the energy d: eigenvalues
a d / s and (1 - a) d / (d - s). The class is the sign of one spiked coordinate g_1 of unit variance, the first one. A
classifier w is the minimum-norm interpolation of labels; with c the cosine of Sigma^(1/2) w and e_1 it errs with probability
arccos(c) / pi.

The closed forms are deterministic equivalents, derived here from the risk of minimum-norm regression: labels y of unit
variance with E y g_1 = k are k g_1 plus noise of variance 1 - k^2, where k = sqrt(2 / pi) for true classes, sqrt(2 / pi) c for
the signs of a weak classifier of cosine c, and c for its scores. The thresholds in exponents follow as n grows. That a model
learns its class from clean labels where q + r < (p + 1) / 2 is the paper's; the others were derived here and not compared with
the paper's text.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = [
    "alignment",
    "classification_margin",
    "disagreement",
    "effective_ridge",
    "expected_cosine",
    "sign_error",
    "student_range",
]

Array = npt.NDArray[np.float64]


def sign_error(cosine: npt.ArrayLike) -> Array:
    """Compute arccos(cosine) / pi, the chance that the signs of two unit normals of that correlation differ.

    Domain: -1 <= cosine <= 1 (1e-12 beyond counts as 1). Source: Sheppard's formula. O(1) an entry.
    """
    c = np.asarray(cosine, dtype=np.float64)
    valid = np.abs(c) <= 1.0 + 1e-12
    return np.asarray(np.where(valid, np.arccos(np.clip(c, -1.0, 1.0)) / np.pi, np.nan))


def disagreement(student: npt.ArrayLike, weak: npt.ArrayLike) -> Array:
    """Compute the chance that student and weak model differ, from their cosines; arguments broadcast.

    Both see the label's coordinate and share no other, so their scores have the correlation student * weak. Domain: both in
    [-1, 1]. Source: derived. O(1) an entry.
    """
    first, second = np.asarray(student, dtype=np.float64), np.asarray(weak, dtype=np.float64)
    valid = (np.abs(first) <= 1.0 + 1e-12) & (np.abs(second) <= 1.0 + 1e-12)
    with np.errstate(invalid="ignore"):
        return sign_error(np.where(valid, first * second, np.nan))


def alignment(cosine: npt.ArrayLike, soft: npt.ArrayLike = False) -> Array:
    """Compute k = E y g_1 of labels that a classifier of a cosine gives: sqrt(2 / pi) cosine for signs, cosine for scores.

    ``cosine`` 1 and ``soft`` False are the true classes. Domain: -1 <= cosine <= 1. Source: derived. O(1) an entry.
    """
    c = np.asarray(cosine, dtype=np.float64)
    valid = np.abs(c) <= 1.0 + 1e-12
    return np.asarray(np.where(valid, np.where(soft, 1.0, np.sqrt(2.0 / np.pi)) * c, np.nan))


def effective_ridge(d: npt.ArrayLike, spikes: npt.ArrayLike, energy: npt.ArrayLike, n: npt.ArrayLike) -> Array:
    """Compute tau with n = s l_1 / (l_1 + tau) + (d - s) l_2 / (l_2 + tau): the root of a quadratic; 0 where n >= d.

    l_1 = energy d / s and l_2 = (1 - energy) d / (d - s). Arguments broadcast. Domain: 0 < s < d, 0 < energy < 1, n > 0.
    Source: derived. O(1) an entry.
    """
    size, count, part, rows = (np.asarray(value, dtype=np.float64) for value in (d, spikes, energy, n))
    valid = (count > 0) & (count < size) & (part > 0) & (part < 1) & (rows > 0) & np.isfinite(size) & np.isfinite(rows)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        top, low = _eigenvalues(size, count, part)
        # tau^2 + b tau - c^2 = 0, in the form in which nothing cancels for either sign of b, and without squares that overflow.
        b = top + low - size / rows
        c = np.sqrt(np.maximum(size / rows - 1.0, 0.0)) * np.sqrt(top) * np.sqrt(low)
        root = np.hypot(b, 2.0 * c)
        tau = np.where(b > 0, 2.0 * c * (c / (b + root)), (root - b) / 2.0)
        return np.asarray(np.where(valid, np.where(rows >= size, 0.0, tau), np.nan))


def expected_cosine(
    d: npt.ArrayLike, spikes: npt.ArrayLike, energy: npt.ArrayLike, n: npt.ArrayLike, label_alignment: npt.ArrayLike
) -> Array:
    """Compute the cosine of a minimum-norm interpolation of n labels of alignment k, in the limit of large n and d.

    With z = tau / (l + tau) and Om = (s (1 - z_1)^2 + (d - s) (1 - z_2)^2) / n it is m / sqrt(m^2 + V), m = k (1 - z_1) and
    V = (k^2 z_1^2 + 1 - k^2) Om / (1 - Om). Arguments broadcast. Domain: that of :func:`effective_ridge`, n != d, k in
    [-1, 1]. Source: derived. O(1) an entry.
    """
    size, count, part, rows, k = (np.asarray(v, dtype=np.float64) for v in (d, spikes, energy, n, label_alignment))
    tau = effective_ridge(size, count, part, rows)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        top, low = _eigenvalues(size, count, part)
        kept, rest = top / (top + tau), low / (low + tau)
        omega = (count * kept**2 + (size - count) * rest**2) / rows
        mean = k * kept
        variance = (k**2 * (1.0 - kept) ** 2 + 1.0 - k**2) * omega / (1.0 - omega)
        valid = (np.abs(k) <= 1.0) & (omega < 1.0 - 1e-12)
        return np.asarray(np.where(valid, mean / np.sqrt(mean**2 + variance), np.nan))


def classification_margin(p: npt.ArrayLike, q: npt.ArrayLike, r: npt.ArrayLike) -> Array:
    """Compute q + r - (p + 1) / 2: below 0 a model learns its class from n clean labels, above it guesses as n grows.

    Above 0 its cosine falls like n to minus this number. Arguments broadcast. Domain: p > 1, q >= 0, 0 <= r < 1.
    Source: paper, the condition on classification. O(1) an entry.
    """
    size, part, count = (np.asarray(value, dtype=np.float64) for value in (p, q, r))
    valid = (size > 1) & np.isfinite(size) & (part >= 0) & np.isfinite(part) & (count >= 0) & (count < 1)
    return np.asarray(np.where(valid, part + count - (size + 1.0) / 2.0, np.nan))


def student_range(margin: npt.ArrayLike, p: npt.ArrayLike, q: npt.ArrayLike, r: npt.ArrayLike) -> tuple[Array, Array]:
    """Compute the ends of the u for which a student of m = n^u weak labels learns the class as n grows; else it guesses.

    ``margin`` is that of the weak model, of which the positive part t counts; p, q, r are the student's. The ends are
    max(r + 2 t, 2 (q + r + t) - p) and p - 2 t; there is no such u where the first is not below the second. The lower end is
    where spikes drown the label's coordinate, the upper one where the bulk does, on the way to the peak at m = d. Arguments
    broadcast. Domain: that of :func:`classification_margin`, margin finite. Source: derived. O(1) an entry.
    """
    weak, size, part, count = (np.asarray(value, dtype=np.float64) for value in (margin, p, q, r))
    valid = np.isfinite(weak) & np.isfinite(classification_margin(size, part, count))
    t = np.maximum(weak, 0.0)
    low, high = np.maximum(count + 2.0 * t, 2.0 * (part + count + t) - size), size - 2.0 * t
    return np.asarray(np.where(valid, low, np.nan)), np.asarray(np.where(valid, high, np.nan))


def _eigenvalues(d: Array, spikes: Array, energy: Array) -> tuple[Array, Array]:
    return energy * d / spikes, (1.0 - energy) * d / (d - spikes)
