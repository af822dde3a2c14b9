"""Squared-error risks as quadratic forms in second moments, and errors of predictions row by row.

A difference of predictors written as one vector v over joint features z, for instance [theta_weak, -theta_strong, 1] over
[weak, strong, target], has the error E (v'z)^2 = v' M v with M = E z z'. The difference is formed first, so nothing cancels.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..backend import Array, Backend, resolve
from ..dispatch import operation
from ..items import EPS

__all__ = ["PredictionErrors", "joint_risk", "prediction_errors"]

FORMS = operation("risk", "forms")
ERRORS = operation("risk", "errors", "numba", "kept")
_ROUNDING = 8.0 * EPS


def joint_risk(coef_joint: Array, joint_second: Array) -> Array:
    """Compute E (v'z)^2 for each column of difference vectors.

    Parameters
    ----------
    coef_joint :
        (*batch, D, k) or, with a filter axis, (*batch, L, D, k) difference vectors v.
    joint_second :
        (*batch, D, D) M = E z z'. The filter axis is there when `coef_joint` has one dimension more.

    Returns
    -------
    (*batch, [L,] k) in the units of M. A value that is negative only by rounding becomes 0; other values are returned as they
    are. Cost 2 L k D^2 flops an item, all filters in one GEMM.
    """
    backend = resolve(None, coef_joint)
    xp, forms = backend.xp, FORMS.on(backend)
    M = xp.asarray(joint_second)
    value = forms(coef_joint, M)
    negative = value < 0
    if not bool(xp.any(negative)):
        return value
    magnitude = forms(abs(coef_joint), abs(M))  # computed only if something is negative
    return xp.where(negative & (-value <= _ROUNDING * M.shape[-1] * magnitude), 0.0, value)


class PredictionErrors(NamedTuple):
    """Errors of L models on the same m rows, arrays (L,): means over rows, of sums over the k outputs.

    Attributes
    ----------
    squared : |p - t|^2, of predictions p and truth t. misfit : |p - y|^2, y being the labels that models were trained on.
    distance : |p - w|^2, w being what the teacher gives.
    cross : 2 <w - p, p - t>, so that distance + cross = |w - t|^2 - |p - t|^2.
    wrong, apart : shares of rows where the largest of p is not the largest of t, of w; the first of equals counts. NaN where an
        output is NaN.
    """

    squared: Array
    misfit: Array
    distance: Array
    cross: Array
    wrong: Array
    apart: Array


def prediction_errors(
    scores: Array, offset: Array, truth: Array, teacher: Array, labels: Array, backend: Backend
) -> PredictionErrors:
    """Measure models against the truth, their teacher and its labels in one pass over their outputs.

    Parameters
    ----------
    scores :
        (m, L, k) outputs as one GEMM of all models leaves them, without intercepts.
    offset :
        (k,) the intercept that all of them have.
    truth, teacher, labels :
        (m, k) each.
    backend :
        "numba" makes no temporary of the size of `scores`.

    Cost 12 m L k flops. ValueError where shapes do not fit.
    """
    m, count, k = scores.shape
    if offset.shape != (k,) or any(a.shape != (m, k) for a in (truth, teacher, labels)) or m == 0:
        shapes = [a.shape for a in (offset, truth, teacher, labels)]
        raise ValueError(f"scores {scores.shape} need an offset (k,) and truth, teacher and labels (m, k), got {shapes}")
    out = backend.xp.empty((6, count))
    arrays = (backend.xp.ascontiguousarray(a, dtype=np.float64) for a in (scores, offset, truth, teacher, labels))
    ERRORS.on(backend)(out, *arrays)
    return PredictionErrors(*out)
