"""Which solver a block takes, and that another one would have given the same rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from solving import one, solve

from sweeper import GridError, load_grid, make_plan
from sweeper.worker.solve import solve_rows
from w2s.contract.identity import cell_ids
from w2s.probes.mixed import MixedProbe
from w2s.probes.rows import RowProbe
from w2s.probes.solver_choice import LEAST_RIDGE, Choice, choose_solver, count_filters, mixed_solver, solver_pair
from w2s.studies.dong2025.regression import solve as dong_solver
from w2s.studies.dong2025.regression import teachers as dong_teachers
from w2s.studies.dong2025.regression.students import FactorStudent, MixedStudent, SpectralStudent
from w2s_kernels import NUMPY, ridge

STUDY, TABLE = "dong2025.regression", "probe.table"
ERRORS = ("weak_error", "student_error", "strong_error", "ceiling_error", "gain", "misfit")
EPS = float(np.finfo(np.float64).eps)


def name(strengths: int, **options: Any) -> str:
    sizes = {"d": 300, "n": 1000} | {key: options.pop(key) for key in ("d", "n") if key in options}
    return choose_solver(sizes["d"], sizes["n"], strengths=strengths, **options).name


def agree(first: pd.DataFrame, second: pd.DataFrame) -> None:
    """Rows of the same cells, by two solvers, within the bound that the documentation gives."""
    assert len(first) == len(second) > 0
    condition = np.fmax(first["condition"], second["condition"])
    scale = np.fmax(first["weak_error"], first["student_error"])
    bound = np.maximum(1e-9, 50 * EPS * condition) * scale
    for column in ERRORS:
        assert first[column].notna().all()
        assert (abs(first[column] - second[column]) <= bound).all(), column


# ---------------------------------------------------------------- the choice


def test_few_ridges_take_factors_and_many_take_the_spectrum() -> None:
    for rhs in (1, 28, 500):
        names = [name(strengths, rhs=rhs) for strengths in range(1, 60)]
        assert names[0] == "cholesky"
        assert names[-1] == "eigh"
        assert names == sorted(names), "once the spectrum is cheaper it stays so"
    turns = [[name(strengths, rhs=rhs) for strengths in range(1, 60)].index("eigh") for rhs in (1, 28, 500)]
    assert turns == sorted(turns, reverse=True), "right-hand sides cost a factor more than a spectrum"


def test_nested_widths_favour_factors() -> None:
    widths = range(32, 1025, 32)
    assert name(20, d=1024, n=4000) == "eigh"
    assert name(100, d=1024, n=4000, widths=widths) == "cholesky"
    assert name(150, d=1024, n=4000, widths=widths) == "eigh"


def test_one_filter_that_needs_the_spectrum_decides() -> None:
    assert name(1, spectral=1) == "eigh"
    assert name(0, spectral=3) == "eigh"


def test_rows_are_factored_themselves() -> None:
    assert name(1, rows=True) == "svd"
    assert name(1, d=300, n=299, rows=True) == "dual svd"
    assert choose_solver(300, 50, strengths=1, rows=True).flops < choose_solver(300, 900, strengths=1, rows=True).flops
    assert name(1, mixed=True) == "mixed cholesky"
    assert name(1, d=300, n=299, rows=True, mixed=True) == "mixed dual cholesky"


def test_a_choice_says_why_and_what_it_costs() -> None:
    chosen = choose_solver(100, 400, strengths=2, rhs=5)
    assert isinstance(chosen, Choice)
    assert chosen.flops == pytest.approx(2 * (100**3 / 3 + 100**2 * (2 * 5 + 20)))
    assert "2 factors" in chosen.why
    assert choose_solver(100, 400, strengths=2, rhs=5) == chosen


def test_what_a_factor_serves() -> None:
    levels = [{"student_filter": "ridge", "ridge": value} for value in (0.0, 1e-9, LEAST_RIDGE, 1.0, 1.0)]
    levels += [{"student_filter": "flow", "ridge": None, "time": 2.0}]
    assert count_filters(levels, d=10, n=11) == (4, 1)
    assert count_filters(levels, d=10, n=10) == (2, 3)
    assert count_filters([], d=10, n=10) == (0, 0)


def test_names_of_a_row() -> None:
    assert solver_pair("cholesky", "eigh") == "cholesky+eigh"
    assert solver_pair("svd", "svd") == "svd"
    assert mixed_solver(3, None) == "mixed cholesky, 3 refinements"
    assert mixed_solver(1, None) == "mixed cholesky, 1 refinement"
    assert mixed_solver(2, "svd") == "svd (mixed did not converge)"


# ---------------------------------------------------------------- students and teachers, both ways

CELL: dict[str, Any] = {"d_weak": 9, "d_strong": 12, "d_overlap": 4.0, "rho_weak": 0.1, "n_labeled": 40, "noise": 0.7}
HARD: dict[str, dict[str, Any]] = {
    "plain": {"n_transfer": 60, "ridge": [0.0, 1e-3, 0.5]},
    "few_more_rows_than_features": {"n_transfer": 14, "ridge": [0.0, 1e-8, 1e-3]},
    "fewer_rows_than_features": {"n_transfer": 8, "ridge": [LEAST_RIDGE, 1e-2]},
    "one_row_short": {"n_transfer": 12, "ridge": [LEAST_RIDGE, 1e-4]},
    "teacher_with_fewer_rows": {"n_labeled": 6, "ridge_weak": 1e-3, "n_transfer": 60, "ridge": [0.0, 0.1]},
    "wishart": {"design": "wishart", "n_transfer": 15, "ridge": [0.0, 0.1]},
}


def force(monkeypatch: pytest.MonkeyPatch, module: Any, solver: str) -> None:
    monkeypatch.setattr(module, "choose_solver", lambda *_, **__: Choice(solver, 0.0, "asked by the test"))


@pytest.mark.parametrize("evaluate", ["fresh", "transfer"])
@pytest.mark.parametrize("case", HARD)
def test_every_choice_gives_the_same_rows(case: str, evaluate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = CELL | HARD[case] | {"evaluate": evaluate}
    axes = {"ridge": fixed.pop("ridge"), "ceiling": ["transfer", "labeled+transfer"]}
    tables = []
    for teacher in ("cholesky", "eigh"):
        for student in ("cholesky", "eigh"):
            force(monkeypatch, dong_teachers, teacher)
            force(monkeypatch, dong_solver, student)
            tables.append(solve(STUDY, axes=axes, seeds=4, **fixed))
            assert set(tables[-1]["solver"]) == {solver_pair(teacher, student)}
    for other in tables[1:]:
        agree(tables[0], other)


def test_where_a_factor_fails_the_spectrum_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The choice only knows sizes."""
    second = np.eye(6)[None].repeat(2, axis=0)
    second[1, 2] = second[1, 1]
    second[1, :, 2] = second[1, :, 1]
    assert not FactorStudent(second, 4, ridge([0.0]), NUMPY).complete
    assert FactorStudent(second, 4, ridge([1e-3]), NUMPY).complete
    cell = CELL | {"n_transfer": 60, "ridge": 0.1}
    chosen = one(STUDY, seeds=[1], **cell)
    made = FactorStudent._factor

    def failing(self: FactorStudent, *args: Any) -> None:
        made(self, *args)
        self.complete = False

    monkeypatch.setattr(FactorStudent, "_factor", failing)
    row = one(STUDY, seeds=[1], **cell)
    assert (chosen["solver"], row["solver"]) == ("cholesky", "cholesky+eigh")
    agree(pd.DataFrame([chosen]), pd.DataFrame([row]))


