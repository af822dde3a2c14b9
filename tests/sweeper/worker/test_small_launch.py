"""Launches without Numba, small ones and those by kept machine code, have the rows of one that compiles, to the bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import w2s
from sweeper import launch, load_grid, make_plan
from sweeper.worker import solve
from w2s.studies.dong2025.regression.study import Regression
from w2s_kernels import Backend

GRID = """
study: dong2025.regression
axes: {{d_overlap: [2, 5], n_transfer: [90, 300]}}
fixed: {{d_weak: 8, d_strong: {d_strong}, noise: 0.5, n_labeled: 30, rho_weak: 0.1, {fixed}}}
seeds: 2
compute: {{backend: numba}}
"""
FIXED = {
    "ridgeless": "ridge: 0",
    "ridge, drawn Grams": "ridge: 0.01, design: wishart",
    "flow": "student_filter: flow, time: 3",
    "steps, on transfer rows": "student_filter: steps, steps: 30, evaluate: transfer",
    "noisy labels, on labelled rows": "ridge: 0.1, risk: noisy, evaluate: labeled, ridge_weak: 0.1",
    "mixed": "ridge: 0.1, precision: mixed",
}


def rows(tmp_path: Path, fixed: str, d_strong: int, name: str) -> list[dict[str, Any]]:
    """Launch a grid and return its rows, without the time that they took."""
    (tmp_path / "grid.yaml").write_text(GRID.format(fixed=fixed, d_strong=d_strong))
    assert launch(tmp_path / "grid.yaml", out=tmp_path / name, executor="inline").exit == 0
    return w2s.load(tmp_path / name).drop(columns="elapsed_s").sort_values("cell_id").to_dict("records")


@pytest.mark.parametrize("d_strong", [12, 70])
@pytest.mark.parametrize("fixed", FIXED.values(), ids=FIXED)
def test_rows_have_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fixed: str, d_strong: int) -> None:
    pytest.importorskip("numba")
    asked: list[tuple[bool, bool]] = []
    choose, choose_kept = solve.choose, solve.choose_kept

    def kept(name: str, *, small: bool) -> Backend:
        asked.append((False, small))
        return choose_kept(name, small=small)

    monkeypatch.setattr(solve, "choose", lambda name: asked.append((True, False)) or choose(name))
    monkeypatch.setattr(solve, "choose_kept", kept)
    found = {}
    for name, limit, wanted in (("small", 1e12, (False, True)), ("kept", 1e-3, (False, False)), ("numba", 0.0, (True, False))):
        asked.clear()
        monkeypatch.setattr(Regression, "compiled_from", limit)
        found[name] = rows(tmp_path, fixed, d_strong, name)
        assert set(asked) == {wanted}
    assert len(found["small"]) == 8
    for small, kept, compiled in zip(*found.values(), strict=True):
        assert repr(small) == repr(kept) == repr(compiled)  # each digit of every number, and nulls


def test_a_launch_is_small_by_the_operations_of_its_whole_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(solve, "choose_kept", lambda _name, *, small: asked.append(small) or solve.choose("numpy"))
    (tmp_path / "grid.yaml").write_text(GRID.format(fixed="ridge: 0", d_strong=12))
    flops = make_plan(load_grid(tmp_path / "grid.yaml")).flops
    for name, limit in (("below", 1.01 * flops), ("above", 0.99 * flops)):
        monkeypatch.setattr(Regression, "compiled_from", limit)
        launch(tmp_path / "grid.yaml", out=tmp_path / name, executor="inline")
    assert asked == [True, False]
