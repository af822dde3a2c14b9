"""Views of items, models on them by softmax regression, and what a row says of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.measure import metrics, scores
from w2s.measure.similarity import capa
from w2s.probes.softmax import fit_softmax, log_softmax
from w2s.theory import goel2025 as theory
from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["Items", "Views", "answers", "row", "views_of"]

_PAPER = "goel2025"
Answers = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Views:
    """What supervisor and student see: numbers of features that both, the supervisor alone and the student alone have."""

    classes: int
    shared: int
    weak_alone: int
    strong_alone: int
    signal: float

    def blocks(self) -> tuple[tuple[str, int], ...]:
        """List the features by who sees them."""
        return ("shared", self.shared), ("weak", self.weak_alone), ("strong", self.strong_alone)


@dataclass(frozen=True)
class Items:
    """Items of S seeds: weak (S, n, d_weak + 1) and strong (S, n, d_strong + 1) views with a constant, classes (S, n)."""

    weak: Array
    strong: Array
    classes: Array

    def one_hot(self, count: int, backend: Backend) -> Array:
        """Return log-probabilities of the true classes, 0 and -inf: (S, n, count)."""
        xp = backend.xp
        return xp.where(self.classes[..., None] == xp.arange(count), 0.0, -xp.inf)


def views_of(views: Views, part: str, count: int, seeds: Sequence[int], backend: Backend) -> Items:
    """Draw items of a part: y uniform on the classes, every feature N(signal m_y, 1), class means m of N(0, 1) by feature.

    Given its class, an item's features are independent, and so are their means. Items and features are nested: a larger part
    begins with the smaller one, and a view of more features with that of fewer.
    """
    xp = backend.xp
    classes = xp.stack(
        [xp.floor(views.classes * uniforms(stream(_PAPER, part, "class", seed=s), count, 1, backend)[:, 0]) for s in seeds]
    )
    seen = {}
    for name, width in views.blocks():
        noise = [normals(stream(_PAPER, part, name, seed=s), count, width, backend) for s in seeds]
        means = [normals(stream(_PAPER, "means", name, seed=s), views.classes, width, backend) for s in seeds]
        seen[name] = xp.stack(noise)
        for k in range(views.classes):
            seen[name] = seen[name] + views.signal * (classes == k)[..., None] * xp.stack(means)[:, k][:, None, :]
    constant = xp.ones((len(seeds), count, 1))
    weak, strong = (xp.concatenate([seen["shared"], seen[name], constant], axis=-1) for name in ("weak", "strong"))
    return Items(weak, strong, classes.astype(np.int64))


def answers(rows: Array, log_labels: Array, asked: Sequence[Array], ridge: float, backend: Backend) -> list[Array]:
    """Fit softmax regression on rows and labels; return its log-probabilities for each of ``asked``, and nothing else."""
    weights, _ = fit_softmax(rows, log_labels, backend, ridge=ridge)
    return [log_softmax(backend.xp.matmul(items, weights), backend.xp) for items in asked]


def row(truth: npt.NDArray[np.int64], models: dict[str, Answers], labels: Answers) -> dict[str, float]:
    """Compute the columns of one cell from test probabilities (n, K) of weak, strong, student and ceiling, and the labels.

    ``labels`` are what the weak model's answers became before the student saw them, for the test items.
    """
    weak, strong, student = (models[name] for name in ("weak", "strong", "student"))
    found = {f"{name}_error": scores.cross_entropy(p, truth) for name, p in models.items()}
    found |= {f"{name}_error_01": float(metrics.zero_one_error(p, truth)) for name, p in models.items()}
    right = [p.argmax(axis=1) == truth for p in (weak, strong)]
    mean = 0.5 * (weak + strong)
    return found | {
        "misfit": scores.divergence(labels, student),
        "weak_distance": scores.divergence(weak, student),
        "disagreement": float(metrics.disagreement(weak, student)),
        "similarity": float(capa(weak, strong, truth)),
        "similarity_hard": float(capa(_hard(weak), _hard(strong), truth)),
        "similarity_trained": float(capa(weak, student, truth)),
        "similarity_itself": float(capa(weak, weak, truth)),
        "oracle_error_01": float(1.0 - np.mean(right[0] | right[1])),
        "oracle_error_01_theory": _independent(right[0], right[1], truth, weak.shape[1]),
        "mean_error_01": float(metrics.zero_one_error(mean, truth)),
        "mean_error": scores.cross_entropy(mean, truth),
    }


def _independent(weak: Any, strong: Any, truth: npt.NDArray[np.int64], classes: int) -> float:
    """Compute how often both models would err if they erred independently among the items of each class."""
    sizes = np.bincount(truth, minlength=classes)
    errors = [np.bincount(truth, weights=~right, minlength=classes) / np.maximum(sizes, 1) for right in (weak, strong)]
    return float(sizes @ theory.independent_oracle_error(*errors) / len(truth))


def _hard(probabilities: Answers) -> Any:
    return np.eye(probabilities.shape[1])[probabilities.argmax(axis=1)]
