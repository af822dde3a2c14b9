"""Symmetric eigendecompositions of many matrices, each one checked and repaired where the solver failed.

Imported by the spectral kernels; a new solver is a module here, with its operation registered below.
"""

from __future__ import annotations

from ..backend import Array, Backend
from ..dispatch import operation
from .repair import repaired

__all__ = ["COMPILED_FROM", "eigh", "repaired"]

EIGH = operation("eigh", "eigh", "numba", "cupy", "kept")
COMPILED_FROM = 64
"""Order from which the compiled last step is faster than LAPACK's own."""


def eigh(a: Array, backend: Backend) -> tuple[Array, Array]:
    """Decompose symmetric matrices V S V', item by item in LAPACK or many at once on a device.

    Parameters
    ----------
    a :
        (..., d, d) float64, symmetric to the bit and finite, contiguous.
    backend :
        "numba" takes the last step of LAPACK's solver itself; "cupy" checks every item before it is believed.

    Returns
    -------
    Eigenvalues (..., d) ascending and vectors (..., d, d); an item that does not converge comes back as nan. About 9 d^3 flops.
    An item in a batch has the bits it has alone.
    """
    small = backend.name == "numba" and a.shape[-1] < COMPILED_FROM
    values, vectors = (EIGH.plain if small else EIGH.on(backend))(a)
    return values, vectors
