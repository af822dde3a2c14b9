"""Units of a table's columns must not matter, and what a tuned model was given is said: columns, messages, the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from declared import declared
from solving import one, solve

from w2s.probes.tuning import RELATIVE_RIDGES
from w2s.studies.probe.table.study import ProbeTable

STUDY = "probe.table"
ERRORS = ["weak_error", "student_error", "strong_error", "ceiling_error", "misfit", "weak_distance", "gain"]
ROWS = 160
SIZES = {"n_labeled": 40, "n_transfer": 50, "n_validation": 30, "n_test": 40}


def written(folder: Path, units: Any = 1.0, **more: Any) -> Path:
    """A table of four columns in some units, with a target of their sum."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((ROWS, 4)) + 0.4
    y = x.sum(axis=1) + 0.3 * rng.standard_normal(ROWS)
    columns = {f"x{k}": column for k, column in enumerate((x * units).T)} | {"y": y} | more
    pd.DataFrame(columns).to_csv(folder / "some.csv", index=False)
    return folder


def fixed(**changes: Any) -> dict[str, Any]:
    return {"data": "some.csv", "weak_features": "columns:x[01]", "strong_features": "columns:x*", **SIZES} | changes


UNITS: list[Any] = [1e-3, 1e3, 1e160, 1e-160, np.array([1e160, 1e-160, 1.0, 1e-310])]
TUNED = {"ceiling_tuning": "best_on_validation", "weak_tuning": "best_on_validation"}


@pytest.mark.parametrize("precision", ["float64", "mixed"])
@pytest.mark.parametrize("units", UNITS, ids=["milli", "kilo", "huge", "tiny", "all"])
def test_standardised_columns_have_no_unit(tmp_path: Path, units: Any, precision: str) -> None:
    (tmp_path / "other").mkdir()
    cell = fixed(preprocess="standardise", ridge=0.05, precision=precision, **TUNED)
    plain = solve(STUDY, folder=written(tmp_path), seeds=3, **cell)
    found = solve(STUDY, folder=written(tmp_path / "other", units), seeds=3, **cell)
    for name in (*ERRORS, "weak_ridge", "strong_ridge", "ceiling_ridge"):
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-8, atol=1e-12, err_msg=name)
    assert found["message"].tolist() == plain["message"].tolist()
    assert set(found["status"]) == {"ok"}


@pytest.mark.parametrize("preprocess", ["center", "none"])
@pytest.mark.parametrize("factor", [1e-3, 1e3, 1e100])
def test_tuned_models_have_no_unit_and_a_fixed_ridge_has_one(tmp_path: Path, factor: float, preprocess: str) -> None:
    (tmp_path / "other").mkdir()
    cell = fixed(preprocess=preprocess, **TUNED)
    plain = solve(STUDY, folder=written(tmp_path), seeds=3, ridge=0.05, **cell)
    found = solve(STUDY, folder=written(tmp_path / "other", factor), seeds=3, ridge=0.05 * factor**2, **cell)
    for name in ERRORS:
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-8, atol=1e-12, err_msg=name)
    for name in ("weak_ridge", "strong_ridge", "ceiling_ridge"):
        np.testing.assert_allclose(found[name], plain[name] * factor**2, rtol=1e-8, err_msg=name)
    same = one(STUDY, folder=tmp_path / "other", ridge=0.05, **cell)
    assert same["student_error"] != pytest.approx(plain["student_error"][0], rel=1e-4)


