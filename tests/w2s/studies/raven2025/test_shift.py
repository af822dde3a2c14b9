"""Linear students of several supervisors: limits to the bit, supervisors as they are asked for, other cuts, and refusals."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from accounting import check_account
from small_studies import check_cuts
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.studies.raven2025.shift.solve import NUMBERS
from w2s.studies.raven2025.shift.supervisors import accuracies, minibatches

STUDY = "raven2025.shift"
CELL: dict[str, Any] = {"n_transfer": 200, "n_test": 150, "d": 8, "epochs": 4, "batch": 32, "spread": 1.0}
TRAINED: dict[str, Any] = {**CELL, "source": "trained", "n_labeled": 60, "best": 0.9, "bad_high": 0.4, "bad_low": 0.2}
DIGITS: dict[str, Any] = {"source": "digits", "data": "digits", "n_labeled": 100, "n_transfer": 150, "n_test": 100, "epochs": 4}


def test_one_supervisor_is_naive_to_the_bit() -> None:
    learned, naive = (one(STUDY, method=method, bad=0, **CELL) for method in ("raven", "naive"))
    assert learned["student_error"] == naive["student_error"]
    assert (learned["misfit"], learned["weak_error"]) == (naive["misfit"], naive["weak_error"])
    assert learned["learned_weights"] == "[1.0]"


def test_without_rate_and_easy_part_it_is_the_uniform_ensemble() -> None:
    fixed = one(STUDY, method="raven", rate=0, easy=0, **CELL)
    uniform = one(STUDY, method="ensemble", **CELL)
    assert fixed["student_error"] == uniform["student_error"]
    assert fixed["learned_weights"] == uniform["learned_weights"]
    assert np.isnan(uniform["best_found"])


def test_weights_stay_to_the_bit_while_only_easy_items_count() -> None:
    path = np.array(json.loads(one(STUDY, method="raven", easy=0.5, rate=0.5, **CELL)["weights_by_tenth"]))
    assert (path[:5] == 1 / 3).all()
    assert (path[5:] != 1 / 3).any(axis=1).all()
    np.testing.assert_allclose(path.sum(axis=1), 1.0)


@pytest.mark.parametrize("errors", ["visible", "hidden"])
@pytest.mark.parametrize("sharing", [0, 0.5, 1])
def test_drawn_supervisors_have_the_accuracies_that_are_asked_for(errors: str, sharing: float) -> None:
    fixed = {"best": 0.8, "bad_high": 0.5, "bad_low": 0.3, "errors": errors, "sharing": sharing}
    rows = solve(STUDY, method="ensemble", seeds=6, **(CELL | {"n_test": 1000, "n_transfer": 1000, "epochs": 1}), **fixed)
    found = 1 - np.mean([json.loads(text) for text in rows["weak_errors"]], axis=0)
    assert found == pytest.approx([0.8, 0.5, 0.3], abs=0.035)
    if errors == "visible":
        assert (rows["agreed_accuracy"] == 1).all()  # errors of different targets never agree


def test_unshifted_supervisors_are_as_good_on_both_sides_and_shifted_ones_are_not() -> None:
    rows = solve(STUDY, axes={"size": [0, 0.9]}, method="naive", seeds=4, shift="features",
                 **(TRAINED | {"n_test": 800, "supervisor": 2}))  # fmt: skip
    loss = (rows["weak_error"] - rows["weak_error_in"]).groupby(rows["size"]).mean()
    assert abs(loss[0.0]) < 0.04
    assert loss[0.9] > 0.2


def test_quality_and_minibatches() -> None:
    assert accuracies({"best": 0.9, "bad": 3, "bad_high": 0.5, "bad_low": 0.3}).tolist() == pytest.approx([0.9, 0.5, 0.4, 0.3])
    order = minibatches(3, "transfer", np.arange(5), 4, 3)
    assert order.shape == (4, 3)
    assert sorted(order.ravel()[:5].tolist()) == sorted(order.ravel()[5:10].tolist()) == list(range(5))


def test_other_cells_of_a_block_do_not_matter() -> None:
    axes = {"method": ["naive", "confidence", "raven", "co_supervised"], "sharing": [0, 1], "labels": ["soft", "matched"]}
    fixed = CELL | {"n_transfer": 100, "n_test": 100, "epochs": 2}
    whole = check_cuts(STUDY, axes, [*NUMBERS], narrowed=["method", "sharing"], **fixed)
    assert set(whole["status"]) == {"ok"}
    assert whole.groupby(["sharing", "seed"])["ceiling_error"].nunique().max() == 1


def test_images_of_digits() -> None:
    rows = solve(STUDY, axes={"corruption": ["noise", "rotation"], "size": [0, 0.6]}, method="raven", seeds=2, **DIGITS)
    assert set(rows["status"]) == {"ok"}
    clean = rows[rows["size"] == 0]
    assert (clean["student_error"] == clean["student_error_in"]).all()
    assert (rows["student_error"] - rows["student_error_in"])[rows["size"] > 0].mean() > 0.03


@pytest.mark.parametrize("change", [{"start": "random"}, {"start": "entropy"}, {"reset": True}, {"floor": 0.9}, {"decay": 1}])
def test_every_way_to_hold_weights_back_is_another_student(change: dict[str, Any]) -> None:
    plain, held = (one(STUDY, method="raven", rate=1, gap=0.1, **CELL, **more) for more in ({}, change))
    assert plain["learned_weights"] != held["learned_weights"]
    weights = np.array(json.loads(held["learned_weights"]))
    assert weights.sum() == pytest.approx(1.0)
    if "floor" in change:
        assert -np.sum(weights * np.log(weights)) >= 0.9 * np.log(3) - 1e-9


@pytest.mark.parametrize(("change", "message"), [
    ({"method": "naive", "supervisor": 3}, "at most the number of bad ones"),
    ({"bad_high": 0.3, "bad_low": 0.5}, "bad_high is at least bad_low"),
    ({"source": "digits"}, "images need a file"),
    ({**DIGITS, "n_transfer": 1700}, "1900 images are asked for, the file has 1797"),
    ({"gap": 0.3}, "gap"),
])  # fmt: skip
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        solve(STUDY, **change)


def test_costs_are_the_sum_of_pieces() -> None:
    axes = {"method": ["raven", "ensemble"], "sharing": [0, 1], "labels": ["soft", "hard"]}
    check_account(STUDY, load_grid({"study": STUDY, "axes": axes, "fixed": CELL, "seeds": 3}).parts[0].block)
