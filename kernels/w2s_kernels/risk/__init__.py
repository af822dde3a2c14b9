"""Squared-error risks as quadratic forms in second moments.

A difference of predictors written as one vector v over joint features z, for instance [theta_weak, -theta_strong, 1] over
[weak, strong, target], has the error E (v'z)^2 = v' M v with M = E z z'. The difference is formed first, so nothing cancels.
"""

from __future__ import annotations

from ..backend import Array, resolve
from ..dispatch import operation
from ..items import EPS

__all__ = ["joint_risk"]

FORMS = operation("risk", "forms")
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
