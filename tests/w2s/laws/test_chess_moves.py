"""Chess moves: positions by hand, both colours as one game, what is refused, grades of answers."""

from __future__ import annotations

import numpy as np
import pytest

chess = pytest.importorskip("chess", reason="chess positions need the package chess: pip install 'w2s-sweep[chess]'")

from w2s.laws.chess_moves import CODES, REPLIES, RULES, choices  # noqa: E402
from w2s.prompts.graded import chess_prompt, exact, legal_moves, move_grade  # noqa: E402

BACK_RANK = "6k1/5ppp/8/8/8/8/8/R3K3 w - - 0 1"
FORK = "r3k3/8/8/3N4/8/8/8/4K3 w - - 0 1"
NAMES = (*RULES, *REPLIES)


def of(fen: str, move: str) -> dict[str, float]:
    found = choices(fen)
    return dict(zip(NAMES, found.features[found.moves.index(move)].tolist(), strict=True))


def test_a_mate_a_quiet_move_and_a_fork_by_hand() -> None:
    mate = of(BACK_RANK, "a1a8")
    assert (mate["check"], mate["mate"], mate["replies"], mate["taken_value"]) == (1, 1, 0, 0)
    assert (mate["target_attacked"], mate["exchange"], mate["king_distance"], mate["stalemate"]) == (0, 0, 6, 0)
    quiet = of(BACK_RANK, "a1a2")
    assert (quiet["check"], quiet["mate"], quiet["mover_value"], quiet["one_reply"]) == (0, 0, 5, 0)
    fork = of(FORK, "d5c7")
    assert (fork["check"], fork["threat"], fork["threats"]) == (1, 5, 1)
    take = of("4k3/8/8/3p4/4P3/8/8/4K3 w - - 0 1", "e4d5")
    assert (take["taken_value"], take["mover_value"], take["exchange"]) == (1, 1, 1)
    hung = of("6k1/3p4/8/8/8/8/4Q3/4K3 w - - 0 1", "e2e6")  # the pawn takes the queen
    assert (hung["target_attacked"], hung["target_defended"], hung["exchange"], hung["left_hanging"], hung["best_taking"]) == (
        1,
        0,
        -9,
        9,
        9,
    )


def test_special_moves() -> None:
    castle = choices("4k3/8/8/8/8/8/8/4K2R w K - 0 1")
    assert castle.features[castle.moves.index("e1g1"), NAMES.index("castles")] == 1
    passing = choices("4k3/8/8/3pP3/8/8/8/4K3 w - d6 0 1")
    assert passing.codes[passing.moves.index("e5d6"), CODES.index("taken")] == 0
    promotion = choices("8/P3k3/8/8/8/8/8/4K3 w - - 0 1")
    assert {move for move in promotion.moves if move.startswith("a7")} == {"a7a8b", "a7a8n", "a7a8q", "a7a8r"}
    assert promotion.codes[promotion.moves.index("a7a8q"), CODES.index("promoted")] == 4


@pytest.mark.parametrize("fen", [
    BACK_RANK, FORK, "r1bqkbnr/pppp1ppp/2n5/4p2Q/2B1P3/8/PPPP1PPP/RNB1K1NR w KQkq - 4 4",
    "r3k2r/pppq1ppp/2npbn2/2b1p3/2B1P3/2NPBN2/PPPQ1PPP/R3K2R w KQkq - 4 8",
])  # fmt: skip
def test_both_colours_are_one_game_and_the_board_is_left_alone(fen: str) -> None:
    white, black = choices(fen), choices(chess.Board(fen).mirror().fen())
    assert len(white.moves) == chess.Board(fen).legal_moves.count()
    mirrored = [f"{a[0]}{9 - int(a[1])}{a[2]}{9 - int(a[3])}{a[4:]}" for a in white.moves]
    order = [black.moves.index(move) for move in mirrored]
    np.testing.assert_array_equal(black.codes[order], white.codes)
    np.testing.assert_allclose(black.features[order], white.features)
    again = choices(fen)
    np.testing.assert_array_equal(again.features, white.features)


@pytest.mark.parametrize("fen", ["nonsense", "8/8/8/8/8/8/8/8 w - - 0 1", "7k/5Q2/6K1/8/8/8/8/8 b - - 0 1"])
def test_what_is_no_position_with_a_move_is_refused(fen: str) -> None:
    with pytest.raises(ValueError, match=r"position|FEN|move|fen"):
        choices(fen)


def test_grades_of_answers() -> None:
    prompt = chess_prompt(BACK_RANK)
    assert prompt == "6k1/5ppp/8/8/8/8/8/R3K3 w - ->"
    answers = ["a1a8", "a1a2", "a1b2", "", "a1a8 "]
    assert [move_grade(prompt, answer, "a1a8") for answer in answers] == [1.0, 0.5, 0.0, 0.0, 0.0]
    assert legal_moves(BACK_RANK) == set(choices(BACK_RANK).moves)
    assert (exact("", "pro", "pro"), exact("", "pros", "pro")) == (1.0, 0.0)
