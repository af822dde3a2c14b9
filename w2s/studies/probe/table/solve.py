"""The arithmetic of the probe study: anchors, students and their errors, as stages over fitted models.

One factorisation of a design's transfer rows serves every teacher, label rule and filter; anchors see no teacher.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.laws.table import Rows
from w2s.measure import metrics
from w2s.probes.filters import LABEL_RULES
from w2s.probes.rows import Prediction, Projected
from w2s.probes.solver_choice import solver_pair
from w2s.probes.tuning import CRITERIA, end_text
from w2s.sharing.nominal import CALLS
from w2s.sharing.stage import Level, Stage, Stages, Values
from w2s.studies.probe.table import models
from w2s.studies.probe.table.models import (
    CEILING,
    DESIGN,
    FEATURES,
    STRONG_BASELINE,
    STUDENT_ROWS,
    TEACHERS,
    Factored,
    constant_note,
    rows_of,
    table_of,
    tuned_ridge,
)
from w2s.studies.probe.table.sizes import (
    FILTER,
    PASSES,
    SHAPE,
    STUDENT,
    TEACHER,
    TUNED,
    Sizes,
    filter_levels,
    is_mixed,
    made_filters,
    strong_width,
)
from w2s_kernels import NUMPY, Filters, flops, prediction_errors, ridge

__all__ = ["ERRORS", "STAGES"]

Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]


class _Errors(NamedTuple):
    """Squared and 0-1 errors of a model on true labels under some filters, and its ridges: arrays (filters,).

    ``ends`` say at which end of the ridges tried a chosen one stands; empty for one inside, or a ridge that was given.
    """

    squared: Matrix
    zero_one: Matrix
    ridges: Matrix
    ends: npt.NDArray[Any]


_VIEW = (*SHAPE, "n_validation", "n_test", "evaluate", "n_labeled")


class _Basis(NamedTuple):
    """Rows in the coordinates of the student's fits: those that errors are measured on, then any validation rows."""

    together: Matrix
    measured: int

    @property
    def tested(self) -> Matrix:
        """The rows that errors are measured on."""
        return self.together[: self.measured]

    @property
    def held_out(self) -> Matrix | None:
        """The validation rows."""
        return self.together[self.measured :] if len(self.together) > self.measured else None


def _where(level: Level, rows: Rows) -> Index:
    """Return the rows that errors are measured on."""
    return {"fresh": rows.test, "transfer": rows.transfer, "labeled": rows.labeled}[level["evaluate"]]


def _measured(level: Level) -> Level:
    """Drop the labelled count from a level, unless errors are measured on labelled rows."""
    return level if level["evaluate"] == "labeled" else {**level, "n_labeled": 0}


def _student_basis(level: Level, values: Values) -> _Basis:
    probe, strong, rows = STUDENT_ROWS(level, values), values(FEATURES, level), rows_of(level, values)
    probe = probe.exact if level["exact"] else probe
    where = _where(level, rows)
    return _Basis(probe.basis(strong[np.concatenate([where, rows.validation])]), len(where))


def _shown(level: Level, sizes: Sizes) -> float:
    return float(sizes.evaluated(level) + level["n_validation"])


BASIS = Stage(
    "rows in the student's basis",
    (*DESIGN, "evaluate", "n_labeled", "exact"),
    _student_basis,
    kind="gemm",
    flops=lambda level, sizes: flops.gemm(_shown(level, sizes), strong_width(level), sizes.rank(level)),
    order=lambda level, sizes: sizes.rank(level),
    times=lambda level, _sizes: not is_mixed(level),
    why="one basis serves all weak models and filters",
    sizes=_VIEW,
    ask=lambda level: {"exact": False, **_measured(level)},
    weighed=(*STUDENT, *TEACHER),  # once for every weak model, as it was: the cut of grids must not move
)


