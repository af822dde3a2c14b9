"""Which factorisation solves the systems of a block: a pure function of sizes and counts, from nominal operations only.

Never from a measured time: the choice belongs to the arithmetic of a block, and the same grid must give the same bits anywhere.
Two choices agree to rounding, |a - b| <= max(1e-9, 50 eps condition) x the larger error, and a row's ``solver`` names its own.

From second moments (a Gram is what there is):

* ``cholesky``: one factor for each ridge strength, d^3/3, which also serves every narrower nested width.
* ``eigh``: one eigendecomposition for all filters, 9 d^3 for each width; the only one for flow, steps and minimum norms of
  Grams that have not full rank.

From rows (a Gram would square their condition number):

* ``svd``: thin singular value decomposition. QR is cheaper for one strength, but the rank and the condition number are columns
  of every row, and they need the singular values.
* ``gram``, ``dual gram``: studies of tables decompose the Gram of the rows where the data allow it, which no count can tell:
  :mod:`w2s.probes.gram_rows`.
* ``dual svd``: the SVD on n < d rows. LAPACK then works on an n x n triangle, which is the dual problem without its Gram:
  there is no other code for it, and n^2 d instead of n d^2 operations.

With ``precision: mixed`` the factor is a float32 Cholesky factor, refined: ``mixed cholesky``, of the n x n Gram of the rows
(``mixed dual cholesky``) where there are fewer rows than features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from w2s_kernels import flops

__all__ = ["LEAST_RIDGE", "MARGIN", "REFINEMENTS", "Choice", "choose_solver", "count_filters", "mixed_solver", "solver_pair"]

LEAST_RIDGE = 1e-6
"""With n <= d rows of features with unit power, a smaller ridge would let a Cholesky solve show rounding as coefficients, of
size eps / ridge, in directions that the rows do not span; the spectrum knows these directions and drops them."""

MARGIN = 2.0
"""Factors must be this much cheaper: 9 d^3 is the count of QR iteration, and divide and conquer needs half of it. Where factors
and spectra were measured to take the same time, their nominal counts stood at 1.9 (32 widths up to 1024) and 2 (one of 300)."""

REFINEMENTS = 3
"""Refinement steps that the cost of a mixed solve is counted with."""


@dataclass(frozen=True)
class Choice:
    """A solver's name as rows show it, its nominal operations for one sample, and the comparison that it won."""

    name: str
    flops: float
    why: str


def count_filters(levels: Sequence[Mapping[str, Any]], d: int, n: int) -> tuple[int, int]:
    """Count the distinct ridge strengths that a Cholesky factor of n rows serves, and the filters that need the spectrum.

    ``levels`` hold ``student_filter`` and ``ridge``. A ridge of zero has a Cholesky factor where n > d.
    """
    least = 0.0 if n > d else LEAST_RIDGE
    ridges = [level["ridge"] for level in levels if level["student_filter"] == "ridge" and level["ridge"] >= least]
    return len(set(ridges)), len(levels) - len(ridges)


def choose_solver(
    d: int,
    n: int,
    *,
    strengths: int,
    spectral: int = 0,
    rhs: float = 1.0,
    widths: Sequence[int] = (),
    rows: bool = False,
    mixed: bool = False,
) -> Choice:
    """Choose the cheapest solver, in nominal operations, for all filters of one sample of n rows and d features.

    Parameters
    ----------
    d, n : features and rows.
    strengths, spectral : from :func:`count_filters`: ridge strengths, and filters that need the spectrum.
    rhs : right-hand sides (teachers, targets, classes) of each filter.
    widths : nested widths that are all asked for; none means d alone.
    rows : whether rows are factored, and not their second moments.
    mixed : whether ``precision: mixed`` was asked for; then ``spectral`` must be 0.
    """
    if mixed:
        return _mixed(d, n, strengths, rhs, widths, rows)
    if rows:
        name = "svd" if n >= d else "dual svd"
        return Choice(name, flops.svd(n, d) + 2.0 * rhs * flops.gemm(min(n, d), max(n, d), 1), f"{n} rows of {d} features")
    asked = list(widths) or [d]
    one_factor = flops.cholesky(d) + flops.trsm(d, rhs + _ESTIMATE) + sum(flops.trsm(w, rhs) for w in asked)
    factors = strengths * one_factor
    # Right-hand sides and goals go into the eigenbasis; there a filter costs d operations, which is nothing beside d^2.
    spectra = sum(flops.eigh(w) + 2.0 * flops.gemm(w, w, rhs) for w in asked)
    if spectral:
        return Choice("eigh", spectra, f"{spectral} filters need the spectrum")
    compared = f"{strengths} factors take {factors:.3g} operations, the spectrum {spectra:.3g}"
    return Choice("cholesky", factors, compared) if MARGIN * factors < spectra else Choice("eigh", spectra, compared)


_ESTIMATE = 20.0
"""Triangular solves in the estimate of a factor's condition number."""


def _mixed(d: int, n: int, strengths: int, rhs: float, widths: Sequence[int], rows: bool) -> Choice:
    """Count the cost of refined float32 factors, in operations of either precision."""
    dual = rows and n < d
    order = min(n, d) if rows else d
    gram = flops.syrk(max(n, d), order) if rows else 0.0
    solves = sum(flops.trsm(w, 2.0 * rhs * (1 + REFINEMENTS)) + flops.gemm(w, w, rhs * REFINEMENTS) for w in widths or [order])
    name = "mixed dual cholesky" if dual else "mixed cholesky"
    return Choice(name, gram + strengths * (flops.cholesky(order) + solves), "precision: mixed")


def solver_pair(teacher: str, student: str) -> str:
    """Name both solvers for the ``solver`` column: the teacher's and the student's, once where they are the same."""
    return teacher if teacher == student else f"{teacher}+{student}"


def mixed_solver(steps: int, fallback: str | None) -> str:
    """Name the solver of a fit in mixed precision for the ``solver`` column; ``fallback`` solved what did not converge."""
    if fallback is not None:
        return f"{fallback} (mixed did not converge)"
    return f"mixed cholesky, {steps} refinement{'' if steps == 1 else 's'}"
