"""Probes on tables: every number against a slow reference of its own, identities, and tables that are hard to fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from solving import one, solve

from sweeper import GridError, load_grid
from sweeper.worker.solve import solve_rows
from w2s.files.datafile import DataFile
from w2s.laws import feature_matrix, load_table, split_rows
from w2s.sharing.stage import Stage
from w2s.studies.probe.table.models import TEACHERS
from w2s_kernels import NUMPY

Matrix = npt.NDArray[np.float64]
STUDY = "probe.table"
DIGITS: dict[str, Any] = {"data": "digits", "task": "classification", "d_strong": 40, "n_labeled": 60, "n_transfer": 120}
DIGITS |= {"d_weak": 15, "n_test": 150, "n_validation": 50}
DEFAULTS: dict[str, Any] = {
    "target": None,
    "preprocess": "center",
    "weak_features": "relu",
    "strong_features": "relu",
    "split": None,
    "ridge_weak": 0.0,
    "labels": "soft",
    "evaluate": "fresh",
    "ceiling": "transfer",
    "ceiling_tuning": "same",
    "weak_tuning": "fixed",
    "student_filter": "ridge",
    "ridge": 0.0,
}


# ---------------------------------------------------------------- a slow reference


def fit_predict(X: Matrix, Y: Matrix, T: Matrix, preprocess: str, cell: Mapping[str, Any]) -> Matrix:
    """Outputs at T of one model, from the definition of its filter."""
    mean, scale, offset = np.zeros(X.shape[1]), np.ones(X.shape[1]), np.zeros(Y.shape[1])
    if preprocess != "none":
        mean, offset = X.mean(axis=0), Y.mean(axis=0)
    if preprocess == "standardise":
        scale = X.std(axis=0)
        varies = scale > 1e-12
        X, T, mean, scale = X[:, varies], T[:, varies], mean[varies], scale[varies]
    X, T, Y, (n, d) = (X - mean) / scale, (T - mean) / scale, Y - offset, (len(X), len(mean))
    if cell["student_filter"] == "ridge":
        tall, wanted = (
            np.vstack([X / np.sqrt(n), np.sqrt(cell["ridge"]) * np.eye(d)]),
            np.vstack([Y / np.sqrt(n), np.zeros((d, Y.shape[1]))]),
        )
        theta = np.linalg.lstsq(tall, wanted, rcond=None)[0]
    elif cell["student_filter"] == "steps":
        theta = np.zeros((d, Y.shape[1]))
        for _ in range(cell["steps"]):
            theta = theta - cell["step_size"] * (X.T @ (X @ theta - Y) / n)
    else:
        from scipy.linalg import expm

        # The flow's integral of exp(-s G) over s in 0..t, read off a block of a larger exponential.
        gram, zero = X.T @ X / n, np.zeros((d, d))
        integral = expm(cell["time"] * np.block([[-gram, np.eye(d)], [zero, zero]]))[:d, d:]
        theta = integral @ (X.T @ Y / n)
    return np.asarray(T @ theta + offset)


def squared(scores: Matrix, truth: Matrix) -> float:
    return float(np.mean(np.sum((scores - truth) ** 2, axis=1)))


def wrong(scores: Matrix, labels: Any) -> float:
    return float(np.mean(np.argmax(scores, axis=1) != labels))


def reference(cell: Mapping[str, Any], folder: Path | None = None) -> dict[str, float]:
    table = load_table(DataFile.find(cell["data"], folder), cell["target"], cell["task"])
    sizes = {name: cell.get(name, 0) for name in ("seed", "n_labeled", "n_transfer", "n_validation", "n_test", "split")}
    rows = split_rows(table, backend=NUMPY, **sizes)
    options = {"table": table, "seed": cell["seed"], "backend": NUMPY}
    strong = feature_matrix(cell["strong_features"], width=cell.get("d_strong"), role="strong", **options)
    weak = feature_matrix(cell["weak_features"], width=cell.get("d_weak"), role="weak", strong=strong, **options)
    where = {"fresh": rows.test, "transfer": rows.transfer, "labeled": rows.labeled}[cell["evaluate"]]
    truth, pre = table.targets, cell["preprocess"]

    def tuned(features: Matrix, train: Any) -> tuple[Matrix, float]:
        """Outputs and ridge of the best of the ridges from 1e-10 to 100 of the power, half a decade apart."""
        prepared = features[train] - (features[train].mean(axis=0) if pre != "none" else 0.0)
        if pre == "standardise":
            deviation = prepared.std(axis=0)
            prepared = prepared[:, deviation > 1e-12] / deviation[deviation > 1e-12]
        power, trials = np.mean(np.sum(prepared**2, axis=1)), []
        for strength in power * np.geomspace(1e-10, 1e2, 25):
            scores = fit_predict(features[train], truth[train], features, pre, {"student_filter": "ridge", "ridge": strength})
            loss = squared(scores[rows.validation], truth[rows.validation])
            miss = 0.0 if table.labels is None else wrong(scores[rows.validation], table.labels[rows.validation])
            trials.append((round(miss, 12), loss, strength, scores))
        best = min(trials, key=lambda trial: trial[:2])
        return best[3], best[2]

    def fitted(features: Matrix, train: Any, tuning: str, filter_: Mapping[str, Any]) -> tuple[Matrix, float]:
        if tuning == "best_on_validation":
            return tuned(features, train)
        return fit_predict(features[train], truth[train], features, pre, filter_), filter_.get("ridge", np.nan)

    def hard(scores: Matrix) -> Matrix:
        return np.array([[float(k == np.argmax(row)) for k in range(len(row))] for row in scores])

    ridge_weak = {"student_filter": "ridge", "ridge": cell.get("ridge_weak")}
    teacher, weak_ridge = fitted(weak, rows.labeled, cell["weak_tuning"], ridge_weak)
    labels = hard(teacher) if cell["labels"] == "hard" else teacher
    student = fit_predict(strong[rows.transfer], labels[rows.transfer], strong, pre, cell)
    both = np.concatenate([rows.labeled, rows.transfer])
    baseline, strong_ridge = fitted(strong, rows.labeled, cell["ceiling_tuning"], cell)
    above = both if cell["ceiling"] == "labeled+transfer" else rows.transfer
    ceiling, ceiling_ridge = fitted(strong, above, cell["ceiling_tuning"], cell)
    scores = {"weak": teacher, "student": student, "strong": baseline, "ceiling": ceiling}
    found = {f"{name}_error": squared(s[where], truth[where]) for name, s in scores.items()}
    found |= {"weak_ridge": weak_ridge, "strong_ridge": strong_ridge, "ceiling_ridge": ceiling_ridge}
    found |= {"misfit": squared(student[where], labels[where]), "weak_distance": squared(student[where], teacher[where])}
    found |= {"gain": found["weak_error"] - found["student_error"], "n_evaluated": len(where)}
    found["weak_power"] = squared(teacher[where], 0 * teacher[where])
    if len(rows.validation):
        found["student_validation_misfit"] = squared(student[rows.validation], labels[rows.validation])
        found["student_validation_weak_distance"] = squared(student[rows.validation], teacher[rows.validation])
        found["weak_validation_error"] = squared(teacher[rows.validation], truth[rows.validation])
    if table.labels is not None:
        found |= {f"{name}_error_01": wrong(s[where], table.labels[where]) for name, s in scores.items()}
        found["disagreement"] = wrong(student[where], np.argmax(teacher[where], axis=1))
    return found


def agrees(row: Mapping[str, Any], wanted: Mapping[str, float], rel: float = 1e-9) -> None:
    scale = max(wanted["weak_error"], wanted["student_error"])
    for name, value in wanted.items():
        assert row[name] == pytest.approx(value, rel=rel, abs=rel * scale, nan_ok=True), name


CELLS: list[dict[str, Any]] = [
    {},
    {"preprocess": "none", "labels": "hard", "ridge": 1e-3, "ceiling": "labeled+transfer"},
    {"preprocess": "standardise", "student_filter": "flow", "time": 3.0, "ceiling_tuning": "best_on_validation"},
    {"student_filter": "steps", "steps": 30, "step_size": 0.5, "evaluate": "transfer", "ridge_weak": 0.01},
    {"weak_features": "means:8", "evaluate": "labeled", "ceiling": "labeled+transfer", "ridge": 0.1},
    {"weak_features": "of_strong", "preprocess": "none", "ridge": 1e-2, "labels": "hard", "evaluate": "transfer"},
    {"weak_features": "means:4", "strong_features": "inputs", "preprocess": "standardise", "ridge": 1e-2},
    {"task": "regression", "preprocess": "standardise", "ridge": 1e-2, "ceiling_tuning": "best_on_validation"},
    {"task": "regression", "target": "pixel_20", "strong_features": "columns:pixel_[2-4]*", "ridge": 1e-4},
    {"d_strong": 200, "d_weak": 90},
    {"weak_tuning": "best_on_validation", "labels": "hard", "ridge": 1e-2},
    {"weak_tuning": "best_on_validation", "task": "regression", "ridge": 1e-2, "ceiling_tuning": "best_on_validation"},
]


def complete(change: Mapping[str, Any]) -> dict[str, Any]:
    """A cell without the fields that have no effect in it."""
    cell = DEFAULTS | DIGITS | change
    if cell["student_filter"] != "ridge":
        del cell["ridge"]
    if cell["weak_tuning"] != "fixed":
        del cell["ridge_weak"]
    for side in ("weak", "strong"):
        if cell[f"{side}_features"] not in ("relu", "of_strong"):
            del cell[f"d_{side}"]
    return cell


@pytest.mark.parametrize("change", CELLS, ids=[",".join(map(str, cell.values())) or "plain" for cell in CELLS])
def test_every_number_has_a_slow_twin(change: dict[str, Any]) -> None:
    cell = complete(change)
    written = {name: value for name, value in cell.items() if value is not None}
    for row in solve(STUDY, seeds=[0, 6], **written).to_dict("records"):
        # Two hundred features on a hundred and twenty rows: the least singular value decides the digits left.
        agrees(row, reference(cell | {"seed": row["seed"]}), 1e-9 if row["condition"] < 1e6 else 1e-6)


GRID: dict[str, Any] = {
    "n_labeled": [40, 75],
    "n_transfer": [90, 120],
    "d_weak": [10, 20],
    "labels": ["soft", "hard"],
    "ridge": [1e-4, 1e-1],
    "evaluate": ["fresh", "transfer", "labeled"],
    "ceiling": ["transfer", "labeled+transfer"],
    "ceiling_tuning": ["same", "best_on_validation"],
}


def test_other_cells_of_a_block_do_not_matter() -> None:
    fixed = {name: value for name, value in DIGITS.items() if name not in GRID}
    whole = solve(STUDY, axes=GRID, seeds=2, **fixed)
    assert len(whole) == whole["cell_id"].nunique() == 2**7 * 3 * 2
    numbers = whole.select_dtypes("number").columns.difference(["elapsed_s"])
    for row in whole.iloc[np.random.default_rng(0).choice(len(whole), 20, replace=False)].to_dict("records"):
        alone = one(STUDY, seeds=[row["seed"]], **fixed, **{name: row[name] for name in GRID})
        assert alone["cell_id"] == row["cell_id"]
        for name in numbers:
            if not pd.isna(row[name]):
                assert alone[name] == pytest.approx(row[name], rel=1e-9, abs=1e-12), name


def test_zipped_fields_make_no_other_combinations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that move together may be impossible when crossed: 1300 + 600 rows are more than there are."""
    pairs = {"n_labeled": [1300, 40, 50], "n_transfer": [100, 600, 120], "d_weak": [20, 10, 15]}
    fixed = {"data": "digits", "task": "classification", "d_strong": 20, "n_test": 300}
    solved: list[int] = []
    value = Stage.value

    def counted(stage: Stage, *args: Any) -> Any:
        solved.extend([1] if stage is TEACHERS else [])
        return value(stage, *args)

    monkeypatch.setattr(Stage, "value", counted)
    grid = load_grid({"study": STUDY, "zip": pairs, "fixed": fixed, "seeds": 2})
    rows = solve_rows(grid.study, grid.parts[0].block, NUMPY).to_pandas()
    assert len(rows) == len(solved) == 6
    for row in rows.to_dict("records"):
        alone = one(STUDY, seeds=[row["seed"]], **fixed, **{name: row[name] for name in pairs})
        assert alone["student_error"] == pytest.approx(row["student_error"], rel=1e-9)


