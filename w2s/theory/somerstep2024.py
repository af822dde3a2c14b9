"""Latent concepts, naive finetuning and refinement (Somerstep et al. 2024, arXiv 2405.16236).

Inputs are V equally likely contexts. A concept gives every context one of two classes, and a label is that class with
probability 1 - noise. The weak labels follow the true concept k*, but for a part ``bias`` of the contexts, where they follow
its opposite. A naive student counts labels: in every context it answers the majority. A refined one weighs concepts by the
likelihood of m weakly labelled demonstrations and answers by the posterior mean.

The paper has the comparison; this finite model of it, and all formulas here, are ours. Both students reduce to a walk: a
demonstration is for, against or silent, and the answer is wrong where there are more against than for.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, betaln

__all__ = ["chernoff_bound", "evidence", "limit_error", "minority", "naive_error", "refined_error"]

Array = npt.NDArray[np.float64]


def minority(m: npt.ArrayLike, favour: npt.ArrayLike, against: npt.ArrayLike) -> Array:
    """Compute P(for < against) + P(for = against) / 2 of m independent votes, each for or against with given chances.

    Sum over the number j of votes that are not silent, binomial with favour + against, of half the chances that at most (j -
    1) / 2 and at most j / 2 of them are for. Arguments broadcast. Domain: m >= 0 whole, favour and against >= 0 with a sum of
    at most 1. Source: derived. O(m) an entry.
    """
    given = np.broadcast_arrays(*(np.asarray(value, dtype=np.float64) for value in (m, favour, against)))
    votes, plus, minus = (values.ravel() for values in given)
    valid = (votes >= 0) & (votes == np.floor(votes)) & np.isfinite(votes) & (plus >= 0) & (minus >= 0)
    found = np.full(votes.shape, np.nan)
    for k in np.flatnonzero(valid & (plus + minus <= 1.0 + 1e-12)):
        found[k] = _minority(int(votes[k]), float(plus[k]), float(minus[k]))
    return found.reshape(given[0].shape)


def _minority(m: int, plus: float, minus: float) -> float:
    heard = min(plus + minus, 1.0)
    if heard == 0 or m == 0:
        return 0.5
    j = np.arange(m + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = -np.log(m + 1.0) - betaln(j + 1.0, m - j + 1.0) + _times_log(j, heard) + _times_log(m - j, 1.0 - heard)
    share = plus / heard
    at_most = bdtr(np.floor(j / 2.0), j, share)
    below = np.where(j > 0, bdtr(np.maximum(np.ceil(j / 2.0) - 1.0, 0.0), j, share), 0.0)
    below = np.where(np.ceil(j / 2.0) >= 1, below, 0.0)
    return float(np.sum(np.exp(logs) * 0.5 * (at_most + below)))


def _times_log(count: npt.NDArray[np.int64], value: float) -> Array:
    """Compute count log value, with 0 log 0 = 0."""
    return np.where(count == 0, 0.0, count * (np.log(value) if value > 0 else -np.inf))


def naive_error(m: npt.ArrayLike, contexts: npt.ArrayLike, bias: npt.ArrayLike, noise: npt.ArrayLike) -> Array:
    """Compute the expected error of the majority of m weak labels in each of V contexts: b + (1 - 2 b) q.

    q is the chance that the majority of a context's labels is noise (:func:`minority`), and 1/2 without labels; it tends to 0,
    so the error tends to the bias. Arguments broadcast. Domain: m >= 0 and contexts >= 1 whole, bias in [0, 1], noise in [0,
    1]. Source: derived. O(m) an entry.
    """
    count, part, flip = (np.asarray(value, dtype=np.float64) for value in (contexts, bias, noise))
    valid = (count >= 1) & (count == np.floor(count)) & (part >= 0) & (part <= 1) & (flip >= 0) & (flip <= 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        wrong = minority(m, np.where(valid, (1.0 - flip) / count, np.nan), np.where(valid, flip / count, np.nan))
        return np.asarray(part + (1.0 - 2.0 * part) * wrong)


def refined_error(m: npt.ArrayLike, bias: npt.ArrayLike, apart: npt.ArrayLike, noise: npt.ArrayLike) -> Array:
    """Compute the expected error of a student that knows two concepts, k* and a decoy: (b + e) P(decoy).

    The decoy follows the weak labels where these are biased (a part b of contexts), and is the opposite of k* on a part e =
    ``apart`` of the others. A demonstration is for k* with chance e (1 - noise) + b noise and against it with b (1 - noise) + e
    noise. Arguments broadcast. Domain: m >= 0 whole, b, e >= 0 with b + e <= 1, noise in [0, 1/2). Source: derived. O(m).
    """
    part, off, flip = (np.asarray(value, dtype=np.float64) for value in (bias, apart, noise))
    plus, minus = _votes(part, off, flip)
    return np.asarray((part + off) * minority(m, plus, minus))


def limit_error(bias: npt.ArrayLike, apart: npt.ArrayLike) -> Array:
    """Compute the error of refinement as m grows: 0 where e > b, b + e where the decoy is nearer to the weak labels, e < b.

    Arguments broadcast. Domain: b, e >= 0, b + e <= 1, b != e. Source: derived; the closest concept in relative entropy. O(1).
    """
    part, off = (np.asarray(value, dtype=np.float64) for value in (bias, apart))
    valid = (part >= 0) & (off >= 0) & (part + off <= 1.0) & (part != off)
    return np.asarray(np.where(valid, np.where(off > part, 0.0, part + off), np.nan))


def evidence(bias: npt.ArrayLike, apart: npt.ArrayLike, noise: npt.ArrayLike) -> Array:
    """Compute (e - b) (1 - 2 noise) log((1 - noise) / noise), the mean log likelihood ratio of k* to the decoy per weak label.

    Arguments broadcast. Domain: b, e >= 0, b + e <= 1, 0 < noise < 1/2. Source: derived. O(1) an entry.
    """
    part, off, flip = (np.asarray(value, dtype=np.float64) for value in (bias, apart, noise))
    valid = (part >= 0) & (off >= 0) & (part + off <= 1.0) & (flip > 0) & (flip < 0.5)
    safe = np.where(valid, flip, 0.25)
    return np.asarray(np.where(valid, (off - part) * (1.0 - 2.0 * safe) * np.log((1.0 - safe) / safe), np.nan))


def chernoff_bound(m: npt.ArrayLike, bias: npt.ArrayLike, apart: npt.ArrayLike, noise: npt.ArrayLike) -> Array:
    """Compute (b + e) (1 - (sqrt(p) - sqrt(r))^2)^m >= the refined error where e > b; p and r are the chances for and against.

    It says how fast refinement forgets a decoy that is farther from the weak labels than k*. Arguments broadcast. Domain: that
    of :func:`refined_error` and e > b. Source: derived; Chernoff's bound. O(1) an entry.
    """
    votes, part, off, flip = (np.asarray(value, dtype=np.float64) for value in (m, bias, apart, noise))
    plus, minus = _votes(part, off, flip)
    with np.errstate(invalid="ignore"):
        base = 1.0 - (np.sqrt(plus) - np.sqrt(minus)) ** 2
        return np.asarray(np.where((votes >= 0) & (off > part), (part + off) * base**votes, np.nan))


def _votes(bias: Array, apart: Array, noise: Array) -> tuple[Array, Array]:
    """Return the chances that a demonstration is for and against k*; NaN outside the domain."""
    valid = (bias >= 0) & (apart >= 0) & (bias + apart <= 1.0) & (noise >= 0) & (noise < 0.5)
    plus, minus = apart * (1.0 - noise) + bias * noise, bias * (1.0 - noise) + apart * noise
    return np.where(valid, plus, np.nan), np.where(valid, minus, np.nan)
