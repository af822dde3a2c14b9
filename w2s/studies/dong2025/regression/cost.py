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
from w2s.contract.study import Common, Piece
from w2s.probes.filters import FILTER_FIELDS, filters_of
from w2s.probes.solver_choice import Choice
from w2s.sharing.nominal import CALLS, MOVED, NORMAL_FLOPS
from w2s.sharing.stage import MOST_COMMON
from w2s.studies.dong2025.regression.moments import FACTORS, MOMENTS, REFINED, SPECTRUM, draw_level
from w2s.studies.dong2025.regression.sizes import Fits, Sizes
from w2s.studies.dong2025.regression.solve import families
from w2s_kernels import flops

__all__ = ["block_bytes", "block_common", "block_pieces"]

Level = Mapping[str, Any]

QUANTILE = 5000.0
"""Nominal operations of one chi-square quantile."""
ITEM = 4e5
"""As ``CALLS``, for one fit from a Cholesky factor: a batch is factored, solved and its condition estimated item by item."""

_TARGET = ("signal", "rho_weak", "rho_strong", "noise")
_STUDENT = (*FILTER_FIELDS, "ridge_weak", "noise", "signal", "rho_weak", "rho_strong")
_ALL = ("n_labeled", "n_transfer", "d_weak", "d_overlap", "overlap", "evaluate", "risk", "ceiling", *_STUDENT)


def _fits(sizes: Sizes) -> list[Fits]:
    """List every family under the filters of every precision."""
    return [Fits(sizes, nest, precision) for nest in families(sizes.geometries) for precision in sizes.filters]


def block_pieces(block: Block, *, weighed: bool = False) -> list[Piece]:
    """List the pieces of a block. Cost: O(geometries + teachers), whatever the number of cells.

    ``weighed``: with a factor of the strong features' Gram for every family, as the cut of grids counts them; families of one
    strong width share it.
    """
    sizes, factored = Sizes(block), None if weighed else set[Any]()
    found = [piece for draw in _draws(sizes) for piece in _drawn(sizes, *draw)]
    for fits in _fits(sizes):
        found += [*_teachers(fits), *_students(fits, factored), *_baselines(fits), *_cells(fits), *_calls(fits)]
    return found


def block_common(block: Block) -> Iterator[Common]:
    """Yield second moments of the latents, and factors of the strong features' Grams, with their keys."""
    sizes = Sizes(block)
    for design, d_strong in _draws(sizes):
        yield Common(MOMENTS.key(draw_level(block, design, d_strong)), tuple(_drawn(sizes, design, d_strong)))
    samples = [(0, m, "student", len(sizes.teachers)) for m in sizes.transfer]
    samples += [(n, m, "ceiling", 1) for n in sizes.labeled for m in sizes.transfer] if sizes.joined else []
    factored: set[Any] = set()
    for fits in _fits(sizes) if len(samples) <= MOST_COMMON else ():
        level = {**draw_level(block, fits.nest.design, fits.d), "ridges": tuple(filters_of(fits.filters).value.tolist())}
        for n, m, role, labels in samples:
            chosen = fits.student(n + m, fits.members * labels)
            stage = REFINED if fits.mixed else SPECTRUM if chosen.name == "eigh" else FACTORS
            key = stage.key({**level, "n_labeled": n, "n_transfer": m})
            if key not in factored:
                yield Common(key, (_factored(fits, role, chosen, sizes.seeds),))
            factored.add(key)


def block_bytes(block: Block) -> float:
    """Count the bytes that a block holds at once: rows of one seed, second moments and vectors of all."""
    sizes = Sizes(block)
    rows = max(sizes.labeled) + max(sizes.transfer)
    latents = sum(sizes.widest) + 2.0
    members = len(sizes.geometries) * len(sizes.teachers)
    filters = sum(map(len, sizes.filters.values()))
    held = sizes.counts * latents**2 + members * (latents + 4.0 * filters * len(sizes.transfer))
    return float(8.0 * (rows * latents + sizes.seeds * held))


def _draws(sizes: Sizes) -> list[tuple[str, int]]:
    """List the designs and strong widths that are drawn: directly drawn factors belong to one width, rows serve all."""
    levels = [(level["design"], level["d_strong"]) for level in sizes.geometries]
    return list(dict.fromkeys((design, d if design == "wishart" else sizes.widest[0]) for design, d in levels))