def test_columns_mean_what_they_say() -> None:
    rows = solve(STUDY, axes={"ridge": [0.0, 1e-3], "labels": ["soft", "hard"]}, seeds=3, **DIGITS)
    np.testing.assert_allclose(rows["gain"], rows["weak_error"] - rows["student_error"], atol=1e-12)
    np.testing.assert_allclose(rows["gain_01"], rows["weak_error_01"] - rows["student_error_01"], atol=1e-15)
    np.testing.assert_allclose(rows["pgr"], rows["gain"] / (rows["weak_error"] - rows["ceiling_error"]), rtol=1e-9)
    assert set(rows["n_evaluated"]) == {150}
    assert (rows["gain_01"].abs() <= rows["disagreement"] + 1e-12).all()


def test_gain_less_misfit_is_what_the_projection_leaves() -> None:
    """In sample without regularisation f_s = P f_w, hence gain - misfit = -2 <(I - P) f_w, (I - P) y> / N."""
    cell = complete({"preprocess": "none", "evaluate": "transfer", "task": "regression", "d_strong": 25})
    for row in solve(STUDY, seeds=4, **{k: v for k, v in cell.items() if v is not None}).to_dict("records"):
        table = load_table(DataFile.find("digits"), None, "regression")
        sizes = {name: cell[name] for name in ("n_labeled", "n_transfer", "n_validation", "n_test")}
        rows = split_rows(table, seed=row["seed"], split=None, backend=NUMPY, **sizes)
        options: dict[str, Any] = {"table": table, "seed": row["seed"], "backend": NUMPY}
        strong = feature_matrix("relu", width=25, role="strong", **options)[rows.transfer]
        weak = feature_matrix("relu", width=15, role="weak", **options)
        theta = np.linalg.lstsq(weak[rows.labeled], table.targets[rows.labeled], rcond=None)[0]
        left = np.linalg.qr(strong)[0]
        outside = [v - left @ (left.T @ v) for v in (weak[rows.transfer] @ theta, table.targets[rows.transfer])]
        wanted = -2 * float(np.mean(outside[0] * outside[1]))
        assert row["gain"] - row["misfit"] == pytest.approx(wanted, rel=1e-8)
        assert abs(wanted) > 1e-3


