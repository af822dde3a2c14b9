"""Ridge students of ridge teachers for any covariance and any commuting penalty (Moniri and Hassani 2025, arXiv 2505.18346).

x ~ N(0, Sigma), y = b'x + e, Var e = noise; errors are excess risks (b_hat - b)'Sigma(b_hat - b). In the eigenbasis of Sigma,
with eigenvalues ev_i and b_i^2 = power_i, a fit with the penalty l sum w_i b_i^2 is plain ridge on eigenvalues ev_i/w_i. A fit
on n rows acts on the population like the ridge k, the *effective* ridge, with a share q of its variance,

    k = l + (k/n) sum e/(e + k),    q = (1/n) sum e^2/(e + k)^2,    e = ev/w,

up to O(1/d). Weights 1 are :func:`general`; all ev equal are the isotropic forms of :mod:`w2s.theory.moniri2025`. Derived from
the model that the paper describes.

Spectra are the last axis of an array; all other arguments broadcast against the axes before it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.theory.moniri2025.isotropic import Errors

__all__ = ["effective_ridge", "general", "variance_share", "weighted"]

Matrix = npt.NDArray[np.float64]
_STEPS = 200
_SETTLED = 4e-16


class _Fit(NamedTuple):
    """A fit on the population: e (..., d), what it passes e/(e + k), and k, q (...,); ``inside`` where it has a limit."""

    levels: Matrix
    passed: Matrix
    strength: Matrix
    share: Matrix
    inside: npt.NDArray[np.bool_]


def effective_ridge(spectrum: npt.ArrayLike, samples: npt.ArrayLike, ridge: npt.ArrayLike) -> Matrix:
    """Compute the k > 0 of k = l + (k/n) sum e/(e + k), or k = 0 for l = 0 on more rows than eigenvalues above 0.

    k (1 - (1/n) sum e/(e + k)) is convex where it is positive, so Newton's method from l + sum e/n descends to the root.

    Parameters
    ----------
    spectrum : (..., d) eigenvalues e.
    samples, ridge : n and l, broadcasting against (...).

    Returns
    -------
    (...) of the broadcast shape. Domain: eigenvalues from 0 on, not all of them 0, n above 0, l from 0 on (above 0 where n is
    the number of eigenvalues above 0). Cost some ten passes over the spectra, two for each halving of k where l is near 0.

    Source: derived; known as the self-consistent equation of ridge regression.
    """
    e, n, strength = _broadcast(spectrum, samples, ridge)
    return np.where(_fits(e, n, strength), _solve(e, n, strength), np.nan)


def variance_share(spectrum: npt.ArrayLike, samples: npt.ArrayLike, ridge: npt.ArrayLike) -> Matrix:
    """Compute q = (1/n) sum e^2/(e + k)^2, below 1: a fit amplifies bias and noise by 1/(1 - q).

    Without a ridge and on more rows than eigenvalues it is d/n. Parameters, shapes and cost are those of
    :func:`effective_ridge`. Domain: as there. Source: derived.
    """
    e, n, strength = _broadcast(spectrum, samples, ridge)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        k = _solve(e, n, strength)
        return np.where(_fits(e, n, strength), np.sum(_passed(e, k) ** 2, axis=-1) / n, np.nan)


def general(
    spectrum: npt.ArrayLike,
    power: npt.ArrayLike,
    samples_teacher: npt.ArrayLike,
    samples_student: npt.ArrayLike,
    ridge_teacher: npt.ArrayLike,
    ridge_student: npt.ArrayLike,
    noise: npt.ArrayLike = 0.5,
) -> Errors:
    """Compute the excess risks of teacher and student for a covariance with eigenvalues ``spectrum``, with plain penalties.

    This is :func:`weighted` with weights 1; parameters, result, cost and source are the same. Domain: as there.
    """
    plain = np.ones(1)
    return weighted(spectrum, power, plain, plain, samples_teacher, samples_student, ridge_teacher, ridge_student, noise)


def weighted(
    spectrum: npt.ArrayLike,
    power: npt.ArrayLike,
    weights_teacher: npt.ArrayLike,
    weights_student: npt.ArrayLike,
    samples_teacher: npt.ArrayLike,
    samples_student: npt.ArrayLike,
    ridge_teacher: npt.ArrayLike,
    ridge_student: npt.ArrayLike,
    noise: npt.ArrayLike = 0.5,
) -> Errors:
    """Compute the excess risks of teacher and student with penalties l sum w_i b_i^2.

    With e, k, q of each fit, a = e/(e + k), B = sum power ev (1 - a_t)^2, M = a_s^2 + (1 - a_s)^2 q_s/(1 - q_s):

        teacher   (B + noise q_t)/(1 - q_t)
        student   sum power ev (1 - 2 a_s a_t + M a_t^2) + (B + noise)/(1 - q_t) (1/n_t) sum M a_t^2

    Parameters
    ----------
    spectrum, power : (..., d) eigenvalues ev of the covariance and b_i^2 in its eigenbasis.
    weights_teacher, weights_student : (..., d) or (..., 1) weights w above 0.
    samples_teacher, samples_student : rows, labelled and of the student.
    ridge_teacher, ridge_student : l; 0 is the fit of least penalty.
    noise : variance of the label noise. Both errors are linear in (power, noise).

    Returns
    -------
    Errors of the broadcast shape without the last axis. Domain: ``power`` from 0 on, weights above 0, noise from 0 on, and for
    each fit as for :func:`effective_ridge`. Cost three inner products of length d an entry; effective ridges are found once for
    each teacher and each student, before they are broadcast.

    Source: derived; setting of the paper's section on weighted ridge.
    """
    ev, b, s2 = (np.asarray(a, dtype=np.float64) for a in (spectrum, power, noise))
    t = _fit(ev, weights_teacher, samples_teacher, ridge_teacher)
    s = _fit(ev, weights_student, samples_student, ridge_student)
    rows = np.asarray(samples_teacher, dtype=np.float64)
    inside = t.inside & s.inside & np.all((b >= 0) & np.isfinite(b), axis=-1) & (s2 >= 0) & np.isfinite(s2)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        signal = b * ev
        bias = np.sum(signal * (1.0 - t.passed) ** 2, axis=-1)
        left = 1.0 - t.share
        teacher = (bias + s2 * t.share) / left
        amplified = (s.share / (1.0 - s.share))[..., None]
        form = s.passed**2 + (1.0 - s.passed) ** 2 * amplified
        cross = np.vecdot(s.passed, signal * t.passed)
        kept = np.vecdot(form, signal * t.passed**2)
        spread = np.vecdot(form, t.passed**2) * ((bias + s2) / left / rows)
        student = np.sum(signal, axis=-1) - 2.0 * cross + kept + spread
    teacher, student, inside = np.broadcast_arrays(teacher, student, inside)
    return Errors(np.where(inside, teacher, np.nan), np.where(inside, student, np.nan))


def _fit(ev: Matrix, weights: npt.ArrayLike, samples: npt.ArrayLike, ridge: npt.ArrayLike) -> _Fit:
    w = np.asarray(weights, dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        e, n, strength = _broadcast(ev / w, samples, ridge)
        inside = _fits(e, n, strength) & np.all((w > 0) & np.isfinite(w), axis=-1)
        k = _solve(e, n, strength)
        passed = _passed(e, k)
        return _Fit(e, passed, k, np.sum(passed**2, axis=-1) / n, inside)


def _passed(e: Matrix, k: Matrix) -> Matrix:
    """Return e/(e + k); an eigenvalue of 0 passes nothing, also where k is 0."""
    return np.where(e > 0, e / (e + k[..., None]), 0.0)


def _broadcast(spectrum: npt.ArrayLike, samples: npt.ArrayLike, ridge: npt.ArrayLike) -> tuple[Matrix, Matrix, Matrix]:
    """Return e (..., d), n (...) and l (...) of one leading shape."""
    e, n, strength = (np.asarray(a, dtype=np.float64) for a in (spectrum, samples, ridge))
    shape = np.broadcast_shapes(e.shape[:-1], n.shape, strength.shape)
    return np.broadcast_to(e, (*shape, e.shape[-1])), np.broadcast_to(n, shape), np.broadcast_to(strength, shape)


def _fits(e: Matrix, n: Matrix, strength: Matrix) -> npt.NDArray[np.bool_]:
    some = np.count_nonzero(e > 0, axis=-1)
    good = np.all((e >= 0) & np.isfinite(e), axis=-1) & (some > 0) & (n > 0) & np.isfinite(n)
    return np.asarray(good & (strength >= 0) & np.isfinite(strength) & ((strength > 0) | (n != some)))


def _solve(e: Matrix, n: Matrix, strength: Matrix) -> Matrix:
    """Find the root by descending from above; anything outside the domain."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore", under="ignore"):
        k = np.asarray(strength + np.sum(e, axis=-1) / n, dtype=np.float64)
        for _ in range(_STEPS):
            passed = _passed(e, k)
            value = k * (1.0 - np.sum(passed, axis=-1) / n) - strength
            below = k - value / (1.0 - np.sum(passed * passed, axis=-1) / n)
            new = np.asarray(np.where(below < k, np.maximum(below, 0.0), k))
            moving = (k - new > _SETTLED * k) & np.isfinite(new)
            k = new
            if not moving.any():
                break
    return k
