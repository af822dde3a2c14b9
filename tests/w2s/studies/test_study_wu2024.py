"""Interpolating students: written out with the pseudo-inverse, tested on samples, other cuts, and claims."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from accounting import check_account
from small_studies import check_cuts
from solving import one, solve

from sweeper import GridError, load_grid
from w2s.claims.claim import decide
from w2s.studies.wu2024.spiked.solve import Shape
from w2s.studies.wu2024.spiked.study import Spiked
from w2s_kernels import NUMPY, normals, stream

STUDY = "wu2024.spiked"
CLAIMS = {claim.id: claim for claim in Spiked.claims}
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "weak_error_theory", "student_error_theory"]
CELL: dict[str, Any] = {"n_labeled": 12, "p_weak": 1.4, "p_strong": 1.7, "r_weak": 0.5, "r_strong": 0.3}


def explicit(seed: int, cell: dict[str, Any]) -> dict[str, Any]:
    """Minimum-norm fits by the pseudo-inverse, errors counted on a million scores."""
    n, m = cell["n_labeled"], max(round(cell["n_labeled"] ** cell["u"]), 1)
    models = {}
    for model in ("weak", "strong"):
        d, spikes = round(n ** cell[f"p_{model}"]), max(round(n ** cell[f"r_{model}"]), 1)
        energy = n ** -cell.get(f"q_{model}", 0.5)
        models[model] = np.sqrt(np.where(np.arange(d) < spikes, energy * d / spikes, (1 - energy) * d / (d - spikes)))

    def rows(part: str, model: str, count: int) -> Any:
        found = normals(stream("wu2024", part, model, seed=seed), count, len(models[model]), NUMPY)
        found[:, 0] = normals(stream("wu2024", part, "label", seed=seed), count, 1, NUMPY)[:, 0]
        return found

    labelled, given, seen = rows("labelled", "weak", n), rows("transfer", "weak", m), rows("transfer", "strong", m)
    weak = models["weak"] * (np.linalg.pinv(labelled * models["weak"]) @ np.sign(labelled[:, 0]))
    scores = given @ weak / np.linalg.norm(weak)
    labels = scores if cell.get("labels") == "soft" else np.sign(scores)
    student, ceiling = (models["strong"] * (np.linalg.pinv(seen * models["strong"]) @ y) for y in (labels, np.sign(seen[:, 0])))
    cosines = [w[0] / np.linalg.norm(w) for w in (weak, student, ceiling)]
    rng = np.random.default_rng(seed)
    g, a, b = rng.standard_normal((3, 300_000))
    weak_scores = cosines[0] * g + np.sqrt(1 - cosines[0] ** 2) * a
    student_scores = cosines[1] * g + np.sqrt(1 - cosines[1] ** 2) * b
    return {"cosines": cosines, "misfit": np.mean(np.sign(weak_scores) != np.sign(student_scores)),
            "student_error": np.mean(np.sign(student_scores) != np.sign(g))}  # fmt: skip


@pytest.mark.parametrize(
    "change", [{"u": 1.0}, {"u": 1.3, "labels": "soft"}, {"u": 0.0}, {"u": 1.9}, {"u": 1.0, "p_weak": 0.8}]
)
def test_fits_written_out_give_the_same_angles(change: dict[str, Any]) -> None:
    cell = CELL | change
    for seed in (0, 3):
        row, known = one(STUDY, seeds=[seed], **cell), explicit(seed, cell)
        assert row["weak_cosine"] == pytest.approx(known["cosines"][0], abs=1e-9)
        assert row["student_cosine"] == pytest.approx(known["cosines"][1], abs=1e-9)
        assert row["ceiling_error"] == pytest.approx(np.arccos(known["cosines"][2]) / np.pi, abs=1e-9)
        assert row["misfit"] == pytest.approx(known["misfit"], abs=0.004)
        assert row["student_error"] == pytest.approx(known["student_error"], abs=0.004)


def test_other_cells_of_a_block_do_not_matter() -> None:
    axes = {"u": [0.4, 1.0, 1.2, 1.9], "labels": ["hard", "soft"], "n_labeled": [8, 12]}
    fixed = {name: value for name, value in CELL.items() if name != "n_labeled"}
    whole = check_cuts(STUDY, axes, NUMBERS, **fixed)
    assert set(whole["status"]) == {"ok"}
    assert whole.groupby(["n_labeled", "seed"])["weak_error"].nunique().max() == 1
    beyond = whole["n_transfer"] > whole["d_strong"]
    assert beyond.any()
    assert (~beyond).any()


def test_as_many_rows_as_features_have_no_closed_form() -> None:
    row = one(STUDY, n_labeled=16, p_strong=1.5, u=1.5)
    assert row["n_transfer"] == row["d_strong"] == 64
    assert np.isnan(row["student_error_theory"])
    assert np.isfinite(row["student_error"])


@pytest.mark.parametrize(("n", "p", "q", "r", "shape"), [
    (60, 1.5, 0.5, 0.9, (465, 40)),
    (60, 1.95, 0.5, 0.17, (2934, 2)),
    (3, 0.5, 0.5, 2.0, (2, 1)),
])  # fmt: skip
def test_shapes_have_both_kinds_of_features(n: int, p: float, q: float, r: float, shape: tuple[int, int]) -> None:
    made = Shape.of(n, p, q, r)
    assert (made.d, made.spikes) == shape
    assert np.sum(made.scales() ** 2) == pytest.approx(made.d)
    assert np.sum(made.scales()[: made.spikes] ** 2) == pytest.approx(n**-q * made.d)


@pytest.mark.parametrize(("change", "message"), [
    ({"n_labeled": 4000, "p_weak": 2.0}, "n_labeled\\^p_weak features"),
    ({"n_labeled": 1000, "p_strong": 2.0}, "n_labeled\\^p_strong features"),
    ({"n_labeled": 4000, "p_weak": 1.0, "p_strong": 1.0, "u": 2.0}, "n_labeled\\^u rows"),
    ({"labels": "logits"}, "hard, soft"),
    ({"q_weak": 0.0}, "q_weak"),
])  # fmt: skip
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        solve(STUDY, **(CELL | change))


def test_costs_are_the_sum_of_pieces() -> None:
    axes = {"u": [0.5, 1.0, 1.9], "labels": ["hard", "soft"], "n_labeled": [8, 12]}
    check_account(STUDY, load_grid({"study": STUDY, "axes": axes, "fixed": {"p_strong": 1.7}, "seeds": 2}).parts[0].block)


# ---------------------------------------------------------------- claims


def table(errors: dict[tuple[int, float], float], *, soft: float = -0.03, weak: float = 0.37, off: float = 0.0) -> pd.DataFrame:
    """Students with an error for each n and u; those of soft labels differ by ``soft``."""
    rng, rows = np.random.default_rng(4), []
    for ((n, u), error), labels, seed in itertools.product(errors.items(), ("hard", "soft"), range(16)):
        student = error + 0.004 * rng.standard_normal() + (soft if labels == "soft" else 0.0)
        rows.append({"n_labeled": n, "u": u, "labels": labels, "seed": seed, "student_error": student, "n_transfer": round(n**u),
                     "weak_error": weak + 0.002 * rng.standard_normal(), "student_error_theory": error + off})  # fmt: skip
    fixed = {"p_weak": 1.5, "q_weak": 0.5, "r_weak": 0.9, "p_strong": 1.95, "q_strong": 0.5, "r_strong": 0.17, "status": "ok"}
    frame = pd.DataFrame(rows).assign(**fixed, lower_u_theory=0.47, upper_u_theory=1.65, d_strong=2934)
    frame["student_error_theory"] += np.where(frame["labels"] == "soft", soft, 0.0)
    frame.attrs["w2s"] = {"fields": [*list(fixed)[:-1], "n_labeled", "u", "labels", "seed"]}
    return frame


GOOD = {(60, 1.0): 0.22, (60, 1.8): 0.4}
PHASES = {(10, 0.2): 0.4, (60, 0.2): 0.42, (10, 1.0): 0.35, (60, 1.0): 0.2}
CASES = {
    "student_of_a_guess": (table(GOOD), table({(60, 1.0): 0.36})),
    "deterministic_equivalent": (table(GOOD, off=0.01), table(GOOD, off=0.1)),
    "too_many_labels": (table(GOOD), table({(60, 1.0): 0.22, (60, 1.8): 0.2})),
    "soft_labels_help": (table(GOOD), table(GOOD, soft=0.02)),
    "two_phases": (table(PHASES), table(PHASES | {(60, 1.0): 0.36})),
}


@pytest.mark.parametrize("name", CASES)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(name: str) -> None:
    assert set(CASES) == set(CLAIMS)
    true, false = CASES[name]
    assert decide(CLAIMS[name], true).outcome == "holds", decide(CLAIMS[name], true).says
    assert decide(CLAIMS[name], false).outcome == "fails", decide(CLAIMS[name], false).says
    other = true[true["labels"] == "soft"].assign(n_transfer=5, n_labeled=7, d_strong=3)
    assert decide(CLAIMS[name], other).outcome == "untestable"


def test_a_weak_model_that_is_good_contradicts_the_sentence() -> None:
    assert decide(CLAIMS["student_of_a_guess"], table(GOOD, weak=0.2)).outcome == "fails"


def test_an_error_that_falls_below_the_thresholds_contradicts_the_phases() -> None:
    assert decide(CLAIMS["two_phases"], table(PHASES | {(60, 0.2): 0.3})).outcome == "fails"
