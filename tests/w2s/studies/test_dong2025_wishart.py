"""Directly drawn designs: the same law as rows, the same answers from the same moments, at any count."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from solving import one, solve

import w2s
from sweeper import launch
from w2s.laws.gaussian import latent_factor, latent_sample
from w2s_kernels import NUMPY

SHAPE = {"d_weak": 40, "d_strong": 20, "d_overlap": 10.0, "n_labeled": 80, "n_transfer": 60}
MODELS = ("weak", "student", "strong", "ceiling")


def test_errors_have_their_closed_form_and_reject_the_other(tmp_path: Path) -> None:
    grid = {
        "study": "dong2025.regression",
        "axes": {"evaluate": ["fresh", "transfer"]},
        "fixed": {**SHAPE, "signal": 0.0, "design": "wishart"},
        "seeds": 1500,
    }
    assert launch(grid, executor="inline", out=tmp_path / "run").exit == 0
    rows = w2s.load(tmp_path / "run")
    for evaluate, right, wrong in (("fresh", 0.65089, 0.51282), ("transfer", 0.51282, 0.65089)):
        part = rows[rows["evaluate"] == evaluate]
        mean, se = part["student_error"].mean(), part["student_error"].sem()
        assert se <= 0.02 * right
        assert abs(mean - right) <= 4 * se
        assert abs(mean - wrong) > 4 * se
        for model in MODELS:
            values = part[f"{model}_error"]
            assert abs(values.mean() - part[f"{model}_error_theory"].iloc[0]) <= 4 * values.sem()


def test_a_billion_rows_cost_nothing_and_reach_the_limit() -> None:
    fixed = {**SHAPE, "n_transfer": 10**9, "design": "wishart", "noise": 1.0}
    del fixed["n_labeled"]
    rows = solve("dong2025.regression", axes={"n_labeled": [10**4, 10**9]}, seeds=3, **fixed)
    many = rows[rows["n_labeled"] == 10**9]
    assert many["weak_error"].to_numpy() == pytest.approx(40 / 1e9, rel=1.0)
    assert (many["weak_error"] < 1e-4 * rows[rows["n_labeled"] == 10**4]["weak_error"].to_numpy()).all()


def test_weak_widths_are_nested_and_alone_as_in_company() -> None:
    fixed = {**SHAPE, "design": "wishart", "ridge": 0.1}
    del fixed["d_weak"]
    together = solve("dong2025.regression", axes={"d_weak": [20, 40]}, seeds=2, **fixed)
    for width in (20, 40):
        alone = one("dong2025.regression", seeds=[1], d_weak=width, **fixed)
        row = together[(together["d_weak"] == width) & (together["seed"] == 1)].iloc[0]
        for name in ("weak_error", "student_error", "misfit", "ceiling_error", "strong_error"):
            assert row[name] == pytest.approx(alone[name], rel=1e-9)


def test_a_cell_solved_plainly_from_its_factors() -> None:
    row = one("dong2025.regression", seeds=[3], **SHAPE, design="wishart", ridge=0.05, noise=0.5, ceiling="transfer")
    labeled, transfer = (
        latent_factor(role, 3, [count], 20, 40, NUMPY)[0] for role, count in (("labeled", 80), ("transfer", 60))
    )
    weak_columns = [*range(10), *range(30, 60)]  # ten shared directions, thirty of the weak model's own
    target = np.zeros(62)
    target[:10] = np.sqrt(0.1)
    label = target.copy()
    label[-1] = 0.5
    weak = np.zeros(62)
    weak[weak_columns] = np.linalg.lstsq(labeled[:, weak_columns], labeled @ label, rcond=None)[0]
    strong = transfer[:, :20]
    student = np.zeros(62)
    student[:20] = np.linalg.solve(strong.T @ strong / 60 + 0.05 * np.eye(20), strong.T @ (transfer @ weak) / 60)
    assert row["weak_error"] == pytest.approx((weak - target) @ (weak - target), rel=1e-9)
    assert row["student_error"] == pytest.approx((student - target) @ (student - target), rel=1e-9)
    assert row["misfit"] == pytest.approx((student - weak) @ (student - weak), rel=1e-9)


@pytest.mark.parametrize("design", ["rows", "wishart"])
def test_fewer_rows_than_features(design: str) -> None:
    fixed = {"d_weak": 6, "d_strong": 12, "d_overlap": 4.0, "n_labeled": 9, "n_transfer": 8, "design": design, "noise": 0.5}
    row = one("dong2025.regression", seeds=[2], ridge=0.1, **fixed)
    if design == "rows":
        labeled = latent_sample("labeled", 2, 9, 12, 6, NUMPY)
    else:
        labeled = latent_factor("labeled", 2, [9], 12, 6, NUMPY)[0]
    target = np.zeros(20)
    target[:4] = 0.5
    label = target.copy()
    label[-1] = 0.5
    strong = np.zeros(20)
    features = labeled[:, :12]
    strong[:12] = np.linalg.solve(features.T @ features / 9 + 0.1 * np.eye(12), features.T @ (labeled @ label) / 9)
    assert np.linalg.matrix_rank(features) == 9
    assert row["strong_error"] == pytest.approx((strong - target) @ (strong - target), rel=1e-9)
    tiny = one("dong2025.regression", seeds=[2], ridge=1e-13, **fixed)
    small = one("dong2025.regression", seeds=[2], ridge=1e-9, **fixed)
    assert tiny["student_error"] == pytest.approx(small["student_error"], rel=1e-6)
