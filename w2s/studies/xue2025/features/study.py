"""Xue, Li and Mirzasoleiman 2025 on real features: which weak model teaches a strong one best (arXiv 2502.00620).

The probe study (:mod:`w2s.studies.probe.table.study`) with PredGap, the distance of student and ceiling, beside its prediction
from representations and labels of the transfer rows, and scores of weak models that need no labels. Kernels and ridges are
those of the heads: centred rows, H H'/n + ridge I. Classes are one-hot, so with two classes every squared error is half of
that of labels +-1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from w2s.contract.cells import Cell, field
from w2s.contract.study import Rule
from w2s.sharing.stage import Stage, Stages
from w2s.studies.probe.table.study import ProbeTable, TableCell
from w2s.studies.xue2025.features.claims import CLAIMS
from w2s.studies.xue2025.features.figures import FIGURES
from w2s.studies.xue2025.features.gaps import GAP_STAGES, GAPS
from w2s.studies.xue2025.orders import digest
from w2s.studies.xue2025.principal import PREDICTED, RULE

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Features", "FeaturesCell"]


class FeaturesCell(TableCell):
    """One point of the probe study, and the rule by which principal directions are found."""

    principal: Literal["variance", "eigengap"] = field(
        "variance",
        description="principal directions: the fewest with a share of the variance on the transfer rows, or those before the "
        "widest quotient of eigenvalues",
    )
    share: float = field(0.95, description="share of the variance", when={"principal": ["variance"]}, gt=0, le=1)


_ONLY: Mapping[str, str] = {"student_filter": "ridge", "precision": "float64", "labels": "soft", "ceiling": "transfer"}


class Features(ProbeTable):
    """Linear probes on a table, with PredGap, its prediction and scores without labels."""

    name = "xue2025.features"
    version = 1
    Cell: ClassVar[type[Cell]] = FeaturesCell
    summary = "Xue et al. 2025 on real features: PredGap of many weak models of one strong model, measured and predicted"
    shares = (*ProbeTable.shares, *RULE)
    columns: ClassVar[Mapping[str, str]] = {
        **ProbeTable.columns,
        "pred_gap": "double",
        "pred_gap_full_theory": "double",
        **PREDICTED,
    }
    rules = (
        *ProbeTable.rules,
        *(
            Rule((name,), lambda values, only=only: values == only, f"{name}: PredGap is predicted for {only} only")
            for name, only in _ONLY.items()
        ),
        Rule(
            ("ceiling_tuning",),
            lambda tuning: tuning == "same",
            "ceiling_tuning: PredGap is the distance to a ceiling with the student's ridge: same only",
        ),
    )
    stages: ClassVar[Stages] = GAP_STAGES
    rows: ClassVar[Stage] = GAPS
    groups: ClassVar[tuple[tuple[str, ...], ...]] = GAP_STAGES.parts
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "data": "digits",
        "task": "classification",
        "weak_features": ["means:4", "means:8", "means:16", "inputs"],
        "d_strong": 200,
        "n_labeled": [300],
        "n_transfer": [600],
        "n_test": 400,
        "ridge": 0.001,
        "ridge_weak": 0.001,
    }

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise per setting how scores order the weak models: rank correlations with intervals."""
        return digest(table)
