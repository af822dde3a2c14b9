"""Bundles: sub-grids that need the same values share them, and nothing else about a run changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from workbench import part_files, table

from sweeper import GridError, launch, load_grid, make_plan
from sweeper.plan import bundle as room
from sweeper.plan.bundle import make_bundles, memo_of
from sweeper.plan.cut import block_key
from sweeper.plan.forecast import make_forecast
from sweeper.plan.rates import BUILT_IN
from sweeper.worker.solve import solve_rows
from w2s.contract.study import Common, Piece
from w2s.sharing.stage import Stage
from w2s.studies.registry import find_study
from w2s_kernels import NUMPY

ROOT = Path(__file__).resolve().parents[3]
DIGITS: dict[str, Any] = {
    "study": "probe.table",
    "fixed": {"data": "digits", "task": "classification", "d_strong": 60, "n_transfer": 150, "n_test": 100, "n_validation": 40},
    "seeds": 3,
    "grids": [
        {"axes": {"d_weak": [10, 20], "n_labeled": [40, 60], "ridge": [0.01, 0.1]}},
        {"axes": {"n_labeled": [40, 60]}, "fixed": {"weak_features": "of_strong", "d_weak": 10, "ridge": 0.01}},
        {"axes": {"n_labeled": [40, 60]}, "fixed": {"weak_features": "means:8", "ridge": 0.01, "d_strong": 50}},
    ],
}
DONG: dict[str, Any] = {
    "study": "dong2025.regression",
    "fixed": {"d_weak": 20, "d_strong": 150, "n_transfer": 400, "n_labeled": 300, "design": "wishart"},
    "seeds": 4,
    "grids": [
        {"axes": {"d_overlap": [3, 10], "ridge": [0.01, 0.1]}, "fixed": {"noise": 0.5}},
        {"axes": {"d_overlap": [3, 10], "evaluate": ["fresh", "transfer"]}, "fixed": {"noise": 1.0, "ridge": 0.01}},
    ],
}


def decompositions(monkeypatch: pytest.MonkeyPatch, name: str) -> list[tuple[Any, ...]]:
    """Keys of the values of one stage, in the order in which they are computed."""
    computed: list[tuple[Any, ...]] = []
    value = Stage.value

    def counted(stage: Stage, own: Any, values: Any) -> Any:
        if stage.name == name:
            computed.append(tuple(own.values()))
        return value(stage, own, values)

    monkeypatch.setattr(Stage, "value", counted)
    return computed


@pytest.mark.parametrize("name", ["SVD of the student's rows", "SVD of the strong baseline's rows"])
def test_the_quickstart_of_before_decomposes_each_seed_once(name: str) -> None:
    plan = make_plan(load_grid(ROOT / "benchmarks" / "quickstart_e7271bc.yaml"))
    counts = {line.name: line.count for line in make_forecast(plan, BUILT_IN).lines}
    assert counts["SVD of the student's rows"] == 24
    assert counts["SVD of the strong baseline's rows"] == 3 * 24
    bundles = make_bundles(plan, list(plan.blocks()))
    assert [len(bundle) for bundle in bundles] == [3] * 24
    assert all(len({block.one("seed") for block in bundle}) == 1 for bundle in bundles)


@pytest.mark.parametrize("document", [DIGITS, DONG], ids=["digits", "dong2025"])
def test_a_bundle_has_the_bits_of_its_blocks_alone(document: dict[str, Any]) -> None:
    plan = make_plan(load_grid(document))
    blocks = list(plan.blocks())
    bundles = make_bundles(plan, blocks)
    assert sorted(map(id, (block for bundle in bundles for block in bundle))) == sorted(map(id, blocks))
    assert max(map(len, bundles)) > 1
    for bundle in bundles:
        memo = memo_of(plan.grid.study(), bundle)
        for block in bundle:
            together = solve_rows(plan.grid.study, block, NUMPY, memo=memo)
            alone = solve_rows(plan.grid.study, block, NUMPY)
            assert together.drop_columns(["elapsed_s"]).equals(alone.drop_columns(["elapsed_s"]))


def test_what_sub_grids_share_is_computed_once_and_forecast_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    computed = decompositions(monkeypatch, "SVD of the student's rows")
    grid = load_grid(DIGITS)
    launch(grid, executor="inline", out=tmp_path / "run")
    assert len(computed) == len(set(computed)) == 6  # two widths of the student, three seeds
    lines = {line.name: line.count for line in make_forecast(make_plan(grid), BUILT_IN).lines}
    assert lines["SVD of the student's rows"] == 6


def test_a_launch_that_is_resumed_and_extended_has_the_same_bits(tmp_path: Path) -> None:
    whole = launch(load_grid(DIGITS), executor="inline", out=tmp_path / "whole").run
    some = DIGITS | {"grids": DIGITS["grids"][:2]}
    run = launch(load_grid(some), executor="inline", out=tmp_path / "run").run
    for name in sorted(part_files(run))[::2]:
        (run / "results" / name).unlink()
    launch(load_grid(some), executor="inline", out=run)
    launch(load_grid(DIGITS), executor="inline", out=run)
    assert part_files(run) == part_files(whole)
    assert table(run).equals(table(whole))


def test_bundles_do_not_change_the_cut() -> None:
    together = make_plan(load_grid(DIGITS))
    keys = [block_key(together.grid.study, block) for block in together.blocks()]
    apart = [make_plan(load_grid(DIGITS | {"grids": [part]})) for part in DIGITS["grids"]]
    assert keys == [block_key(plan.grid.study, block) for plan in apart for block in plan.blocks()]


def test_a_bundle_is_bounded_and_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(load_grid(DIGITS))
    blocks, count = list(plan.blocks()), len(list(plan.blocks()))
    assert len(make_bundles(plan, blocks)) < count
    for name, value in (("MAX_FLOPS", 1.0), ("LEAST_SHARED", 2.0), ("MOST_BLOCKS", 0)):
        with monkeypatch.context() as changed:
            changed.setattr(room, name, value)
            assert make_bundles(plan, blocks) == [(block,) for block in blocks]
    left = blocks[1:]
    assert sum(map(len, make_bundles(plan, left))) == len(left)


def test_blocks_without_anything_in_common_need_no_memo() -> None:
    study = find_study("probe.table")()
    blocks = list(make_plan(load_grid(DIGITS)).blocks())
    assert memo_of(study, blocks[:1]) is None
    assert memo_of(study, (blocks[0], blocks[0])) is not None
    assert memo_of(find_study("predictions")(), blocks) is None


def test_a_broken_account_of_shared_values_is_an_error_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_study: Any, _block: Any) -> Any:
        yield Common("key", (Piece("piece", "svd", 1.0, 1.0, (), "", 1.0),))
        raise ValueError("no account")

    monkeypatch.setattr(find_study("probe.table"), "common", broken)
    plan = make_plan(load_grid(DIGITS))
    with pytest.raises(GridError, match=r"probe\.table\.common raised ValueError: no account"):
        make_bundles(plan, list(plan.blocks()))
