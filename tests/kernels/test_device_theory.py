"""Studies of theory on a stand-in of the device: they mix no array of the host into its arithmetic, and give NumPy's rows."""

from __future__ import annotations

from typing import Any

import device as stand_in
import pytest
from cuda_build import Shim
from device import Transfers
from test_transfers import agree, solved

HEADS = {"head": ["logistic", "mixture"], "loss": ["forward", "reverse"], "error": ["forward", "reverse"]}
VIEWS = {"n_labeled": 40, "n_transfer": 60, "n_test": 80, "d_weak": 3, "d_strong": 4}
TEACHERS = {"task": ["regression", "classification"], "student": ["mean", "fitted"], "teachers": [1, 3]}
STEPS = {"steps": [0, 5], "errors": ["structured", "random"], "loss": ["forward", "reverse"]}
CASES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("mulgund2025.bregman", HEADS, {"n_items": 40, "d": 3, "components": 4}),
    ("mulgund2025.bregman", {"noise": [1.0]}, {"head": "squared", "n_items": 40, "d": 3}),
    ("goel2025.similarity", {"overlap": [0, 2], "labels": ["soft", "hard"]}, VIEWS),
    ("xu2025.posterior_mean", TEACHERS, {"n_labeled": 30, "n_transfer": 40, "n_test": 40, "d": 5, "d_weak": 5, "d_strong": 4}),
    ("yao2025.limits", STEPS, {"n_transfer": 40, "n_test": 40, "d": 6}),
]


@pytest.fixture
def transfers(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> Transfers:
    return stand_in.install(shim, monkeypatch)


@pytest.mark.parametrize(("study", "axes", "fixed"), CASES)
def test_the_device_gives_the_rows_of_numpy(
    transfers: Transfers, study: str, axes: dict[str, Any], fixed: dict[str, Any]
) -> None:
    agree(*solved(study, axes, **fixed))
    assert transfers.log