def _anchor(
    name: str, probe: Factored, train: Callable[[Rows], Index], count: Callable[[Level], int], ceiling: str | None
) -> Stage:
    """Make the stage of a model on ``count`` true labels: errors with a tuned ridge, and under the student's filters."""

    def run(level: Level, values: Values) -> tuple[_Errors | None, _Errors | None]:
        table, strong, rows = table_of(level), values(FEATURES, level), rows_of(level, values)
        fitted, chosen, where = probe(level, values), train(rows), _where(level, rows)

        shown = np.concatenate([where, rows.validation if level["tuned"] else rows.validation[:0]])

        @functools.cache
        def basis(exact: bool) -> _Basis:
            """Return rows in the basis of the probe, or of the exact one; those of the student's are known."""
            if probe is STUDENT_ROWS:
                return values(BASIS, {**level, "exact": exact})  # type: ignore[no-any-return]
            return _Basis((fitted.exact if exact else fitted).basis(strong[shown]), len(where))

        def errors(filters: Filters, ridges: Matrix, end: str = "") -> _Errors:
            serving = fitted.serving(filters)
            scores = serving.fit(table.targets[chosen], filters).at(basis(serving is not fitted).tested)
            squared, ends = metrics.squared_error(scores, table.targets[where]), np.full(len(filters), end, dtype=object)
            if table.labels is None:
                return _Errors(squared, np.full(len(filters), np.nan), ridges, ends)
            return _Errors(squared, metrics.zero_one_error(scores, table.labels[where]), ridges, ends)

        tuned = None
        if level["tuned"]:
            strength, end = tuned_ridge(fitted, table, chosen, basis(False).held_out, rows.validation)
            tuned = errors(ridge([strength]), np.array([strength]), end)
        own = filter_levels(level["filters"])
        given = np.array([np.nan if filter_["ridge"] is None else filter_["ridge"] for filter_ in own])
        return tuned, errors(made_filters(level["filters"]), given) if own else None

    def outputs(level: Level, sizes: Sizes) -> float:
        evaluated, rank = sizes.evaluated(level), sizes.rank(level, count(level))
        shown, tried = evaluated, sizes.count(level) * evaluated
        if sizes.tuned:
            shown, tried = evaluated + level["n_validation"], TUNED * level["n_validation"] + evaluated
        turned = 0.0 if is_mixed(level) else flops.gemm(shown, strong_width(level), rank)
        return turned + flops.gemm(tried, rank, sizes.outputs)

    def ask(level: Level) -> Level:
        """Return the level with the filters that are the student's; a tuned ridge depends on none of them."""
        same = tuple(values for values in level["filters"] if values[-1] == "same")
        asked = {**level, "tuned": len(same) < len(level["filters"]), "filters": same, "ceiling": ceiling}
        return _measured(asked) if ceiling == "transfer" else asked

    return Stage(
        name,
        (*DESIGN, "evaluate", "ceiling", "n_labeled", "tuned", "filters"),
        run,
        kind="gemm",
        flops=outputs,
        order=lambda level, sizes: sizes.rank(level, count(level)),
        times=lambda level, _sizes: ceiling is None or level["ceiling"] == ceiling,
        why="it does not see the weak model",
        sizes=(*_VIEW, "ceiling"),
        ask=ask,
        weighed=STUDENT if ceiling == "transfer" else (*STUDENT, "n_labeled"),
    )


_BASELINE = _anchor(
    "outputs of the strong baseline", STRONG_BASELINE, lambda rows: rows.labeled, lambda level: level["n_labeled"], None
)
_CEILINGS = {
    "transfer": _anchor(
        "outputs of the ceiling", STUDENT_ROWS, lambda rows: rows.transfer, lambda level: level["n_transfer"], "transfer"
    ),
    "labeled+transfer": _anchor(
        "outputs of the ceiling on both samples",
        CEILING,
        lambda rows: np.concatenate([rows.labeled, rows.transfer]),
        lambda level: level["n_labeled"] + level["n_transfer"],
        "labeled+transfer",
    ),
}


def _spread(anchor: tuple[_Errors | None, _Errors | None], level: Level) -> _Errors:
    """Return the errors of an anchor for every filter of a level: arrays (filters,)."""
    tuned = _tuned(level)
    nothing = np.full(len(tuned), np.nan)
    found = _Errors(nothing, nothing.copy(), nothing.copy(), np.full(len(tuned), "", dtype=object))
    for chosen, errors in zip((tuned, ~tuned), anchor, strict=True):
        if errors is not None:
            for column, values in zip(found, errors, strict=True):
                column[chosen] = values
    return found


