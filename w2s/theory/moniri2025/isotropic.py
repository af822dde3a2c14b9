"""Ridge students of ridge teachers in the proportional limit, isotropic inputs (Moniri and Hassani 2025, arXiv 2505.18346).

x ~ N(0, I_d), y = b'x + e, |b|^2 = signal, Var e = noise. Teacher: ridge l_t on n_t labelled rows,
b_t = (S_t + l_t)^-1 X_t'y/n_t. Student: ridge l_s on n_s rows of its own with the teacher's labels, (S_s + l_s)^-1 S_s b_t.
S = X'X/n, errors are excess risks |b_hat - b|^2, and d grows with gamma_t = d/n_t, gamma_s = d/n_s fixed. The eigenvalues s of
S then follow the law of Marchenko and Pastur, and everything is made of m = E 1/(s + l), with
D = sqrt((1 - gamma)^2 + 2 l (1 + gamma) + l^2):

    1/m = ((1 - gamma + l) + D)/2        passed  E s/(s + l) = 1/(1/m + gamma)      held  l m = 1 - passed
    spread  E s/(s + l)^2 = passed/D     held twice  l^2 E 1/(s + l)^2 = l m (l + gamma l m)/D

Every form is one in which nothing cancels. The formulas are derived from the model that the paper describes; general
covariances and weighted penalties are in :mod:`w2s.theory.moniri2025.spectra`. Finite d deviates by O(1/d).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Errors", "gain_interval", "optimal_ridge", "ridge", "same_sample", "vanishing_ridge_gain"]

Matrix = npt.NDArray[np.float64]


class Errors(NamedTuple):
    """Excess risks of the two models, of one shape."""

    teacher: Matrix
    student: Matrix


class _Spectral(NamedTuple):
    """Averages over the eigenvalues s of S: l/(s + l), s/(s + l), s/(s + l)^2, l^2/(s + l)^2 and s^2/(s + l)^2."""

    held: Matrix
    passed: Matrix
    spread: Matrix
    held_twice: Matrix
    passed_twice: Matrix
    root: Matrix


def ridge(
    gamma_teacher: npt.ArrayLike,
    gamma_student: npt.ArrayLike,
    ridge_teacher: npt.ArrayLike,
    ridge_student: npt.ArrayLike,
    signal: npt.ArrayLike = 1.0,
    noise: npt.ArrayLike = 0.5,
) -> Errors:
    """Compute the excess risks of teacher and student, for arguments that broadcast.

    With the averages of the module for each model, and T = signal passed_twice_t + noise gamma_t spread_t, which is E |b_t|^2,

        teacher   signal held_twice_t + noise gamma_t spread_t
        gain      2 held_s spread_t (gamma_t noise - l_t signal) - held_twice_s T,      student = teacher - gain

    Parameters
    ----------
    gamma_teacher, gamma_student : d/n of the labelled rows and of the student's.
    ridge_teacher, ridge_student : l of (S + l I)^-1 X'y/n; 0 is the minimum norm.
    signal, noise : |b|^2 and the variance of the label noise; both errors are linear in the pair.

    Returns
    -------
    Errors of the broadcast shape. Domain: aspect ratios above 0, ridges from 0 on (above 0 at an aspect ratio of 1), signal
    and noise from 0 on, all finite. Cost about 60 operations an entry.

    Source: derived; setting of the paper's ridge section.
    """
    g_t, g_s, l_t, l_s, r2, s2 = _arrays(gamma_teacher, gamma_student, ridge_teacher, ridge_student, signal, noise)
    inside = _fits(g_t, l_t) & _fits(g_s, l_s) & _from_zero(r2) & _from_zero(s2)
    t, s = _averages(g_t, l_t), _averages(g_s, l_s)
    teacher, lead, power = _teacher(t, g_t, l_t, r2, s2)
    student = teacher - (2.0 * s.held * lead - s.held_twice * power)
    return Errors(*(np.where(inside, error, np.nan) for error in (teacher, student)))


def same_sample(
    gamma: npt.ArrayLike,
    ridge_teacher: npt.ArrayLike,
    ridge_student: npt.ArrayLike,
    signal: npt.ArrayLike = 1.0,
    noise: npt.ArrayLike = 0.5,
) -> Errors:
    """Compute the excess risks of a teacher and of a student trained on the teacher's own rows (self-distillation).

    With f = s/(s + l_t), h = s/(s + l_s): student = signal E (1 - f h)^2 + noise gamma E (f h)^2/s over the law of s with its
    atom max(0, 1 - 1/gamma) at 0. Both follow from V = E s/((s + l_t)(s + l_s)) = 1/((1 + k_t)(1 + k_s) - gamma), where
    1 + k = 1/passed, and from its derivatives V_s and V_ts by the two ridges:

        E s (f h)^2/s^2 = V_ts,  E (f h)^2/s = V(l_s, l_s) + 2 l_t V_s + l_t^2 V_ts,  l = l_t + l_s,
        E (1 - f h)^2 = l^2 (-V_s - l_t V_ts) + 2 l_t l_s l V_ts + held_twice_s + l_s^2 (V_s - l_t V_ts)

    Parameters are those of :func:`ridge`. Returns Errors of the broadcast shape. Domain: as for :func:`ridge`. Cost about 60
    operations an entry; errors of rounding are relative to V, not to the result.

    Source: derived.
    """
    g, x, y, r2, s2 = _arrays(gamma, ridge_teacher, ridge_student, signal, noise)
    inside = _fits(g, x) & _fits(g, y) & _from_zero(r2) & _from_zero(s2)
    t, s = _averages(g, x), _averages(g, y)
    teacher = _teacher(t, g, x, r2, s2)[0]
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        up_t, up_s = 1.0 / t.passed, 1.0 / s.passed
        v = 1.0 / (up_t * up_s - g)
        slope_t, slope_s = up_t / t.root, up_s / s.root  # dk/dl
        v_s = -slope_s * up_t * v * v
        v_ts = slope_t * slope_s * v**3 * (up_t * up_s + g)
        both = x + y
        bias = both**2 * (-v_s - x * v_ts) + 2.0 * x * y * both * v_ts + s.held_twice + y * y * (v_s - x * v_ts)
        variance = 1.0 / (up_s * up_s - g) + 2.0 * x * v_s + x * x * v_ts
        student = r2 * bias + s2 * g * variance
    return Errors(*(np.where(inside, error, np.nan) for error in np.broadcast_arrays(teacher, student)))


def optimal_ridge(gamma: npt.ArrayLike, signal: npt.ArrayLike = 1.0, noise: npt.ArrayLike = 0.5) -> Matrix:
    """Compute the ridge gamma noise/signal of least error; below it a teacher is under-regularised.

    For a direction b without preference it is the Bayes rule, so that no student of it can be better. Arguments broadcast.
    Domain: gamma above 0, signal above 0, noise from 0 on. Source: derived; classical. Cost O(1).
    """
    g, r2, s2 = _arrays(gamma, signal, noise)
    inside = (g > 0) & (r2 > 0) & _from_zero(s2) & np.isfinite(g) & np.isfinite(r2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(inside, g * s2 / r2, np.nan)


def gain_interval(
    gamma_teacher: npt.ArrayLike,
    gamma_student: npt.ArrayLike,
    ridge_teacher: npt.ArrayLike,
    signal: npt.ArrayLike = 1.0,
    noise: npt.ArrayLike = 0.5,
) -> tuple[Matrix, Matrix]:
    """Compute the open interval of student ridges with a gain, (0, 0) where there is none, up to infinity where it has no end.

    The gain is positive where l m2/m < 2 (T - signal passed_t)/T, m2 = E 1/(s + l)^2, T as in :func:`ridge`. The left side is
    (1 + w/D)/2 with w = l + gamma_s - 1 and D^2 = w^2 + 4 l, so with r = 4 (T - signal passed_t)/T - 1 its ends are

        l = 1 - gamma_s + 2 r (r +- sqrt(r^2 + (1 - r^2)(1 - gamma_s)))/(1 - r^2)

    Up to gamma_s = 1 there is one end, and a gain from 0 to it exactly where the teacher is under-regularised, l_t below
    :func:`optimal_ridge`. Beyond there are two or none. Parameters are those of :func:`ridge`.

    Returns lower and upper ends, of the broadcast shape. Domain: as for :func:`ridge`, signal and noise not both 0. Cost
    about 50 operations an entry.

    Source: derived.
    """
    g_t, g_s, l_t, r2, s2 = _arrays(gamma_teacher, gamma_student, ridge_teacher, signal, noise)
    inside = _fits(g_t, l_t) & (g_s > 0) & np.isfinite(g_s) & _from_zero(r2) & _from_zero(s2) & (r2 + s2 > 0)
    _, lead, power = _teacher(_averages(g_t, l_t), g_t, l_t, r2, s2)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        r = 4.0 * lead / power - 1.0
        rest = (1.0 - r) * (1.0 + r)
        square = r * r + rest * (1.0 - g_s)
        root = np.sqrt(np.maximum(square, 0.0))
        ends = [1.0 - g_s + 2.0 * r * (r + sign * root) / rest for sign in (-1.0, 1.0)]
        narrow, endless = g_s <= 1.0, r >= 1.0
        some = endless | np.where(narrow, r > -1.0, (r > 0.0) & (square > 0.0))
        low = np.where(narrow | endless, 0.0, np.maximum(ends[0], 0.0))
        high = np.where(endless, np.inf, np.maximum(ends[1], 0.0))
        return np.where(inside, np.where(some, low, 0.0), np.nan), np.where(inside, np.where(some, high, 0.0), np.nan)


def vanishing_ridge_gain(
    gamma_teacher: npt.ArrayLike,
    gamma_student: npt.ArrayLike,
    ridge_teacher: npt.ArrayLike,
    signal: npt.ArrayLike = 1.0,
    noise: npt.ArrayLike = 0.5,
) -> Matrix:
    """Compute the limit of gain/held_s as the student's ridge falls to 0, whose sign is that of the gain there.

    Up to gamma_s = 1 it is 2 spread_t (gamma_t noise - l_t signal): positive for an under-regularised teacher. Beyond, the
    student is a random projection of its teacher and it is teacher's error - signal: positive for a teacher that is worse
    than predicting zero. Parameters are those of :func:`ridge`; arguments broadcast. Domain: as for :func:`ridge`, gamma_s
    other than 1. Source: derived. Cost about 40 operations an entry.
    """
    g_t, g_s, l_t, r2, s2 = _arrays(gamma_teacher, gamma_student, ridge_teacher, signal, noise)
    inside = _fits(g_t, l_t) & (g_s > 0) & (g_s != 1.0) & np.isfinite(g_s) & _from_zero(r2) & _from_zero(s2)
    error, lead, _ = _teacher(_averages(g_t, l_t), g_t, l_t, r2, s2)
    return np.where(inside, np.where(g_s < 1.0, 2.0 * lead, error - r2), np.nan)


def _teacher(t: _Spectral, gamma: Matrix, strength: Matrix, signal: Matrix, noise: Matrix) -> tuple[Matrix, Matrix, Matrix]:
    """Return the teacher's error, E <b_t, b_t - b> and E |b_t|^2."""
    with np.errstate(invalid="ignore", over="ignore"):
        variance = noise * gamma * t.spread
        lead = t.spread * (gamma * noise - strength * signal)
        return signal * t.held_twice + variance, lead, signal * t.passed_twice + variance


