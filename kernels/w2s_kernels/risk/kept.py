"""Errors of predictions by the kept machine code of the compiled loop."""

from __future__ import annotations

from ..backend import Array
from ..loops import Loop

__all__ = ["errors"]

_TABLE = "float64[:,::1]"
_ERRORS = Loop("risk", "errors", _TABLE, "float64[:,:,::1]", "float64[::1]", _TABLE, _TABLE, _TABLE)


def errors(out: Array, scores: Array, offset: Array, truth: Array, teacher: Array, labels: Array) -> None:
    """Fill out (6, L) as `prediction_errors` says, from scores (m, L, k): sums in the order of rows."""
    _ERRORS(out, scores, offset, truth, teacher, labels)
