"""Numerical kernels of w2s-sweep: arrays in, arrays out. Importing this needs NumPy alone."""

from . import nested, wishart
from .backend import NUMPY, Backend, BackendError, choose
from .filtered import filtered_products
from .filtered_risk import filtered_risks
from .filters import Filters, concat, flow, ridge, steps, truncation
from .moments import CHUNK, gram, prefix_grams, streamed_grams
from .risk import distance, joint_risk, risk
from .small import solve_quadratic, solve_spd
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
    "filtered_products",
    "filtered_risks",
    "flow",
    "gram",
    "joint_risk",
    "nested",
    "normals",
    "permutation",
    "prefix_grams",
    "project_rows",
    "response",
    "ridge",
    "risk",
    "solve_quadratic",
    "solve_spd",
    "steps",
    "stream",
    "streamed_grams",
    "truncation",
    "uniforms",
    "wishart",
    "words",
]
