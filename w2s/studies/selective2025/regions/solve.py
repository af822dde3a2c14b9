"""The arithmetic of the regions study: samples and models once per world, graphs once per k, then choices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from w2s.labels import fit_judge, knn_graph, threshold_for
from w2s.labels.graphs import smoothed_rest
from w2s.measure.ranking import auroc
from w2s.probes.softmax import fit_softmax
from w2s.studies.selective2025.regions.sample import (
    RIDGE,
    Part,
    WeakModel,
    logs_of,
    own_answers,
    part_of,
    shuffled_errors,
    soft_answers,
)
from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["CHOICE", "NUMBERS", "WORLD", "World"]

Matrix = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Level = Mapping[str, Any]

WORLD = (
    *("n_labeled", "n_transfer", "n_test", "d_weak", "noise"),
    *("known", "right_inside", "right_outside", "visible", "overlap", "errors"),
)
CHOICE = ("rule", "threshold", "k", "beta", "anchors")
NUMBERS = (
    *("weak_error", "student_error", "strong_error", "ceiling_error", "misfit", "weak_distance"),
    *("naive_error", "self_error", "selected_share", "judge_threshold", "judge_auroc", "error_overlap"),
    *("own_accuracy", "own_accuracy_selected", "weak_label_accuracy", "weak_accuracy_rest", "smoothed_accuracy_rest"),
    "label_accuracy",
)
_RULES: tuple[Literal["best", "not_worse"], ...] = ("best", "not_worse")
_FOLDS = 2
_JUDGE_RIDGE = 1e-2


@dataclass(frozen=True)
class World:
    """Everything of S seeds in one world that choices share.

    Arrays of numbers by item are NumPy's: weak P(class 1), own answers and scores of the judge (S, n) on transfer items,
    classes there and on test items (S, m), thresholds by rule (S,).
    """

    backend: Backend
    rows: Array
    tested: Array
    weak: Matrix
    own: Matrix
    scores: Matrix
    truth: Matrix
    test_truth: Matrix
    test_weak: Mask
    thresholds: Mapping[str, Matrix]
    columns: Mapping[str, npt.NDArray[Any]]

    @classmethod
    def of(cls, world: Level, seeds: Sequence[int], backend: Backend) -> World:
        """Draw the parts, train weak models and judge on labelled items, and label the transfer items."""
        labelled, transfer, test = (part_of(role, world[size], world, seeds, backend) for role, size in _PARTS.items())
        host = backend.to_numpy
        model = WeakModel.fit(labelled, world, seeds, backend)
        weak, test_weak = host(model.probabilities(transfer)), host(model.probabilities(test)) > 0.5
        held = _held_out(labelled, world, seeds, backend)
        if world["errors"] == "shuffled":
            weak, held = (shuffled_errors(p, part, seeds, backend) for p, part in ((weak, transfer), (held, labelled)))
        truth, test_truth, known_truth = (host(part.classes) for part in (transfer, test, labelled))
        weak_right = (held > 0.5) == known_truth
        own_right = own_answers(labelled, ~weak_right, world, backend) == known_truth
        own = own_answers(transfer, (weak > 0.5) != truth, world, backend)
        there, scores = _judged(labelled, transfer, own_right, backend)
        thresholds: dict[str, Matrix] = {
            rule: np.array([threshold_for(*of, rule) for of in zip(there, own_right, weak_right, strict=True)])
            for rule in _RULES
        }
        rows, tested = transfer.rows(backend), test.rows(backend)
        trained = {
            "naive_error": (rows, weak),
            "self_error": (rows, own),
            "ceiling_error": (rows, truth),
            "strong_error": (labelled.rows(backend), known_truth),
        }
        columns = {}
        for name, (given, labels) in trained.items():
            answers, _ = _student(given, labels, tested, given, backend)
            columns[name] = (answers != test_truth).mean(axis=1)
        wrong, also = own != truth, (weak > 0.5) != truth
        columns |= {
            "weak_error": (test_weak != test_truth).mean(axis=1),
            "weak_label_accuracy": (~also).mean(axis=1),
            "own_accuracy": (~wrong).mean(axis=1),
            "judge_auroc": auroc(scores, ~wrong),
            "error_overlap": _share(also, wrong),
        }
        return cls(backend, rows, tested, weak, own, scores, truth, test_truth, test_weak, thresholds, columns)

    def graphs(self, k: int) -> list[Any]:
        """Build the graph of k neighbours of every seed, on standardised strong features."""
        features = self.backend.to_numpy(self.rows)[..., :-1]
        around = (features - features.mean(axis=1, keepdims=True)) / features.std(axis=1, keepdims=True)
        return [knn_graph(each, k) for each in around]

    def results(self, choice: Level, graphs: Sequence[Any]) -> dict[str, Matrix]:
        """Compute the columns of one choice, (S,) each: choose labels, train the students, count."""
        limits = self.thresholds.get(choice["rule"], np.full(len(self.weak), float(choice["threshold"] or 0.0)))
        known = self.scores > limits[:, None]
        smooth = np.stack([self._smoothed(s, known[s], choice, graph) for s, graph in enumerate(graphs)])
        labels = np.where(known, self.own, smooth)
        answers, followed = _student(self.rows, labels, self.tested, self.rows, self.backend)
        right = {
            name: (p > 0.5) == self.truth
            for name, p in {"weak": self.weak, "own": self.own, "smooth": smooth, "label": labels}.items()
        }
        return {
            **self.columns,
            "student_error": (answers != self.test_truth).mean(axis=1),
            "weak_distance": (answers != self.test_weak).mean(axis=1),
            "misfit": (followed != (labels > 0.5)).mean(axis=1),
            "selected_share": known.mean(axis=1),
            "judge_threshold": limits,
            "own_accuracy_selected": _share(right["own"], known),
            "weak_accuracy_rest": _share(right["weak"], ~known),
            "smoothed_accuracy_rest": _share(right["smooth"], ~known),
            "label_accuracy": right["label"].mean(axis=1),
        }

    def _smoothed(self, s: int, known: Mask, choice: Level, graph: Any) -> Matrix:
        """Spread the weak labels of one seed to the items that are not known."""
        weak, own = (np.stack([1.0 - p, p], axis=1) for p in (self.weak[s], self.own[s]))
        found = smoothed_rest(graph, weak, own, known, choice["beta"], anchors=choice["anchors"])
        return np.asarray(found[:, 1])


_PARTS = {"labeled": "n_labeled", "transfer": "n_transfer", "test": "n_test"}


def _held_out(part: Part, world: Level, seeds: Sequence[int], backend: Backend) -> Matrix:
    """Predict P(class 1) (S, n) of labelled items by weak models that have not seen them, every second item at a time."""
    xp, count = backend.xp, world["n_labeled"]
    fold = xp.arange(count) % _FOLDS
    found = xp.zeros(part.classes.shape)
    for k in range(_FOLDS):
        others = xp.broadcast_to(1.0 * (fold != k), part.classes.shape)
        found = xp.where(fold == k, WeakModel.fit(part, world, seeds, backend, others).probabilities(part), found)
    return np.asarray(backend.to_numpy(found))


def _judged(labelled: Part, transfer: Part, right: Mask, backend: Backend) -> tuple[Matrix, Matrix]:
    """Score own answers: labelled items by judges that have not seen them, and transfer items by one that has seen all."""
    xp, known = backend.xp, backend.asarray(1.0 * right)
    fold = xp.arange(right.shape[1]) % _FOLDS
    there = xp.zeros(right.shape)
    for k in range(_FOLDS):
        others = xp.broadcast_to(1.0 * (fold != k), right.shape)
        judge = fit_judge(labelled.features, known, _JUDGE_RIDGE, backend, rows=others)
        there = xp.where(fold == k, judge.at(labelled.features), there)
    scores = fit_judge(labelled.features, known, _JUDGE_RIDGE, backend).at(transfer.features)
    return np.asarray(backend.to_numpy(there)), np.asarray(backend.to_numpy(scores))


def _student(rows: Array, labels: Matrix, tested: Array, seen: Array, backend: Backend) -> tuple[Mask, Mask]:
    """Train students on P(class 1) (S, n); return their classes on test rows and on those they were trained on."""
    heads, _ = fit_softmax(rows, logs_of(backend.asarray(1.0 * labels), backend), backend, ridge=RIDGE)
    found = [backend.to_numpy(soft_answers(asked, heads, backend) > 0.5) for asked in (tested, seen)]
    return found[0], found[1]


def _share(hits: Mask, among: Mask) -> Matrix:
    """Compute the share of hits among some items, (S,); NaN where there are none."""
    count = among.sum(axis=1)
    return np.asarray(np.divide((hits & among).sum(axis=1), count, out=np.full(len(count), np.nan), where=count > 0))
