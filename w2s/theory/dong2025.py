"""Expected risks of ridgeless regression on jointly Gaussian features (Dong et al. 2025, arXiv 2502.05075).

The paper states in-sample variances (weak sigma^2 d_w/n, strong sigma^2 d_s/n, ceiling sigma^2 d_s/(n+N), and for the student
sigma^2/(n-d_w-1) (d_sw + (d_s/N)(d_w - d_sw)) on its own inputs). The fresh-sample forms and the exact bias follow from the
inverse Wishart mean; a part of the target outside a model's features acts as extra label noise that is independent of them.

With f* = s'z_s + rest = u'z_w + rest, C = E z_s z_w' and V = (sigma^2 + rho_w)/(n - d_w - 1):

    fresh     weak     rho_w + V d_w
              strong   rho_s + (sigma^2 + rho_s) d_s/(n - d_s - 1);  ceiling the same with its own count
              student  rho_s + |s - Cu|^2 + q (|u|^2 - |Cu|^2) + V (d_sw + q (d_w - d_sw)),  q = d_s/(N - d_s - 1)
    transfer  student  rho_s + |s - Cu|^2 + p (|u|^2 - |Cu|^2 - 2 (|u|^2 - u'C's)) + V (d_sw + p (d_w - d_sw)),  p = d_s/N
              ceiling  in-sample: rho_s + (sigma^2 - rho_s) d_s/rows;  weak and strong as fresh
    labeled   weak     rho_w + (sigma^2 - rho_w) d_w/n;  strong the same with d_s, rho_s
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.gaussian import Geometry

__all__ = ["errors", "fresh_variance_student", "in_sample_variance_student", "target_products"]

Array = npt.NDArray[Any]


def in_sample_variance_student(
    d_weak: Any, d_strong: Any, d_overlap: Any, n_labeled: Any, n_transfer: Any, noise: Any = 1.0
) -> Any:
    """Compute the variance of the student on its own inputs: sigma^2/(n-d_w-1) (d_sw + (d_s/N)(d_w - d_sw)).

    Fields broadcast. Domain: n > d_w + 1, d_s <= N and 0 <= d_sw <= min(d_w, d_s); NaN outside. Theorem 1. O(1) a value.
    """
    counts = _fields(d_weak, d_strong, d_overlap, n_labeled, n_transfer, noise)
    weak, strong, overlap, labeled, transfer, sigma = counts
    share = np.where(strong <= transfer, strong / np.where(transfer > 0, transfer, np.nan), np.nan)
    return _variance(weak, strong, overlap, labeled, share, sigma)


def fresh_variance_student(
    d_weak: Any, d_strong: Any, d_overlap: Any, n_labeled: Any, n_transfer: Any, noise: Any = 1.0
) -> Any:
    """Compute the variance of the student on fresh inputs: d_s/N of the in-sample form becomes d_s/(N-d_s-1).

    Fields broadcast. Domain: n > d_w + 1, N > d_s + 1 and 0 <= d_sw <= min(d_w, d_s); NaN outside. Derived. O(1) a value.
    """
    counts = _fields(d_weak, d_strong, d_overlap, n_labeled, n_transfer, noise)
    weak, strong, overlap, labeled, transfer, sigma = counts
    return _variance(weak, strong, overlap, labeled, _share(strong, transfer), sigma)


@functools.lru_cache(maxsize=1024)
def target_products(geometry: Geometry) -> tuple[float, float, float, float]:
    """Compute |u|^2, |Cu|^2, |s - Cu|^2 and u'C's of the target's coefficients on weak (u) and strong (s) features."""
    weak, strong, target = geometry.weak_map(), geometry.strong_map(), geometry.target()
    u, s, cross = weak @ target, strong @ target, strong @ weak.T
    image = cross @ u
    return float(u @ u), float(image @ image), float((s - image) @ (s - image)), float(image @ s)


