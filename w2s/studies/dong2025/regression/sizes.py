"""Sizes of what a block of the regression study computes: counts of its levels, and which solver each sample gets.

Solvers are chosen by the function that ``solve`` asks, so that what ``plan`` says and what ``solve`` does cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from w2s.contract.block import Block
from w2s.laws.gaussian import GEOMETRY
from w2s.probes.filters import FILTER_FIELDS
from w2s.probes.solver_choice import Choice, choose_solver, count_filters
from w2s.studies.dong2025.regression.solve import Nested, baseline_by_factors
from w2s.studies.fields import occurring

__all__ = ["TEACHER", "VIEW", "Fits", "Sizes"]

Level = Mapping[str, Any]

TEACHER = ("n_labeled", "ridge_weak")
VIEW = ("evaluate", "risk", "ceiling")


class Sizes:
    """Counts of a block's levels."""

    def __init__(self, block: Block) -> None:
        self.seeds = len(block.values("seed"))
        self.geometries = block.group(*GEOMETRY, "noise", "design").levels
        self.teachers = block.group(*TEACHER).levels
        self.labeled, self.transfer = block.values("n_labeled"), block.values("n_transfer")
        filters, precisions = block.group(*FILTER_FIELDS), block.group("precision")
        asked = occurring(block.with_mask(None), precisions, filters)
        self.filters = {
            level["precision"]: [filters.levels[k] for k in range(len(filters)) if asked[p, k]]
            for p, level in enumerate(precisions.levels)
            if asked[p].any()
        }
        self.views = block.group(*VIEW).levels
        self.widest: tuple[int, int] = max(block.values("d_strong")), max(block.values("d_weak"))

    @property
    def counts(self) -> int:
        """Sample counts of both roles."""
        return len(self.labeled) + len(self.transfer)

    @property
    def joined(self) -> bool:
        """Whether some ceiling is trained on labelled and transfer rows."""
        return any(view["ceiling"] == "labeled+transfer" for view in self.views)

    def alike(self, view: Level) -> int:
        """Count the groups of teachers that share evaluation moments and ceiling."""
        apart = view["evaluate"] == "labeled" or view["ceiling"] == "labeled+transfer"
        return len(self.labeled) if apart else 1


class Fits:
    """One family under the filters of one precision."""

    def __init__(self, sizes: Sizes, nest: Nested, precision: str) -> None:
        self.sizes, self.nest, self.filters, self.mixed = sizes, nest, sizes.filters[precision], precision == "mixed"
        self.d, self.members = nest.d_strong, len(nest.geometries)
        self.latents = nest.d_weak + nest.d_strong + 2
        self.widths = sorted({geometry.d_weak for geometry in nest.geometries})
        pairs = zip(nest.geometries, nest.noises, strict=True)
        # Geometries whose labels are the same vector share a right-hand side.
        self.labels = len({(g.signal, g.rho_weak, g.rho_strong, g.d_weak if g.rho_strong else 0, noise) for g, noise in pairs})

    def student(self, n: int, fits: int) -> Choice:
        """Name the solver of a student sample of n rows with ``fits`` right-hand sides, as ``solve`` chooses it."""
        if self.mixed:
            return choose_solver(self.d, n, strengths=len(self.filters), rhs=fits, mixed=True)
        strengths, spectral = count_filters(self.filters, self.d, n)
        return choose_solver(self.d, n, strengths=strengths, spectral=spectral, rhs=fits)

    def baseline_by_factors(self, n: int) -> bool:
        """Say how ``solve`` fits a strong baseline on n labelled rows: by Cholesky factors, or from one spectrum."""
        return baseline_by_factors(self.filters, self.d, n, self.members)

    def teacher(self, n: int, ridges: Sequence[float]) -> Choice:
        """Name the solver of a labelled sample of n rows for some ridge strengths."""
        strengths, spectral = count_filters(
            [{"student_filter": "ridge", "ridge": ridge} for ridge in ridges], self.nest.d_weak, n
        )
        options: dict[str, Any] = {"rhs": self.labels, "widths": self.widths, "mixed": self.mixed}
        return choose_solver(self.nest.d_weak, n, strengths=strengths, spectral=spectral, **options)
