"""The arithmetic of the synthetic study: three networks of a seed, inputs of every sample, heads of many tasks at once.

What is shared: the networks, by all cells of a seed; inputs, features and their factorisation, by all tasks of a seed under
``sampling: per_seed``, by all heads and views of a task otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.mlp import Network
from w2s.measure import metrics
from w2s.studies.charikar2024.synthetic.all_layers import finetuned
from w2s.studies.charikar2024.synthetic.heads import Design, Fitted, fit, tasks
from w2s.studies.charikar2024.synthetic.networks import Networks
from w2s.theory.charikar2024 import projection_gap
from w2s_kernels import Backend, streams

__all__ = ["NUMBERS", "Trial"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]

NUMBERS = (
    *(f"{model}_error" for model in ("weak", "student", "strong", "ceiling")),
    *("misfit", "cross_term", "epsilon", "label_power", "selection_score", "weak_validation_error", "condition"),
)


@dataclass
class _Sample:
    """Inputs of one role and, for every model, its features (n, width); made when first asked for."""

    inputs: Matrix
    networks: Networks
    backend: Backend

    def __post_init__(self) -> None:
        self._designs: dict[str, Design] = {}

    def design(self, model: str) -> Design:
        """Compute the features of ``truth``, ``weak`` or ``strong`` on these inputs, ready to be fitted."""
        if model not in self._designs:
            network: Network = getattr(self.networks, model)
            features = self.backend.to_numpy(network(self.inputs, self.backend))[0]
            self._designs[model] = Design(np.ascontiguousarray(features), self.backend)
        return self._designs[model]

    def features(self, model: str) -> Matrix:
        """Compute the features of a model on these inputs."""
        return self.design(model).features


class Trial:
    """Some tasks of one seed that share their inputs."""

    def __init__(self, networks: Networks, cell: Level, seed: int, numbers: Sequence[int], backend: Backend) -> None:
        self.networks, self.cell, self.seed, self.numbers, self.backend = networks, cell, seed, list(numbers), backend
        names = ["labeled", "transfer", "test", *(["validation"] if cell["n_validation"] else [])]
        self.samples = {name: self._sample(name) for name in names}

    @classmethod
    def each(
        cls, networks: Networks, cell: Level, seed: int, numbers: Sequence[int], backend: Backend
    ) -> Iterator[tuple[slice, Trial]]:
        """Yield trials that cover the tasks: one for all of them, or one each; with the places of their tasks."""
        size = len(numbers) if cell["sampling"] == "per_seed" else 1
        for start in range(0, len(numbers), size):
            part = slice(start, start + size)
            yield part, cls(networks, cell, seed, numbers[part], backend)

    def _sample(self, role: str) -> _Sample:
        names = [role, *([] if self.cell["sampling"] == "per_seed" else [f"task {self.numbers[0]}"])]
        stream = streams.stream("charikar2024", "inputs", *names, seed=self.seed)
        draws = streams.normals(stream, self.cell[f"n_{role}"], self.cell["inputs"], self.backend)
        return _Sample(self.cell["input_scale"] * self.backend.to_numpy(draws), self.networks, self.backend)

    @property
    def finite(self) -> bool:
        """Whether both representations are; a pretraining that diverged leaves none."""
        samples = self.samples.values()
        return all(np.isfinite(sample.features(model)).all() for sample in samples for model in ("weak", "strong"))

    def solve(self, head: Level, views: Sequence[str]) -> list[dict[str, npt.NDArray[Any]]]:
        """Compute the results of all tasks under one head: for every view, arrays (tasks,) by name."""
        truth = self._truth(head)
        weak = self._fit(head, "weak", "labeled", truth["labeled"])
        labels = {name: weak.predict(sample) for name, sample in self.samples.items()}
        student = self._fit(head, "strong", "transfer", labels["transfer"])
        anchors = {
            "strong": self._fit(head, "strong", "labeled", truth["labeled"]),
            "ceiling": self._fit(head, "strong", "transfer", truth["transfer"]),
        }
        inside = _error(anchors["ceiling"].predict(self.samples["transfer"]), truth["transfer"])
        condition = np.maximum(weak.fitted.condition, student.fitted.condition)
        unique = np.logical_and(weak.fitted.unique, student.fitted.unique)
        fixed: dict[str, Any] = {"epsilon": inside, "condition": condition, "status": np.where(unique, 0, 1)}
        fixed |= {"weak_rank": weak.fitted.rank, "student_rank": student.fitted.rank}
        found = []
        for view in views:
            name = "test" if view == "fresh" else "transfer"
            scores = student.predict(self.samples[name])
            row = _errors(scores, labels[name], truth[name])
            row |= {f"{m}_error": _error(model.predict(self.samples[name]), truth[name]) for m, model in anchors.items()}
            if view == "transfer" and head["head"] == "least_squares":
                row["cross_term"] = self._projection_gap(labels[name], truth[name])
            row["selection_score"], row["weak_validation_error"] = self._score(student, labels, truth, row)
            found.append(row | fixed)
        return found

    def _truth(self, head: Level) -> dict[str, Matrix]:
        """Compute f*(x) of every task on every sample: (n, tasks)."""
        coefficients = tasks(head, self.seed, self.numbers, self.cell["width"], self.backend)
        values = {name: sample.features("truth") @ coefficients for name, sample in self.samples.items()}
        if head["head"] != "relu":
            return values
        # An intercept leaves about half of the rows alive; a task that is zero nearly everywhere has nothing to fit.
        offset = values["labeled"].mean(axis=0)
        return {name: np.maximum(v - offset, 0.0) for name, v in values.items()}

    def _fit(self, head: Level, model: str, role: str, targets: Matrix) -> _Model:
        sample = self.samples[role]
        if head["head"] != "all_layers":
            return _Model(model, fit(head, sample.design(model), targets))
        order = [streams.stream("charikar2024", "order", role, f"task {k}", seed=self.seed) for k in self.numbers]
        network: Network = getattr(self.networks, model)
        return _Model(None, finetuned(head, network, sample.inputs, sample.design(model), targets, order))

    def _projection_gap(self, weak: Matrix, truth: Matrix) -> Matrix:
        return projection_gap(weak, truth, self.samples["transfer"].design("strong").basis())

    def _score(
        self, student: _Model, labels: Mapping[str, Matrix], truth: Mapping[str, Matrix], row: Level
    ) -> tuple[Matrix, Matrix]:
        """Compute weak_error - misfit, and weak_error alone, on validation rows.

        Without any, the former is that on the rows of the errors, and the latter NaN.
        """
        if "validation" not in self.samples:
            score = np.asarray(row["weak_error"] - row["misfit"])
            return score, np.full_like(score, np.nan)
        weak, scores = labels["validation"], student.predict(self.samples["validation"])
        error = _error(weak, truth["validation"])
        return error - _error(scores, weak), error


@dataclass(frozen=True)
class _Model:
    """Fitted heads and what they read: features of a representation, or the inputs where all layers were trained."""

    reads: str | None
    fitted: Fitted

    def predict(self, sample: _Sample) -> Matrix:
        """Compute the outputs on a sample: (n, tasks)."""
        return self.fitted.predict(sample.inputs if self.reads is None else sample.features(self.reads))


def _error(scores: Matrix, goals: Matrix) -> Matrix:
    return metrics.squared_error(scores.T[..., None], goals.T[..., None])


def _errors(scores: Matrix, weak: Matrix, truth: Matrix) -> dict[str, Any]:
    """Compute the errors of weak model and student on one sample: arrays (tasks,).

    The gain is the difference of the errors, which the table subtracts.
    """
    return {
        "weak_error": _error(weak, truth),
        "student_error": _error(scores, truth),
        "misfit": _error(scores, weak),
        "cross_term": metrics.cross_term(scores.T[..., None], weak.T[..., None], truth.T[..., None]),
        "label_power": truth.var(axis=0),
    }