def _tuned(level: Level) -> npt.NDArray[np.bool_]:
    """Mark the filters that go with tuned anchors."""
    return np.array([each["ceiling_tuning"] == "best_on_validation" for each in filter_levels(level["filters"])])


class _Fitted(NamedTuple):
    """Students of one teacher under all filters, and how their systems were."""

    prediction: Prediction
    condition: Matrix
    solvers: list[str]
    exact: bool
    """Whether the rows had to be decomposed though their Gram was."""


def _projected(level: Level, values: Values) -> Projected:
    """Return the labels of all ``teachers`` of a level, side by side, in the student's coordinates."""
    probe, rows, labels = STUDENT_ROWS(level, values), rows_of(level, values).transfer, []
    for teacher in level["teachers"]:
        own = {**level, **dict(zip(TEACHER, teacher, strict=True))}
        labels.append(LABEL_RULES[own["labels"]](values(TEACHERS, own).scores[rows]))
    return (probe.exact if level["exact"] else probe).project(np.concatenate(labels, axis=1))  # type: ignore[no-any-return]


_PROJECTED = Stage("labels of teachers", (*DESIGN, "teachers", "exact"), _projected, latest=True, shared=False)


def _fit(level: Level, values: Values) -> _Fitted:
    rows, filters = STUDENT_ROWS(level, values), made_filters(level["filters"])
    probe = rows.serving(filters)
    place, outputs = level["teachers"].index(tuple(level[name] for name in TEACHER)), values(TEACHERS, level).scores.shape[1]
    projected = values(_PROJECTED, {**level, "exact": probe is not rows})
    prediction = probe.filtered(projected.columns(place * outputs, (place + 1) * outputs), filters)
    return _Fitted(prediction, probe.condition(filters), probe.solvers(filters), probe is not rows)


FITS = Stage(
    "labels in the student's basis",
    (*DESIGN, *TEACHER, "teachers", "filters"),
    _fit,
    kind="gemm",
    flops=lambda level, sizes: flops.gemm(level["n_transfer"], sizes.rank(level), sizes.outputs),
    order=lambda level, sizes: sizes.rank(level),
    why="a filter changes the coordinates alone",
    sizes=SHAPE,
    weighed=(*STUDENT, *TEACHER),
    latest=True,
    shared=False,
)
_CELLS: dict[str, Any] = {
    "order": lambda level, sizes: sizes.rank(level),
    "times": lambda level, sizes: sizes.count(level),
    "sizes": _VIEW[:-1],
    "latest": True,
    "shared": False,
}


def _outputs(level: Level, values: Values) -> tuple[Matrix, Matrix | None]:
    """Compute outputs (rows, filters, k) without intercepts, where errors are measured and on validation rows."""
    fitted = values(FITS, level)
    basis: _Basis = values(BASIS, {**level, "exact": fitted.exact})
    found = fitted.prediction.by_row(basis.together)
    return found[: basis.measured], found[basis.measured :] if basis.held_out is not None else None


OUTPUTS = Stage(
    "outputs of the students",
    (*STUDENT, *TEACHER, "teachers", "filters"),
    _outputs,
    kind="gemm",
    flops=lambda level, sizes: flops.gemm(_shown(level, sizes), sizes.rank(level), sizes.count(level) * sizes.outputs),
    **_CELLS,
)


