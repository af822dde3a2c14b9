"""Stages of the probe study up to fitted models: rows, features, factored rows and weak models."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.laws.feature_maps import feature_matrix
from w2s.laws.table import Rows, Table, load_table, split_rows
from w2s.measure import metrics
from w2s.probes.gram_rows import GramProbe, fit_rows
from w2s.probes.mixed import MixedProbe
from w2s.probes.rows import RowProbe
from w2s.probes.tuning import best_ridge, end_of_range, ridges_tried
from w2s.sharing.stage import Count, Level, Stage, Values
from w2s.studies.probe.table.sizes import DATA, INPUTS, SHAPE, STUDENT, TEACHER, Sizes, is_mixed, strong_width, weak_width
from w2s_kernels import Backend, flops, ridge

__all__ = [
    "CEILING",
    "DESIGN",
    "FEATURES",
    "MODELS",
    "SCOPES",
    "STRONG",
    "STRONG_BASELINE",
    "STUDENT_ROWS",
    "TEACHERS",
    "WEAK_FEATURES",
    "Factored",
    "Probe",
    "Teacher",
    "constant_note",
    "rows_of",
    "table_of",
    "tuned_ridge",
]

Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Probe = RowProbe | GramProbe | MixedProbe
Fit = Callable[[Matrix, str, Backend], Probe]

FILE = ("data", "target", "task", "encoders")
DRAW = (*FILE, "split", "seed")
STRONG = (*FILE, "seed", "strong_features", "d_strong")
DESIGN = (*DATA, "strong_features", "d_strong", "n_transfer")
"""Fields of one student's system: its rows, their features and how these are factored."""
_WEAK = ("weak_features", "d_weak", "n_labeled", "strong_features", "d_strong")
SCOPES = (DRAW, DESIGN)


@dataclass
class Teacher:
    """A fitted weak model: its outputs on every row, and how its system was."""

    scores: Matrix
    rank: float
    condition: float
    solver: str
    ridge: float
    end: str = ""
    """At which end of the ridges tried the chosen one stands; empty for one inside, or a ridge that was given."""
    messages: list[str] = field(default_factory=list)
    singular: bool = False


def table_of(level: Level) -> Table:
    """Return the table of a level; files are read once."""
    return load_table(level["data"], level["target"], level["task"], level["encoders"])


def _rows(level: Level, values: Values) -> Rows:
    names = ("seed", "n_labeled", "n_transfer", "n_validation", "n_test", "split")
    return split_rows(table_of(level), backend=values.backend, **{name: level[name] for name in names})


_ROWS = Stage("rows", (*DRAW, "n_labeled", "n_transfer", "n_validation", "n_test"), _rows)


def rows_of(level: Level, values: Values) -> Rows:
    """Return the samples' row numbers; labelled ones where the level says how many.

    A sample does not depend on the size of another.
    """
    return values(_ROWS, {"n_labeled": 0, "n_transfer": 0, "n_validation": 0, "n_test": 0, **level})  # type: ignore[no-any-return]


def _strong(level: Level, values: Values) -> Matrix:
    options: dict[str, Any] = {"width": level["d_strong"], "role": "strong", "seed": level["seed"], "backend": values.backend}
    return feature_matrix(level["strong_features"], table_of(level), **options)


FEATURES = Stage(
    "strong features",
    STRONG,
    _strong,
    kind="gemm",
    flops=lambda level, sizes: flops.gemm(sizes.rows(level), INPUTS, strong_width(level)),
    order=lambda _level, _sizes: INPUTS,
    why="rows are nested in their counts",
    sizes=("strong_features", "d_strong", "n_transfer", "n_validation", "n_test"),
    weighed=STUDENT,
    latest=True,
)


class Factored(NamedTuple):
    """Stages of some factored rows: one decomposition for all filters, or a refined factor for each ridge.

    A plan counts the singular value decomposition: the cheaper one of a Gram serves rows that are not ill-conditioned, which
    only the data tell.
    """

    spectrum: Stage
    refined: Stage

    def __call__(self, level: Level, values: Values) -> Any:
        """Return the value of the stage that serves a level."""
        return values(self.refined if is_mixed(level) else self.spectrum, level)