@pytest.mark.parametrize(("rank", "floor"), [(12, 1e-3), (12, 1e-9), (7, 0.0)])
def test_students_of_hard_grams(rank: int, floor: float) -> None:
    rng = np.random.default_rng(rank)
    values = np.where(np.arange(12) < rank, np.geomspace(1.0, floor or 0.1, 12), 0.0)
    basis = np.linalg.qr(rng.standard_normal((3, 12, 12)))[0]
    root = np.zeros((3, 20, 20))
    root[:, :12, :12] = np.sqrt(values)[:, None] * np.swapaxes(basis, -1, -2)
    root[:, :, 12:] = 0.2 * rng.standard_normal((3, 20, 8))
    root[:, rank:12] = 0.0
    second = np.swapaxes(root, -1, -2) @ root
    labels, goals = rng.standard_normal((3, 5, 20)), rng.standard_normal((5, 20))
    filters = ridge([LEAST_RIDGE, 1e-2]) if rank < 12 else ridge([0.0, 1e-6, 1e-2])
    spectral = SpectralStudent(second, 12, NUMPY)
    for student in (FactorStudent(second, 12, filters, NUMPY), MixedStudent(second, 12, filters, NUMPY)):
        for moments in (None, second):
            want, got = (part.errors(filters, labels, goals, moments) for part in (spectral, student))
            condition = np.fmax(spectral.condition(filters), student.condition(filters))[:, None]
            for column, values_ in want.items():
                scale = max(float(np.max(abs(want["student_error"]))), 1.0)
                assert (abs(got[column] - values_) <= np.maximum(1e-9, 50 * EPS * condition) * scale).all(), column
        true = spectral.condition(filters)
        assert (student.condition(filters) >= true / 2).all()
        assert (student.condition(filters) <= 1.01 * np.sqrt(12) * true).all()


