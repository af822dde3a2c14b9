"""Students of surrogates: fits written out with the pseudo-inverse, other cuts, and cells that cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from accounting import check_account
from small_studies import check_cuts
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.claims.claim import decide
from w2s.studies.ildiz2024.surrogate.study import Surrogate
from w2s.theory import ildiz2024 as theory
from w2s_kernels import NUMPY, normals, stream, uniforms

STUDY = "ildiz2024.surrogate"
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "student_error_theory", "ceiling_error_theory"]
CLAIMS = {claim.id: claim for claim in Surrogate.claims}
CELL: dict[str, Any] = {"d": 30, "n_transfer": 12, "noise": 0.4}


def fitted(rows: Any, labels: Any, ridge: float) -> Any:
    """Least squares by the pseudo-inverse of the rows, stacked on root(n ridge) I."""
    n, d = rows.shape
    if ridge == 0:
        return np.linalg.pinv(rows) @ labels
    return np.linalg.lstsq(np.vstack([rows, np.sqrt(n * ridge) * np.eye(d)]), np.append(labels, np.zeros(d)), rcond=None)[0]


def explicit(seed: int, cell: dict[str, Any]) -> dict[str, float]:
    d, n, noise, ridge = cell["d"], cell["n_transfer"], cell["noise"], cell.get("ridge", 0.0)
    index = np.arange(1, d + 1)
    lam = index ** -cell.get("decay", 1.5)
    signs = np.where(uniforms(stream("ildiz2024", "signs", seed=seed), 1, d, NUMPY)[0] < 0.5, -1, 1)
    target = signs * index ** -cell.get("signal_decay", 0.25)

    def draw(role: str, count: int) -> tuple[Any, Any]:
        rows = normals(stream("ildiz2024", role, "rows", seed=seed), count, d, NUMPY) * np.sqrt(lam)
        return rows, normals(stream("ildiz2024", role, "noise", seed=seed), count, 1, NUMPY)[:, 0]

    kind, keep = cell["surrogate"], cell.get("keep", d)
    surrogate = target.copy()
    if kind == "optimal":
        surrogate = theory.optimal_surrogate(lam, target, n, ridge)
    elif kind == "mask":
        surrogate = target * theory.best_mask(lam, n, ridge)
    elif kind == "first":
        surrogate[keep:] = 0
    elif kind == "learned":
        rows, error = draw("teacher", cell["n_labeled"])
        surrogate[keep:] = 0
        surrogate[:keep] = fitted(rows[:, :keep], rows @ target + noise * error, 0.0)
    rows, error = draw("student", n)
    student, ceiling = (fitted(rows, rows @ b + noise * error, ridge) for b in (surrogate, target))
    return {
        "weak_error": lam @ (surrogate - target) ** 2,
        "student_error": lam @ (student - target) ** 2,
        "ceiling_error": lam @ (ceiling - target) ** 2,
        "misfit": lam @ (student - surrogate) ** 2,
        "student_error_theory": float(theory.risk(lam, target, surrogate, n, noise**2, ridge)),
    }


@pytest.mark.parametrize("change", [
    {"surrogate": "truth"},
    {"surrogate": "optimal"},
    {"surrogate": "mask", "ridge": 0.01},
    {"surrogate": "first", "keep": 7},
    {"surrogate": "learned", "keep": 10, "n_labeled": 25},
    {"surrogate": "learned", "keep": 30, "n_labeled": 8, "noise": 0.0},
    {"surrogate": "optimal", "n_transfer": 50},
    {"surrogate": "mask", "n_transfer": 1, "decay": 0.5, "signal_decay": 1.0},
    {"surrogate": "first", "keep": 3, "n_transfer": 30, "ridge": 0.2},
])  # fmt: skip
def test_fits_written_out_give_the_same_errors(change: dict[str, Any]) -> None:
    cell = CELL | change
    rows = solve(STUDY, seeds=[1, 4], **cell)
    assert set(rows["status"]) == {"ok"}
    for row in rows.to_dict("records"):
        for name, value in explicit(row["seed"], cell).items():
            assert row[name] == pytest.approx(value, rel=1e-8, abs=1e-12), name


def test_other_cells_of_a_block_do_not_matter() -> None:
    axes = {"surrogate": ["truth", "optimal", "mask"], "n_transfer": [10, 40], "ridge": [0.0, 0.3], "noise": [0.0, 0.5]}
    whole = check_cuts(STUDY, axes, NUMBERS, d=24)
    truth = whole[whole["surrogate"] == "truth"]
    np.testing.assert_allclose(truth["student_error"], truth["ceiling_error"], rtol=1e-12)
    assert (truth["weak_error"] == 0).all()


def test_a_steep_spectrum_has_a_status() -> None:
    """The last eigenvalues are rounding of the first; without a ridge a fit may have no digit, or no factor at all."""
    steep = {"d": 500, "decay": 6.0, "surrogate": "truth"}
    assert one(STUDY, n_transfer=350, **steep)["status"] == "ill_conditioned"
    row = one(STUDY, n_transfer=480, **steep)
    assert row["status"] == "nonfinite"
    assert "dependent to rounding" in row["message"]
    assert one(STUDY, n_transfer=480, ridge=1e-6, **steep)["status"] == "ok"


@pytest.mark.parametrize(("change", "message"), [
    ({"surrogate": "first", "keep": 31}, "keep must not exceed d"),
    ({"n_transfer": 30}, "risk is infinite where n_transfer = d"),
    ({"surrogate": "learned", "keep": 9, "n_labeled": 9}, "n_labeled = keep"),
    ({"surrogate": "best"}, "truth, optimal, mask, first, learned"),
    ({"keep": 5}, "keep"),
])  # fmt: skip
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        solve(STUDY, **(CELL | change))


def test_costs_are_the_sum_of_pieces() -> None:
    axes = {"surrogate": ["truth", "learned"], "keep": [5], "n_labeled": [9], "n_transfer": [10, 40], "noise": [0.0, 1.0]}
    check_account(STUDY, load_grid({"study": STUDY, "axes": axes, "fixed": {"d": 24}, "seeds": 2}).parts[0].block)


# ---------------------------------------------------------------- claims


def table(ratio: float, *, surrogate: str = "mask", keep: float = np.nan, theory_ratio: float = 1.0, slope: float = 0.0) -> Any:
    """Students of a surrogate with ``ratio`` of the error on true labels, (n / 100)^slope times as much at n rows."""
    rng, rows = np.random.default_rng(1), []
    for n in (100, 200, 400):
        for seed in range(20):
            ceiling = 5.0 / n * (1 + 0.03 * rng.standard_normal())
            student = ratio * (n / 100) ** slope * ceiling * (1 + 0.002 * rng.standard_normal())
            rows.append({"n_transfer": n, "seed": seed, "student_error": student, "ceiling_error": ceiling})
    frame = pd.DataFrame(rows)
    frame["student_error_theory"] = theory_ratio * frame.groupby("n_transfer")["student_error"].transform("mean")
    fixed = {"d": 1000, "decay": 1.5, "signal_decay": 0.25, "ridge": 0.0, "noise": 0.0, "surrogate": surrogate}
    fixed |= {"keep": keep, "n_labeled": np.nan, "kept_theory": 200, "status": "ok"}
    frame = frame.assign(**fixed)
    frame.attrs["w2s"] = {"fields": ["d", "decay", "signal_decay", "n_transfer", "ridge", "noise", "surrogate", "keep", "seed"]}
    return frame


CASES = {
    "deterministic_equivalent": (table(0.9), table(0.9, theory_ratio=1.3)),
    "optimal_below_truth": (table(0.9, surrogate="optimal"), table(1.05, surrogate="optimal")),
    "weaker_teacher_better_student": (table(0.9), table(1.05)),
    "too_weak_hurts": (table(1.4, surrogate="first", keep=20), table(0.9, surrogate="first", keep=20)),
    "exponent_unchanged": (table(0.8, surrogate="optimal", slope=0.01), table(0.8, surrogate="optimal", slope=-0.2)),
}


@pytest.mark.parametrize("name", CASES)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(name: str) -> None:
    assert set(CASES) == set(CLAIMS)
    true, false = CASES[name]
    assert decide(CLAIMS[name], true).outcome == "holds", decide(CLAIMS[name], true).says
    assert decide(CLAIMS[name], false).outcome == "fails", decide(CLAIMS[name], false).says
    assert decide(CLAIMS[name], true.assign(surrogate="other", n_transfer=50)).outcome == "untestable"


def test_the_worst_setting_is_named() -> None:
    both = pd.concat([table(0.9), table(1.05).assign(noise=0.3)])
    found = decide(CLAIMS["weaker_teacher_better_student"], both)
    assert found.outcome == "fails"
    assert "noise = 0.3" in found.says
    assert found.intervals == 6