def _factored(
    whose: str,
    run: Callable[[Level, Values, Fit], Any],
    size: Callable[[Level], tuple[int, int]],
    spectra: Count,
    ridges: Count,
    why: str,
    **options: Any,
) -> Factored:
    """Make the stages of rows (n, d) given by ``size``.

    ``spectra`` and ``ridges`` say how many decompositions and factors they need.
    """
    options["order"] = lambda level, _sizes: min(size(level))
    spectrum = Stage(
        f"SVD of {whose} rows",
        run=lambda level, values: run(level, values, fit_rows),
        kind="svd",
        flops=lambda level, _sizes: flops.svd(*size(level)),
        times=spectra,
        why=why,
        **options,
    )
    refined = Stage(
        f"refined factors of {whose} rows",
        run=lambda level, values: run(level, values, MixedProbe),
        kind="cholesky",
        flops=lambda level, sizes: sizes.refined(*size(level), ridges(level, sizes)),
        times=ridges,
        why="mixed precision: a factor of one Gram for each ridge",
        **options,
    )
    return Factored(spectrum, refined)


def _strong_rows(
    whose: str, more: tuple[str, ...], train: Callable[[Rows], Index], count: Callable[[Level], int], why: str
) -> Factored:
    """Make the stages of the strong features of some rows, ``count`` of them."""

    def run(level: Level, values: Values, fit: Fit) -> Probe:
        features = values(FEATURES, level)[train(rows_of(level, values))]
        return fit(features, level["preprocess"], values.backend)

    def needed(level: Level) -> bool:
        return "ceiling" not in more or level["ceiling"] == "labeled+transfer"

    return _factored(
        whose,
        run,
        lambda level: (count(level), strong_width(level)),
        lambda level, _sizes: needed(level) and not is_mixed(level),
        lambda level, sizes: sizes.count(level) if needed(level) and is_mixed(level) else 0,
        why,
        over=(*DESIGN, *more),
        sizes=(*SHAPE, *more),
        weighed=(*STUDENT, *more),
    )


_LABELED = "an anchor depends on the labelled rows alone"
STUDENT_ROWS = _strong_rows(
    "the student's",
    (),
    lambda rows: rows.transfer,
    lambda level: level["n_transfer"],
    "every filter, weak model and label rule uses one spectrum",
)
STRONG_BASELINE = _strong_rows(
    "the strong baseline's", ("n_labeled",), lambda rows: rows.labeled, lambda level: level["n_labeled"], _LABELED
)
CEILING = _strong_rows(
    "the ceiling's",
    ("n_labeled", "ceiling"),
    lambda rows: np.concatenate([rows.labeled, rows.transfer]),
    lambda level: level["n_labeled"] + level["n_transfer"],
    _LABELED,
)


def _of_strong(level: Level) -> Level:
    """Drop the strong features from a level, unless its weak features are a map of them."""
    return level if level["weak_features"] == "of_strong" else {**level, "strong_features": None, "d_strong": None}


def _weak_features(level: Level, values: Values) -> Matrix:
    strong = None if level["strong_features"] is None else values(FEATURES, level)
    options: dict[str, Any] = {"role": "weak", "seed": level["seed"], "backend": values.backend, "strong": strong}
    return feature_matrix(level["weak_features"], table_of(level), width=level["d_weak"], **options)


def _weak_outputs(level: Level, sizes: Sizes) -> float:
    rows, width = sizes.rows(level), weak_width(level)
    tried = flops.gemm(sizes.most["n_validation"], width, sizes.tried * sizes.outputs)
    return flops.gemm(rows, INPUTS, width) + flops.gemm(rows, width, min(level["n_labeled"], width)) + tried


WEAK_FEATURES = Stage(
    "weak features and outputs",
    (*DRAW, *_WEAK),
    _weak_features,
    kind="gemm",
    flops=_weak_outputs,
    order=lambda level, _sizes: min(level["n_labeled"], weak_width(level)),
    why="they are the same for all students",
    sizes=(*_WEAK, "n_transfer", "n_validation", "n_test"),
    weighed=(*STUDENT, *TEACHER[:3]),
    ask=_of_strong,
    latest=True,
    shared=False,
)


