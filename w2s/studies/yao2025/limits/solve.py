"""Items with a spectrum, teachers with errors inside or outside the student's class, and students by gradient steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.measure import metrics, scores
from w2s.probes.softmax import log_softmax
from w2s_kernels import Backend, normals, stream
from w2s_kernels.backend import Array

__all__ = ["World", "descend", "row", "weak_logits", "world_of"]

_PAPER = "yao2025"
_BINS = 10


class World(NamedTuple):
    """Rows (S, n, d) and true logits (S, n) of transfer and test items."""

    rows: Array
    test: Array
    logits: Array
    test_logits: Array


def world_of(level: Mapping[str, Any], seeds: Sequence[int], backend: Backend) -> World:
    """Draw items x = (x_1, ..., x_d): ``d_signal`` features of size 1 carry the truth, the others have size ``tail``.

    The true logit is ``logit_scale`` times a unit combination of the first features.
    """
    xp, d, carried = backend.xp, level["d"], level["d_signal"]
    size = xp.where(xp.arange(d) < carried, 1.0, level["tail"])
    rows, test = (
        xp.stack([normals(stream(_PAPER, part, seed=seed), level[count], d, backend) for seed in seeds]) * size
        for part, count in (("transfer", "n_transfer"), ("test", "n_test"))
    )
    drawn = xp.stack([normals(stream(_PAPER, "truth", seed=seed), carried, 1, backend) for seed in seeds])
    truth = level["logit_scale"] * drawn / xp.sqrt((drawn**2).sum(axis=1, keepdims=True))
    return World(rows, test, *(xp.matmul(part[..., :carried], truth)[..., 0] for part in (rows, test)))


def weak_logits(world: World, level: Mapping[str, Any], seeds: Sequence[int], backend: Backend) -> tuple[Array, Array]:
    """Return the teacher's logits for transfer and test items: the truth plus an error of standard deviation ``error_scale``.

    ``structured`` errors are a linear function of the features that do not carry the truth: a student can learn them.
    ``random`` errors are drawn for every item.
    """
    xp, carried = backend.xp, level["d_signal"]
    if level["errors"] == "random":
        drawn = [
            xp.stack([normals(stream(_PAPER, f"{part} errors", seed=seed), count, 1, backend)[:, 0] for seed in seeds])
            for part, count in (("transfer", level["n_transfer"]), ("test", level["n_test"]))
        ]
    else:
        width = level["d"] - carried
        direction = xp.stack([normals(stream(_PAPER, "error", seed=seed), width, 1, backend) for seed in seeds])
        direction = direction / (level["tail"] * xp.sqrt((direction**2).sum(axis=1, keepdims=True)))
        drawn = [xp.matmul(rows[..., carried:], direction)[..., 0] for rows in (world.rows, world.test)]
    return (
        world.logits + level["error_scale"] * drawn[0],
        world.test_logits + level["error_scale"] * drawn[1],
    )


def descend(
    rows: Array, labels: Array, asked: Sequence[int], step_size: float, reverse: bool, backend: Backend
) -> Iterator[tuple[int, Array]]:
    """Train logistic students from zero by full gradient steps; yield the weights (S, d) at the asked steps, ascending.

    Forward: cross-entropy with the soft ``labels`` (logits, (S, n)), gradient mean (p - q) x. ``reverse``: KL(p || q), gradient
    mean p (1 - p) (z - z_q) x. Cost O(S n d) per step.
    """
    xp = backend.xp
    weights = xp.zeros((len(rows), rows.shape[-1], 1))
    columns, target, done = rows.swapaxes(-1, -2), labels[..., None], 0
    goal = _sigmoid(target, xp)
    for step in sorted(set(asked)):
        for _ in range(step - done):
            logits = xp.matmul(rows, weights)
            p = _sigmoid(logits, xp)
            pull = p * (1.0 - p) * (logits - target) if reverse else p - goal
            weights = weights - step_size / rows.shape[1] * xp.matmul(columns, pull)
        done = step
        yield step, weights[..., 0]


def row(truth: npt.NDArray[Any], logits: Mapping[str, npt.NDArray[Any]]) -> dict[str, float]:
    """Compute the columns of one cell from logits (n,) of the true law and of weak, student and ceiling.

    Errors are E KL(truth || .). What is wrong with a probability counts with that probability, so no labels are drawn.
    """
    p = {name: np.exp(_both(values)) for name, values in (("truth", truth), *logits.items())}
    found = {f"{name}_error": scores.divergence(p["truth"], p[name]) for name in logits}
    found |= {f"{name}_error_01": float(1.0 - _chosen(p[name], p["truth"]).mean()) for name in logits}
    found |= {f"{name}_calibration": _calibration(p[name], p["truth"]) for name in ("weak", "student")}
    variation = {name: float(np.abs(p["truth"] - p[name]).sum(axis=1).mean() / 2) for name in ("weak", "student")}
    return found | {
        "misfit": scores.divergence(p["weak"], p["student"]),
        "misfit_reverse": scores.divergence(p["student"], p["weak"]),
        "disagreement": float(metrics.disagreement(p["weak"], p["student"])),
        "weak_variation": variation["weak"],
        "student_variation": variation["student"],
        "variation_apart": float(np.abs(p["weak"] - p["student"]).sum(axis=1).mean() / 2),
        "confidence": float(p["student"].max(axis=1).mean()),
    }


def _chosen(p: Any, law: Any) -> Any:
    """Return the true probability (n,) of a model's first choice."""
    return np.take_along_axis(law, p.argmax(axis=1)[:, None], axis=1)[:, 0]


def _calibration(p: Any, law: Any) -> float:
    """Compute the expected calibration error over ten bins of confidence, with true probabilities in the place of hits."""
    confidence = p.max(axis=1)
    place = np.minimum((confidence * _BINS).astype(np.int64), _BINS - 1)
    gaps = np.bincount(place, weights=_chosen(p, law) - confidence, minlength=_BINS)
    return float(np.abs(gaps).sum() / len(p))


def _both(logits: npt.NDArray[Any]) -> Any:
    return log_softmax(np.stack([np.zeros_like(logits), logits], axis=1))


def _sigmoid(logits: Array, xp: Any) -> Array:
    return 1.0 / (1.0 + xp.exp(-xp.clip(logits, -700.0, 700.0)))
