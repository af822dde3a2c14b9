"""Every claim of the study on limits: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Verdict, decide
from w2s.studies.yao2025.limits.study import Limits

CLAIMS = {claim.id: claim for claim in Limits.claims}
FIELDS = ["errors", "error_scale", "loss", "steps", "seed"]
STEPS = (0, 10, 100, 1000, 4000)
DIPS, STAYS, FALLS = ((4.0, 1.0, 0.2, 0.7, 0.97), (4.0, 1.0, 0.3, 0.2, 0.15), (4.0, 1.0, 0.9, 0.8, 0.7))


def table(
    structured: tuple[float, ...] = DIPS, random: tuple[float, ...] = STAYS, bold: float = 0.02, seeds: int = 16
) -> pd.DataFrame:
    """Ratios of the student's error and its teacher's along training; reverse students are bolder and a little better."""
    rng = np.random.default_rng(4)
    rows = []
    ratios: Mapping[str, tuple[float, ...]] = {"structured": structured, "random": random}
    for errors, curve in ratios.items():
        for loss in ("forward", "reverse"):
            for seed in range(seeds):
                for steps, ratio in zip(STEPS, curve, strict=True):
                    sign, off = (1.0 if loss == "reverse" else -1.0), rng.uniform(0.97, 1.03)
                    rows.append({
                        "errors": errors, "loss": loss, "seed": seed, "steps": steps, "weak_error": 0.1,
                        "student_error": 0.1 * ratio * off * (1 - 4 * sign * bold), "confidence": 0.8 + sign * bold * off,
                    })  # fmt: skip
    fixed = {"error_scale": 1.0, "status": "ok", "weak_error_01": 0.3, "student_error_01": 0.2, "disagreement": 0.1 + 1e-15}
    fixed |= {"weak_variation": 0.2, "student_variation": 0.15, "variation_apart": 0.1, "misfit": 0.02}
    frame = pd.DataFrame(rows).assign(**fixed)
    frame.attrs["w2s"] = {"fields": FIELDS}
    return frame


TRUE = table()
CASES: dict[str, pd.DataFrame] = {
    "error_bound": TRUE.assign(disagreement=0.0999),
    "variation_bound": TRUE.assign(variation_apart=0.049),
    "overtraining": table(structured=FALLS),
    "errors_taken_over": table(structured=FALLS),
    "random_errors_stay_out": table(random=DIPS),
    "reverse_is_bolder": table(bold=-0.02),
}


def verdict(name: str, rows: pd.DataFrame) -> Verdict:
    return decide(CLAIMS[name], rows)


def test_every_claim_has_a_case() -> None:
    assert set(CASES) == set(CLAIMS)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name: str) -> None:
    assert verdict(name, TRUE).outcome == "holds", verdict(name, TRUE).says
    assert verdict(name, CASES[name]).outcome == "fails", verdict(name, CASES[name]).says


def test_pinskers_bound_counts_too() -> None:
    assert verdict("variation_bound", TRUE.assign(misfit=0.019)).outcome == "fails"


@pytest.mark.parametrize("name", ["overtraining", "errors_taken_over", "random_errors_stay_out", "reverse_is_bolder"])
def test_few_seeds_leave_it_open(name: str) -> None:
    assert verdict(name, TRUE[TRUE["seed"] < 5]).outcome == "unresolved"


@pytest.mark.parametrize("name", ["errors_taken_over", "random_errors_stay_out", "reverse_is_bolder"])
def test_short_trainings_decide_nothing(name: str) -> None:
    assert verdict(name, TRUE[TRUE["steps"] < 2000]).outcome == "untestable"


def test_bolder_alone_is_not_enough() -> None:
    worse = TRUE.assign(student_error=np.where(TRUE["loss"] == "reverse", 1.5, 1.0) * TRUE["student_error"])
    worse.attrs = TRUE.attrs
    assert verdict("reverse_is_bolder", worse).outcome == "fails"