def test_a_ceiling_of_features_in_thousandths_is_the_ceiling(tmp_path: Path) -> None:
    """More rows to choose on than to fit: the best ridge is far above the power of one feature, in any unit."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((160, 12))
    y = 0.3 * x[:, 0] + 2.0 * rng.standard_normal(160)
    columns = {f"{unit}_{k}": x[:, k] * by for unit, by in (("a", 1.0), ("b", 1000.0)) for k in range(12)}
    pd.DataFrame(columns | {"y": y}).to_csv(tmp_path / "some.csv", index=False)
    sizes = {"n_labeled": 16, "n_transfer": 20, "n_validation": 60, "n_test": 60}
    rows = solve(
        STUDY,
        folder=tmp_path,
        axes={"strong_features": ["columns:a_*", "columns:b_*"]},
        seeds=8,
        data="some.csv",
        weak_features="columns:a_*",
        ridge=1.0,
        ridge_weak=1.0,
        ceiling_tuning="best_on_validation",
        **sizes,
    )
    units, thousandths = (
        rows[rows["strong_features"] == name].reset_index(drop=True) for name in ("columns:a_*", "columns:b_*")
    )
    for name in ("ceiling_error", "strong_error"):
        np.testing.assert_allclose(thousandths[name], units[name], rtol=1e-9)
    np.testing.assert_allclose(thousandths["ceiling_ridge"], 1e6 * units["ceiling_ridge"], rtol=1e-9)
    assert units["tuned_at_end"].tolist() == thousandths["tuned_at_end"].tolist()
    assert set(units["tuning_criterion"]) == {"squared error on validation rows"}


@pytest.mark.parametrize("precision", ["float64", "mixed"])
@pytest.mark.parametrize("units", [[1e15, 1.0], [1.0, 1e15], [1e-15, 1.0]])
def test_a_column_far_smaller_than_another_counts_under_a_ridge(tmp_path: Path, units: list[float], precision: str) -> None:
    """Columns of 1e15 and 1 with ridge 0.01: the ridge is small beside both, so the student is that of equal columns."""
    (tmp_path / "other").mkdir()
    scale = np.array([units[0], units[1], 1.0, 1.0])
    models = {"weak_features": "columns:x[01]", "strong_features": "columns:x[01]", "precision": precision, "ridge_weak": 1e-4}
    small = 1e-4 * min(units) ** 2
    plain = solve(STUDY, folder=written(tmp_path), seeds=4, ridge=1e-12, **(fixed() | models | {"ridge_weak": 1e-12}))
    found = solve(
        STUDY, folder=written(tmp_path / "other", scale), seeds=4, **(fixed(ridge=small) | models | {"ridge_weak": small})
    )
    for name in ERRORS[:4]:
        np.testing.assert_allclose(found[name], plain[name], rtol=2e-3, err_msg=name)
    np.testing.assert_allclose(found["weak_rank"].dropna(), 2.0)


def test_a_table_whose_power_has_no_place_in_float64_says_so(tmp_path: Path) -> None:
    for precision in ("float64", "mixed"):
        row = one(STUDY, folder=written(tmp_path, 1e160), ridge=0.01, ridge_weak=0.01, precision=precision, **fixed())
        assert row["status"] == "nonfinite"


def test_the_last_ridge_tried_is_named_in_the_row_and_in_the_report(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).standard_normal(ROWS)
    rows = solve(STUDY, folder=written(tmp_path, y=noise), seeds=6, ridge=0.1, **fixed(**TUNED))
    ends = rows["tuned_at_end"].fillna("")
    assert ends.str.contains("ceiling").any()
    for row in rows[ends.str.contains("ceiling")].to_dict("records"):
        assert "ceiling: the best ridge on validation rows is the" in row["message"]
        assert "one tried" in row["message"]
    inside = rows[~ends.str.contains("ceiling")]
    assert not inside["message"].fillna("").str.contains("ceiling").any()
    counted = int(ends.str.contains("ceiling").sum())
    assert f"ceiling in {counted}" in ProbeTable().digest(declared(rows)).attrs["caption"]


def test_a_given_ridge_is_a_column_too(tmp_path: Path) -> None:
    row = one(STUDY, folder=written(tmp_path), ridge=0.3, ridge_weak=0.02, **fixed())
    assert row[["weak_ridge", "strong_ridge", "ceiling_ridge"]].tolist() == [0.02, 0.3, 0.3]
    flow = one(STUDY, folder=written(tmp_path), student_filter="flow", time=3.0, ridge_weak=0.02, **fixed())
    assert flow[["strong_ridge", "ceiling_ridge"]].isna().all()
    assert row[["tuning_criterion", "tuned_at_end"]].isna().all()


def test_a_weak_model_is_tuned_by_the_rule_of_the_ceiling() -> None:
    """With the student's features, rows and labels the weak model is the strong baseline."""
    rows = solve(
        STUDY,
        seeds=3,
        data="digits",
        task="classification",
        weak_features="means:16",
        strong_features="means:16",
        n_labeled=60,
        n_transfer=100,
        n_validation=60,
        n_test=200,
        ridge=0.01,
        **TUNED,
    )
    np.testing.assert_allclose(rows["weak_error"], rows["strong_error"], rtol=1e-12)
    np.testing.assert_allclose(rows["weak_ridge"], rows["strong_ridge"], rtol=1e-12)
    assert set(rows["tuning_criterion"]) == {"0-1 error on validation rows, then squared error"}
    assert rows["ridge_weak"].isna().all()


def test_the_ridges_tried_are_those_that_the_page_names() -> None:
    assert (len(RELATIVE_RIDGES), RELATIVE_RIDGES[0], RELATIVE_RIDGES[-1]) == (25, pytest.approx(1e-10), pytest.approx(100.0))
