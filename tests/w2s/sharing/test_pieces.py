"""A study's account of its work: it adds up to the cost, what it calls shared is shared, and it names the solver that solves."""

from __future__ import annotations

from typing import Any, get_args

import pytest
from accounting import check_account
from solving import solve

from sweeper import load_grid
from w2s import Cost, Study
from w2s.contract.block import Block
from w2s.contract.study import Kind
from w2s.sharing.workloads import KINDS, workload
from w2s.studies.registry import find_study
from w2s_kernels import NUMPY, flops

DONG: dict[str, Any] = {
    "d_weak": [30, 12],
    "d_strong": [20],
    "d_overlap": [4, 6],
    "n_labeled": [90, 60],
    "n_transfer": [80],
    "ridge_weak": [0.0, 0.1],
    "noise": [0.5],
    "design": ["wishart"],
    "student_filter": ["flow"],
    "time": [1.0, 5.0],
}
DIGITS: dict[str, Any] = {
    "data": ["digits"],
    "task": ["classification"],
    "d_weak": [50, 20],
    "d_strong": [80],
    "n_labeled": [100, 40],
    "n_transfer": [150],
    "n_test": [100],
    "ridge": [0.1, 1.0],
    "labels": ["soft"],
}
HEADS: dict[str, Any] = {
    "representation": ["pretrained"],
    "depth_truth": [3],
    "depth_weak": [1, 2],
    "depth_strong": [2, 4],
    "width": [6],
    "inputs": [4],
    "pretrain_tasks": [3],
    "pretrain_samples": [500],
    "epochs": [9],
    "n_labeled": [60, 80],
    "n_transfer": [80],
    "n_test": [70],
    "sampling": ["per_seed"],
    "task": [0, 1, 5],
    "head": ["least_squares", "sparse"],
    "sparsity": [2],
    "evaluate": ["fresh"],
}
MORE: dict[str, dict[str, list[Any]]] = {
    "dong2025.regression": {
        "d_weak": [30, 12, 20],
        "n_labeled": [90, 60, 70],
        "n_transfer": [80, 50],
        "ridge_weak": [0.0, 0.1, 0.2],
        "time": [1.0, 5.0, 9.0],
        "noise": [0.5, 1.0],
        "d_overlap": [4, 6, 5],
        "evaluate": ["fresh", "transfer"],
        "ceiling": ["transfer", "labeled+transfer"],
    },
    "probe.table": {
        "d_weak": [50, 20, 30],
        "n_labeled": [100, 40, 60],
        "ridge": [0.1, 1.0, 2.0],
        "labels": ["soft", "hard"],
        "ridge_weak": [0.0, 0.1],
    },
    "charikar2024.synthetic": {
        "task": [0, 1, 2, 3, 4],
        "head": ["least_squares", "sparse", "relu", "descent", "nonnegative"],
        "depth_weak": [1, 2, 3],
        "depth_strong": [2, 4, 3],
        "n_labeled": [60, 80, 90],
        "evaluate": ["fresh", "transfer"],
    },
}
PER_CALL = {"steps of array calls"}
RIGHT_SIDES = {"weak models", "weak rows of the second moments", "strong baseline"}
RIGHT_SIDES |= {"outputs of the strong baseline", "outputs of the ceiling"}
"""Pieces that are shared but for a few operations on each right-hand side or filter."""
GRIDS = {"dong2025.regression": DONG, "probe.table": DIGITS, "charikar2024.synthetic": HEADS}


def block_of(study: str, seeds: int = 2, **changes: Any) -> Block:
    """A whole grid as one block."""
    values = GRIDS[study] | changes
    axes = {name: listed for name, listed in values.items() if len(listed) > 1}
    fixed = {name: listed[0] for name, listed in values.items() if len(listed) == 1}
    return load_grid({"study": study, "axes": axes, "fixed": fixed, "seeds": seeds}).parts[0].block


def work(study: str, block: Block) -> dict[str, tuple[float, float]]:
    """Count and operations of every piece, by name."""
    found: dict[str, tuple[float, float]] = {}
    for piece in find_study(study)().pieces(block):
        count, operations = found.get(piece.name, (0.0, 0.0))
        found[piece.name] = count + piece.count, operations + piece.flops
    return found


VARIANTS: list[dict[str, Any]] = [
    {},
    {"design": ["rows"], "evaluate": ["fresh", "transfer", "labeled"], "ceiling": ["transfer", "labeled+transfer"]},
    {"student_filter": ["ridge"], "time": [1.0], "ridge": [0.1]},
    {"student_filter": ["ridge"], "time": [1.0], "ridge": [0.1], "precision": ["float64", "mixed"]},
    {"student_filter": ["ridge", "flow", "steps"], "n_labeled": [15, 90], "ridge_weak": [0.1], "d_strong": [20, 25]},
]


@pytest.mark.parametrize("changes", VARIANTS, ids=range(len(VARIANTS)))
def test_an_account_is_well_formed_and_adds_up(changes: dict[str, Any]) -> None:
    changes = {name: values for name, values in changes.items() if name != "time"}
    grid = {name: values for name, values in DONG.items() if "ridge" not in changes or name != "time"} | changes
    axes = {name: listed for name, listed in grid.items() if len(listed) > 1}
    fixed = {name: listed[0] for name, listed in grid.items() if len(listed) == 1}
    written = {"study": "dong2025.regression", "axes": axes, "fixed": fixed, "seeds": 2}
    check_account("dong2025.regression", load_grid(written).parts[0].block)


