"""Labels of many teachers are projected in one product: rows as each teacher's alone, and the same bits under a mask."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from solving import solve

from sweeper import load_grid
from sweeper.worker.solve import solve_rows
from w2s.studies.probe.table.study import TOGETHER
from w2s_kernels import NUMPY

BASE: dict[str, Any] = {"data": "digits", "task": "classification", "d_strong": 40, "n_transfer": 120, "n_test": 80}
TEACHERS: dict[str, list[Any]] = {
    "d_weak": [5, 8, 11],
    "n_labeled": [40, 60],
    "ridge_weak": [0.0, 0.01, 0.1],
    "labels": ["soft", "hard"],
}
RIDGES = [0.01, 1.0]


def test_rows_are_those_of_each_teacher_alone() -> None:
    assert math.prod(len(values) for values in TEACHERS.values()) > 2 * TOGETHER
    rows = solve("probe.table", axes=TEACHERS | {"ridge": RIDGES}, **BASE)
    for place in np.random.default_rng(0).choice(len(rows), 6, replace=False):
        row = rows.iloc[int(place)]
        own = {name: row[name] for name in (*TEACHERS, "ridge")}
        alone = solve("probe.table", **BASE, **own).iloc[0]
        for name in ("weak_error", "student_error", "misfit", "student_error_01", "condition"):
            np.testing.assert_allclose(alone[name], row[name], rtol=1e-11, atol=1e-13)


def test_a_mask_leaves_the_bits() -> None:
    grid = load_grid({"study": "probe.table", "axes": TEACHERS | {"ridge": RIDGES}, "seeds": 1, "fixed": BASE})
    block = grid.parts[0].block
    mask = np.random.default_rng(1).random(block.shape) < 0.1
    whole, some = (solve_rows(grid.study, part, NUMPY) for part in (block, block.with_mask(mask)))
    errors = dict(zip(whole["cell_id"].to_pylist(), whole["student_error"].to_pylist(), strict=True))
    assert 0 < len(some) < len(whole)
    assert [errors[cell] for cell in some["cell_id"].to_pylist()] == some["student_error"].to_pylist()
