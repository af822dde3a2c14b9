"""Answers that are compared with a reference: the name of a text's class, the best move of a chess position.

Unlike the tasks that a law makes, what is right does not follow from the prompt: it stands in the task's file.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

from w2s.errors import FieldError

__all__ = ["Grade", "chess_prompt", "exact", "legal_moves", "move_grade"]

Grade = Callable[[str, str, str], float]
"""Prompt, answer and reference to a number in [0, 1]; 1 where the answer is right, and only there."""

_END = ">"


def exact(_prompt: str, answer: str, reference: str) -> float:
    """Compare an answer with the reference, letter for letter: 1 or 0."""
    return float(answer == reference)


def chess_prompt(fen: str) -> str:
    """Return a position as a prompt: board, side to move, castling and en passant of its FEN, and the sign ``>``."""
    return f"{' '.join(fen.split()[:4])}{_END}"


def move_grade(prompt: str, answer: str, reference: str) -> float:
    """Score a move: 1 for the reference, one half for another legal move, 0 for any other text.

    So twice the mean grade less the share of right answers is the share of legal moves.
    Raises ValueError for a prompt that is no position.
    """
    return 1.0 if answer == reference else 0.5 * (answer in legal_moves(f"{prompt.removesuffix(_END)} 0 1"))


@functools.lru_cache(maxsize=8192)
def legal_moves(fen: str) -> frozenset[str]:
    """List the legal moves of a position as texts in UCI. Raises :class:`FieldError` where the package ``chess`` is missing."""
    try:
        import chess
    except ImportError:
        raise FieldError("chess positions need the package chess: pip install 'w2s-sweep[chess]'", "task") from None
    return frozenset(move.uci() for move in chess.Board(fen).legal_moves)
