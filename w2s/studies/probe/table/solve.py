"""The arithmetic of the probe study: what the cells of one student design share.

A design is a seed's rows and strong features: one factorisation of the transfer rows serves every teacher, label rule and
filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.feature_maps import feature_matrix
from w2s.laws.table import Rows, Table, load_table, split_rows
from w2s.measure import metrics
from w2s.probes.probe import LABEL_RULES, MixedProbe, RowProbe, filters_of
from w2s.probes.solver_choice import solver_pair
from w2s_kernels import Backend, Filters, ridge

__all__ = ["TUNING_RIDGES", "Design"]

Matrix = npt.NDArray[np.float64]
Probe = RowProbe | MixedProbe

TUNING_RIDGES = 10.0 ** np.arange(-8.0, 2.5, 0.5)
"""Ridge strengths among which ``ceiling_tuning: best_on_validation`` chooses."""


@dataclass
class _Teacher:
    """A fitted weak model: its outputs on every row, and how its system was."""

    scores: Matrix
    rank: float
    condition: float
    solver: str
    messages: list[str] = field(default_factory=list)
    singular: bool = False


class Design:
    """Everything that the cells of one student design share: rows, strong features, their factorisation, test basis."""

    def __init__(self, cell: Mapping[str, Any], backend: Backend) -> None:
        self.cell, self.backend, self.mixed = cell, backend, cell["precision"] == "mixed"
        self.table: Table = load_table(cell["data"], cell["target"], cell["task"])
        self.strong = feature_matrix(
            cell["strong_features"], self.table, width=cell["d_strong"], role="strong", seed=cell["seed"], backend=backend
        )
        self._teachers: dict[tuple[Any, ...], _Teacher] = {}
        self._weak: tuple[tuple[Any, ...], Probe, Matrix] | None = None
        self._anchors: dict[tuple[Any, ...], tuple[Matrix, Matrix]] = {}
        self._probes: dict[tuple[str, int], Probe] = {}

    def rows(self, n_labeled: int) -> Rows:
        """Row numbers of the four samples when the teacher has ``n_labeled`` labels."""
        cell = self.cell
        counts = {name: cell[name] for name in ("seed", "n_transfer", "n_validation", "n_test", "split")}
        return split_rows(self.table, n_labeled=n_labeled, backend=self.backend, **counts)

    def solve(
        self, teacher_cell: Mapping[str, Any], levels: tuple[Mapping[str, Any], ...]
    ) -> tuple[dict[str, npt.NDArray[Any]], str | None]:
        """Rows of all filters for one teacher and label rule: arrays (filters,)."""
        rows = self.rows(teacher_cell["n_labeled"])
        where = {"fresh": rows.test, "transfer": rows.transfer, "labeled": rows.labeled}[self.cell["evaluate"]]
        teacher = self._teacher(teacher_cell, rows)
        probe = self._probe("student", rows.transfer, 0)
        filters = filters_of(levels)
        weak_labels = LABEL_RULES[teacher_cell["labels"]](teacher.scores[rows.transfer])
        student = probe.fit(weak_labels, filters)
        scores = student.at(probe.basis(self.strong[where]))
        truth, weak = self.table.targets[where], teacher.scores[where]
        size = len(levels)
        solvers = np.array([solver_pair(teacher.solver, name) for name in probe.solvers(filters)], dtype=object)
        out: dict[str, npt.NDArray[Any]] = {
            "weak_error": np.broadcast_to(metrics.squared_error(weak, truth), size),
            "student_error": metrics.squared_error(scores, truth),
            "misfit": metrics.misfit(scores, weak),
            "weak_power": np.broadcast_to(metrics.squared_error(weak, np.zeros_like(weak)), size),
            "condition": np.maximum(probe.condition(filters), teacher.condition),
            "weak_rank": np.full(size, teacher.rank),
            "student_rank": np.full(size, probe.rank),
            "n_evaluated": np.full(size, len(where)),
            "solver": solvers,
        }
        out["gain"] = out["misfit"] + metrics.cross_term(scores, weak, truth)
        for name in ("strong", "ceiling"):
            anchor = self._anchor(name, rows, where, levels)
            out |= dict(zip((f"{name}_error", f"{name}_error_01"), anchor, strict=True))
        if self.table.labels is not None:
            out |= self._zero_one(scores, weak, self.table.labels[where])
        if len(rows.validation):
            held_out = student.at(probe.basis(self.strong[rows.validation]))
            out["weak_validation_error"] = np.broadcast_to(
                metrics.squared_error(teacher.scores[rows.validation], self.table.targets[rows.validation]), size
            )
            out["student_validation_error"] = metrics.squared_error(held_out, teacher.scores[rows.validation])
        out["status"] = self._status(teacher, probe, levels)
        messages = [*teacher.messages, *([_constant_note("student", probe)] if probe.constant else [])]
        return out, "; ".join(messages) or None

    def _zero_one(self, scores: Matrix, weak: Matrix, labels: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
        return {
            "weak_error_01": np.broadcast_to(metrics.zero_one_error(weak, labels), len(scores)),
            "student_error_01": metrics.zero_one_error(scores, labels),
            "disagreement": metrics.disagreement(scores, weak),
        }

    def _status(self, teacher: _Teacher, probe: Probe, levels: tuple[Mapping[str, Any], ...]) -> npt.NDArray[Any]:
        """``singular`` where a fit without regularisation had no unique solution (the minimum-norm one was taken)."""
        endless = np.array([level["ridge"] == 0 or level["time"] == np.inf for level in levels])
        return (teacher.singular | (endless & (not probe.full_rank))).astype(np.int64)

    def _teacher(self, cell: Mapping[str, Any], rows: Rows) -> _Teacher:
        key = (cell["weak_features"], cell["d_weak"], cell["n_labeled"], cell["ridge_weak"])
        if key not in self._teachers:
            self._teachers[key] = self._fit_teacher(cell, rows)
        return self._teachers[key]

    def _weak_probe(self, cell: Mapping[str, Any], rows: Rows) -> tuple[Probe, Matrix]:
        """Factored labelled rows, and the basis of all rows: the latest only, as it serves every ``ridge_weak``."""
        mixed = self.mixed and cell["ridge_weak"] > 0
        key = (cell["weak_features"], cell["d_weak"], cell["n_labeled"], mixed)
        if self._weak is None or self._weak[0] != key:
            features = feature_matrix(
                cell["weak_features"],
                self.table,
                width=cell["d_weak"],
                role="weak",
                seed=self.cell["seed"],
                backend=self.backend,
                strong=self.strong,
            )
            probe = self._made(features[rows.labeled], mixed)
            self._weak = key, probe, probe.basis(features)
        return self._weak[1:]

    def _fit_teacher(self, cell: Mapping[str, Any], rows: Rows) -> _Teacher:
        probe, basis = self._weak_probe(cell, rows)
        filters = ridge([cell["ridge_weak"]])
        scores = probe.fit(self.table.targets[rows.labeled], filters).at(basis)[0]
        teacher = _Teacher(scores, probe.rank, float(probe.condition(filters)[0]), probe.solvers(filters)[0])
        if cell["ridge_weak"] == 0 and not probe.full_rank:
            teacher.singular = True
            teacher.messages.append(
                f"weak: {probe.width} features on {probe.rows} rows have rank {probe.rank}; minimum-norm fit"
            )
        if probe.constant:
            teacher.messages.append(_constant_note("weak", probe))
        if self.table.labels is not None:
            seen = len(np.unique(self.table.labels[rows.labeled]))
            if seen < len(self.table.classes):
                teacher.messages.append(f"weak: labelled rows hold {seen} of {len(self.table.classes)} classes")
                teacher.singular |= seen == 1
        return teacher

    def _probe(self, role: str, rows: npt.NDArray[np.int64], key: int) -> Probe:
        if (role, key) not in self._probes:
            self._probes[role, key] = self._made(self.strong[rows], self.mixed)
        return self._probes[role, key]

    def _made(self, features: Matrix, mixed: bool) -> Probe:
        return (MixedProbe if mixed else RowProbe)(features, self.cell["preprocess"], self.backend)

    def _anchor(
        self, name: str, rows: Rows, where: npt.NDArray[np.int64], levels: tuple[Mapping[str, Any], ...]
    ) -> tuple[Matrix, Matrix]:
        """Errors (squared, 0-1) of the strong baseline or the ceiling under every filter: arrays (filters,)."""
        train, role, number = rows.transfer, "student", 0
        if name == "strong":
            train, role, number = rows.labeled, "strong", len(rows.labeled)
        elif self.cell["ceiling"] == "labeled+transfer":
            train, role, number = np.concatenate([rows.labeled, rows.transfer]), "ceiling", len(rows.labeled)
        key = (name, role, number, len(rows.labeled) if self.cell["evaluate"] == "labeled" else 0)
        if key not in self._anchors:
            probe = self._probe(role, train, number)
            self._anchors[key] = self._anchor_errors(probe, train, rows.validation, where, levels)
        return self._anchors[key]

    def _anchor_errors(
        self,
        probe: Probe,
        train: npt.NDArray[np.int64],
        validation: npt.NDArray[np.int64],
        where: npt.NDArray[np.int64],
        levels: tuple[Mapping[str, Any], ...],
    ) -> tuple[Matrix, Matrix]:
        squared, zero_one = np.full(len(levels), np.nan), np.full(len(levels), np.nan)
        tuned = np.array([level["ceiling_tuning"] == "best_on_validation" for level in levels])
        if tuned.any():
            best = self._best_ridge(probe, train, validation)
            squared[tuned], zero_one[tuned] = self._errors(probe, train, where, best)
        if not tuned.all():
            same = filters_of([level for level, t in zip(levels, tuned, strict=True) if not t])
            squared[~tuned], zero_one[~tuned] = self._errors(probe, train, where, same)
        return squared, zero_one

    def _best_ridge(self, probe: Probe, train: npt.NDArray[np.int64], validation: npt.NDArray[np.int64]) -> Filters:
        """Return the ridge with the smallest error against the truth on validation rows (0-1 first for classification)."""
        filters = ridge(TUNING_RIDGES)
        squared, zero_one = self._errors(probe, train, validation, filters)
        score = squared if self.table.labels is None else zero_one + 1e-6 * squared
        return filters[int(np.argmin(score))]

    def _errors(
        self, probe: Probe, train: npt.NDArray[np.int64], where: npt.NDArray[np.int64], filters: Filters
    ) -> tuple[Matrix, Matrix]:
        scores = probe.fit(self.table.targets[train], filters).at(probe.basis(self.strong[where]))
        squared = metrics.squared_error(scores, self.table.targets[where])
        if self.table.labels is None:
            return squared, np.full(len(filters), np.nan)
        return squared, metrics.zero_one_error(scores, self.table.labels[where])


def _constant_note(role: str, probe: Probe) -> str:
    return f"{role}: {probe.constant} of {probe.width} features are constant on the training rows and carry no weight"
