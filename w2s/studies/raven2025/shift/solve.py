"""All students of a block: methods as jobs of one kernel, which trains the students of every seed side by side.

Students of a single label (naive, with an own opinion, the ceiling) are one call, those of weighted supervisors another.
Bootstrapping and co-supervision take a few calls, each on what the one before predicts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.labels.co_supervision import co_supervision
from w2s.studies.raven2025.shift.supervisors import matched, minibatches, one_hot, softmax
from w2s.studies.raven2025.shift.world import World
from w2s_kernels import NUMPY, Backend, stream, uniforms
from w2s_kernels.softmax_students import Rules, teach

__all__ = ["METHOD", "NUMBERS", "SINGLE", "TEXTS", "results", "steps_of"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Level = Mapping[str, Any]

METHOD = ("method", "supervisor", "rate", "easy", "start", "reset", "floor", "decay", "opinion")
SINGLE = ("naive", "confidence", "adaptive", "bootstrapping")
"""Methods that learn from one supervisor, or from the mean of all."""
NUMBERS = (
    *("weak_error", "student_error", "ceiling_error", "misfit", "weak_error_in", "student_error_in", "best_error"),
    *("weight_best", "best_found", "rank_correlation", "agreed_items", "agreed_accuracy", "kept_items"),
)
TEXTS = ("weak_errors", "learned_weights", "weights_by_tenth")
_LINKS = 3
"""Students of bootstrapping, one after the other; each sees an equal part more of the features."""
_TOP = 3
"""An item is kept by co-supervision at the rate at which its teacher's class is among this many of the student's."""


@dataclass(frozen=True, eq=False)
class _Setting:
    """One world in all seeds: inputs (S, n, d), labels (S, n, M, K) and minibatches (S, T, b), and a way to train on them."""

    worlds: Sequence[World]
    labels: Sequence[Mapping[str, Matrix]]
    seeds: Sequence[int]
    inputs: Matrix
    order: Whole
    learning_rate: float
    backend: Backend

    @property
    def supervisors(self) -> int:
        """Count the supervisors."""
        return int(self.labels[0]["transfer"].shape[1])

    def given(self, part: str, seed: int, supervisor: int) -> Matrix:
        """Return labels (n, K) of a sample: of one supervisor, or for -1 their mean."""
        labels = self.labels[seed][part]
        return np.asarray(labels.mean(axis=1) if supervisor < 0 else labels[:, supervisor])

    def teach(
        self, labels: Matrix, rules: Rules, which: Whole, *, starts: Matrix | None = None, shared: bool = False, **other: Matrix
    ) -> tuple[Matrix, Matrix, Matrix]:
        """Train R students, of the seeds ``which`` (R,): students, weights, history.

        ``labels`` are a set for every student (R, n, M, K), or for every seed where they are ``shared``. ``inputs`` (R, n, d)
        and ``order`` (R, T, b) replace those of the seed.
        """
        own, m = np.arange(len(which)), labels.shape[2]
        places = (own if "inputs" in other else which, which if shared else own, own if "order" in other else which)
        taught = teach(
            self.backend.asarray(other.get("inputs", self.inputs)),
            self.backend.asarray(labels),
            other.get("order", self.order),
            places,
            np.full((len(which), m), 1.0 / m) if starts is None else starts,
            rules,
            learning_rate=self.learning_rate,
            backend=self.backend,
        )
        to_numpy = self.backend.to_numpy
        return to_numpy(taught.students), to_numpy(taught.weights), to_numpy(taught.history)


def steps_of(level: Level) -> int:
    """Count the minibatches of a training."""
    return max(int(level["epochs"]) * int(level["n_transfer"]) // int(level["batch"]), 1)


def results(
    level: Level, labels: Sequence[str], seeds: Sequence[int], methods: Sequence[Level], backend: Backend
) -> dict[str, npt.NDArray[Any]]:
    """Compute the columns of a world's cells, (S, L, Q) each, for S seeds, L treatments of labels and Q methods."""
    worlds = [World.of(level, seed, backend) for seed in seeds]
    n, steps, batch = level["n_transfer"], steps_of(level), min(level["batch"], level["n_transfer"])
    inputs = np.stack([_with_ones(world.samples["transfer"][0]) for world in worlds])
    order = np.stack([minibatches(seed, "transfer", np.arange(n), steps, batch) for seed in seeds])
    shape = (len(seeds), len(labels), len(methods))
    found: dict[str, npt.NDArray[Any]] = {name: np.full(shape, np.nan) for name in NUMBERS}
    found |= {name: np.full(shape, None, dtype=object) for name in TEXTS}
    truth = np.stack([one_hot(world.samples["transfer"][1], level["classes"]) for world in worlds])
    for place, kind in enumerate(labels):
        given = [_treated(world.labels, kind) for world in worlds]
        setting = _Setting(worlds, given, seeds, inputs, order, level["learning_rate"], backend)
        if place == 0:
            ceilings, _, _ = setting.teach(truth[:, :, None], Rules(), np.arange(len(seeds)))
        taught = _taught(setting, methods)
        for s in range(len(seeds)):
            for q, method in enumerate(methods):
                for name, value in _row(setting, s, method, taught[q], ceilings[s]).items():
                    found[name][s, place, q] = value
    return found


