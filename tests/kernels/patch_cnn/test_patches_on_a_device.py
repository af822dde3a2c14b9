"""The study of patches on a device made of NumPy: the numbers of the reference, and arrays that stay where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import device as stand_in
import numpy as np
import pytest
from cuda_build import Shim
from device import DEVICE, DeviceArray
from digit_files import digit_files

from sweeper import load_grid
from w2s_kernels import NUMPY

CELL: dict[str, Any] = {"d": 40, "mu": 2.0, "nu": 1.5, "sigma": 0.3, "n_labeled": 30, "teacher_rate": 0.1, "teacher_steps": 20}
CELL |= {"per_class": 4, "init": 1e-2, "rate": 0.5, "n_test": 200, "n_validation": 100}


@pytest.mark.parametrize("student", ["relu", "linear"])
def test_a_device_gives_the_numbers_of_the_reference(student: str, shim: Shim, monkeypatch: pytest.MonkeyPatch) -> None:
    fixed = CELL | {"student": student}
    fixed = {k: v for k, v in fixed.items() if student == "relu" or k not in ("per_class", "init")}
    grid = load_grid({"study": "oh2025.patches", "axes": {"n_transfer": [20, 50], "step": [0, 15]}, "fixed": fixed, "seeds": 1})
    block = grid.parts[0].block
    want = grid.study().solve(block, NUMPY)
    transfers = stand_in.install(shim, monkeypatch)
    got = grid.study().solve(block, DEVICE)
    assert shim.launches >= 2  # teachers, and students in the span; words and normals beside them
    assert not any(isinstance(column, DeviceArray) for column in got.values())
    for name in ("weak_error", "student_error", "misfit", "train_fit", "label_correction"):
        np.testing.assert_allclose(got[name], want[name], atol=5e-3)  # an answer may turn with the last digit
    np.testing.assert_allclose(got["aligned_hard"], want["aligned_hard"], rtol=1e-8)
    assert not any("patch_cnn" in asked and "_check" not in asked for asked in transfers.counts("fetched"))


def test_a_device_reads_digits_too(shim: Shim, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    fixed = {**digit_files(tmp_path), **CELL, "nu": 4.0, "n_test": 80, "n_validation": 40}
    del fixed["d"]
    grid = load_grid({"study": "oh2025.mnist", "axes": {"n_transfer": [12, 50], "step": [0, 15]}, "fixed": fixed, "seeds": 1})
    block = grid.parts[0].block
    want = grid.study().solve(block, NUMPY)
    stand_in.install(shim, monkeypatch)
    got = grid.study().solve(block, DEVICE)
    assert not any(isinstance(column, DeviceArray) for column in got.values())
    for name in ("weak_error", "student_error", "misfit", "train_fit", "label_correction", "weak_rule"):
        np.testing.assert_allclose(got[name], want[name], atol=0.06)  # an answer may turn with the last digit
        assert np.mean(np.isclose(got[name], want[name], equal_nan=True)) >= 0.75