def test_a_teacher_in_the_students_span_leaves_nothing_to_gain() -> None:
    rows = solve(STUDY, seeds=3, **(DIGITS | {"weak_features": "of_strong", "d_weak": 10, "preprocess": "none"}))
    assert (rows["misfit"] <= 1e-18 * rows["weak_power"]).all()
    assert (rows["gain"].abs() <= 1e-9 * rows["weak_error"]).all()
    assert (rows["disagreement"] == 0).all()


def test_endless_flow_is_no_ridge_and_both_are_flagged() -> None:
    fixed = DIGITS | {"d_strong": 200}
    flow, none = one(STUDY, student_filter="flow", time=np.inf, **fixed), one(STUDY, ridge=0.0, **fixed)
    assert flow["student_error"] == pytest.approx(none["student_error"], rel=1e-12)
    assert flow["status"] == none["status"] == "singular"
    assert one(STUDY, ridge=1e-3, **fixed)["status"] == "ok"


def test_a_tuned_ceiling_does_not_depend_on_the_students_filter() -> None:
    rows = solve(STUDY, axes={"ridge": [1e-6, 1e-2, 10.0]}, ceiling_tuning="best_on_validation", **DIGITS)
    for name in ("strong_error", "ceiling_error", "strong_error_01", "ceiling_error_01"):
        assert rows[name].nunique() == 1
    same = solve(STUDY, axes={"ridge": [1e-6, 1e-2, 10.0]}, **DIGITS)
    assert same["ceiling_error"].nunique() == 3