def _rows(level: Level, values: Values) -> dict[str, npt.NDArray[Any]]:
    """Compute the columns of all filters for one teacher and label rule, arrays (filters,)."""
    rows, table, teacher = rows_of(level, values), table_of(level), values(TEACHERS, level)
    probe, fitted, where = STUDENT_ROWS(level, values), values(FITS, level), _where(level, rows)
    (scores, held_out), truth, weak = values(OUTPUTS, level), table.targets[where], teacher.scores[where]
    size, treat, offset = len(level["filters"]), LABEL_RULES[level["labels"]], fitted.prediction.offset
    host = NUMPY if values.backend.name == "cupy" else values.backend  # outputs are fetched from a device as they are
    tested = prediction_errors(scores, offset, truth, weak, treat(weak), host)
    out: dict[str, npt.NDArray[Any]] = {
        "weak_error": np.broadcast_to(metrics.squared_error(weak, truth), size),
        "student_error": tested.squared,
        "misfit": tested.misfit,
        "weak_distance": tested.distance,
        "weak_power": np.broadcast_to(metrics.squared_error(weak, np.zeros_like(weak)), size),
        "condition": np.maximum(fitted.condition, teacher.condition),
        "weak_rank": np.full(size, teacher.rank),
        "student_rank": np.full(size, probe.rank),
        "n_evaluated": np.full(size, len(where)),
        "solver": np.array([solver_pair(teacher.solver, name) for name in fitted.solvers], dtype=object),
        "weak_ridge": np.full(size, teacher.ridge),
    }
    out["gain"] = tested.distance + tested.cross
    ends = {"weak": np.full(size, teacher.end, dtype=object)}
    for name, anchor in (("strong", _BASELINE), ("ceiling", _CEILINGS[level["ceiling"]])):
        errors = _spread(values(anchor, level), level)
        ends[name] = errors.ends
        out |= {f"{name}_error": errors.squared, f"{name}_error_01": errors.zero_one, f"{name}_ridge": errors.ridges}
    if table.labels is not None:
        labels = table.labels[where]
        out["weak_error_01"] = np.broadcast_to(metrics.zero_one_error(weak, labels), size)
        out |= {"student_error_01": tested.wrong, "disagreement": tested.apart}
    if held_out is not None:
        weak_held_out = teacher.scores[rows.validation]
        out["weak_validation_error"] = np.broadcast_to(
            metrics.squared_error(weak_held_out, table.targets[rows.validation]), size
        )
        seen = prediction_errors(held_out, offset, weak_held_out, weak_held_out, treat(weak_held_out), host)
        out["student_validation_misfit"], out["student_validation_weak_distance"] = seen.misfit, seen.distance
    # Without regularisation and without one solution the minimum-norm one was taken.
    endless = np.array([filter_["ridge"] == 0 or filter_["time"] == np.inf for filter_ in filter_levels(level["filters"])])
    out["status"] = (teacher.singular | (endless & (not probe.full_rank))).astype(np.int64)
    tuned = _tuned(level) | (level["weak_tuning"] == "best_on_validation")
    criterion = CRITERIA[table.labels is not None]
    out["tuning_criterion"] = np.where(tuned, np.array(criterion, dtype=object), np.array(None))
    ends = {name: end for name, end in ends.items() if any(end)}  # few tunings end at an end, and texts of all take time
    out["tuned_at_end"] = _each(lambda place: ", ".join(name for name in ends if ends[name][place]), size)
    notes = [*teacher.messages, *([constant_note("student", probe)] if probe.constant else [])]
    at_end = [[end_text(name, ends[name][place]) for name in ends if ends[name][place]] for place in range(size)]
    out["message"] = _each(lambda place: "; ".join([*notes, *at_end[place]]), size)
    return out


def _each(text: Callable[[int], str], size: int) -> npt.NDArray[Any]:
    """Make texts of ``size`` filters; None where there is nothing to say."""
    found = np.empty(size, dtype=object)
    found[:] = [text(place) or None for place in range(size)]
    return found


ERRORS = Stage(
    "errors of the students",
    OUTPUTS.over,
    _rows,
    kind="elementwise",
    flops=lambda level, sizes: PASSES * _shown(level, sizes) * sizes.count(level) * sizes.outputs + CALLS,
    **_CELLS,
)

STAGES = Stages(
    (*models.MODELS, _BASELINE, *_CEILINGS.values(), BASIS, FITS, OUTPUTS, ERRORS),
    parts=(STUDENT, TEACHER, FILTER),
    sizes=Sizes,
    shares=(*TEACHER, *FILTER, "evaluate", "ceiling"),
    batches={"filters": FILTER},
)
"""Everything that the study computes, in the order in which a plan shows it."""
