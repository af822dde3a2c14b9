"""Dong, Li, Li, Lee and Lei 2025: regression in low intrinsic dimension (arXiv 2502.05075).

Gaussian weak and strong features with a known overlap; every error is exact for the drawn samples: a quadratic form in the
population's (``evaluate: fresh``) or in the sample's own second moments, never an average over test rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block, Group
from w2s.contract.cells import field
from w2s.contract.study import Common, Cost, Piece, Rule, Study
from w2s.errors import FieldError
from w2s.laws.gaussian import GEOMETRY, Geometry
from w2s.measure import metrics
from w2s.probes.filters import FILTER_FIELDS
from w2s.probes.solver_choice import LEAST_RIDGE
from w2s.sharing.results import Results
from w2s.sharing.stage import Values
from w2s.studies.dong2025.regression.claims import CLAIMS
from w2s.studies.dong2025.regression.cost import block_bytes, block_common, block_pieces
from w2s.studies.dong2025.regression.figures import FIGURES
from w2s.studies.dong2025.regression.moments import SCOPE, draw_level
from w2s.studies.dong2025.regression.sizes import TEACHER, VIEW
from w2s.studies.dong2025.regression.solve import RESULTS, Family, families
from w2s.studies.fields import NEEDS_SPECTRUM, FilterCell, asked_levels, occurring
from w2s.summary.population import SeedsDraw
from w2s.theory import dong2025 as theory
from w2s_kernels import Backend

__all__ = ["Regression", "RegressionCell"]

Matrix = npt.NDArray[np.float64]

_MODELS = ("weak", "student", "strong", "ceiling")


class RegressionCell(FilterCell):
    """One point of the regression study."""

    d_weak: int = field(description="intrinsic dimension of the weak features (d_w)", unit="features", ge=1, le=20_000)
    d_strong: int = field(description="intrinsic dimension of the strong features (d_s)", unit="features", ge=1, le=20_000)
    d_overlap: float = field(description="correlation dimension d_sw = ||V_s'V_w||_F^2", unit="features", ge=0)
    overlap: Literal["aligned", "spread"] = field(
        "aligned", description="shared directions and at most one partly shared, or all canonical cosines equal"
    )
    signal: float = field(1.0, description="E f*(x)^2", unit="label power", ge=0)
    rho_weak: float = field(0.0, description="part of the signal outside the weak features", unit="of the signal", ge=0, le=1)
    rho_strong: float = field(
        0.0, description="part of the signal outside the strong features", unit="of the signal", ge=0, le=1
    )
    noise: float = field(1.0, description="standard deviation of the label noise", unit="labels", ge=0)
    n_labeled: int = field(description="rows with true labels (n)", unit="rows", ge=2, le=2**32 - 1)
    n_transfer: int = field(description="rows that the weak model labels (N)", unit="rows", ge=2, le=2**32 - 1)
    ridge_weak: float = field(0.0, description="ridge of the weak model", unit="feature power", ge=0)
    design: Literal["rows", "wishart"] = field(
        "rows",
        description="samples row by row, or the factor of their Gram drawn directly: counts coupled, cost without them",
    )
    risk: Literal["excess", "noisy"] = field("excess", description="against f*, or against labels with noise")
    evaluate: Literal["fresh", "transfer", "labeled"] = field(
        "fresh", description="population risk, or in-sample risk on the transfer or the labelled inputs"
    )
    ceiling: Literal["transfer", "labeled+transfer"] = field(
        "labeled+transfer", description="rows whose true labels the ceiling is trained on"
    )
    ceiling_tuning: Literal["same"] = field("same", description="ceiling, strong baseline and student have the same filter")


class Regression(Study):
    """Ridgeless (or filtered) regression on Gaussian features of low intrinsic dimension."""

    name = "dong2025.regression"
    version = 2
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    compiled_from = 3e8
    Cell = RegressionCell
    summary = "Dong et al. 2025: exact weak-to-strong risks in low intrinsic dimension, with their closed forms"
    shares = ("n_labeled", "n_transfer", "d_strong", "d_weak", *FILTER_FIELDS, "ridge_weak", "evaluate", "risk", "ceiling")
    columns: ClassVar[Mapping[str, str]] = (
        {"opr": "double"}
        | {f"{model}_error_theory": "double" for model in _MODELS}
        | {
            "pgr_theory": "double",
            "opr_theory": "double",
        }
    )
    rules = (
        Rule(
            ("n_labeled", "d_weak", "ridge_weak"),
            lambda n, d, ridge: (n > d + 1) | (ridge > 0),
            "without ridge_weak, n_labeled must exceed d_weak + 1, else the weak risk has no mean",
        ),
        Rule(
            ("n_transfer", "d_strong", "ridge"),
            lambda n, d, ridge: (n > d + 1) | (ridge > 0),
            "without ridge, n_transfer must exceed d_strong + 1, else the risk has no mean",
        ),
        Rule(
            ("n_transfer", "d_strong", "time"),
            lambda n, d, time: (n > d + 1) | np.isfinite(time),
            "without a stopping time, n_transfer must exceed d_strong + 1, else the risk has no mean",
        ),
        Rule(
            ("d_overlap", "d_weak", "d_strong"),
            lambda overlap, weak, strong: overlap <= np.minimum(weak, strong),
            "d_overlap must not exceed d_weak or d_strong",
        ),
        NEEDS_SPECTRUM,
        Rule(
            ("precision", "n_transfer", "d_strong", "ridge"),
            lambda precision, n, d, ridge: (precision != "mixed") | (n > d) | (ridge >= LEAST_RIDGE),
            f"precision: mixed needs n_transfer > d_strong or a ridge of at least {LEAST_RIDGE:g}",
        ),
    )

    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {
        "d_weak": 100,
        "d_strong": 50,
        "d_overlap": [10, 40],
        "n_labeled": [200, 400, 1000],
        "n_transfer": [4000],
        "noise": 0.5,
    }

    def check(self, block: Block) -> None:
        """Refuse a geometry for which no target exists."""
        for level in asked_levels(block, *GEOMETRY):
            problem = Geometry(**level).problem()
            if problem is not None:
                raise FieldError(problem)

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, with factors counted for each family.

        Bytes are those of the rows of one seed and all second moments.
        """
        return Cost(sum(piece.flops for piece in block_pieces(block, weighed=True)), block_bytes(block))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List Grams of the latent coordinates, one factor per teacher sample, one spectrum per student sample, and sums."""
        return block_pieces(block)

    def common(self, block: Block) -> Iterable[Common]:
        """Yield second moments of the latents, and factors of the strong features' Grams."""
        return block_common(block)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: second moments once per seed, then all geometries, sample counts and filters from them."""
        seeds, geometries, teachers = block.group("seed"), block.group(*GEOMETRY, "noise", "design"), block.group(*TEACHER)
        transfers, filters, views = block.group("n_transfer"), block.group(*FILTER_FIELDS), block.group(*VIEW)
        precisions = block.group("precision")
        groups = (seeds, geometries, teachers, transfers, filters, views, precisions)
        results, values = Results(block, groups, RESULTS), Values(backend, (SCOPE,), self.memo)
        counts, asked = transfers.values("n_transfer"), occurring(block, geometries)
        nests = sorted(families(geometries.levels, asked), key=lambda nest: (nest.design, nest.d_strong))
        for p, f in _filters_of(block, precisions, filters):
            levels = [filters.levels[place] for place in f]
            for nest in nests:
                draw = draw_level(block, nest.design, nest.d_strong)
                values.enter(draw)
                family = Family(nest, draw, values, levels, precisions.levels[p]["precision"])
                at = np.ix_(np.arange(len(seeds)), np.array(nest.places), np.arange(len(teachers)), f)
                for (n, v), columns in family.solve(teachers.levels, counts, views.levels):
                    results.put((*at[:3], n, at[3], v, p), columns)
        columns = results.columns()
        columns["opr"] = metrics.opr(columns["strong_error"], columns["student_error"])
        return columns | _theory(block)


def _filters_of(block: Block, precisions: Group, filters: Group) -> list[tuple[int, npt.NDArray[np.int64]]]:
    """List for each precision in the block the places of the filters that some cell asks for in it.

    The whole block counts: the filters decide the solver, and cells that a mask leaves must keep their bits.
    """
    asked = occurring(block.with_mask(None), precisions, filters)
    return [(p, np.flatnonzero(places)) for p, places in enumerate(asked) if places.any()]


def _theory(block: Block) -> dict[str, npt.NDArray[Any]]:
    """Compute closed-form expectations of the errors, null where none is known."""
    names = ("d_weak", "d_strong", "d_overlap", "signal", "rho_weak", "rho_strong", "noise", "n_labeled", "n_transfer")
    fields = {name: block.column(name) for name in names}
    plain = np.asarray(block.column("ridge_weak") == 0)
    endless = (block.column("ridge") == 0) | (block.column("time") == np.inf)
    known = {"weak": plain, "strong": endless, "ceiling": endless, "student": plain & endless}
    group = block.group(*GEOMETRY)
    dots = np.array([theory.target_products(Geometry(**level)) for level in group.levels])[group.codes]
    values = theory.errors(
        **fields, products=dots, evaluate=block.column("evaluate"), risk=block.column("risk"), ceiling=block.column("ceiling")
    )
    columns = {f"{model}_error_theory": np.where(known[model], values[model], np.nan) for model in _MODELS}
    weak, student, strong, ceiling = (columns[f"{model}_error_theory"] for model in _MODELS)
    columns["pgr_theory"] = metrics.pgr(weak, student, ceiling)[0]
    columns["opr_theory"] = metrics.opr(strong, student)
    return columns
