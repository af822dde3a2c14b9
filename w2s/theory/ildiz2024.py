"""Risk of regression on a surrogate's labels (Ildiz, Gozeten, Taga, Mondelli and Oymak 2024, arXiv 2410.18837).

Inputs N(0, diag(lam)), labels y = x'b_s + noise of variance s2, the student is the ridge or minimum-norm fit on n rows, and
its excess risk is sum_i lam_i (bhat_i - b*_i)^2. With tau the solution of n = sum_i lam_i / (lam_i + tau) + n ridge / tau,

    z_i = tau / (lam_i + tau),   Om = (1/n) sum_i (1 - z_i)^2,
    R(b_s) = sum_i lam_i (b*_i - (1 - z_i) b_s,i)^2 + (sum_i lam_i z_i^2 b_s,i^2 + s2) Om / (1 - Om).

R is the limit of the risk as n and the number of features d grow together. It is a separable quadratic in b_s, so the best
surrogate and the best mask follow coordinate by coordinate. Spectra and coefficients are (..., d); all other arguments
broadcast against the leading axes. The formulas are those of the paper as we know them, derived again here; the term of the
ridge is ours.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

__all__ = ["best_mask", "effective_ridge", "optimal_surrogate", "risk", "risk_at", "shrinkage", "variance_factor"]

Array = npt.NDArray[np.float64]

_HALVINGS = 80  # a bracket of a hundred decades is then known to rounding
_ROUNDING = 1e-12  # an Om this near to 1 is 1: as many rows as features, no ridge


def effective_ridge(spectrum: npt.ArrayLike, n: npt.ArrayLike, ridge: npt.ArrayLike = 0.0) -> Array:
    """Compute tau, the solution of n = sum_i lam_i / (lam_i + tau) + n ridge / tau: (..., d), (...), (...) -> (...).

    It is 0 where ridge = 0 and n >= d. The left side falls in tau, so the logarithm of tau is bisected between max(ridge,
    lam_min (d - n) / n) and ridge + sum_i lam_i / n. Domain: lam_i > 0, n > 0, ridge >= 0, all finite. Source: paper, fixed
    point of the deterministic equivalent. O(d) times 80.
    """
    lam, rows, strength = _arguments(spectrum, n, ridge)
    d = lam.shape[-1]
    valid = _valid(lam, rows, strength)
    lam, rows, strength = np.where(valid[..., None], lam, 1.0), np.where(valid, rows, 1.0), np.where(valid, strength, 0.0)
    solvable = (strength > 0) | (rows < d)
    low = np.maximum(strength, lam.min(axis=-1) * (d - rows) / rows)
    low = np.log(np.where(solvable, low, 1.0))
    high = np.log(np.where(solvable, strength + lam.sum(axis=-1) / rows, 1.0))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        tau = np.exp(middle)
        rises = (lam / (lam + tau[..., None])).sum(axis=-1) + rows * strength / tau > rows
        low, high = np.where(rises, middle, low), np.where(rises, high, middle)
    return np.asarray(np.where(valid, np.where(solvable, np.exp(0.5 * (low + high)), 0.0), np.nan))


def shrinkage(spectrum: npt.ArrayLike, n: npt.ArrayLike, ridge: npt.ArrayLike = 0.0) -> Array:
    """Compute z_i = tau / (lam_i + tau), the part of each coefficient that the fit loses on average: (..., d).

    Domain: that of :func:`effective_ridge`. Source: paper. O(d).
    """
    lam, _, _ = _arguments(spectrum, n, ridge)
    tau = effective_ridge(spectrum, n, ridge)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(np.isnan(tau), np.nan, tau / (lam + tau)))


def variance_factor(spectrum: npt.ArrayLike, n: npt.ArrayLike, ridge: npt.ArrayLike = 0.0) -> Array:
    """Compute Om = (1/n) sum_i (1 - z_i)^2, by which noise enters as Om / (1 - Om): (..., d), (...), (...) -> (...).

    It is d / n for a fit without a ridge on n >= d rows. Domain: that of :func:`effective_ridge`. Source: paper. O(d).
    """
    kept = 1.0 - shrinkage(spectrum, n, ridge)
    _, rows, _ = _arguments(spectrum, n, ridge)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((kept**2).sum(axis=-1) / rows)


def risk(
    spectrum: npt.ArrayLike,
    target: npt.ArrayLike,
    surrogate: npt.ArrayLike,
    n: npt.ArrayLike,
    noise_variance: npt.ArrayLike = 0.0,
    ridge: npt.ArrayLike = 0.0,
) -> Array:
    """Compute R(b_s), the excess risk of a student that is fitted to a surrogate's labels on n rows: (...).

    ``target`` and ``surrogate`` are (..., d). Domain: that of :func:`effective_ridge`, finite coefficients, noise_variance >=
    0, and n != d where ridge = 0 (at n = d the risk is infinite). Source: paper, the characterisation of the risk. O(d).
    """
    return risk_at(
        spectrum, target, surrogate, shrinkage(spectrum, n, ridge), variance_factor(spectrum, n, ridge), noise_variance
    )


def risk_at(
    spectrum: npt.ArrayLike,
    target: npt.ArrayLike,
    surrogate: npt.ArrayLike,
    lost: npt.ArrayLike,
    omega: npt.ArrayLike,
    noise_variance: npt.ArrayLike = 0.0,
) -> Array:
    """Compute R(b_s) where z and Om are known: ``lost`` is z (..., d), ``omega`` is Om (...).

    Saves the solution of the fixed point where many surrogates are asked for one spectrum. Domain: spectrum > 0, 0 <= z <= 1,
    0 <= Om < 1, noise_variance >= 0, all finite. Source: as :func:`risk`. O(d).
    """
    lam, truth, labels, z = (np.asarray(a, dtype=np.float64) for a in (spectrum, target, surrogate, lost))
    factor, noise = np.asarray(omega, dtype=np.float64), np.asarray(noise_variance, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        valid = (factor >= 0) & (factor < 1.0 - _ROUNDING) & (noise >= 0) & ((lam > 0) & (z >= 0) & (z <= 1)).all(axis=-1)
        bias = (lam * (truth - (1.0 - z) * labels) ** 2).sum(axis=-1)
        found = bias + ((lam * (z * labels) ** 2).sum(axis=-1) + noise) * (factor / (1.0 - factor))
        return np.asarray(np.where(valid & np.isfinite(found), found, np.nan))


def optimal_surrogate(spectrum: npt.ArrayLike, target: npt.ArrayLike, n: npt.ArrayLike, ridge: npt.ArrayLike = 0.0) -> Array:
    """Compute the surrogate of least risk, b*_i (1 - z_i) / ((1 - z_i)^2 + z_i^2 Om / (1 - Om)): (..., d).

    Coefficients grow where z_i < 1 - Om and shrink where z_i > 1 - Om. The noise has no part in it. Domain: that of
    :func:`risk`. Source: paper. O(d).
    """
    truth = np.asarray(target, dtype=np.float64)
    z, factor = shrinkage(spectrum, n, ridge), variance_factor(spectrum, n, ridge)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        amplified = np.where(factor < 1.0 - _ROUNDING, factor / (1.0 - factor), np.nan)
        return np.asarray(truth * (1.0 - z) / ((1.0 - z) ** 2 + z**2 * amplified))


def best_mask(spectrum: npt.ArrayLike, n: npt.ArrayLike, ridge: npt.ArrayLike = 0.0) -> Array:
    """Compute the 0/1 mask m of least R(m b*): coordinate i is kept where z_i^2 < 1 - Om, whatever the target: (..., d).

    Keeping a coordinate changes the risk by lam_i b*_i^2 (z_i^2 / (1 - Om) - 1). Domain: that of :func:`risk`.
    Source: paper. O(d).
    """
    z, factor = shrinkage(spectrum, n, ridge), variance_factor(spectrum, n, ridge)[..., None]
    with np.errstate(invalid="ignore"):
        kept = np.where(z**2 < 1.0 - factor, 1.0, 0.0)
        return np.asarray(np.where(np.isnan(z) | ~(factor < 1.0 - _ROUNDING), np.nan, kept))


def _arguments(spectrum: npt.ArrayLike, n: npt.ArrayLike, ridge: npt.ArrayLike) -> tuple[Array, Array, Array]:
    """Return spectrum (..., d), n (...) and ridge (...) with one set of leading axes."""
    lam = np.atleast_1d(np.asarray(spectrum, dtype=np.float64))
    rows, strength = np.asarray(n, dtype=np.float64), np.asarray(ridge, dtype=np.float64)
    lead = np.broadcast_shapes(lam.shape[:-1], rows.shape, strength.shape)
    whole = np.broadcast_to(lam, (*lead, lam.shape[-1]))
    return whole, np.broadcast_to(rows, lead), np.broadcast_to(strength, lead)


def _valid(lam: Array, rows: Array, strength: Array) -> npt.NDArray[np.bool_]:
    spectra = ((lam > 0) & np.isfinite(lam)).all(axis=-1)
    return np.asarray(spectra & (rows > 0) & np.isfinite(rows) & (strength >= 0) & np.isfinite(strength))
