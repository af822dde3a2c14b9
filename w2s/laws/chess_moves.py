"""Chess positions as choices between legal moves: what a move's text says, what it does by the rules, what may answer it.

A position is a FEN, a move is written as in UCI (``e2e4``, ``e7e8q``). Squares are seen from the side to move, so that both
colours are one game. The rules are those of the package ``chess``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError

if TYPE_CHECKING:
    import chess

__all__ = ["CODES", "REPLIES", "RULES", "Choices", "choices", "need_chess"]

Matrix = npt.NDArray[np.float64]

CODES = ("piece", "start", "target", "taken", "promoted")
"""What the text of position and move says: 0 to 5, 0 to 63, 0 to 63, 0 to 6 and 0 to 6; 6 is no piece."""
RULES = (
    *("taken_value", "mover_value", "check", "mate", "promotion", "castles"),
    *("target_attacked", "target_defended", "exchange", "was_attacked", "king_distance", "replies", "one_reply"),
)
"""What a move does by the rules, pieces being worth 1, 3, 3, 5 and 9 pawns, a king 10."""
REPLIES = ("threat", "threats", "left_hanging", "hanging_pieces", "best_taking", "king_squares", "stalemate")
"""What stands on the board when the other side is to answer: what is attacked and what may be taken."""

_VALUES = (0.0, 1.0, 3.0, 3.0, 5.0, 9.0, 10.0)
_NONE = 6


@dataclass(frozen=True)
class Choices:
    """The legal moves of a position, in the order of their texts.

    Attributes
    ----------
    moves : (m,) texts.
    codes : (m, 5) whole numbers, the columns of :data:`CODES`.
    features : (m, 20), the columns of :data:`RULES`, then of :data:`REPLIES`.

    """

    moves: tuple[str, ...]
    codes: npt.NDArray[np.int64]
    features: Matrix


def need_chess() -> None:
    """Raise :class:`FieldError` unless the package ``chess`` is installed."""
    try:
        import chess  # noqa: F401
    except ImportError:
        raise FieldError("chess positions need the package chess: pip install 'w2s-sweep[chess]'") from None


def choices(fen: str) -> Choices:
    """List the legal moves of a position and describe each.

    Raises ValueError for a text that is no FEN, and for a position that is not legal or has no move. Cost: some 0.3 ms a move.
    """
    board = _board(fen)
    legal = sorted(board.legal_moves, key=lambda move: move.uci())
    if not legal:
        raise ValueError(f"no legal move in {fen!r}")
    rows = [_described(board, move) for move in legal]
    codes = np.array([code for code, _ in rows], dtype=np.int64)
    return Choices(tuple(move.uci() for move in legal), codes, np.array([values for _, values in rows], dtype=np.float64))


def _board(fen: str) -> chess.Board:
    import chess

    board = chess.Board(fen)
    if not board.is_valid():
        raise ValueError(f"not a legal position: {fen!r}")
    return board


def _described(board: chess.Board, move: chess.Move) -> tuple[list[int], list[float]]:
    """Describe one move; the board is as before when this returns."""
    us, piece = board.turn, board.piece_type_at(move.from_square) or 0
    taken = _taken(board, move)
    promoted = move.promotion or 0
    codes = [
        piece - 1,
        _seen(move.from_square, us),
        _seen(move.to_square, us),
        *((k - 1 if k else _NONE) for k in (taken, promoted)),
    ]
    was_attacked = board.is_attacked_by(not us, move.from_square)
    castles = board.is_castling(move)
    board.push(move)
    try:
        rules = _by_rules(board, move, _VALUES[taken], _VALUES[piece], promoted)
        rules[5], rules[9] = float(castles), _VALUES[piece] * was_attacked
        return codes, rules + _when_answered(board)
    finally:
        board.pop()


def _seen(square: int, white: bool) -> int:
    """Return a square's number as its side sees it: for black the board is turned upside down."""
    return square if white else square ^ 56


def _taken(board: chess.Board, move: chess.Move) -> int:
    if board.is_en_passant(move):
        return 1
    return 0 if board.is_castling(move) else board.piece_type_at(move.to_square) or 0


def _by_rules(board: chess.Board, move: chess.Move, taken: float, mover: float, promoted: int) -> list[float]:
    """Compute :data:`RULES` after the move; castling and the attack on the start are the caller's to fill in."""
    import chess

    them = board.turn
    standing = _VALUES[promoted] if promoted else mover
    attackers = [_value(board, square) for square in board.attackers(them, move.to_square)]
    defended = bool(board.attackers(not them, move.to_square))
    lost = 0.0 if not attackers else standing if not defended else max(0.0, standing - min(attackers))
    king = board.king(them)
    replies = board.legal_moves.count()
    return [
        taken,
        mover,
        float(board.is_check()),
        float(replies == 0 and board.is_check()),
        _VALUES[promoted],
        0.0,
        float(len(attackers)),
        float(defended),
        taken - lost,
        0.0,
        float(chess.square_distance(move.to_square, king)) if king is not None else 0.0,
        float(np.log1p(replies)),
        float(replies == 1),
    ]


def _when_answered(board: chess.Board) -> list[float]:
    """Compute :data:`REPLIES` on a board on which the other side is to answer."""
    them = board.turn
    threats, hanging = (_hanging(board, side) for side in (them, not them))
    best = 0.0
    for reply in board.generate_legal_captures():
        kept = board.is_attacked_by(not them, reply.to_square)
        best = max(best, _VALUES[_taken(board, reply)] - (_value(board, reply.from_square) if kept else 0.0))
    king = board.king(them)
    around = (
        0
        if king is None
        else sum(not board.is_attacked_by(not them, square) for square in board.attacks(king) if board.color_at(square) != them)
    )
    stuck = not board.is_check() and not any(board.legal_moves)
    return [
        max(threats, default=0.0), float(len(threats)), max(hanging, default=0.0), float(len(hanging)),
        best, float(around), float(stuck),
    ]  # fmt: skip


def _hanging(board: chess.Board, side: bool) -> list[float]:
    """List the values of a side's pieces that are attacked and either not defended or worth more than an attacker."""
    import chess

    found = []
    for square in chess.scan_forward(board.occupied_co[side] & ~board.kings):
        attackers = board.attackers(not side, square)
        if attackers:
            value = _value(board, square)
            if not board.attackers(side, square) or min(_value(board, k) for k in attackers) < value:
                found.append(value)
    return found


def _value(board: chess.Board, square: int) -> float:
    return _VALUES[board.piece_type_at(square) or 0]
