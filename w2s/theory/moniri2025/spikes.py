"""One gradient step on a first layer as a spiked random matrix (Moniri and Hassani 2025, arXiv 2505.18346, multi-index part).

A first layer has p rows w_j uniform on the unit sphere of R^d. One step on the correlation of labels y with the output adds
step sqrt(p) a_j (1/n) sum_i y_i relu'(w_j'x_i) x_i, a_j = +-1/sqrt(p). relu' is 1/2 on average, so the rows get a common part
along v = (1/n) sum y_i x_i, a spike of rank one, and what relu' does beyond its average is like noise of variance
step^2 E y^2/(4 n) an entry. The direction that is learnt is that of E y x, the *easy* one; a component without a linear part
leaves no spike. Limits of p, n and d that grow together; both forms are derived.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["gradient_alignment", "spike_alignment", "step_strength"]

Matrix = npt.NDArray[np.float64]


def gradient_alignment(linear: npt.ArrayLike, power: npt.ArrayLike, ratio: npt.ArrayLike) -> Matrix:
    """Compute the squared cosine linear^2/(linear^2 + power ratio) of (1/n) sum y x and E y x.

    ``linear`` is |E y x|, ``power`` is E y^2 with noise, ``ratio`` is d/n; they broadcast. Domain: linear from 0 on, power
    above 0 and no less than linear^2, ratio from 0 on and not 0 where linear is. Source: derived. Cost O(1).
    """
    linear, power, ratio = (np.asarray(a, dtype=np.float64) for a in (linear, power, ratio))
    with np.errstate(invalid="ignore", divide="ignore"):
        square = linear**2
        inside = (linear >= 0) & (power > 0) & (power >= square) & (ratio >= 0) & np.isfinite(linear + power + ratio)
        found = square / (square + power * ratio)
        return np.where(inside & ((square > 0) | (ratio > 0)), found, np.nan)


def step_strength(
    step: npt.ArrayLike, linear: npt.ArrayLike, power: npt.ArrayLike, ratio: npt.ArrayLike, width: npt.ArrayLike
) -> Matrix:
    """Compute the spike's singular value over the scale of the other entries, for :func:`spike_alignment`.

    step sqrt(p) sqrt(linear^2 + power ratio)/2 / sqrt(1 + step^2 power ratio/4): the spike has the length step sqrt(p) |v|/2,
    the other entries have the variance 1/d + step^2 power/(4 n).

    ``step`` is the step in units of sqrt(p), ``width`` is p, the others are those of :func:`gradient_alignment`; all
    broadcast. Domain: step from 0 on, width above 0, the others as there. Source: derived. Cost O(1).
    """
    step, linear, power, ratio, width = (np.asarray(a, dtype=np.float64) for a in (step, linear, power, ratio, width))
    with np.errstate(invalid="ignore", divide="ignore"):
        inside = (step >= 0) & (width > 0) & np.isfinite(step + width)
        inside = inside & np.isfinite(gradient_alignment(linear, power, ratio))
        found = step * np.sqrt(width * (linear**2 + power * ratio)) / 2.0 / np.sqrt(1.0 + step**2 * power * ratio / 4.0)
        return np.where(inside, found, np.nan)


def spike_alignment(strength: npt.ArrayLike, aspect: npt.ArrayLike) -> Matrix:
    """Compute the squared cosine of a spike's row direction and the top right singular vector of spike + noise.

    For p x d noise of variance 1/d, c = p/d and a spike s u v' it is 1 - (c + s^2)/(s^2 (s^2 + 1)) from s = c^(1/4) on, and 0
    below, where the spike does not leave the noise. ``strength`` s and ``aspect`` c broadcast. Domain: strength from 0 on,
    aspect above 0. Source: F. Benaych-Georges and R. R. Nadakuditi, J. Multivariate Anal. 111 (2012) 120-135. Cost O(1).
    """
    strength, aspect = (np.asarray(a, dtype=np.float64) for a in (strength, aspect))
    inside = (strength >= 0) & (aspect > 0) & np.isfinite(aspect) & ~np.isnan(strength)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        inverse = 1.0 / strength**2
        found = 1.0 - (1.0 + aspect * inverse) / (1.0 + 1.0 / inverse)
        return np.where(inside, np.where(strength**4 > aspect, found, 0.0), np.nan)