def _averages(gamma: Matrix, strength: Matrix) -> _Spectral:
    """Average over the law of Marchenko and Pastur; anything outside the domain."""
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        center = 1.0 - gamma + strength
        root = np.sqrt((1.0 - gamma) ** 2 + 2.0 * strength * (1.0 + gamma) + strength**2)
        short, far = center > 0, root - center  # the branch in which the sum does not cancel
        inverse = np.where(short, (center + root) / 2.0, 2.0 * gamma * strength / np.where(short, 1.0, far))
        held = np.where(short, strength / np.where(short, inverse, 1.0), far / (2.0 * gamma))
        passed = 1.0 / (inverse + gamma)
        # root - strength without its cancellation.
        beyond = ((1.0 - gamma) ** 2 + 2.0 * strength * (1.0 + gamma)) / (root + strength)
        return _Spectral(held, passed, passed / root, held * (strength + gamma * held) / root, passed * beyond / root, root)


def _arrays(*values: npt.ArrayLike) -> list[Any]:
    """Return the arguments as float64 arrays that broadcast against each other."""
    found = [np.asarray(value, dtype=np.float64) for value in values]
    np.broadcast_shapes(*(array.shape for array in found))
    return found


def _fits(gamma: Matrix, strength: Matrix) -> npt.NDArray[np.bool_]:
    """Tell where a ridge fit has a limit: at gamma = 1 without a ridge its variance is infinite."""
    fits = (gamma > 0) & np.isfinite(gamma) & _from_zero(strength) & ((strength > 0) | (gamma != 1.0))
    return np.asarray(fits)


def _from_zero(values: Matrix) -> npt.NDArray[np.bool_]:
    return np.asarray((values >= 0) & np.isfinite(values))
