"""What a block of the regression study computes: distinct pieces of work, with their nominal operations.

The account follows :mod:`w2s.studies.dong2025.regression.solve` step by step, and asks the same function which solver a sample
gets, so that what ``plan`` says and what ``solve`` does cannot differ. D = d_strong + d_weak + 2 is the number of latent
coordinates.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from w2s.contract.block import Block
from w2s.contract.study import Kind, Piece
from w2s.laws.gaussian import GEOMETRY
from w2s.probes.probe import FILTER_FIELDS
from w2s.probes.solver_choice import Choice, choose_solver, count_filters
from w2s.sharing.workloads import CALLS, MOVED, NORMAL_FLOPS
from w2s.studies.dong2025.regression.solve import Nested, families
from w2s.studies.fields import occurring
from w2s_kernels import flops

__all__ = ["block_bytes", "block_pieces"]

Level = Mapping[str, Any]

TEACHER = ("n_labeled", "ridge_weak")
VIEW = ("evaluate", "risk", "ceiling")

QUANTILE = 5000.0
"""Nominal operations of one chi-square quantile."""
ITEM = 4e5
"""As ``CALLS``, for one fit from a Cholesky factor: a batch is factored, solved and its condition estimated item by item."""

_TARGET = ("signal", "rho_weak", "rho_strong", "noise")
_STUDENT = (*FILTER_FIELDS, "ridge_weak", "noise", "signal", "rho_weak", "rho_strong")
_ALL = ("n_labeled", "n_transfer", "d_weak", "d_overlap", "overlap", "evaluate", "risk", "ceiling", *_STUDENT)


class _Sizes:
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
        """Groups of teachers that share evaluation moments and ceiling."""
        apart = view["evaluate"] == "labeled" or view["ceiling"] == "labeled+transfer"
        return len(self.labeled) if apart else 1


class _Fits:
    """One family under the filters of one precision."""

    def __init__(self, sizes: _Sizes, nest: Nested, precision: str) -> None:
        self.sizes, self.nest, self.filters, self.mixed = sizes, nest, sizes.filters[precision], precision == "mixed"
        self.d, self.members = nest.d_strong, len(nest.geometries)
        self.latents = nest.d_weak + nest.d_strong + 2
        self.widths = sorted({geometry.d_weak for geometry in nest.geometries})
        pairs = zip(nest.geometries, nest.noises, strict=True)
        # Geometries whose labels are the same vector share a right-hand side.
        self.labels = len({(g.signal, g.rho_weak, g.rho_strong, g.d_weak if g.rho_strong else 0, noise) for g, noise in pairs})

    def student(self, n: int, fits: int) -> Choice:
        """Solver of a student sample of n rows with ``fits`` right-hand sides, as ``solve`` chooses it."""
        if self.mixed:
            return choose_solver(self.d, n, strengths=len(self.filters), rhs=fits, mixed=True)
        strengths, spectral = count_filters(self.filters, self.d, n)
        return choose_solver(self.d, n, strengths=strengths, spectral=spectral, rhs=fits)

    def teacher(self, n: int, ridges: Sequence[float]) -> Choice:
        """Solver of a labelled sample of n rows for some ridge strengths."""
        strengths, spectral = count_filters([{"filter": "ridge", "ridge": ridge} for ridge in ridges], self.nest.d_weak, n)
        options: dict[str, Any] = {"rhs": self.labels, "widths": self.widths, "mixed": self.mixed}
        return choose_solver(self.nest.d_weak, n, strengths=strengths, spectral=spectral, **options)


def block_pieces(block: Block) -> list[Piece]:
    """Pieces of a block. Cost: O(geometries + teachers), whatever the number of cells."""
    sizes = _Sizes(block)
    found: list[Piece] = []
    for design in dict.fromkeys(level["design"] for level in sizes.geometries):
        found += _rows_drawn(sizes) if design == "rows" else _factors_drawn(sizes)
    for nest in families(sizes.geometries):
        for precision in sizes.filters:
            fits = _Fits(sizes, nest, precision)
            found += [*_teachers(fits), *_students(fits), *_baselines(fits), *_cells(fits), *_calls(fits)]
    return found


def block_bytes(block: Block) -> float:
    """Bytes that a block holds at once: rows of one seed, second moments and vectors of all."""
    sizes = _Sizes(block)
    rows = max(sizes.labeled) + max(sizes.transfer)
    latents = sum(sizes.widest) + 2.0
    members = len(sizes.geometries) * len(sizes.teachers)
    filters = sum(map(len, sizes.filters.values()))
    held = sizes.counts * latents**2 + members * (latents + 4.0 * filters * len(sizes.transfer))
    return float(8.0 * (rows * latents + sizes.seeds * held))


def _piece(name: str, kind: Kind, count: float, flops: float, order: float, serves: tuple[str, ...], why: str) -> Piece:
    return Piece(name, kind, count, flops, serves, why, order)


def _rows_drawn(sizes: _Sizes) -> Iterator[Piece]:
    """Latent rows of both roles at the largest sizes, and their prefix Grams."""
    latents = sum(sizes.widest) + 2
    rows = max(sizes.labeled) + max(sizes.transfer)
    nested = ("d_strong", *_ALL)
    drawn = NORMAL_FLOPS * sizes.seeds * rows * latents
    yield _piece(
        "rows of latent coordinates", "normals", sizes.seeds * rows, drawn, latents, nested, "counts and widths are prefixes"
    )
    work = flops.syrk(rows, latents, sizes.seeds)
    serves = tuple(name for name in nested if name not in ("n_labeled", "n_transfer"))
    why = "one pass over the rows for all counts; widths are prefixes"
    yield _piece("prefix Grams of the rows", "syrk", sizes.seeds * sizes.counts, work, latents, serves, why)


def _factors_drawn(sizes: _Sizes) -> Iterator[Piece]:
    """Factors of Gaussian designs, drawn directly for each strong width, and their Grams."""
    for d_strong in dict.fromkeys(level["d_strong"] for level in sizes.geometries if level["design"] == "wishart"):
        latents = d_strong + sizes.widest[1] + 2
        drawn = sizes.seeds * sizes.counts
        triangle = NORMAL_FLOPS * sizes.seeds * latents**2
        why = "one triangle of normals serves every count"
        yield _piece("triangles of normals", "normals", 2 * sizes.seeds, triangle, latents, _ALL, why)
        serves = tuple(name for name in _ALL if name not in ("n_labeled", "n_transfer"))
        moved = drawn * (QUANTILE * latents + 4.0 * MOVED * latents**2)
        why = "a count changes the diagonal alone; narrower weak models are prefixes"
        yield _piece("factors of the latent design", "elementwise", drawn, moved, latents, serves, why)
        work = flops.syrk(latents, latents, drawn)
        yield _piece(
            "Grams of the latent design", "syrk", drawn, work, latents, serves, "second moments are all that a cell needs"
        )


def _teachers(fits: _Fits) -> Iterator[Piece]:
    """Weak models: factors or spectra for every nested width, right-hand sides for targets and noises."""
    sizes, d = fits.sizes, fits.nest.d_weak
    ridges: dict[int, list[float]] = {}
    for level in sizes.teachers:
        ridges.setdefault(level["n_labeled"], []).append(level["ridge_weak"])
    # Of the count, only whether it exceeds the width enters the choice.
    alike = Counter((d + (n > d), tuple(strengths)) for n, strengths in ridges.items())
    serves = ("n_transfer", "evaluate", "risk", "ceiling", *FILTER_FIELDS)
    for (n, strengths), samples in alike.items():
        count = sizes.seeds * samples
        chosen = fits.teacher(n, strengths)
        if chosen.name == "eigh":
            work, one = sum(flops.eigh(w, count) for w in fits.widths), "ridge_weak"
            name, why = "eigendecomposition of the weak Gram", "every ridge_weak is a filter of one spectrum"
            yield _piece(name, "eigh", count * len(fits.widths), work, d, (*serves, one, *_TARGET), why)
        else:
            factors, why = count * len(strengths), "narrower weak models are leading blocks of one factor"
            work = flops.cholesky(d, factors)
            yield _piece("Cholesky factor of the weak Gram", "cholesky", factors, work, d, (*serves, "d_weak", *_TARGET), why)
        models = count * len(strengths) * fits.labels
        solved = sum(flops.trsm(w, models) for w in fits.widths) + flops.trsm(d, models)
        why = "a weak model does not depend on its student"
        yield _piece("weak models", "trsm", models * len(fits.widths), solved, d, serves, why)
    count = sizes.seeds * len(ridges)
    moved = count * d * fits.latents * 2.0 * (MOVED + fits.labels)
    why = "second moments of weak features come from those of the latents"
    yield _piece("weak rows of the second moments", "elementwise", count, moved, d, (*serves, "d_weak", "ridge_weak"), why)


def _students(fits: _Fits) -> Iterator[Piece]:
    """Factorisations of the strong features on every sample that a student or a ceiling is fitted on."""
    sizes = fits.sizes
    own = ("n_labeled", "d_weak", "evaluate", "risk", *_STUDENT)
    both = tuple(name for name in own if name != "n_labeled")
    yield from _samples(fits, "student", sizes.transfer, fits.members * len(sizes.teachers), own)
    if sizes.joined:
        rows = [n + m for n in sizes.labeled for m in sizes.transfer]
        yield from _samples(fits, "ceiling", rows, fits.members, both)


def _samples(fits: _Fits, role: str, rows: Sequence[int], labels: int, serves: tuple[str, ...]) -> Iterator[Piece]:
    """Factorisations of samples with these numbers of rows, for ``labels`` right-hand sides each."""
    d, latents, few = fits.d, fits.latents, sum(n <= fits.d for n in rows)
    for n, samples in ((d, few), (d + 1, len(rows) - few)):
        count = float(fits.sizes.seeds * samples)
        if not count:
            continue
        chosen = fits.student(n, labels)
        why = "they do not depend on teachers and filters"
        yield _piece(
            f"second moments of the {role}'s sample", "elementwise", count, MOVED * count * latents**2, latents, serves, why
        )
        if chosen.name == "eigh":
            why = "every filter and teacher uses one spectrum"
            yield _piece(f"eigendecomposition of the {role}'s Gram", "eigh", count, flops.eigh(d, count), d, serves, why)
            image = flops.gemm(d, d, latents, count)
            yield _piece(f"moments in the basis of the {role}'s Gram", "gemm", count, image, d, serves, why)
            continue
        kept = tuple(field for field in serves if field not in FILTER_FIELDS)
        factors = count * len(fits.filters)
        why = "fewer operations than a spectrum, for few ridges"
        yield _piece(f"Cholesky factor of the {role}'s Gram", "cholesky", factors, flops.cholesky(d, factors), d, kept, why)
        work = flops.trsm(d, 2.0 * labels, factors)
        yield _piece(f"solves with the factor of the {role}'s Gram", "trsm", factors * labels, work, d, (), "")


def _baselines(fits: _Fits) -> Iterator[Piece]:
    """Strong baselines: one fit for each teacher's rows and ridge."""
    d, teachers = fits.d, fits.sizes.teachers
    full = sum(level["n_labeled"] > d for level in teachers) * fits.sizes.seeds
    rest = len(teachers) * fits.sizes.seeds - full
    serves, why = ("d_weak", "n_transfer", *FILTER_FIELDS, *_TARGET), "it is fitted on true labels alone"
    if full:
        work = flops.cholesky(d, full) + flops.trsm(d, 2.0 * fits.members, full)
        yield _piece("strong baseline", "cholesky", full, work, d, serves, why)
    if rest:
        yield _piece("minimum-norm strong baseline", "eigh", rest, flops.eigh(d, rest), d, serves, why)