def _treated(labels: Mapping[str, Matrix], kind: str) -> Mapping[str, Matrix]:
    if kind == "matched":
        return matched(labels)
    if kind == "hard":
        return {part: one_hot(values.argmax(axis=2), values.shape[2]) for part, values in labels.items()}
    return labels


@dataclass(frozen=True, eq=False)
class _Learnt:
    """Students of one method in all seeds, (S, d, K); their weights (S, M) and history (S, H, M), and the items kept (S,)."""

    students: Matrix
    weights: Matrix | None = None
    history: Matrix | None = None
    kept: Matrix | None = None


def _taught(setting: _Setting, methods: Sequence[Level]) -> list[_Learnt]:
    """Train the students of every method; those of one kind go into one call."""
    found: dict[int, _Learnt] = {}
    kinds: Mapping[str, Callable[[_Setting, Sequence[Level]], list[_Learnt]]] = {
        "single": _single,
        "weighted": _weighted,
        "bootstrapping": _bootstrapped,
        "co_supervised": _co_supervised,
    }
    for kind, train in kinds.items():
        chosen = [q for q, method in enumerate(methods) if _KINDS[method["method"]] == kind]
        if chosen:
            found |= dict(zip(chosen, train(setting, [methods[q] for q in chosen]), strict=True))
    return [found[q] for q in range(len(methods))]


_KINDS = {
    **dict.fromkeys(("naive", "confidence", "adaptive"), "single"),
    **dict.fromkeys(("ensemble", "raven"), "weighted"),
    "bootstrapping": "bootstrapping",
    "co_supervised": "co_supervised",
}


def _single(setting: _Setting, methods: Sequence[Level]) -> list[_Learnt]:
    seeds = len(setting.seeds)
    labels = np.stack([setting.given("transfer", s, method["supervisor"]) for method in methods for s in range(seeds)])
    rules = Rules(
        own=np.repeat([m["opinion"] if m["method"] == "confidence" else 0.0 for m in methods], seeds),
        adaptive=np.repeat([m["opinion"] if m["method"] == "adaptive" else 0.0 for m in methods], seeds),
    )
    students, _, _ = setting.teach(labels[:, :, None], rules, np.tile(np.arange(seeds), len(methods)))
    return [_Learnt(part) for part in np.split(students, len(methods))]