# ---------------------------------------------------------------- tables that are hard to fit

ROWS = 120


def columns(**changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(8)
    x = rng.standard_normal((ROWS, 5))
    y = x @ [1.0, -1.0, 0.5, 0.0, 2.0] + 0.3 * rng.standard_normal(ROWS)
    return {f"x{k}": x[:, k] for k in range(5)} | {"y": y} | changes


TABLE: dict[str, Any] = {"data": "some.parquet", "weak_features": "columns:x[01]", "strong_features": "inputs"}
TABLE |= {"n_labeled": 30, "n_transfer": 40, "n_test": 50}


def solved(folder: Path, written: Mapping[str, Any], **changes: Any) -> tuple[pd.Series, dict[str, float]]:
    """The row of a table, and what it should be."""
    pq.write_table(pa.table(dict(written)), folder / "some.parquet")
    fixed = TABLE | changes
    return one(STUDY, folder=folder, **fixed), reference(DEFAULTS | {"task": "regression", "seed": 0} | fixed, folder)


def test_a_plain_table(tmp_path: Path) -> None:
    row, wanted = solved(tmp_path, columns())
    agrees(row, wanted)
    assert (row["status"], row["weak_rank"], row["student_rank"]) == ("ok", 2, 5)
    assert (
        row[["message", "gain_01", "weak_error_01", "student_validation_misfit", "tuning_criterion", "tuned_at_end"]]
        .isna()
        .all()
    )


def test_whole_numbers_and_truths_are_inputs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    extra = {"x1": rng.integers(-3, 4, ROWS), "x2": rng.integers(0, 2, ROWS).astype(bool), "note": ["word"] * ROWS}
    row, wanted = solved(tmp_path, columns(**extra))
    agrees(row, wanted)
    assert row["student_rank"] == 5


@pytest.mark.parametrize("preprocess", ["none", "center", "standardise"])
@pytest.mark.parametrize("ridge", [0.0, 1e-10, 0.1])
def test_a_constant_column(tmp_path: Path, preprocess: str, ridge: float) -> None:
    row, wanted = solved(tmp_path, columns(x1=np.full(ROWS, 0.1)), preprocess=preprocess, ridge=ridge)
    agrees(row, wanted)
    if preprocess == "standardise":
        assert row["message"].count("constant on the training rows") == 2
    # Without a mean to take off, a constant column is a feature like any other.
    assert row["student_rank"] == (5 if preprocess == "none" else 4)
    assert row["status"] == ("ok" if preprocess == "none" else "singular")


@pytest.mark.parametrize("preprocess", ["none", "center", "standardise"])
@pytest.mark.parametrize("ridge", [0.0, 1e-10, 0.1])
def test_a_column_that_only_test_rows_have(tmp_path: Path, preprocess: str, ridge: float) -> None:
    """A flag that is never raised among training rows says nothing, however large it is elsewhere."""
    pq.write_table(pa.table(columns()), tmp_path / "some.parquet")
    table = load_table(DataFile.find("some.parquet", tmp_path), None, "regression")
    sizes = {name: TABLE[name] for name in ("n_labeled", "n_transfer", "n_test")}
    rows = split_rows(table, seed=0, n_validation=0, split=None, backend=NUMPY, **sizes)
    flag = np.zeros(ROWS)
    flag[rows.test] = 1e4
    without = one(STUDY, folder=tmp_path, **(TABLE | {"preprocess": preprocess, "ridge": ridge}))
    pq.write_table(pa.table(columns(x9=flag)), tmp_path / "some.parquet")
    row = one(STUDY, folder=tmp_path, **(TABLE | {"preprocess": preprocess, "ridge": ridge}))
    for name in ("weak_error", "student_error", "ceiling_error", "strong_error", "misfit"):
        assert row[name] == pytest.approx(without[name], rel=1e-9), name
    assert row["status"] == ("singular" if ridge == 0 else "ok")


def test_more_features_than_rows(tmp_path: Path) -> None:
    wide = {f"x{k}": np.random.default_rng(k).standard_normal(ROWS) for k in range(70)}
    row, wanted = solved(tmp_path, columns(**wide), weak_features="inputs", ridge=0.2)
    agrees(row, wanted)
    assert row["status"] == "singular"
    assert "weak: 70 features on 30 rows have rank 29; minimum-norm fit" in row["message"]
    row, wanted = solved(tmp_path, columns(**wide), weak_features="inputs", ridge=0.2, ridge_weak=0.1)
    agrees(row, wanted)
    assert row["status"] == "ok"


def test_collinear_columns(tmp_path: Path) -> None:
    plain = columns()
    row, wanted = solved(tmp_path, plain | {"x1": 2 * plain["x0"]})
    agrees(row, wanted)
    assert (row["status"], row["weak_rank"], row["student_rank"]) == ("singular", 1, 4)


def test_nearly_collinear_columns_are_ill_conditioned(tmp_path: Path) -> None:
    plain = columns()
    row, _ = solved(tmp_path, plain | {"x4": plain["x3"] * (1 + 1e-13 * plain["x2"])})
    assert row["status"] == "ill_conditioned"
    assert row["condition"] > 1e12


def test_labelled_rows_may_miss_classes(tmp_path: Path) -> None:
    kinds = np.array(["common", "common", "common", "rare"])[np.random.default_rng(2).integers(0, 4, ROWS)]
    kinds[:2] = "unique", "other"
    row, wanted = solved(tmp_path, columns(y=kinds), task="classification", n_labeled=20)
    agrees(row, wanted)
    assert re.search(r"weak: labelled rows hold [123] of 4 classes", row["message"])
    assert row["status"] == "ok"


def test_labelled_rows_of_one_class_are_singular(tmp_path: Path) -> None:
    plain = columns()
    row, wanted = solved(tmp_path, plain | {"y": ["a"] * (ROWS - 1) + ["b"]}, task="classification", ridge=0.1, n_labeled=4)
    assert "labelled rows hold 1 of 2 classes" in row["message"]
    agrees(row, wanted)
    assert row["status"] == "singular"


def test_published_rows(tmp_path: Path) -> None:
    parts = np.array(["train", "train", "train", "valid", "test"])[np.random.default_rng(2).integers(0, 5, ROWS)]
    pq.write_table(pa.table(columns(part=parts)), tmp_path / "some.parquet")
    fixed = {name: value for name, value in TABLE.items() if name != "n_test"} | {"n_labeled": 25, "split": "part"}
    for row in solve(STUDY, folder=tmp_path, seeds=3, ceiling_tuning="best_on_validation", **fixed).to_dict("records"):
        cell = DEFAULTS | {"task": "regression", "ceiling_tuning": "best_on_validation", "seed": row["seed"]} | fixed
        agrees(row, reference(cell, tmp_path))
        assert row["n_evaluated"] == np.sum(parts == "test")


@pytest.mark.parametrize(
    ("changes", "fields", "message"),
    [
        ({"x2": [np.nan] * 3 + [0.0] * (ROWS - 3)}, {}, r"column 'x2' has 3 missing or non-finite values \(rows 1, 2, 3\)"),
        ({"y": ["same"] * ROWS}, {"task": "classification"}, "one class only"),
        ({"y": ["text"] * ROWS}, {}, "is text; set task: classification"),
        ({}, {"target": "x22"}, "no column 'x22' .did you mean 'x2'"),
        ({}, {"weak_features": "columns:z*"}, "no numeric column of some.parquet matches"),
        ({}, {"n_labeled": 31}, "n_labeled 31 .*= 121 rows, but there are 120 to take"),
        ({}, {"n_test": 0}, "no test rows; set n_test"),
        ({}, {"ceiling_tuning": "best_on_validation"}, "ceiling_tuning: best_on_validation needs validation rows"),
        ({}, {"weak_tuning": "best_on_validation"}, "weak_tuning: best_on_validation needs validation rows"),
        ({}, {"labels": "hard"}, "labels: hard needs task: classification"),
        ({}, {"split": "part"}, "n_validation and n_test are not set"),
        ({}, {"data": "other.parquet"}, "no such file"),
    ],
)
def test_what_cannot_be_solved_is_refused_before_it_runs(
    tmp_path: Path, changes: dict[str, Any], fields: dict[str, Any], message: str
) -> None:
    pq.write_table(pa.table(columns(**changes)), tmp_path / "some.parquet")
    with pytest.raises(GridError, match=message):
        solve(STUDY, folder=tmp_path, **(TABLE | fields))