def _cells(fits: _Fits) -> Iterator[Piece]:
    """What is left for a cell: sums over d_strong numbers in the eigenbasis, or quadratic forms for in-sample risks."""
    sizes, d, latents = fits.sizes, fits.d, float(fits.latents)
    for view in sizes.views:
        vectors = sizes.seeds * len(sizes.transfer) * fits.members * (len(sizes.teachers) + sizes.alike(view))
        work = vectors * (2.0 * d * latents + 4.0 * d * d + 4.0 * MOVED * latents)
        why = "a filter changes the weights alone"
        yield _piece("right-hand sides of students", "gemm", vectors, work, d, FILTER_FIELDS, why)
        each = vectors * len(fits.filters)
        if view["evaluate"] == "fresh":
            yield _piece("errors of filtered students", "elementwise", each, 8.0 * d * each, d, (), "")
        else:
            work = each * (2.0 * d * d + 6.0 * latents**2)
            yield _piece("quadratic forms of in-sample errors", "gemm", each, work, latents, (), "")


def _calls(fits: _Fits) -> Iterator[Piece]:
    """What small arrays cost: steps that are one set of array calls for all seeds, and fits that go item by item."""
    sizes = fits.sizes
    transfers = len(sizes.transfer)
    samples = transfers * (1 + (len(sizes.labeled) if sizes.joined else 0))
    factored = fits.student(fits.d + 1, fits.members).name != "eigh"
    each = len(fits.filters) if factored else 1
    errors = 2 * transfers * sum(sizes.alike(view) for view in sizes.views)
    steps = 2 * len(sizes.teachers) + each * (samples + errors)
    shared = ("d_weak", *_TARGET, *(() if factored else FILTER_FIELDS))
    why = "arrays hold all seeds, widths and teachers"
    yield _piece("steps of array calls", "elementwise", steps, CALLS * steps, fits.d, ("seed", *shared), why)
    items = sizes.seeds * (2 * len(sizes.teachers) + (samples * each if factored else 0))
    why = "a factor serves widths and right-hand sides"
    yield _piece("calls for one factor", "elementwise", items, ITEM * items, fits.d, shared, why)