def _weighted(setting: _Setting, methods: Sequence[Level]) -> list[_Learnt]:
    seeds, count = len(setting.seeds), len(methods)
    whole = np.stack([labels["transfer"] for labels in setting.labels])
    starts = np.concatenate([_starts(setting, method) for method in methods])
    raven = [method if method["method"] == "raven" else None for method in methods]
    per_epoch = [0 if m is None or not m["reset"] else max(len(whole[0]) // setting.order.shape[2], 1) for m in raven]

    def rule(name: str) -> Matrix:
        return np.repeat([0.0 if m is None else m[name] for m in raven], seeds)

    rules = Rules(rule("rate"), rule("decay"), rule("easy"), np.repeat(per_epoch, seeds), rule("floor"))
    which = np.tile(np.arange(seeds), count)
    students, weights, history = setting.teach(whole, rules, which, starts=starts, shared=True)
    parts = zip(*(np.split(a, count) for a in (students, weights, history)), strict=True)
    return [_Learnt(*part) for part in parts]


def _starts(setting: _Setting, method: Level) -> Matrix:
    """Return the weights to start from, (S, M): uniform, inverse to the mean entropy of the labels, or random."""
    m = setting.supervisors
    if method["method"] != "raven" or method["start"] == "uniform":
        return np.full((len(setting.seeds), m), 1.0 / m)
    if method["start"] == "random":
        draws = [uniforms(stream("raven2025", "start", seed=seed), 1, m, NUMPY)[0] for seed in setting.seeds]
        found = -np.log(np.stack(draws))
    else:
        labels = np.stack([given["transfer"] for given in setting.labels])
        found = 1.0 / np.maximum(-np.mean(np.sum(labels * np.log(np.maximum(labels, 1e-300)), axis=3), axis=1), 1e-6)
    return np.asarray(found / found.sum(axis=1, keepdims=True))


def _bootstrapped(setting: _Setting, methods: Sequence[Level]) -> list[_Learnt]:
    """Train a chain: each student sees a part of the features more than the one before, and learns from it."""
    seeds, width = len(setting.seeds), setting.inputs.shape[2] - 1
    labels = np.stack([setting.given("transfer", s, method["supervisor"]) for method in methods for s in range(seeds)])
    which = np.tile(np.arange(seeds), len(methods))
    for link in range(1, _LINKS + 1):
        seen = np.append(np.arange(width) < width * link // _LINKS, True)
        inputs = (setting.inputs * seen)[which]
        students, _, _ = setting.teach(labels[:, :, None], Rules(), which, inputs=inputs)
        labels = np.stack([softmax(x @ w) for x, w in zip(inputs, students, strict=True)])
    return [_Learnt(part) for part in np.split(students, len(methods))]


def _co_supervised(setting: _Setting, methods: Sequence[Level]) -> list[_Learnt]:
    """Train on the mean, then on the supervisor that owns the student's class, where both agree most, with as many steps."""
    seeds = range(len(setting.seeds))
    mean = np.stack([setting.given("transfer", s, -1) for s in seeds])
    first, _, _ = setting.teach(mean[:, :, None], Rules(), np.arange(len(mean)))
    owned, orders, kept = [], [], []
    for s in seeds:
        probabilities = softmax(setting.inputs[s] @ first[s])
        taught, chosen = co_supervision(probabilities, setting.labels[s]["transfer"], _TOP)
        owned.append(one_hot(taught, probabilities.shape[1]))
        orders.append(minibatches(setting.seeds[s], "consensus", chosen, *setting.order.shape[1:]))
        kept.append(len(chosen) / len(taught))
    given = np.stack(owned)[:, :, None]
    students, _, _ = setting.teach(given, Rules(), np.arange(len(given)), order=np.stack(orders))
    return [_Learnt(students, kept=np.array(kept)) for _ in methods]


def _row(setting: _Setting, s: int, method: Level, learnt: _Learnt, ceiling: Matrix) -> dict[str, Any]:
    """Compute the columns of one cell."""
    world, labels = setting.worlds[s], setting.labels[s]
    supervisor = method["supervisor"] if method["method"] in SINGLE else -1
    student = learnt.students[s]
    x, truth = world.samples["test"]
    said, weak = (_with_ones(x) @ student).argmax(axis=1), setting.given("test", s, supervisor).argmax(axis=1)
    own = labels["transfer"].argmax(axis=2)
    agreed = np.all(own == own[:, :1], axis=1)
    errors = np.mean(labels["test"].argmax(axis=2) != truth[:, None], axis=0)
    found: dict[str, Any] = {
        "weak_error": np.mean(weak != truth),
        "student_error": np.mean(said != truth),
        "ceiling_error": np.mean((_with_ones(x) @ ceiling).argmax(axis=1) != truth),
        "misfit": np.mean(said != weak),
        "best_error": errors.min(),
        "agreed_items": agreed.mean(),
        "agreed_accuracy": np.mean(own[agreed, 0] == world.samples["transfer"][1][agreed]) if agreed.any() else np.nan,
        "weak_errors": json.dumps(errors.tolist()),
    }
    if "inside" in world.samples:
        x, truth = world.samples["inside"]
        weak = setting.given("inside", s, supervisor).argmax(axis=1)
        found |= {"weak_error_in": np.mean(weak != truth)}
        found |= {"student_error_in": np.mean((_with_ones(x) @ student).argmax(axis=1) != truth)}
    if learnt.kept is not None:
        found["kept_items"] = learnt.kept[s]
    if learnt.weights is not None and learnt.history is not None:
        weights = learnt.weights[s]
        found["learned_weights"] = json.dumps(weights.tolist())
        found["weights_by_tenth"] = json.dumps(learnt.history[s].tolist())
        found["weight_best"] = weights[errors.argmin()]
        if method["method"] == "raven":
            found["best_found"] = float(weights.argmax() == errors.argmin())
            found["rank_correlation"] = _rank_correlation(weights, -errors)
    return found


def _rank_correlation(a: Matrix, b: Matrix) -> float:
    """Compute Spearman's correlation of two vectors (M,), ties sharing their mean rank; NaN where one is constant."""
    # `w2s.measure.ranking.rank_correlation` differs in the last bit, and rows keep theirs.
    ranks = [np.sum(v[:, None] > v, axis=1) + 0.5 * (np.sum(v[:, None] == v, axis=1) - 1) for v in (a, b)]
    if any(np.ptp(r) == 0 for r in ranks):
        return float("nan")
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _with_ones(x: Matrix) -> Matrix:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1)