def _drawn(sizes: Sizes, design: str, d_strong: int) -> Iterator[Piece]:
    """Yield the latent coordinates of both roles at the largest sizes, and their Grams.

    They are drawn as rows or as the factor of their design.
    """
    seeds, latents = sizes.seeds, d_strong + sizes.widest[1] + 2
    every = ("d_strong", *_ALL) if design == "rows" else _ALL
    some, grams = tuple(name for name in every if name not in ("n_labeled", "n_transfer")), seeds * sizes.counts
    if design == "rows":
        rows = max(sizes.labeled) + max(sizes.transfer)
        work, why = NORMAL_FLOPS * seeds * rows * latents, "counts and widths are prefixes"
        yield Piece("rows of latent coordinates", "normals", seeds * rows, work, every, why, latents)
        work, why = flops.syrk(rows, latents, seeds), "one pass over the rows for all counts; widths are prefixes"
        yield Piece("prefix Grams of the rows", "syrk", grams, work, some, why, latents)
        return
    work, why = NORMAL_FLOPS * seeds * latents**2, "one triangle of normals serves every count"
    yield Piece("triangles of normals", "normals", 2 * seeds, work, every, why, latents)
    work = grams * (QUANTILE * latents + 4.0 * MOVED * latents**2)
    why = "a count changes the diagonal alone; narrower weak models are prefixes"
    yield Piece("factors of the latent design", "elementwise", grams, work, some, why, latents)
    work, why = flops.syrk(latents, latents, grams), "second moments are all that a cell needs"
    yield Piece("Grams of the latent design", "syrk", grams, work, some, why, latents)


def _teachers(fits: Fits) -> Iterator[Piece]:
    """Yield the weak models: factors or spectra for every nested width, right-hand sides for targets and noises."""
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
            yield Piece(name, "eigh", count * len(fits.widths), work, (*serves, one, *_TARGET), why, d)
        else:
            factors, why = count * len(strengths), "narrower weak models are leading blocks of one factor"
            work = flops.cholesky(d, factors)
            yield Piece("Cholesky factor of the weak Gram", "cholesky", factors, work, (*serves, "d_weak", *_TARGET), why, d)
        models = count * len(strengths) * fits.labels
        solved = sum(flops.trsm(w, models) for w in fits.widths) + flops.trsm(d, models)
        why = "a weak model does not depend on its student"
        yield Piece("weak models", "trsm", models * len(fits.widths), solved, serves, why, d)
    count = sizes.seeds * len(ridges)
    moved = count * d * fits.latents * 2.0 * (MOVED + fits.labels)
    why = "second moments of weak features come from those of the latents"
    yield Piece("weak rows of the second moments", "elementwise", count, moved, (*serves, "d_weak", "ridge_weak"), why, d)


def _students(fits: Fits, factored: set[Any] | None) -> Iterator[Piece]:
    """Yield factorisations of the strong features on every sample that a student or a ceiling is fitted on.

    What is in ``factored`` has been counted with another family; None counts it for each.
    """
    sizes = fits.sizes
    yield from _samples(fits, "student", sizes.transfer, fits.members * len(sizes.teachers), factored)
    if sizes.joined:
        yield from _samples(fits, "ceiling", [n + m for n in sizes.labeled for m in sizes.transfer], fits.members, factored)


def _served(role: str) -> tuple[str, ...]:
    """Return the fields whose cells share a sample of a role."""
    return (*(("n_labeled",) if role == "student" else ()), "d_weak", "evaluate", "risk", *_STUDENT)


def _samples(fits: Fits, role: str, rows: Sequence[int], labels: int, factored: set[Any] | None) -> Iterator[Piece]:
    """Yield factorisations of samples with these numbers of rows, for ``labels`` right-hand sides each."""
    d, latents, few, serves = fits.d, fits.latents, sum(n <= fits.d for n in rows), _served(role)
    for n, samples in ((d, few), (d + 1, len(rows) - few)):
        count = float(fits.sizes.seeds * samples)
        if not count:
            continue
        chosen, why = fits.student(n, labels), "they do not depend on teachers and filters"
        work = MOVED * count * latents**2
        yield Piece(f"second moments of the {role}'s sample", "elementwise", count, work, serves, why, latents)
        key = (fits.nest.design, d, role, n, chosen.name)
        if factored is None or key not in factored:
            yield _factored(fits, role, chosen, count)
        if factored is not None:
            factored.add(key)
        if chosen.name == "eigh":
            work, why = flops.gemm(d, d, latents, count), "every filter and teacher uses one spectrum"
            yield Piece(f"moments in the basis of the {role}'s Gram", "gemm", count, work, serves, why, d)
            continue
        solved = count * len(fits.filters)
        work = flops.trsm(d, 2.0 * labels, solved)
        yield Piece(f"solves with the factor of the {role}'s Gram", "trsm", solved * labels, work, (), "", d)


