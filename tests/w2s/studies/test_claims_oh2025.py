"""Every claim on patches and on overlap: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Verdict, decide
from w2s.contract.cells import cell_fields
from w2s.studies.oh2025.patches.study import Patches
from w2s.studies.shin2024.overlap.study import Overlap
from w2s.theory import oh2025 as theory

CLAIMS = {claim.id: claim for study in (Patches, Overlap) for claim in study.claims}
STEPS = (2, 8, 32, 600)
CELL = {"d": 100, "p_hard": 0.3, "p_both": 0.6, "mu": 3.0, "nu": 3.0, "sigma": 0.375, "n_labeled": 200, "teacher_rate": 0.05}
CELL |= {"teacher_steps": 200, "student": "relu", "per_class": 10, "init": 1e-3, "rate": 2.0, "n_transfer": 800, "step": 2}
CELL |= {"n_test": 1000, "n_validation": 400, "status": "ok"}
NUMBERS = {"weak_error": 0.15, "student_error": 0.05, "ceiling_error": 0.0, "student_error_hard": 0.2, "train_fit": 1.0}
NUMBERS |= {"label_correction": 0.0, "student_validation_misfit": 0.1}


def table(rows: list[dict[str, Any]], seeds: int = 12) -> pd.DataFrame:
    """Cells on many seeds, their numbers a little different on each."""
    rng, found = np.random.default_rng(0), []
    for row in rows:
        for seed in range(seeds):
            full = CELL | NUMBERS | row
            shaken = {
                name: full[name] + 1e-3 * rng.standard_normal()
                for name in NUMBERS
                if name not in ("train_fit", "ceiling_error")
            }
            found.append(full | shaken | {"seed": seed})
    frame = pd.DataFrame(found)
    at = (frame["n_transfer"], frame["p_both"], frame["nu"], frame["sigma"], frame["d"])
    frame["regime_theory"], frame["benign_theory"] = theory.regime_index(*at), theory.benign_index(*at)
    frame["weak_error_theory"] = frame.get("theory", frame["p_hard"] / 2)
    frame["gain"] = frame["weak_error"] - frame["student_error"]
    frame.attrs["w2s"] = {"fields": list(cell_fields(Patches.Cell))}
    return frame


def curve(errors: tuple[float, ...], **columns: tuple[float, ...]) -> pd.DataFrame:
    """One student of abundant data along its steps."""
    return table(
        [
            {"step": step, "student_error": errors[k], **{name: values[k] for name, values in columns.items()}}
            for k, step in enumerate(STEPS)
        ]
    )


def scarce(hard: Any, sizes: tuple[float, ...] = (2, 3, 4.5, 7, 9, 12), **columns: Any) -> pd.DataFrame:
    """Students of scarce data at several sizes of the hard signal."""
    cell = {"d": 2000, "sigma": 1.0, "n_transfer": 100, "step": 200}
    return table([cell | {"nu": nu, "student_error_hard": hard(nu), "student_error": 0.3 * hard(nu)} | columns for nu in sizes])


def overlap(gain: Any, densities: tuple[float, ...] = (0.0, 0.15, 0.3, 0.6)) -> pd.DataFrame:
    return table([{"p_both": p, "student_error": 0.15 - gain(p)} for p in densities])


HUMP = (0.0, 0.2, 0.4, 0.6)
DIP, CORRECTED, DOUBTED = (0.05, 0.001, 0.03, 0.14), (0.7, 0.99, 0.8, 0.05), (0.12, 0.15, 0.12, 0.06)
CASES: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
    "teacher_misses_the_hard": (table([{}]), table([{"weak_error": 0.19}])),
    "teacher_closed_form": (table([{}]), table([{"weak_error_theory": 0.15, "theory": 0.12}])),
    "labels_are_corrected": (curve(DIP, label_correction=CORRECTED), curve(DIP, label_correction=(0.7, 0.8, 0.6, 0.05))),
    "nearly_perfect_early": (curve(DIP), curve((0.05, 0.03, 0.06, 0.14))),
    "correction_is_forgotten": (curve(DIP, label_correction=CORRECTED), curve(DIP, label_correction=(0.7, 0.99, 0.9, 0.4))),
    "overtraining_returns_to_the_teacher": (curve(DIP), curve((0.05, 0.001, 0.001, 0.03))),
    "truth_is_learnt": (curve(DIP), curve(DIP, ceiling_error=(0.0, 0.0, 0.0, 0.04))),
    "weak_labels_choose_late": (
        curve(DIP, student_validation_misfit=DOUBTED),
        curve(DIP, student_validation_misfit=(0.12, 0.05, 0.12, 0.15)),
    ),
    "scarce_interpolates": (scarce(lambda nu: 1 / nu), scarce(lambda nu: 1 / nu, train_fit=0.97)),
    "benign_above_the_boundary": (scarce(lambda nu: 1 / nu), scarce(lambda nu: 0.4 + 0.1 / nu)),
    "harmful_below_the_boundary": (scarce(lambda nu: 1 / nu), scarce(lambda nu: 0.05)),
    "accuracy_rises_with_the_index": (scarce(lambda nu: 1 / nu), scarce(lambda nu: 0.1 + nu / 40)),
    "no_bridge_no_gain": (
        table([{"p_both": 0.0, "student_error_hard": 0.52}]),
        table([{"p_both": 0.0, "student_error_hard": 0.3}]),
    ),
    "linear_student_learns_nothing": (
        table([{"student": "linear", "student_error_hard": 0.5}]),
        table([{"student": "linear", "student_error_hard": 0.42}]),
    ),
    "no_overlap_no_gain": (overlap(lambda p: 0.2 * p), overlap(lambda p: 0.1)),
    "gain_follows_overlap": (overlap(lambda p: min(0.3 * p, 0.13)), overlap(lambda p: 0.1 - (p - 0.3) ** 2, HUMP)),
    "dense_overlap_gains": (overlap(lambda p: 0.2 * p), overlap(lambda p: 0.05 * p)),
}


def verdict(name: str, rows: pd.DataFrame) -> Verdict:
    return decide(CLAIMS[name], rows)


def test_every_claim_has_a_case() -> None:
    assert set(CASES) == set(CLAIMS)
    assert len(CLAIMS) == len(Patches.claims) + len(Overlap.claims)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name: str) -> None:
    true, false = CASES[name]
    assert verdict(name, true).outcome == "holds", verdict(name, true).says
    found = verdict(name, false)
    assert found.outcome == "fails", found.says


@pytest.mark.parametrize("name", CASES)
def test_a_table_without_its_rows_is_untestable(name: str) -> None:
    true = CASES[name][0]
    assert verdict(name, true.iloc[:0]).outcome == "untestable"
    other = {
        "no_bridge_no_gain": table([{}]),
        "linear_student_learns_nothing": table([{}]),
        "truth_is_learnt": scarce(lambda nu: 0.1),
    }
    other |= dict.fromkeys(["no_overlap_no_gain", "dense_overlap_gains"], overlap(lambda p: 0.1, (0.2, 0.4)))
    other |= {"gain_follows_overlap": overlap(lambda p: 0.1, (0.2, 0.4))}
    for curved in ("labels_are_corrected", "nearly_perfect_early", "correction_is_forgotten", "weak_labels_choose_late"):
        other[curved] = true[true["step"] < 30]
    for few in (
        "scarce_interpolates",
        "benign_above_the_boundary",
        "harmful_below_the_boundary",
        "accuracy_rises_with_the_index",
    ):
        other[few] = table([{}])
    if name in other:
        assert verdict(name, other[name]).outcome == "untestable", name


def test_few_seeds_decide_nothing() -> None:
    assert verdict("teacher_misses_the_hard", table([{}], seeds=5)).outcome == "unresolved"


def test_who_chose_the_step_is_said() -> None:
    assert "step selected by truth" in verdict("nearly_perfect_early", CASES["nearly_perfect_early"][0]).says
    assert "the weak labels' step" in verdict("weak_labels_choose_late", CASES["weak_labels_choose_late"][0]).says


def test_the_worst_student_decides() -> None:
    good, bad = CASES["nearly_perfect_early"]
    both = pd.concat([good, bad.assign(nu=4.0)])
    both.attrs = good.attrs
    found = verdict("nearly_perfect_early", both)
    assert (found.outcome, "nu = 4" in found.says) == ("fails", True)


def test_the_end_of_the_training_is_asked_for_scarce_data() -> None:
    early = scarce(lambda nu: 1 / nu, train_fit=0.6).assign(step=20)
    both = pd.concat([early, scarce(lambda nu: 1 / nu)])
    assert verdict("scarce_interpolates", both).outcome == "holds"


def test_the_choice_of_a_step_is_part_of_the_interval() -> None:
    """Two steps of one mean, of which every resample takes the better: its gains are higher than those of either."""
    rows = table(
        [{"p_both": p, "step": step, "student_error": 0.15 - 0.2 * p} for p in (0.0, 0.2, 0.4, 0.6) for step in (8, 16)]
    )
    tilt = np.where((rows["seed"] % 2 == 0) == (rows["step"] == 8), 0.02, -0.02)
    rows["gain"] += np.where(rows["p_both"] > 0, tilt, 0.0)
    rows.attrs["w2s"] = {"fields": list(cell_fields(Overlap.Cell))}
    for step in (8, 16):
        fixed = rows[rows["step"] == step]
        fixed.attrs = rows.attrs
        free, alone = verdict("dense_overlap_gains", rows), verdict("dense_overlap_gains", fixed)
        assert free.interval is not None
        assert alone.interval is not None
        assert np.ptp(free.interval) < np.ptp(alone.interval)


def test_a_correlation_ends_at_one() -> None:
    """It is near one for a gain that only bends, and seeds differ: on the plain line its interval would end beyond."""
    found = verdict("gain_follows_overlap", CASES["gain_follows_overlap"][0])
    assert found.interval is not None
    assert 0.8 < found.interval[0] < found.interval[1] <= 1.0
