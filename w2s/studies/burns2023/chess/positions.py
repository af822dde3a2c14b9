"""Puzzles as choices between legal moves: the artifact that describes them, and what a model sees of them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.tables import read_table, write_table
from w2s.finetune.data.tasks import TaskData, formatter_of, read_rows
from w2s.laws.chess_moves import RULES, choices
from w2s.probes.choice import Alternatives

__all__ = ["Puzzles", "Sight", "chess_choices", "one_hot", "read_puzzles", "seen"]

Vector = npt.NDArray[np.float64]
Index = npt.NDArray[np.int64]
Sight = Literal["text", "rules", "replies"]

_OPERATIONS = 3e6
"""Nominal, of one position."""
_LEVELS = (384, 384, 42, 7)
"""Indicators of piece and target, piece and start, piece and what it takes, promotion."""


def _cost(*, puzzles: int, **_others: Any) -> float:
    return _OPERATIONS * puzzles


@artifact(version=1, name="w2s.chess_choices", cost=_cost)
def chess_choices(work: Work, *, task: TaskData, split: str, puzzles: int) -> None:
    """Describe the legal moves of some puzzles in ``puzzles.arrow`` (fen, rating, best) and ``moves.arrow``, a row a move.

    The first ``puzzles`` of a split are taken in the order of a hash of their positions. Rows without a rating, that are no
    legal position, or whose best move is not legal, are left out, and so are training positions that are tested too.
    ``best`` is the best move's place among the puzzle's moves. Raises :class:`FieldError` where there are too few.
    """
    formatter = formatter_of(task, "", "", None, None)
    tested = {row["fen"] for row in read_rows(task, "test", formatter)} if split == "train" else set()
    rows = {row["fen"]: row for row in read_rows(task, split, formatter) if row["fen"] not in tested}
    fens: list[str] = []
    ratings: list[int] = []
    best: list[int] = []
    counts: list[int] = []
    codes: list[Index] = []
    features: list[Vector] = []
    for fen in sorted(rows, key=lambda fen: hashlib.blake2b(fen.encode(), digest_size=8, person=b"w2s-chess").digest()):
        if len(fens) == puzzles:
            break
        try:
            rating, found = int(rows[fen]["rating"]), choices(fen)
            place = found.moves.index(rows[fen]["best_uci"])
        except (TypeError, ValueError, KeyError):
            continue
        fens.append(fen)
        ratings.append(rating)
        best.append(place)
        codes.append(found.codes)
        features.append(found.features)
        counts.append(len(found.moves))
        if len(fens) % 1000 == 0:
            work.note(f"chess: {len(fens)} of {puzzles} positions")
    if len(fens) < puzzles:
        raise FieldError(f"{task.name}: {puzzles} puzzles of the {split} file are asked for, {len(fens)} can be read", "task")
    about = {"fen": pa.array(fens, pa.string()), "rating": pa.array(ratings, pa.int64()), "best": pa.array(best, pa.int64())}
    write_table(work.folder, "puzzles", pa.table(about))
    codes_of, values = np.concatenate(codes), np.concatenate(features)
    moves = {"puzzle": pa.array(np.repeat(np.arange(len(fens)), counts), pa.int64())}
    moves |= {f"code_{k}": pa.array(codes_of[:, k], pa.int64()) for k in range(codes_of.shape[1])}
    moves |= {f"feature_{k}": pa.array(values[:, k], pa.float64()) for k in range(values.shape[1])}
    write_table(work.folder, "moves", pa.table(moves))


@dataclass(frozen=True)
class Puzzles:
    """Some puzzles: ratings and the best move's place (n,); of all moves codes (m, 5) and features (m, 20); starts (n + 1,)."""

    ratings: Index
    best: Index
    codes: Index
    features: Vector
    starts: Index

    def taken(self, places: Index) -> Puzzles:
        """Take some of the puzzles, in the order of their places."""
        counts = np.diff(self.starts)[places]
        starts = np.concatenate([[0], np.cumsum(counts)])
        rows = np.repeat(self.starts[places] - starts[:-1], counts) + np.arange(starts[-1])
        return Puzzles(self.ratings[places], self.best[places], self.codes[rows], self.features[rows], starts)

    @property
    def labels(self) -> Vector:
        """One-hot true labels of all moves, (m,)."""
        return one_hot(self.best, self.starts)

    @property
    def chance(self) -> float:
        """Share of right answers of a model that guesses among the legal moves."""
        return float(np.mean(1.0 / np.diff(self.starts)))


def one_hot(places: Index, starts: Index) -> Vector:
    """Make labels (m,) of the chosen alternatives' places within their items."""
    found = np.zeros(starts[-1])
    found[starts[:-1] + places] = 1.0
    return found


def read_puzzles(folder: Path) -> Puzzles:
    """Read what :func:`chess_choices` wrote."""
    about, moves = read_table(folder, "puzzles"), read_table(folder, "moves")
    starts = np.searchsorted(moves["puzzle"].to_numpy(), np.arange(about.num_rows + 1))

    def stacked(kind: str) -> Any:
        names: Sequence[str] = [name for name in moves.column_names if name.startswith(kind)]
        return np.stack([moves[name].to_numpy() for name in names], axis=1)

    return Puzzles(
        about["rating"].to_numpy(), about["best"].to_numpy(), stacked("code_"), stacked("feature_"), starts.astype(np.int64)
    )


def seen(puzzles: Puzzles, sight: Sight, scale: tuple[Vector, Vector] | None) -> Alternatives:
    """Return the moves as a model sees them.

    ``text`` sees indicators of what position and move say: (m, 817), sparse. ``rules`` sees what a move does, ``replies`` also
    what stands there afterwards; both standardised by ``scale``, mean and deviation of the moves of a model's training puzzles.
    """
    if sight == "text":
        return Alternatives(_indicators(puzzles.codes), puzzles.starts)
    values = puzzles.features[:, : len(RULES)] if sight == "rules" else puzzles.features
    mean, deviation = (values.mean(axis=0), values.std(axis=0)) if scale is None else scale
    return Alternatives((values - mean) / np.where(deviation > 0, deviation, 1.0), puzzles.starts)


def _indicators(codes: Index) -> Any:
    from scipy.sparse import csr_array

    piece, start, target, taken, promoted = codes.T
    columns = np.stack([piece * 64 + target, piece * 64 + start, piece * 7 + taken, promoted], axis=1)
    columns += np.concatenate([[0], np.cumsum(_LEVELS)[:-1]])
    rows = np.repeat(np.arange(len(codes)), len(_LEVELS))
    return csr_array((np.ones(columns.size), (rows, columns.ravel())), shape=(len(codes), sum(_LEVELS)))
