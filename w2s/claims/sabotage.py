"""Tables doctored in ways that a claim should notice: a sentence that every student fulfils says nothing about one.

A sabotage puts wrong numbers in the place of the teacher's, the student's or the ceiling's, everything that follows from them
being computed again, so that no column betrays it. A claim notices it when its verdict is no longer the expected one. What a
claim may overlook stands in the claim, with the reason (:attr:`w2s.claims.claim.Claim.overlooks`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, decide
from w2s.measure import metrics
from w2s.summary import columns

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["SABOTAGES", "Doctor", "overlooked"]

Values = npt.NDArray[np.float64]

SABOTAGES: Mapping[str, str] = {
    "student_is_teacher": "the student gives its teacher's answers",
    "student_is_ceiling": "the student gives the ceiling's answers",
    "student_constant": "the student gives one answer to everything",
    "student_shuffled": "the student's results are shuffled over all rows",
    "seeds_permuted": "in every cell the student's results are permuted over seeds",
    "teacher_up": "every error of the teacher is 10 % larger",
    "teacher_down": "every error of the teacher is 10 % smaller",
    "teacher_noisy": "every error of the teacher is off at random, by up to 30 %",
    "student_noisy": "every error of the student is off at random, by up to 30 %",
    "flipped": "student and teacher change places",
    "ceiling_is_teacher": "the ceiling and the strong baseline give the teacher's answers",
}
"""Names of all sabotages, with what they do."""

_SUFFIXES = ("", "_01")
_HIDDEN = "student_validation_weak_distance"
"""The distance that ``selection_score`` takes off ``weak_validation_error``, where a table does not have it as a column."""
_DISTANCES = ("misfit", "misfit_squared", "weak_distance", "student_validation_misfit", "student_validation_error", _HIDDEN)
_STUDENT = ("student_error", "student_error_01", *_DISTANCES, "agreement", "agreement_right", "agreement_wrong")
"""Columns that are about the student alone, or about student and teacher: they move together."""
_SCORE = {"selection_score", "weak_validation_error"}


@dataclass(frozen=True)
class Doctor:
    """Who knows what a study's columns mean, as far as a sabotage needs it.

    Attributes
    ----------
    constant : what a student has that gives one answer to everything: column -> number, or the column that holds it.
    finish : computes columns of the study's own anew, from the table before and the doctored one.

    """

    constant: Mapping[str, float | str] = field(default_factory=lambda: {"student_error": 1.0, "student_error_01": 0.5})
    finish: Callable[[DataFrame, DataFrame], DataFrame] = lambda _before, after: after

    def doctored(self, table: DataFrame, sabotage: str) -> DataFrame:
        """Make the table that a run would have written under a sabotage (a name of ``SABOTAGES``); deterministic.

        Two models are taken to err independently where the table does not say how far they are apart: for squared errors the
        distance is then the sum of both errors, for shares of wrong answers the agreement is that of independent coins.
        Closed forms (``*_theory``) stay as they are unless ``finish`` computes them.
        """
        draws = np.random.Generator(np.random.Philox(key=list(SABOTAGES).index(sabotage)))
        if set(table) >= _SCORE:
            table = table.assign(**{_HIDDEN: table["weak_validation_error"] - table["selection_score"]})
        changed = _CHANGES[sabotage](self, table, draws)
        found: DataFrame = table.assign(**{name: values for name, values in changed.items() if name in table})
        found.attrs = table.attrs
        return self.finish(table, _derived(found))


def overlooked(claim: Claim, table: DataFrame, doctor: Doctor | None = None) -> tuple[str, ...]:
    """List the sabotages of a table that a claim does not notice: its verdict on the doctored table is the expected one too.

    Raises ValueError when the verdict on the table itself is not the expected one. Cost: the claim's test, a dozen times.
    """
    doctor = doctor or Doctor()
    if not claim.as_expected(honest := decide(claim, table)):
        raise ValueError(f"claim {claim.id!r} has no expected verdict to lose on this table: {honest.outcome}, {honest.says}")
    return tuple(name for name in SABOTAGES if claim.as_expected(decide(claim, doctor.doctored(table, name))))


def _is_teacher(_doctor: Doctor, table: DataFrame, _draws: np.random.Generator) -> dict[str, Any]:
    same: dict[str, Any] = {f"student_error{end}": table[f"weak_error{end}"] for end in _SUFFIXES if _has(table, end)}
    return same | dict.fromkeys(_DISTANCES, 0.0) | dict.fromkeys(("agreement", "agreement_right", "agreement_wrong"), 1.0)


def _is_ceiling(_doctor: Doctor, table: DataFrame, _draws: np.random.Generator) -> dict[str, Any]:
    found: dict[str, Any] = {f"student_error{end}": table[f"ceiling_error{end}"] for end in _SUFFIXES if _has(table, end)}
    found |= _apart(table, lambda error: error + table["ceiling_error"])
    if _has(table, "_01"):
        wrong = table["ceiling_error_01"]
        found |= {"agreement_right": 1.0 - wrong, "agreement_wrong": wrong}
    return found


def _constant(doctor: Doctor, table: DataFrame, _draws: np.random.Generator) -> dict[str, Any]:
    given = {name: table[value] if isinstance(value, str) else value for name, value in doctor.constant.items()}
    # A teacher that is a projection, or an honest probability, has the power of the target less its own error.
    found = _apart(table, lambda error: np.abs(given.get("student_error", 1.0) - error))
    return found | {"agreement_right": 0.5, "agreement_wrong": 0.5} | given


def _apart(table: DataFrame, distance: Callable[[Series[float]], object]) -> dict[str, Any]:
    """Compute every distance of student and teacher, as a function of the teacher's error on the same rows."""
    found = dict.fromkeys(_DISTANCES, distance(table["weak_error"])) if _has(table, "") else {}
    if "weak_validation_error" in table:
        hidden = distance(table["weak_validation_error"])
        found |= {name: hidden for name in _DISTANCES if name.startswith("student_validation")}
    return found