def errors(
    *,
    d_weak: Array,
    d_strong: Array,
    d_overlap: Array,
    signal: Array,
    rho_weak: Array,
    rho_strong: Array,
    noise: Array,
    n_labeled: Array,
    n_transfer: Array,
    products: Array,
    evaluate: Array,
    risk: Array,
    ceiling: Array,
) -> dict[str, Array]:
    """Compute expected errors of the four ridgeless models, for fields that broadcast: the forms at the head of this module.

    Domain: where a closed form is known and its mean is finite; NaN outside. O(1) a value.

    ``products`` (..., 4) are those of :func:`target_products`; ``rho_*`` are fractions of ``signal``. Unknown: a model
    evaluated on rows that it shares only in part, in-sample risk against noisy labels, and counts with an infinite mean.
    """
    sigma2, rho_w, rho_s = noise**2, rho_weak * signal, rho_strong * signal
    rows = np.where(ceiling == "labeled+transfer", n_labeled + n_transfer, n_transfer)
    fresh: dict[str, Any] = {
        "weak": rho_w + (sigma2 + rho_w) * _share(d_weak, n_labeled),
        "student": _student(
            _share(d_strong, n_transfer), 0.0, d_weak, d_overlap, rho_s, _spread(sigma2 + rho_w, d_weak, n_labeled), products
        ),
        "strong": rho_s + (sigma2 + rho_s) * _share(d_strong, n_labeled),
        "ceiling": rho_s + (sigma2 + rho_s) * _share(d_strong, rows),
    }
    inside = d_strong / n_transfer
    transfer: dict[str, Any] = fresh | {
        "student": _student(inside, 1.0, d_weak, d_overlap, rho_s, _spread(sigma2 + rho_w, d_weak, n_labeled), products),
        "ceiling": _inside(rho_s, sigma2, d_strong, rows),
    }
    labeled: dict[str, Any] = {
        "weak": _inside(rho_w, sigma2, d_weak, n_labeled),
        "student": np.nan,
        "strong": _inside(rho_s, sigma2, d_strong, n_labeled),
        "ceiling": np.where(
            ceiling == "labeled+transfer",
            _inside(rho_s, sigma2, d_strong, rows),
            rho_s + (sigma2 + rho_s) * _share(d_strong, rows),
        ),
    }
    result: dict[str, Array] = {}
    for model in fresh:
        excess = np.where(evaluate == "fresh", fresh[model], np.where(evaluate == "transfer", transfer[model], labeled[model]))
        noisy = np.where(evaluate == "fresh", excess + sigma2, np.nan)
        result[model] = np.where(risk == "excess", excess, noisy)
    return result


def _fields(*values: Any) -> tuple[Array, ...]:
    return tuple(np.asarray(value, dtype=np.float64) for value in values)


def _variance(weak: Array, strong: Array, overlap: Array, labeled: Array, share: Array, noise: Array) -> Array:
    """Compute sigma^2/(n - d_w - 1) (d_sw + share (d_w - d_sw)); NaN outside its domain."""
    known = (overlap >= 0) & (overlap <= np.minimum(weak, strong))
    spread = noise**2 / np.where(labeled > weak + 1, labeled - weak - 1, np.nan)
    return np.asarray(np.where(known, spread * (overlap + share * (weak - overlap)), np.nan))


def _share(width: Array, rows: Array) -> Array:
    """Compute d/(rows - d - 1), the trace of the mean inverse Gram; NaN where the mean is infinite."""
    left = np.asarray(rows - width - 1, dtype=float)
    return np.where(left > 0, width / np.where(left > 0, left, 1.0), np.nan)


def _spread(power: Array, width: Array, rows: Array) -> Array:
    left = np.asarray(rows - width - 1, dtype=float)
    return np.where(left > 0, power / np.where(left > 0, left, 1.0), np.nan)


def _inside(rho: Array, sigma2: Array, width: Array, rows: Array) -> Array:
    """Compute the mean in-sample excess error of least squares: rho + (sigma^2 - rho) d/rows, for d <= rows."""
    return np.where(width <= rows, rho + (sigma2 - rho) * width / rows, np.nan)


def _student(
    share: Array, inside: float, d_weak: Array, d_overlap: Array, rho_s: Array, spread: Array, products: Array
) -> Array:
    u2, cu2, bias, ucs = (products[..., k] for k in range(4))
    weak_only = u2 - cu2 - 2.0 * inside * (u2 - ucs)
    return np.asarray(rho_s + bias + share * weak_only + spread * (d_overlap + share * (d_weak - d_overlap)))