def _weak_rows(level: Level, values: Values, fit: Fit) -> tuple[Probe, Matrix]:
    """Factor the labelled rows, and compute the basis of all rows."""
    features = values(WEAK_FEATURES, level)
    fitted = fit(features[rows_of(level, values).labeled], level["preprocess"], values.backend)
    return fitted, fitted.basis(features)


WEAK_ROWS = _factored(
    "the weak model's",
    _weak_rows,
    lambda level: (level["n_labeled"], weak_width(level)),
    lambda level, sizes: sizes.minimum_norm or not is_mixed(level),
    lambda level, sizes: len(sizes.ridges) + sizes.tried if is_mixed(level) else 0,
    "all ridge strengths use one spectrum",
    over=(*DRAW, "preprocess", "precision", *_WEAK),
    sizes=(*_WEAK, "precision"),
    weighed=(*STUDENT, *TEACHER[:3]),
    ask=_of_strong,
    latest=True,
    shared=False,
)


def _teacher(level: Level, values: Values) -> Teacher:
    tuned, fixed = level["weak_tuning"] == "best_on_validation", level["ridge_weak"]
    # A minimum norm needs singular values in mixed precision too.
    refined = is_mixed(level) and (tuned or fixed > 0)
    probe, basis = values(WEAK_ROWS.refined if refined else WEAK_ROWS.spectrum, level)
    table, rows = table_of(level), rows_of(level, values)
    labeled, end = rows.labeled, ""
    if tuned:
        fixed, end = tuned_ridge(probe, table, labeled, basis[rows.validation], rows.validation)
    filters = ridge([fixed])
    scores = probe.fit(table.targets[labeled], filters).at(basis)[0]
    teacher = Teacher(scores, probe.rank, float(probe.condition(filters)[0]), probe.solvers(filters)[0], fixed, end)
    if fixed == 0 and not probe.full_rank:
        teacher.singular = True
        teacher.messages.append(f"weak: {probe.width} features on {probe.rows} rows have rank {probe.rank}; minimum-norm fit")
    if probe.constant:
        teacher.messages.append(constant_note("weak", probe))
    if table.labels is not None:
        seen = len(np.unique(table.labels[labeled]))
        if seen < len(table.classes):
            teacher.messages.append(f"weak: labelled rows hold {seen} of {len(table.classes)} classes")
            teacher.singular |= seen == 1
    return teacher


def tuned_ridge(probe: Probe, table: Table, trained: Index, basis: Any, held_out: Index) -> tuple[float, str]:
    """Choose the ridge that is best on held-out rows, given in the probe's basis; and at which end of those tried it stands."""
    tried = ridges_tried(probe.power)
    scores = probe.fit(table.targets[trained], ridge(tried)).at(basis)
    squared = metrics.squared_error(scores, table.targets[held_out])
    zero_one = None if table.labels is None else metrics.zero_one_error(scores, table.labels[held_out])
    place = best_ridge(squared, zero_one)
    return float(tried[place]), end_of_range(place)


def constant_note(role: str, probe: Probe) -> str:
    """Say how many features of a model carry no weight."""
    return f"{role}: {probe.constant} of {probe.width} features are constant on the training rows and carry no weight"


def _held_out(level: Level) -> Level:
    """Drop the numbers of held-out rows from a level, unless the weak model is tuned on them."""
    tuned = level["weak_tuning"] == "best_on_validation"
    return _of_strong(level if tuned else {**level, "n_validation": 0, "n_test": 0})


_CHOSEN = ("ridge_weak", "weak_tuning", "n_validation", "n_test")
TEACHERS = Stage("weak models", (*DRAW, "preprocess", "precision", *_WEAK, *_CHOSEN), _teacher, ask=_held_out)

MODELS = (FEATURES, *STUDENT_ROWS, *STRONG_BASELINE, *CEILING, *WEAK_ROWS, WEAK_FEATURES)
"""Stages in the order in which a plan shows them."""
