"""Listed answers: the composition against brute force, the bound, the cut of grids, rounds without edits."""

from __future__ import annotations

import numpy as np
import pytest
from small_studies import check_cuts
from solving import solve

from w2s.studies.aligner2024.edits.solve import composed, corrected, draw_upstream
from w2s_kernels import NUMPY

WORLD = {"answers": 4, "n_items": 30, "accuracy": 0.6, "spread": 1.0}
CORRECTOR = {"fix": 0.4, "breaks": 0.1, "copies": 0.7, "rounds": 2}
NUMBERS = (
    "weak_error",
    "student_error",
    "misfit",
    "fix_rate",
    "break_rate",
    "bound_slack",
    "bound_excess",
    "student_error_theory",
)


def matrices(seed: int, prompts: int = 5, answers: int = 4) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.ones(answers), prompts), rng.dirichlet(np.ones(answers), (prompts, answers))


@pytest.mark.parametrize("seed", range(4))
def test_the_composition_and_its_bound_by_brute_force(seed: int) -> None:
    """-log pi'(y'|x) <= -log mu(y'|y, x) - log pi(y|x) for every y, and pi' is a distribution."""
    pi, mu = matrices(seed)
    found = composed(pi, mu)
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    for i, then in np.ndindex(found.shape):
        total = sum(mu[i, first, then] * pi[i, first] for first in range(pi.shape[1]))
        assert found[i, then] == pytest.approx(total, rel=1e-12)
        for first in range(pi.shape[1]):
            assert -np.log(total) <= -np.log(mu[i, first, then]) - np.log(pi[i, first])


def test_a_model_of_its_own_seed_keeps_the_mean_accuracy() -> None:
    upstream = draw_upstream({**WORLD, "n_items": 20_000}, 0, NUMPY)
    np.testing.assert_allclose(upstream.pi.sum(axis=1), 1.0)
    assert (upstream.pi >= 0).all()
    assert upstream.pi[:, 0].mean() == pytest.approx(0.6, abs=0.01)
    np.testing.assert_array_equal(draw_upstream(WORLD, 0, NUMPY).pi, upstream.pi[:30])  # nested


def test_the_bound_is_never_broken_and_tight_for_copies_alone() -> None:
    upstream = draw_upstream(WORLD, 1, NUMPY)
    row = corrected(upstream, CORRECTOR, NUMPY)
    assert row["bound_slack"] >= -1e-12
    assert row["bound_excess"] > 0.1
    copies = corrected(upstream, {"fix": 0.0, "breaks": 0.0, "copies": 1.0, "rounds": 3}, NUMPY)
    assert (copies["bound_slack"], copies["bound_excess"]) == (0.0, 0.0)
    assert (copies["misfit"], copies["edit_rate"], copies["fix_rate"], copies["break_rate"]) == (0.0, 0.0, 0.0, 0.0)
    assert copies["student_error"] == copies["weak_error"]


@pytest.mark.parametrize("rounds", [0, 1, 4])
def test_nothing_fixed_or_broken_changes_no_error(rounds: int) -> None:
    row = corrected(draw_upstream(WORLD, 2, NUMPY), {"fix": 0.0, "breaks": 0.0, "copies": 0.3, "rounds": rounds}, NUMPY)
    assert row["student_error"] == row["weak_error"]
    assert row["accounting_gap"] <= 1e-12
    assert np.isnan(row["bound_slack"]) == (rounds == 0)


def test_the_hand_value_is_met_within_sampling() -> None:
    rows = solve("aligner2024.edits", seeds=24, accuracy=0.7, fix=0.5, breaks=0.02, n_items=1000)
    assert (1 - rows["student_error"]).mean() == pytest.approx(0.836, abs=0.01)
    np.testing.assert_allclose(1 - rows["student_error_theory"], 0.836)
    assert (rows["accounting_gap"] <= 1e-12).all()
    np.testing.assert_allclose(rows["gain"], rows["weak_error"] - rows["student_error"])


def test_a_cell_is_the_same_in_every_cut() -> None:
    check_cuts(
        "aligner2024.edits",
        {"accuracy": [0.6, 0.9], "fix": [0.0, 0.5], "rounds": [0, 2]},
        NUMBERS,
        n_items=50,
        answers=4,
    )
