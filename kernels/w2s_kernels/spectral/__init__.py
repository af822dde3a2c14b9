"""Factor once, apply many filters.

With X'X/n = V S V' and coordinates c = V' X'y/n, every filter is coefficients V (phi(S)/S) c. The factorisation is the
expensive part; one more filter or one more right-hand side is one more column of a GEMM.

`filters` says what a filter is, `factor` makes a `Spectrum`, `apply` puts filters on it.
"""

from __future__ import annotations

from .apply import coefficients, condition, filter_coords, filter_products, filtered_products, response
from .factor import Spectrum, factor_gram, factor_rows, project_rows
from .filters import Filters, concat, flow, ridge, steps

__all__ = [
    "Filters",
    "Spectrum",
    "coefficients",
    "concat",
    "condition",
    "factor_gram",
    "factor_rows",
    "filter_coords",
    "filter_products",
    "filtered_products",
    "flow",
    "project_rows",
    "response",
    "ridge",
    "steps",
]
