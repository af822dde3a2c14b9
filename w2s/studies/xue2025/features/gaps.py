"""Stages of PredGap on real features: principal directions of both sides, the ceiling's outputs, and what the formula says."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s.measure import metrics
from w2s.probes.prepared import Prepared
from w2s.sharing.stage import Level, Stage, Stages, Values
from w2s.studies.probe.table.models import DESIGN, STUDENT_ROWS, TEACHERS, WEAK_FEATURES, rows_of, table_of
from w2s.studies.probe.table.sizes import FILTER, STUDENT, TEACHER, Sizes, filter_levels, made_filters, strong_width, weak_width
from w2s.studies.probe.table.solve import BASIS, ERRORS, FITS, OUTPUTS, STAGES
from w2s.studies.xue2025.principal import RULE, Pair, Principal, predictions
from w2s.theory import xue2025 as theory
from w2s_kernels import flops
from w2s_kernels.backend import Array

__all__ = ["GAPS", "GAP_STAGES"]

Matrix = npt.NDArray[np.float64]

_DRAW = ("data", "target", "task", "encoders", "split", "n_validation", "n_test", "preprocess", "seed")
_SIDE = ("weak_features", "d_weak", "strong_features", "d_strong", "n_labeled", "n_transfer")


class _Factors(NamedTuple):
    """Factors of a kernel H H'/n on the transfer rows: orthonormal basis (n, r), eigenvalues (r,) above rounding."""

    basis: Array
    values: Matrix


def _strong(level: Level, values: Values) -> _Factors:
    probe = values(STUDENT_ROWS.spectrum, level).exact  # the left singular vectors themselves are what is asked for
    rank = probe.rank
    return _Factors(probe.left[:, :rank], values.backend.to_numpy(probe.spectrum.values)[:rank])


_STRONG = Stage("strong directions", DESIGN, _strong)


def _weak(level: Level, values: Values) -> _Factors:
    """Factor the weak features of the transfer rows, in the units of the weak model's fit and centred as the labels are."""
    features, rows = values(WEAK_FEATURES, level), rows_of(level, values)
    seen = features[rows.transfer]
    if level["preprocess"] == "standardise":
        seen = Prepared(features[rows.labeled], "standardise").prepared(seen)
    if level["preprocess"] != "none":
        seen = seen - seen.mean(axis=0)
    spectrum, left = kernels.factor_rows(values.backend.asarray(np.ascontiguousarray(seen)), values.backend)
    rank = int(values.backend.to_numpy(spectrum.rank))
    return _Factors(left[:, :rank], values.backend.to_numpy(spectrum.values)[:rank])


def _asked(level: Level) -> Level:
    """Drop the strong features, unless the weak ones are a map of them, and labelled rows where they set no units."""
    found = dict(level)
    if level["weak_features"] != "of_strong":
        found |= {"strong_features": None, "d_strong": None}
    return found if level["preprocess"] == "standardise" else found | {"n_labeled": 0}


_WEAK = Stage(
    "SVD of the weak features on the transfer rows",
    (*_DRAW, *_SIDE),
    _weak,
    kind="svd",
    flops=lambda level, _sizes: flops.svd(level["n_transfer"], weak_width(level)),
    order=lambda level, _sizes: min(level["n_transfer"], weak_width(level)),
    why="rules and ridges see the same directions",
    sizes=("weak_features", "d_weak", "n_transfer", "preprocess"),
    ask=_asked,
    weighed=(*STUDENT, *TEACHER[:3]),
    latest=True,
    shared=False,
)


def _pair(level: Level, values: Values) -> Pair:
    strong, weak, backend = values(_STRONG, level), values(_WEAK, level), values.backend
    labels = table_of(level).targets[rows_of(level, values).transfer]
    if level["preprocess"] != "none":
        labels = labels - labels.mean(axis=0)
    return Pair.of(strong.basis, weak.basis, backend.asarray(labels), backend)


_PAIR = Stage(
    "overlap of strong and weak directions",
    (*DESIGN, "weak_features", "d_weak", "n_labeled"),
    _pair,
    kind="gemm",
    flops=lambda level, _sizes: flops.gemm(strong_width(level), level["n_transfer"], weak_width(level)),
    order=lambda level, _sizes: min(strong_width(level), weak_width(level)),
    why="rules and ridges see the same directions",
    sizes=("strong_features", "d_strong", "weak_features", "d_weak", "n_transfer"),
    weighed=(*STUDENT, *TEACHER[:3]),
    latest=True,
    shared=False,
)


def _ceiling(level: Level, values: Values) -> Matrix:
    """Compute the outputs (filters, rows, k) of the ceilings where errors are measured."""
    factored, filters, rows = STUDENT_ROWS(level, values), made_filters(level["filters"]), rows_of(level, values).transfer
    probe = factored.serving(filters)
    basis = values(BASIS, {**level, "exact": probe is not factored}).tested
    return np.asarray(probe.fit(table_of(level).targets[rows], filters).at(basis))


_CEILING = Stage("outputs of the ceilings", (*DESIGN, "evaluate", "n_labeled", "filters"), _ceiling)


def _gaps(level: Level, values: Values) -> dict[str, npt.NDArray[Any]]:
    """Add PredGap, its predictions and scores to the columns of all filters of one teacher."""
    found: dict[str, npt.NDArray[Any]] = dict(values(ERRORS, level))
    students = np.moveaxis(values(OUTPUTS, level)[0], 1, 0) + values(FITS, level).prediction.offset
    found["pred_gap"] = metrics.pred_gap(students, values(_CEILING, level))
    pair, teacher = values(_PAIR, level), values(TEACHERS, level)
    strong, weak = values(_STRONG, level), values(_WEAK, level)
    ridges = np.array([filter_["ridge"] for filter_ in filter_levels(level["filters"])], dtype=np.float64)
    sides = [Principal.chosen(side.values, len(side.basis), level["principal"], level["share"]) for side in (strong, weak)]
    predicted = predictions(pair, sides[0], sides[1], ridges, teacher.ridge, level["n_labeled"])
    kept, known = theory.shrinkage(strong.values, ridges[:, None]), theory.shrinkage(weak.values, teacher.ridge)
    predicted["pred_gap_full_theory"] = pair.pred_gap(kept, known, len(strong.basis))
    return found | {name: np.broadcast_to(column, len(ridges)) for name, column in predicted.items()}


GAPS = Stage(
    "formulas and scores",
    (*STUDENT, *TEACHER, *RULE, "teachers", "filters"),
    _gaps,
    kind="eigh",
    flops=lambda level, sizes: sizes.count(level) * (flops.eigh(strong_width(level)) + _products(level)),
    order=lambda level, _sizes: strong_width(level),
    times=lambda level, sizes: sizes.count(level),
    sizes=("strong_features", "d_strong", "weak_features", "d_weak", "precision"),
    latest=True,
    shared=False,
)
"""The columns of all filters of a student."""


def _products(level: Level) -> float:
    strong, weak = strong_width(level), weak_width(level)
    return flops.gemm(strong, weak, 4.0) + flops.gemm(strong, weak, strong)


GAP_STAGES = Stages(
    (*STAGES.stages, _WEAK, _PAIR, GAPS),
    parts=((*STUDENT, *RULE), TEACHER, FILTER),
    sizes=Sizes,
    shares=(*STAGES.shares, *RULE),
    batches=STAGES.batches,
)
"""Everything that the study computes, in the order in which a plan shows it."""
