"""Numerical kernels of w2s-sweep: arrays in, arrays out. Importing this needs NumPy alone."""

from .backend import NUMPY, Backend, BackendError, choose
from .filters import Filters, concat, flow, ridge, steps, truncation
from .moments import CHUNK, gram, prefix_grams
from .risk import distance, joint_risk, risk
from .spectral import (
    Spectrum,
    apply_filters,
    coefficients,
    condition,
    factor_gram,
    factor_rows,
    filter_coords,
    project_rows,
    response,
)
from .streams import Stream, normals, permutation, stream, uniforms, words

__all__ = [
    "CHUNK",
    "NUMPY",
    "Backend",
    "BackendError",
    "Filters",
    "Spectrum",
    "Stream",
    "apply_filters",
    "choose",
    "coefficients",
    "concat",
    "condition",
    "distance",
    "factor_gram",
    "factor_rows",
    "filter_coords",
    "flow",
    "gram",
    "joint_risk",
    "normals",
    "permutation",
    "prefix_grams",
    "project_rows",
    "response",
    "ridge",
    "risk",
    "steps",
    "stream",
    "truncation",
    "uniforms",
    "words",
]