def test_an_account_of_a_table_adds_up() -> None:
    tuned = {"ceiling_tuning": ["same", "best_on_validation"], "n_validation": [50]}
    mixed = {"precision": ["float64", "mixed"], "ridge_weak": [0.0, 0.1, 0.2]}
    for changes in ({}, mixed, tuned, {"ceiling": ["transfer", "labeled+transfer"], "evaluate": ["fresh", "labeled"]}):
        check_account("probe.table", block_of("probe.table", **changes))


def test_an_account_of_heads_adds_up() -> None:
    every = ["least_squares", "descent", "nonnegative", "sparse", "relu", "all_layers"]
    check_account("charikar2024.synthetic", block_of("charikar2024.synthetic", head=every, head_batch=[32]))
    check_account(
        "charikar2024.synthetic", block_of("charikar2024.synthetic", sampling=["per_seed", "per_task"], n_validation=[0, 9])
    )
    plain = {"task": [0, 1], "sigma_weak": [0.1, 0.2], "sampling": ["per_task"], "representation": ["perturbed"]}
    check_account(
        "charikar2024.synthetic", load_grid({"study": "charikar2024.synthetic", "axes": plain, "seeds": 2}).parts[0].block
    )


@pytest.mark.parametrize(("study", "field"), [(study, field) for study, fields in MORE.items() for field in fields])
def test_one_more_value_of_a_served_field_costs_none_more(study: str, field: str) -> None:
    few, many = block_of(study), block_of(study, **{field: MORE[study][field]})
    before, after = work(study, few), work(study, many)
    served = {piece.name for piece in find_study(study)().pieces(few) if field in piece.serves} - PER_CALL
    assert served
    for name in served:
        assert after[name][0] == before[name][0], name
        assert name in RIGHT_SIDES or after[name][1] == pytest.approx(before[name][1], rel=1e-12), name
    assert any(after[name][1] > 1.2 * before[name][1] for name in set(before) - served)


@pytest.mark.parametrize("study", GRIDS)
def test_seeds_are_work_of_their_own(study: str) -> None:
    one, three = work(study, block_of(study, seeds=1)), work(study, block_of(study, seeds=3))
    for name in set(one) - PER_CALL:
        assert three[name] == pytest.approx((3 * one[name][0], 3 * one[name][1])), name


@pytest.mark.parametrize(
    ("changes", "solver", "piece"),
    [
        ({"student_filter": "flow", "time": 3.0}, "cholesky+eigh", "eigendecomposition of the student's Gram"),
        ({"ridge": 0.1}, "cholesky", "Cholesky factor of the student's Gram"),
        (
            {"ridge": [10.0**-k for k in range(40)], "ridge_weak": 0.2},
            "cholesky+eigh",
            "eigendecomposition of the student's Gram",
        ),
        ({"ridge": 0.1, "ridge_weak": [0.1 * k for k in range(1, 41)]}, "eigh+cholesky", "eigendecomposition of the weak Gram"),
        ({"ridge": 0.0, "n_transfer": 15}, "cholesky+eigh", "eigendecomposition of the student's Gram"),
    ],
)
def test_the_plan_names_the_solver_that_solves(changes: dict[str, Any], solver: str, piece: str) -> None:
    base: dict[str, Any] = {"d_weak": 12, "d_strong": 20, "d_overlap": 4, "n_labeled": 60, "n_transfer": 80} | changes
    if base["n_transfer"] < base["d_strong"]:
        base["ridge"] = 1e-9  # below what a Cholesky factor of few rows may have
    axes = {name: value for name, value in base.items() if isinstance(value, list)}
    fixed = {name: value for name, value in base.items() if not isinstance(value, list)}
    written = {"study": "dong2025.regression", "axes": axes, "fixed": fixed, "seeds": 1}
    names = set(work("dong2025.regression", load_grid(written).parts[0].block))
    assert piece in names
    assert set(solve("dong2025.regression", axes=axes, **fixed)["solver"]) == {solver}


@pytest.mark.parametrize(
    ("changes", "solver", "piece"),
    [
        ({}, "gram", "SVD of the student's rows"),
        ({"n_transfer": 60}, "gram+dual svd", "SVD of the student's rows"),
        ({"precision": "mixed"}, "gram+mixed", "refined factors of the student's rows"),
        ({"precision": "mixed", "ridge_weak": 0.1}, "mixed", "refined factors of the weak model's rows"),
    ],
)
def test_the_plan_names_the_solver_of_a_table(changes: dict[str, Any], solver: str, piece: str) -> None:
    base: dict[str, Any] = {"data": "digits", "task": "classification", "d_weak": 20, "d_strong": 80, "n_labeled": 100}
    base |= {"n_transfer": 150, "n_test": 100, "ridge": 0.1} | changes
    block = load_grid({"study": "probe.table", "axes": {}, "fixed": base, "seeds": 1}).parts[0].block
    assert piece in work("probe.table", block)
    (name,) = solve("probe.table", **base)["solver"]
    assert name.startswith(solver)


def test_a_study_without_an_account_has_one_piece() -> None:
    class Plain(find_study("probe.table")):  # type: ignore[misc]
        def cost(self, block: Block) -> Cost:
            return Cost(7e9, 1.0)

        pieces = Study.pieces

    (piece,) = Plain().pieces(block_of("probe.table"))
    assert (piece.kind, piece.count, piece.flops, piece.serves) == ("other", 1.0, 7e9, ())


def test_workloads_do_what_they_count() -> None:
    assert set(KINDS) == set(get_args(Kind))
    for kind in KINDS:
        call, operations = workload(kind, 16, NUMPY)
        assert call() is not None
        assert operations > 0
    assert workload("gemm", 64, NUMPY)[1] == flops.gemm(64, 64, 64, 2)
    assert workload("cholesky", 512, NUMPY)[1] == flops.cholesky(512)
