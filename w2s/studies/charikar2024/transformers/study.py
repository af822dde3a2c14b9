"""Charikar, Pabbaraju and Shiragur 2024 with pretrained networks: gain and misfit over a ladder of weak models.

The paper's weak models are small transformers pretrained on molecules, its strong model a larger one that was pretrained for
longer; heads are linear on frozen, mean-pooled states. Here they are a ladder of our own (``encoders``), and for texts with
real ratings, in the place of the paper's French reviews, layers of two packaged encoders.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from w2s.studies.charikar2024.molecules.study import Molecules
from w2s.studies.charikar2024.over_tables import fitted_line
from w2s.studies.charikar2024.transformers.claims import CLAIMS
from w2s.studies.charikar2024.transformers.figures import FIGURES, points_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Transformers"]


class Transformers(Molecules):
    """Linear heads on frozen pretrained networks: the ladder of weak models of figures 2d to 2f, and the columns of Table 1."""

    name = "charikar2024.transformers"
    version = 1
    summary = "Charikar et al. 2024 with pretrained networks: gain against misfit over a ladder, molecules and rated texts"
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        **Molecules.example,
        "weak_features": [f"means:{count}" for count in (1, 2, 4, 8, 16, 32, 64)],
    }

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise as in Table 1, and write below it the line fitted to the points of every table."""
        found = super().digest(table)
        lines = [(name, fitted_line(points["misfit"], points["gain"])) for name, points in points_of(table)]
        said = [f"{name}: gain = {line.intercept:.3g} + {line.slope:.3f} misfit, R^2 {line.r2:.3f}" for name, line in lines]
        found.attrs["caption"] = "; ".join([found.attrs["caption"], *said])
        return found