def _shuffled(_doctor: Doctor, table: DataFrame, draws: np.random.Generator) -> dict[str, Any]:
    # Among rows that have the same columns: a null where a number stood would betray the table.
    nulls = [table[name].isna() for name in _STUDENT if name in table]
    return _moved(table, _within(np.asarray(sum(2**k * null for k, null in enumerate(nulls))), draws))


def _permuted(_doctor: Doctor, table: DataFrame, draws: np.random.Generator) -> dict[str, Any]:
    return _moved(table, _within(columns.group_codes(table, columns.cell_fields(table))[0], draws))


def _within(groups: npt.NDArray[np.integer[Any]], draws: np.random.Generator) -> npt.NDArray[np.int64]:
    """Draw a permutation of rows that leaves every row in its group."""
    order = np.empty(len(groups), dtype=np.int64)
    order[np.argsort(groups, kind="stable")] = np.lexsort((draws.random(len(groups)), groups))
    return order


def _moved(table: DataFrame, order: npt.NDArray[np.int64]) -> dict[str, Any]:
    return {name: table[name].to_numpy()[order] for name in _STUDENT if name in table}


def _scaled(model: str, factor: Callable[[int, np.random.Generator], float | Values]) -> Callable[..., dict[str, Any]]:
    def change(_doctor: Doctor, table: DataFrame, draws: np.random.Generator) -> dict[str, Any]:
        names = [f"{model}_error{end}" for end in _SUFFIXES if _has(table, end)]
        names += ["weak_validation_error"] if model == "weak" and "weak_validation_error" in table else []
        times = factor(len(table), draws)
        return {name: table[name] * times for name in names}

    return change


def _flipped(_doctor: Doctor, table: DataFrame, _draws: np.random.Generator) -> dict[str, Any]:
    # Distances stay: a squared error or a disagreement of two models is the same from both sides.
    pairs = [(f"weak_error{end}", f"student_error{end}") for end in _SUFFIXES if _has(table, end)]
    return {to: table[given] for pair in pairs for to, given in (pair, pair[::-1])}


def _ceiling_is_teacher(_doctor: Doctor, table: DataFrame, _draws: np.random.Generator) -> dict[str, Any]:
    ends = [end for end in _SUFFIXES if _has(table, end)]
    return {f"{model}_error{end}": table[f"weak_error{end}"] for model in ("strong", "ceiling") for end in ends}


def _noise(rows: int, draws: np.random.Generator) -> Values:
    return draws.uniform(0.7, 1.3, rows)


_CHANGES: Mapping[str, Callable[[Doctor, DataFrame, np.random.Generator], dict[str, Any]]] = {
    "student_is_teacher": _is_teacher,
    "student_is_ceiling": _is_ceiling,
    "student_constant": _constant,
    "student_shuffled": _shuffled,
    "seeds_permuted": _permuted,
    "teacher_up": _scaled("weak", lambda _rows, _draws: 1.1),
    "teacher_down": _scaled("weak", lambda _rows, _draws: 0.9),
    "teacher_noisy": _scaled("weak", _noise),
    "student_noisy": _scaled("student", _noise),
    "flipped": _flipped,
    "ceiling_is_teacher": _ceiling_is_teacher,
}


def _has(table: DataFrame, end: str) -> bool:
    return f"student_error{end}" in table


def _derived(table: DataFrame) -> DataFrame:
    """Compute anew what follows from errors and distances, where the table has it."""
    found: dict[str, Any] = {}
    for end in filter(lambda end: _has(table, end), _SUFFIXES):
        weak, student, ceiling = (table[f"{model}_error{end}"].to_numpy(float) for model in ("weak", "student", "ceiling"))
        found[f"gain{end}"] = metrics.gain(weak, student)
        found[f"pgr{end}"] = metrics.pgr(weak, student, ceiling)[0]
        found[f"loss_ratio{end}"] = np.divide(student, weak, out=np.full(len(table), np.nan), where=weak != 0)
        if f"strong_error{end}" in table:
            found[f"opr{end}"] = metrics.opr(table[f"strong_error{end}"].to_numpy(float), student)
    if set(table) >= _SCORE:
        found["selection_score"] = table["weak_validation_error"] - table[_HIDDEN]
    return table.assign(**{name: values for name, values in found.items() if name in table})
