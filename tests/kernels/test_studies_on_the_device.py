"""Studies of closed forms and small simulations give on a device the rows that they give with NumPy."""

from __future__ import annotations

from typing import Any

import device as stand_in
import numpy as np
import pytest
from cuda_build import Shim
from device import DEVICE

from sweeper import load_grid
from w2s_kernels import NUMPY

GRIDS: dict[str, dict[str, Any]] = {
    "cong2025.tabular": {
        "axes": {"student": ["table", "shared"], "method": ["sft", "dpo", "wspo", "eft", "search"]},
        "fixed": {"vocabulary": 6, "length": 4, "n_transfer": 40, "plausible": 0.3},
    },
    "ildiz2024.surrogate": {
        "axes": {
            "surrogate": ["optimal", "mask", "first", "learned"],
            "keep": [6],
            "n_labeled": [9],
            "n_transfer": [8, 30],
            "ridge": [0.01, 0.1],
        },
        "fixed": {"d": 14, "noise": 0.3},
    },
    "lang2024.correction": {
        "axes": {"structured": [0, 0.5], "abstains": ["nowhere", "random", "across", "along"], "abstain": [0.3]},
        "fixed": {"d": 3, "n_transfer": 60, "n_test": 80, "d_strong": 12, "teacher_error": 0.3},
    },
    "selective2025.regions": {
        "axes": {"beta": [0, 0.5], "errors": ["structured", "shuffled"]},
        "fixed": {"n_labeled": 40, "n_transfer": 30, "n_test": 50, "d_weak": 5, "k": 3},
    },
    "wu2024.spiked": {
        "axes": {"u": [0.5, 1, 1.9], "labels": ["hard", "soft"]},
        "fixed": {"n_labeled": 8, "p_strong": 1.6},
    },
    "raven2025.shift": {
        "axes": {"method": ["naive", "ensemble", "raven", "bootstrapping", "co_supervised"], "supervisor": [-1], "easy": [0.3]},
        "fixed": {"source": "trained", "shift": "groups", "n_labeled": 30, "n_transfer": 60, "n_test": 80, "d": 6, "epochs": 4},
    },
    "somerstep2024.refinement": {
        "axes": {"n_transfer": [4, 30], "student": ["naive", "refined"]},
        "fixed": {"contexts": 20},
    },
}


@pytest.mark.parametrize("name", GRIDS)
def test_rows_agree(name: str, shim: Shim, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in.install(shim, monkeypatch)
    grid = load_grid({"study": name, "seeds": 2, **GRIDS[name]})
    study, block = grid.study(), grid.parts[0].block
    got, want = study.solve(block, DEVICE), study.solve(block, NUMPY)
    assert set(got) == set(want)
    for column, values in want.items():
        assert type(got[column]) is np.ndarray
        if values.dtype == object:
            np.testing.assert_array_equal(got[column], values)
        else:
            np.testing.assert_allclose(got[column], values, rtol=1e-5 if column == "condition" else 1e-7, atol=1e-10)
