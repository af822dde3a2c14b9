"""Stages: computed once for each combination, from nothing but the fields they are over, with an account that says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sweeper import load_grid
from w2s.contract.block import Axis, Block
from w2s.contract.memo import Memo, size_of
from w2s.contract.study import Piece
from w2s.sharing.results import Results
from w2s.sharing.stage import Stage, Stages, Values
from w2s.studies.registry import find_study
from w2s_kernels import NUMPY

ran: list[tuple[str, dict[str, Any]]] = []


def noted(name: str, over: tuple[str, ...], result: Any, **options: Any) -> Stage:
    def run(level: Any, values: Values) -> Any:
        ran.append((name, dict(level)))
        return result(level, values)

    return Stage(name, over, run, **options)


ROWS = noted("rows", ("seed",), lambda level, _values: np.full(100, float(level["seed"])))
SQUARES = noted("squares", ("seed", "d"), lambda level, values: values(ROWS, level) * level["d"])


@pytest.fixture(autouse=True)
def forget() -> None:
    ran.clear()


def test_a_stage_runs_once_for_each_combination_of_its_fields() -> None:
    values = Values(NUMPY)
    for seed in (0, 1):
        for d in (2, 3):
            for ridge in (0.1, 0.2):
                assert values(SQUARES, {"seed": seed, "d": d, "ridge": ridge})[0] == seed * d
    assert [level for name, level in ran if name == "rows"] == [{"seed": 0}, {"seed": 1}]
    assert len([name for name, _ in ran if name == "squares"]) == 4


def test_a_stage_cannot_ask_for_what_depends_on_other_fields() -> None:
    careless = Stage("careless", ("d",), lambda level, values: values(ROWS, level))
    with pytest.raises(KeyError, match="stage 'rows' is over 'seed'"):
        Values(NUMPY)(careless, {"seed": 0, "d": 2})


def test_a_field_that_does_not_matter_makes_no_value_of_its_own() -> None:
    tuned = noted("tuned", ("seed", "ridge"), lambda level, _values: level["ridge"], ask=lambda level: {**level, "ridge": None})
    values = Values(NUMPY)
    assert [values(tuned, {"seed": 0, "ridge": ridge}) for ridge in (1, 2)] == [None, None]
    assert len(ran) == 1


def test_values_of_a_scope_are_dropped_when_it_is_left() -> None:
    values = Values(NUMPY, scopes=[("seed",)])
    for seed in (0, 1, 0):
        values.enter({"seed": seed})
        values(SQUARES, {"seed": seed, "d": 2})
        values(SQUARES, {"seed": seed, "d": 2})
    assert len([name for name, _ in ran if name == "squares"]) == 3


def test_of_a_large_stage_the_latest_value_is_kept() -> None:
    large = noted("large", ("d",), lambda level, _values: level["d"], latest=True)
    values = Values(NUMPY)
    assert [values(large, {"d": d}) for d in (1, 1, 2, 1)] == [1, 1, 2, 1]
    assert len(ran) == 3


def test_a_memo_outlives_a_block_and_changes_nothing() -> None:
    memo = Memo({ROWS.key({"seed": 0})})
    first, second, alone = Values(NUMPY, memo=memo), Values(NUMPY, memo=memo), Values(NUMPY)
    level = {"seed": 0, "d": 3}
    found = [values(SQUARES, level) for values in (first, second, alone)]
    assert all((one == found[0]).all() for one in found)
    assert [name for name, _ in ran].count("rows") == 2
    assert len(memo) == 1


def test_a_memo_is_bounded() -> None:
    made: list[int] = []

    def value(key: int) -> Any:
        return memo.get(key, lambda: (made.append(key), np.zeros(10))[1])

    memo = Memo({0, 1, 2, 3}, limit=200.0)
    for key in (0, 1, 0, 2, 0, 1, 9, 9):
        value(key)
    assert made == [0, 1, 2, 1, 9, 9]  # 2 took the place of 1, which was used least recently; 9 is wanted by nobody else
    assert memo.held == 160.0
    memo.get(3, lambda: np.zeros(1000))
    assert memo.held == 160.0


def test_bytes_of_a_value_are_those_of_its_arrays() -> None:
    class Held:
        def __init__(self, part: Any) -> None:
            self.part, self.again, self.library, self.name = part, part, np, "name"

    assert size_of(Held({"a": np.zeros(3), "b": [np.zeros((2, 2)), None]})) == 7 * 8
    assert size_of((1, "text", np.float32)) == 0


class Sizes:
    def __init__(self, block: Block) -> None:
        self.ridges = tuple(block.values("ridge"))

    def given(self, _level: Any) -> dict[str, Any]:
        return {"ridges": self.ridges}


def account(*stages: Stage) -> Stages:
    return Stages(stages, (("seed", "d"), ("ridge",)), Sizes, ("d", "ridge"), {"ridges": ("ridge",)})


def block_of(**values: list[Any]) -> Block:
    return Block({}, tuple(Axis.single(name, listed) for name, listed in values.items()))


BLOCK = block_of(seed=[0, 1, 2], d=[4, 4.5, 8], ridge=[0.1, 0.2])


def test_the_account_counts_combinations() -> None:
    shared = Stage(
        "shared", ("seed", "d"), flops=lambda level, _s: level["d"] ** 2, order=lambda level, _s: level["d"], sizes=("d",)
    )
    each = Stage("each", ("seed", "ridges"), flops=lambda _l, sizes: 5.0 * len(sizes.ridges), times=lambda _l, s: len(s.ridges))
    pieces = account(shared, each).pieces(BLOCK)
    assert [piece for piece in pieces if piece.name == "shared"] == [
        Piece("shared", "other", 3.0, 3.0 * d**2, ("ridge",), "", d) for d in (4, 4.5, 8)
    ]
    assert [piece for piece in pieces if piece.name == "each"] == [Piece("each", "other", 6.0, 30.0, ("d",), "", 1.0)]
    assert account(shared, each).flops(BLOCK) == sum(piece.flops for piece in pieces)


def test_a_stage_that_learned_to_share_is_weighed_as_before() -> None:
    stage = Stage("one", ("seed",), flops=lambda _level, _sizes: 7.0, weighed=("seed", "d", "ridge"))
    stages = account(stage)
    assert sum(piece.flops for piece in stages.pieces(BLOCK)) == 3 * 7.0
    assert stages.flops(BLOCK) == 3 * 3 * 2 * 7.0


def test_keys_of_the_account_are_those_of_the_solution() -> None:
    """A bundle is decided from the cells alone; the solver must then ask for those very values."""
    grid = load_grid(
        {
            "study": "probe.table",
            "axes": {"n_labeled": [40, 60], "evaluate": ["fresh", "labeled"], "ceiling_tuning": ["same", "best_on_validation"]},
            "fixed": {"data": "digits", "task": "classification", "d_strong": 30, "d_weak": 10, "n_transfer": 80, "ridge": 0.1}
            | {"n_test": 50, "n_validation": 30},
            "seeds": 2,
        }
    )
    block = grid.parts[0].block
    study = find_study("probe.table")()
    named = {each.key for each in study.common(block)}
    study.memo = Memo(named)
    study.solve(block, NUMPY)
    assert set(study.memo._values) == named


def test_results_are_spread_over_the_cells() -> None:
    groups = (BLOCK.group("seed"), BLOCK.group("ridge"))
    results = Results(BLOCK, groups, numbers=("error",), whole=("rank",))
    results.put((slice(None), 1), {"error": np.arange(3.0)[:, None][:, 0], "solver": "svd", "ok": True})
    columns = results.columns()
    assert {name: column.shape for name, column in columns.items()} == dict.fromkeys(
        ("error", "rank", "solver", "ok"), (3, 3, 2)
    )
    assert np.isnan(columns["error"][..., 0]).all()
    assert (columns["error"][..., 1] == np.arange(3.0)[:, None]).all()
    assert columns["solver"][0, 0].tolist() == [None, "svd"]
    assert columns["ok"].dtype == columns["rank"].dtype == np.int64