def _factored(fits: Fits, role: str, chosen: Choice, count: float) -> Piece:
    """Make the piece for one spectrum of each of ``count`` Grams, or for a Cholesky factor for each ridge."""
    d, serves = fits.d, (*_served(role), "d_overlap", "overlap")
    if chosen.name == "eigh":
        why = "every filter and teacher uses one spectrum"
        return Piece(f"eigendecomposition of the {role}'s Gram", "eigh", count, flops.eigh(d, count), serves, why, d)
    kept, factors = tuple(name for name in serves if name not in FILTER_FIELDS), count * len(fits.filters)
    name, why = f"Cholesky factor of the {role}'s Gram", "fewer operations than a spectrum, for few ridges"
    return Piece(name, "cholesky", factors, flops.cholesky(d, factors), kept, why, d)


def _baselines(fits: Fits) -> Iterator[Piece]:
    """Yield the strong baselines: the students' filters on every labelled sample."""
    sizes, d, why = fits.sizes, fits.d, "it is fitted on true labels alone"
    serves = ("d_weak", "n_transfer", "ridge_weak", *_TARGET)
    factored = sum(fits.baseline_by_factors(n) for n in sizes.labeled)
    if spectra := (len(sizes.labeled) - factored) * sizes.seeds:
        every = (*serves, *FILTER_FIELDS)
        yield Piece("spectrum of the strong baseline", "eigh", spectra, flops.eigh(d, spectra), every, why, d)
    if full := factored * sizes.seeds * len(fits.filters):
        work = flops.cholesky(d, full) + flops.trsm(d, 2.0 * fits.members, full)
        yield Piece("strong baseline", "cholesky", full, work, serves, why, d)


def _cells(fits: Fits) -> Iterator[Piece]:
    """Yield the work that is left for a cell.

    It is sums over d_strong numbers in the eigenbasis, or quadratic forms for in-sample risks.
    """
    sizes, d, latents = fits.sizes, fits.d, float(fits.latents)
    for view in sizes.views:
        vectors = sizes.seeds * len(sizes.transfer) * fits.members * (len(sizes.teachers) + sizes.alike(view))
        work = vectors * (2.0 * d * latents + 4.0 * d * d + 4.0 * MOVED * latents)
        why = "a filter changes the weights alone"
        yield Piece("right-hand sides of students", "gemm", vectors, work, FILTER_FIELDS, why, d)
        each = vectors * len(fits.filters)
        if view["evaluate"] == "fresh":
            yield Piece("errors of filtered students", "elementwise", each, 8.0 * d * each, (), "", d)
        else:
            work = each * (2.0 * d * d + 6.0 * latents**2)
            yield Piece("quadratic forms of in-sample errors", "gemm", each, work, (), "", latents)


def _calls(fits: Fits) -> Iterator[Piece]:
    """Yield the costs of small arrays.

    They are steps that are one set of array calls for all seeds, and fits that go item by item.
    """
    sizes = fits.sizes
    transfers = len(sizes.transfer)
    samples = transfers * (1 + (len(sizes.labeled) if sizes.joined else 0))
    factored = fits.student(fits.d + 1, fits.members).name != "eigh"
    each = len(fits.filters) if factored else 1
    errors = 2 * transfers * sum(sizes.alike(view) for view in sizes.views)
    steps = 2 * len(sizes.teachers) + each * (samples + errors)
    shared = ("d_weak", *_TARGET, *(() if factored else FILTER_FIELDS))
    why = "arrays hold all seeds, widths and teachers"
    yield Piece("steps of array calls", "elementwise", steps, CALLS * steps, ("seed", *shared), why, fits.d)
    items = sizes.seeds * (2 * len(sizes.teachers) + (samples * each if factored else 0))
    why = "a factor serves widths and right-hand sides"
    yield Piece("calls for one factor", "elementwise", items, ITEM * items, shared, why, fits.d)