def test_the_column_says_which() -> None:
    fixed = CELL | {"n_transfer": 60}
    few = solve(STUDY, axes={"ridge": [0.0, 0.1]}, **fixed)
    many = solve(STUDY, axes={"ridge": {"logspace": [-3, 0, 40]}}, **fixed)
    flow = solve(STUDY, student_filter="flow", time=3.0, **fixed)
    teachers = solve(STUDY, axes={"ridge_weak": {"logspace": [-3, 0, 40]}}, **fixed)
    assert [set(rows["solver"]) for rows in (few, many, flow, teachers)] == [
        {"cholesky"},
        {"cholesky+eigh"},
        {"cholesky+eigh"},
        {"eigh+cholesky"},
    ]
    alone = one(STUDY, ridge=float(many["ridge"][7]), **fixed)
    assert alone["solver"] == "cholesky"
    agree(many[many["ridge"] == alone["ridge"]].reset_index(), pd.DataFrame([alone]))
    alone = one(STUDY, ridge_weak=float(teachers["ridge_weak"][7]), **fixed)
    agree(teachers[teachers["ridge_weak"] == alone["ridge_weak"]].reset_index(), pd.DataFrame([alone]))


# ---------------------------------------------------------------- mixed precision, regression


def both(study: str, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    return solve(study, **options), solve(study, precision="mixed", **options)


@pytest.mark.parametrize("case", HARD)
def test_mixed_rows_are_the_float64_rows(case: str) -> None:
    fixed = CELL | HARD[case]
    axes = {
        "ridge": fixed.pop("ridge"),
        "evaluate": ["fresh", "transfer", "labeled"],
        "n_labeled": [fixed.pop("n_labeled"), 80],
    }
    exact, mixed = both(STUDY, axes=axes, seeds=3, **fixed)
    agree(exact, mixed)
    assert not set(exact["cell_id"]) & set(mixed["cell_id"])
    names = set(mixed["solver"])
    assert names <= {mixed_solver(steps, None) for steps in range(1, 11)} | {"cholesky (mixed did not converge)"}
    assert any(found.startswith("mixed cholesky") for found in names)


def test_a_teacher_beyond_float32_is_solved_in_float64_and_says_so() -> None:
    fixed = {**CELL, "n_labeled": 6, "n_transfer": 60, "ridge": 0.1}
    exact, mixed = both(STUDY, axes={"ridge_weak": [1e-9, 0.1]}, seeds=2, **fixed)
    agree(exact, mixed)
    assert set(mixed[mixed["ridge_weak"] == 1e-9]["solver"]) == {"cholesky (mixed did not converge)"}
    assert mixed[mixed["ridge_weak"] == 0.1]["solver"].str.startswith("mixed cholesky").all()


def test_mixed_is_a_field_among_others() -> None:
    grid = {
        "study": STUDY,
        "axes": {"precision": ["float64", "mixed"], "student_filter": ["ridge", "flow"], "ridge": [0.0, 0.1], "time": [2.0]},
        "exclude": [{"precision": "mixed", "student_filter": "flow"}],
        "fixed": CELL | {"n_transfer": 50},
        "seeds": 2,
    }
    planned = make_plan(load_grid(grid))
    rows = pd.concat([solve_rows(planned.grid.study, block, NUMPY).to_pandas() for block in planned.blocks()])
    assert set(rows["status"]) == {"ok"}
    counts = rows.groupby(["precision", "student_filter"]).size().to_dict()
    assert counts == {("float64", "ridge"): 4, ("float64", "flow"): 2, ("mixed", "ridge"): 4}
    parts = [rows[(rows["precision"] == name) & (rows["student_filter"] == "ridge")] for name in ("float64", "mixed")]
    agree(*(part.sort_values(["ridge", "seed"], ignore_index=True) for part in parts))


def test_float64_keeps_the_identity_of_a_cell_without_the_field() -> None:
    block = load_grid({"study": STUDY, "fixed": CELL | {"n_transfer": 50}}).parts[0].block
    study = load_grid({"study": STUDY, "fixed": CELL | {"n_transfer": 50}}).study
    assert block.fixed["precision"] == "float64"
    without = type(block)({k: v for k, v in block.fixed.items() if k != "precision"}, block.axes)
    np.testing.assert_array_equal(cell_ids(study, block), cell_ids(study, without))


@pytest.mark.parametrize(
    ("study", "change", "message"),
    [
        (STUDY, {"student_filter": "flow"}, "needs student_filter: ridge"),
        (STUDY, {"student_filter": "steps"}, "needs student_filter: ridge"),
        (STUDY, {"n_transfer": 10, "ridge": 1e-8}, "n_transfer > d_strong or a ridge of at least"),
        (TABLE, {"student_filter": "flow"}, "needs student_filter: ridge"),
        (TABLE, {"ridge": 0.0}, "a ridge above zero"),
    ],
)
def test_what_mixed_cannot_do_is_refused(study: str, change: dict[str, Any], message: str) -> None:
    cell = CELL | {"n_transfer": 50} if study == STUDY else DIGITS
    if "student_filter" in change:
        cell = {k: v for k, v in cell.items() if k != "ridge"}
    with pytest.raises(GridError, match=message):
        solve(study, precision="mixed", **(cell | change))


# ---------------------------------------------------------------- rows of a table

DIGITS: dict[str, Any] = {"data": "digits", "task": "classification", "d_strong": 40, "d_weak": 15, "n_labeled": 60}
DIGITS |= {"n_transfer": 120, "n_test": 150, "n_validation": 50, "ridge": 0.1}


def test_the_dual_side_is_named() -> None:
    rows = solve(TABLE, axes={"n_transfer": [30, 120], "n_labeled": [10, 60]}, **without(DIGITS, "n_transfer", "n_labeled"))
    found = rows.set_index(["n_labeled", "n_transfer"])["solver"].to_dict()
    assert found == {(10, 30): "dual svd", (10, 120): "dual svd+gram", (60, 30): "gram+dual svd", (60, 120): "gram"}


@pytest.mark.parametrize("preprocess", ["none", "center", "standardise"])
@pytest.mark.parametrize("n_transfer", [25, 120])
def test_mixed_probes_are_the_float64_probes(n_transfer: int, preprocess: str) -> None:
    axes = {"ridge": [1e-9, 1e-2, 1.0], "ridge_weak": [0.0, 0.1], "ceiling_tuning": ["same", "best_on_validation"]}
    fixed = without(DIGITS, "ridge", "n_transfer")
    exact, mixed = both(TABLE, axes=axes, seeds=2, preprocess=preprocess, n_transfer=n_transfer, **fixed)
    agree(exact, mixed)
    np.testing.assert_array_equal(exact["student_error_01"], mixed["student_error_01"])
    assert mixed["student_rank"].isna().all()
    assert (mixed["weak_rank"].isna() == (mixed["ridge_weak"] > 0)).all()
    assert set(exact["status"]) == set(mixed["status"])
    # Centred, 25 rows span 24 dimensions, and only the ridge separates the system from a singular one.
    short, weak = (mixed["ridge"] == 1e-9) & (n_transfer == 25) & (preprocess != "none"), mixed["ridge_weak"] > 0
    assert mixed[short]["solver"].str.contains("dual svd (mixed did not converge)", regex=False).all()
    assert mixed[~short & ~weak]["solver"].str.match(r"gram\+mixed cholesky, \d refinements?$").all()
    assert mixed[~short & weak]["solver"].str.startswith("mixed cholesky").all()


@pytest.mark.parametrize("n", [15, 60])
def test_a_strength_beyond_float32_is_left_to_the_rows(n: int) -> None:
    rng = np.random.default_rng(n)
    X, Y, there = rng.standard_normal((n, 30)), rng.standard_normal((n, 2)), rng.standard_normal((20, 30))
    X[:, 7] = X[:, 3] + 1e-7 * X[:, 5]
    filters = ridge([1e-12, 1e-3, 1.0])
    exact, mixed = RowProbe(X, "center", NUMPY), MixedProbe(X, "center", NUMPY)
    want, got = (probe.fit(Y, filters).at(probe.basis(there)) for probe in (exact, mixed))
    converged = [found.startswith("mixed") for found in mixed.solvers(filters)]
    assert converged == [False, True, True]
    np.testing.assert_allclose(got[0], want[0], rtol=0, atol=1e-12 * np.abs(want[0]).max())
    np.testing.assert_allclose(got[1:], want[1:], rtol=0, atol=1e-10 * np.abs(want).max())
    assert mixed.condition(filters)[0] == exact.condition(filters)[0]
    assert (mixed.condition(filters)[1:] >= exact.condition(filters)[1:] ** 2 / 2).all()


def without(cell: dict[str, Any], *names: str) -> dict[str, Any]:
    return {key: value for key, value in cell.items() if key not in names}
