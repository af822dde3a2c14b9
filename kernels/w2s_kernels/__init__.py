"""Numerical kernels of w2s-sweep: arrays in, arrays out. Importing this needs NumPy alone.

A kernel is a folder: `__init__` (public functions and their checks), `plain` (float64 array code), and where they pay `numba`,
`cupy` and `kernel.cu` (compiled versions of the same operations). `dispatch` decides which version runs; `backend` says where.
Nothing here may import `w2s` or `sweeper`. A new kernel registers its operations and gets a case in `tests/kernels/parity.py`.
"""

from . import nested, wishart
from .backend import NUMPY, Backend, BackendError, choose
from .moments import CHUNK, gram, streamed_grams
from .products import gemm
from .risk import PredictionErrors, joint_risk, prediction_errors
from .spectral import (
    Filters,
    Spectrum,
    coefficients,
    concat,
    condition,
    factor_gram,
    factor_rows,
    filter_coords,
    filter_products,
    filtered_products,
    flow,
    project_rows,
    response,
    ridge,
    steps,
)
from .streams import Stream, normals, permutation, stream, uniforms, words

__all__ = [
    "CHUNK",
    "NUMPY",
    "Backend",
    "BackendError",
    "Filters",
    "PredictionErrors",
    "Spectrum",
    "Stream",
    "choose",
    "coefficients",
    "concat",
    "condition",
    "factor_gram",
    "factor_rows",
    "filter_coords",
    "filter_products",
    "filtered_products",
    "flow",
    "gemm",
    "gram",
    "joint_risk",
    "nested",
    "normals",
    "permutation",
    "prediction_errors",
    "project_rows",
    "response",
    "ridge",
    "steps",
    "stream",
    "streamed_grams",
    "uniforms",
    "wishart",
    "words",
]
