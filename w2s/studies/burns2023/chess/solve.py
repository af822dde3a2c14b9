"""The models of a chess cell, fitted when a block is solved: conditional logits over legal moves."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call, Store
from w2s.errors import FieldError
from w2s.laws.chess_moves import RULES
from w2s.measure.scores import SCORE_COLUMNS, scores
from w2s.probes.choice import Alternatives, ChoiceModel, fit_choice, most_probable
from w2s.studies.burns2023.chess.positions import Puzzles, Sight, chess_choices, one_hot, read_puzzles, seen
from w2s_kernels import NUMPY, stream, uniforms

__all__ = ["COLUMNS", "ChessSolver", "Parts", "calls", "places"]

Vector = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]

COLUMNS: Mapping[str, str] = {
    **SCORE_COLUMNS,
    "chance_error_01": "double",
    "label_error_01": "double",
    "largest_gradient": "double",
}
"""``chance_error_01`` of a guess among the legal moves, ``label_error_01`` of the student's labels on its own puzzles."""


@dataclass(frozen=True)
class Parts:
    """Places of puzzles: labelled and transfer ones among those to train on, test ones among those to test."""

    labeled: Index
    transfer: Index
    test: Index


def calls(cell: Mapping[str, Any]) -> tuple[Call, Call]:
    """Build the calls that describe the puzzles to train on and those to test."""
    given = {"train": cell["n_puzzles"], "test": cell["n_tested"]}
    train, test = (chess_choices(task=cell["task"], split=split, puzzles=count) for split, count in given.items())
    return train, test


def places(cell: Mapping[str, Any], train: Index, test: Index) -> Parts:
    """Draw the parts by the seed from the ratings of the puzzles to train on and to test.

    Labelled puzzles come from the front of a shuffle, transfer puzzles from its end, each of the ratings that the cell says.
    Raises :class:`FieldError` where there are too few.
    """
    order = np.argsort(
        np.asarray(uniforms(stream("burns2023.chess", seed=cell["seed"]), len(train), 1, NUMPY))[:, 0], kind="stable"
    )
    labeled = _first("labeled", order, train, cell)
    free = order[~np.isin(order, labeled)][::-1]
    chosen = np.flatnonzero(_rated(test, cell["test_ratings"], cell["rating"]))
    if not len(chosen):
        raise FieldError(f"no test puzzle is {cell['test_ratings']}", "test_ratings")
    return Parts(labeled, _first("transfer", free, train, cell), chosen)


def _first(part: str, order: Index, ratings: Index, cell: Mapping[str, Any]) -> Index:
    kind, count = cell[f"{part}_ratings"], cell[f"n_{part}"]
    found = order[_rated(ratings[order], kind, cell["rating"])][:count]
    if len(found) < count:
        raise FieldError(f"{count} {part} puzzles ({kind}) are asked for, {len(found)} are left; raise n_puzzles", f"n_{part}")
    return found


def _rated(ratings: Index, kind: str, border: int) -> npt.NDArray[np.bool_]:
    if kind == "all":
        return np.ones(len(ratings), dtype=bool)
    return ratings < border if kind == "easy" else ratings >= border


@dataclass(frozen=True)
class _Fitted:
    """A model and how it sees puzzles."""

    model: ChoiceModel
    sight: Sight
    scale: tuple[Vector, Vector] | None

    def logs(self, puzzles: Puzzles) -> tuple[Alternatives, Vector]:
        """Compute the log-probabilities of all moves, with the moves as the model sees them."""
        moves = seen(puzzles, self.sight, self.scale)
        return moves, self.model.logs(moves)


class ChessSolver:
    """Rows of cells from finished artifacts; puzzles and models are kept for the next cell."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.puzzles = functools.lru_cache(maxsize=4)(lambda call: read_puzzles(store.get(call)))
        self.kept: dict[Any, _Fitted] = {}

    def row(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        """Compute all columns of one cell."""
        train, test = (self.puzzles(call) for call in calls(cell))
        parts = places(cell, train.ratings, test.ratings)
        labeled, transfer, tested = train.taken(parts.labeled), train.taken(parts.transfer), test.taken(parts.test)
        weak, strong = cell["weak_sight"], cell["student_sight"]
        drawn = tuple(cell[name] for name in _DRAWN)
        teacher = self._kept((*drawn, "weak", weak, cell["ridge_weak"]), labeled, weak, cell["ridge_weak"])
        baseline = self._kept((*drawn, "labeled", strong, cell["ridge"]), labeled, strong, cell["ridge"])
        ceiling = self._kept((*drawn, "transfer", strong, cell["ridge"]), transfer, strong, cell["ridge"])
        labeller = teacher
        if cell["between"] != "none":
            labeller = _fit(transfer, _labels(teacher, transfer, cell["labels"]), cell["between"], cell["ridge"])
        labels = _labels(labeller, transfer, cell["labels"])
        student = _fit(transfer, labels, strong, cell["ridge"])
        models = {"weak": teacher, "student": student, "ceiling": ceiling, "strong": baseline}
        said = {name: _table(tested, np.exp(fitted.logs(tested)[1])) for name, fitted in models.items()}
        given = _table(tested, _labels(labeller, tested, cell["labels"]))
        chosen = _places_of(labels, transfer)
        return {
            **scores(tested.best, **said, labels=given),
            "chance_error_01": 1.0 - tested.chance,
            "label_error_01": float(np.mean(chosen != transfer.best)),
            "largest_gradient": max(fitted.model.gradient for fitted in models.values()),
            "solver": "lbfgs",
        }

    def _kept(self, key: Any, puzzles: Puzzles, sight: Sight, ridge: float) -> _Fitted:
        """Fit a model to the truth of some puzzles, once for all cells that need it."""
        if key not in self.kept:
            self.kept[key] = _fit(puzzles, puzzles.labels, sight, ridge)
        return self.kept[key]


_DRAWN = (
    *("task", "n_puzzles", "n_tested", "n_labeled", "n_transfer", "rating"),
    *("labeled_ratings", "transfer_ratings", "seed"),
)


def _fit(puzzles: Puzzles, labels: Vector, sight: Sight, ridge: float) -> _Fitted:
    scale = None
    if sight != "text":
        values = puzzles.features[:, : len(RULES)] if sight == "rules" else puzzles.features
        scale = values.mean(axis=0), values.std(axis=0)
    return _Fitted(fit_choice(seen(puzzles, sight, scale), labels, ridge), sight, scale)


def _labels(fitted: _Fitted, puzzles: Puzzles, kind: str) -> Vector:
    """Label the moves of puzzles by a model: its probabilities, or one-hot at its most probable move."""
    moves, logs = fitted.logs(puzzles)
    return np.exp(logs) if kind == "soft" else one_hot(most_probable(moves, logs), puzzles.starts)


def _places_of(labels: Vector, puzzles: Puzzles) -> Index:
    return most_probable(Alternatives(None, puzzles.starts), labels)


def _table(puzzles: Puzzles, probabilities: Vector) -> npt.NDArray[np.float64]:
    """Return probabilities of moves as a table (n, most moves), zero where a puzzle has no such move."""
    counts = np.diff(puzzles.starts)
    found = np.zeros((len(counts), int(counts.max())))
    found[np.repeat(np.arange(len(counts)), counts), np.arange(puzzles.starts[-1]) - np.repeat(puzzles.starts[:-1], counts)] = (
        probabilities
    )
    return found
