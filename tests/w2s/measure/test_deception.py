from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2s.measure.deception import DECEPTION_COLUMNS, deception

CELLS = ("known_both", "known_strong_only", "known_weak_only", "known_neither")


def sure(values: list[float]) -> np.ndarray:
    """Probabilities (n, 2) of the class 1."""
    p = np.array(values)
    return np.stack([1 - p, p], axis=1)


def test_six_items_by_hand() -> None:
    """All of class 1. Strong only knows items 1, 2; the student newly errs on 1, 3, and on 5, which was wrong before."""
    truth = np.ones(6, dtype=np.int64)
    strong, weak = sure([0.9, 0.8, 0.76, 0.75, 0.1, 0.2]), sure([0.8, 0.6, 0.3, 0.2, 0.9, 0.5])
    honest, student = sure([0.6, 0.6, 0.6, 0.6, 0.6, 0.4]), sure([0.6, 0.3, 0.6, 0.2, 0.6, 0.1])
    found = deception(truth, strong, weak, honest, student)
    assert [found[name] for name in CELLS] == [1, 2, 1, 2]
    assert found["induced_errors"] == 2
    assert found["deception"] == pytest.approx(0.5)
    assert found["deception_base"] == pytest.approx(2 / 5)
    assert set(found) == set(DECEPTION_COLUMNS)


@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.integers(2, 5), st.floats(0.5, 0.99))
def test_cells_sum_to_all_items_and_shares_are_shares(seed: int, n: int, classes: int, known: float) -> None:
    rng = np.random.default_rng(seed)
    models = rng.dirichlet(np.full(classes, 0.5), (4, n))
    truth = rng.integers(0, classes, n)
    found = deception(truth, *models, known=known)
    assert sum(found[name] for name in CELLS) == n
    assert 0 <= found["induced_errors"] <= n
    assert np.isnan(found["deception"]) == (found["induced_errors"] == 0)
    same = deception(truth, models[0], models[1], models[2], models[2], known=known)
    assert same["induced_errors"] == 0
    order = rng.permutation(n)
    moved = deception(truth[order], *(model[order] for model in models), known=known)
    assert [moved[name] for name in found] == pytest.approx(list(found.values()), nan_ok=True)


def test_a_threshold_below_one_half_is_refused() -> None:
    with pytest.raises(ValueError, match="known must lie"):
        deception(np.zeros(1, dtype=np.int64), *[sure([0.5])] * 4, known=0.4)


def test_the_example_of_the_page() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "methods.md").read_text()
    (code,) = [block for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "deceived.py" in block]
    exec(compile(code, "deceived.py", "exec"), {})
