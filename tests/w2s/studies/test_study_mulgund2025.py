"""The Bregman study: errors written out, the optimum of its fits, the same bits in any company, and what it refuses."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, rel_entr
from solving import solve

from sweeper import GridError, load_grid
from w2s.studies.mulgund2025.bregman import solve as solver
from w2s.studies.mulgund2025.bregman.mixtures import fit_mixture
from w2s.theory import mulgund2025 as theory
from w2s_kernels import NUMPY, choose

STUDY = "mulgund2025.bregman"
SMALL: dict[str, Any] = {"n_items": 40, "d": 3, "components": 5, "classes": 3, "bias": 0.3, "noise": 0.8}


def cell(**change: Any) -> dict[str, Any]:
    found = {"head": "logistic", "loss": "forward", "error": "forward", "target": "in_class", "logit_scale": 2.0}
    return found | SMALL | change


def kl(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.mean(rel_entr(first, second).sum(axis=-1)))


def explicit(given: dict[str, Any], seed: int) -> dict[str, float]:
    """A cell by a general minimiser."""
    world = solver.world_of(given, [seed], NUMPY)
    truth, weak = np.exp(world.truth[0]), np.exp(solver.labels_of(world, given, [seed], NUMPY)[0])

    def fitted(labels: np.ndarray) -> np.ndarray:
        def predictions(point: np.ndarray) -> np.ndarray:
            if given["head"] == "logistic":
                return np.exp(log_softmax(world.rows[0] @ point.reshape(given["d"], -1), axis=-1))
            shares = np.exp(log_softmax(point))
            return np.einsum("k,knc->nc", shares, world.heads[0])

        def loss(point: np.ndarray) -> float:
            return kl(predictions(point), labels) if given["loss"] == "reverse" else kl(labels, predictions(point))

        size = given["d"] * given["classes"] if given["head"] == "logistic" else given["components"]
        return predictions(minimize(loss, np.zeros(size), tol=1e-13, options={"maxiter": 5000}).x)

    student, ceiling = fitted(weak), truth if given["target"] == "in_class" else fitted(truth)
    if given["error"] == "forward":
        errors = {"weak_error": kl(truth, weak), "student_error": kl(truth, student), "ceiling_error": kl(truth, ceiling)}
        uniform = kl(truth, np.full_like(truth, 1 / given["classes"]))
        term = theory.three_point_term(truth, student, weak).mean()
        return errors | {"misfit": kl(student, weak), "uniform_error": uniform, "gain_theory": kl(student, weak) + term}
    errors = {"weak_error": kl(weak, truth), "student_error": kl(student, truth), "ceiling_error": kl(ceiling, truth)}
    return errors | {"misfit": kl(weak, student)}


CHANGES: list[dict[str, Any]] = [
    {},
    {"error": "reverse"},
    {"loss": "reverse", "target": "outside"},
    {"head": "mixture"},
    {"head": "mixture", "loss": "reverse", "error": "reverse"},
    {"head": "mixture", "loss": "reverse", "target": "outside"},
]


@pytest.mark.parametrize("change", CHANGES, ids=[",".join(map(str, change.values())) or "plain" for change in CHANGES])
def test_a_general_minimiser_gives_the_same_row(change: dict[str, Any]) -> None:
    given = cell(**change)
    asked = {name: value for name, value in given.items() if name != "components" or given["head"] == "mixture"}
    row = solve(STUDY, seeds=[4], **asked).iloc[0]
    assert row["status"] == "ok"
    for name, value in explicit(given, 4).items():
        assert row[name] == pytest.approx(value, rel=2e-3, abs=2e-6), name


def test_the_squared_student_is_a_projection() -> None:
    row = solve(STUDY, seeds=[2], head="squared", n_items=30, d=4, bias=0.5, noise=0.7).iloc[0]
    given = {"head": "squared", "n_items": 30, "d": 4, "bias": 0.5, "noise": 0.7}
    world = solver.world_of(given, [2], NUMPY)
    labels = solver.labels_of(world, given, [2], NUMPY)[0]
    student = world.rows[0] @ np.linalg.lstsq(world.rows[0], labels, rcond=None)[0]
    assert row["student_error"] == pytest.approx(np.mean((student - world.truth[0]) ** 2), rel=1e-10)
    assert row["misfit"] == pytest.approx(np.mean((student - labels) ** 2), rel=1e-10)
    assert row["uniform_error"] == pytest.approx(np.mean(world.truth[0] ** 2), rel=1e-10)
    assert row["ceiling_error"] == 0
    assert row["pgr"] == pytest.approx(1 - row["student_error"] / row["weak_error"])


def test_a_row_has_the_bits_it_has_alone() -> None:
    axes = {"head": ["logistic", "mixture"], "loss": ["forward", "reverse"], "noise": [0.5, 2.0]}
    together = solve(STUDY, axes=axes, seeds=4, n_items=50, d=3, components=6).set_index("cell_id")
    for one in ({"head": "logistic", "loss": "forward"}, {"head": "mixture", "loss": "reverse", "components": 6}):
        alone = solve(STUDY, seeds=[3], n_items=50, d=3, noise=2.0, **one).iloc[0]
        numbers = ["weak_error", "student_error", "ceiling_error", "misfit", "gain_theory", "optimality"]
        assert alone[numbers].tolist() == together.loc[alone["cell_id"], numbers].tolist()


def test_samples_are_nested() -> None:
    wide, narrow = (solver.world_of(cell(head="mixture", n_items=n), [1], NUMPY) for n in (40, 25))
    np.testing.assert_array_equal(wide.rows[:, :25], narrow.rows)
    np.testing.assert_allclose(wide.heads[:, :, :25], narrow.heads, rtol=1e-12)


def test_a_perfect_teacher_has_no_gain_and_no_pgr() -> None:
    rows = solve(STUDY, axes={"head": ["logistic", "mixture"]}, seeds=2, noise=0.0, n_items=60)
    assert rows["weak_error"].abs().max() < 1e-15
    assert rows["student_error"].abs().max() < 1e-9
    assert set(rows["pgr_status"]) == {"gap_nonpositive"}


def test_heads_that_are_nearly_the_same() -> None:
    """Weights of a singular curvature: the gap stays certified."""
    rng = np.random.default_rng(0)
    one = rng.dirichlet(np.ones(3), size=30)
    heads = np.stack([one, one, np.roll(one, 1, axis=1), one * (1 - 1e-12) + 1e-12 / 3])[None]
    labels = np.log(rng.dirichlet(np.ones(3), size=30))[None]
    for reverse in (False, True):
        shares, gap = fit_mixture(heads, labels, NUMPY, reverse=reverse)
        assert shares.sum() == pytest.approx(1.0)
        assert (shares >= 0).all()
        assert gap.max() < 1e-9


@pytest.mark.parametrize("name", ["numba"])
def test_backends_agree(name: str) -> None:
    axes = {"head": ["logistic", "mixture", "squared"]}
    here, there = (solve(STUDY, axes=axes, seeds=2, backend=backend, n_items=40) for backend in (NUMPY, choose(name)))
    for column in ("weak_error", "student_error", "misfit"):
        np.testing.assert_allclose(there[column], here[column], rtol=1e-12)


def test_what_it_refuses() -> None:
    with pytest.raises(GridError, match="n_items must exceed d"):
        load_grid({"study": STUDY, "fixed": {"n_items": 5, "d": 5}, "seeds": 1})
    with pytest.raises(GridError, match="loss"):
        load_grid({"study": STUDY, "fixed": {"head": "squared", "loss": "reverse"}, "seeds": 1})


def test_pieces_are_the_cost() -> None:
    grid = load_grid({"study": STUDY, "axes": {"head": ["logistic", "mixture", "squared"], "noise": [1, 2]}, "seeds": 3})
    study, block = grid.study(), grid.parts[0].block
    assert study.cost(block).flops == pytest.approx(sum(piece.flops for piece in study.pieces(block)))
    assert isinstance(pd.DataFrame(study.pieces(block)), pd.DataFrame)
