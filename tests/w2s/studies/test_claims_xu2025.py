"""Every claim of the study on posterior means: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Verdict, decide
from w2s.studies.xu2025.posterior_mean.study import PosteriorMean
from w2s.theory import xu2025 as theory

CLAIMS = {claim.id: claim for claim in PosteriorMean.claims}
FIELDS = ["task", "student", "beside", "teachers", "d_strong", "seed"]


def table(
    ratio: Callable[[int], float], by: str = "teachers", noise: float = 0.05, seeds: int = 12, **cell: Any
) -> pd.DataFrame:
    """Students whose gain is a ratio of their misfit that depends on one field."""
    rng = np.random.default_rng(3)
    rows = [
        {by: level, "seed": seed, "misfit": 1.0, "gain": ratio(level) + noise * rng.uniform(-1, 1)}
        for level in (2, 4, 8, 24)
        for seed in range(seeds)
    ]
    fixed = {"task": "regression", "student": "mean", "beside": "pool", "teachers": 8, "d_strong": 24, "status": "ok"} | cell
    frame = pd.DataFrame(rows).assign(**{name: value for name, value in fixed.items() if name != by})
    frame = frame.assign(weak_error=2.0, gain_theory=frame["gain"])
    fresh = (frame["student"] == "mean") & (frame["beside"] == "fresh")
    frame["ratio_theory"] = np.where(fresh, theory.fresh_teacher_ratio(frame["teachers"]), np.nan)
    frame.attrs["w2s"] = {"fields": FIELDS}
    return frame


def known(count: int) -> float:
    return (count - 1) / (count + 1)


fresh, fitted = {"beside": "fresh"}, {"by": "d_strong", "student": "fitted"}
primal = {"student": "primal", "task": "classification"}
CASES: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
    "mean_identity": (table(lambda _: 1.0, noise=0.0), table(lambda _: 1.0 + 1e-8, noise=0.0)),
    "three_point_identity": (table(known), table(known).assign(gain_theory=1.0)),
    "fresh_teachers": (table(known, **fresh), table(lambda _: 0.95, **fresh)),
    "ratio_rises": (table(known, **fresh), table(lambda count: 1 - known(count), **fresh)),
    "wider_students": (table(known, **fitted), table(lambda width: -known(width), **fitted)),
    "primal_mean_falls_short": (table(lambda _: 0.9, **primal), table(lambda _: 1.1, **primal)),
}


def verdict(name: str, rows: pd.DataFrame) -> Verdict:
    return decide(CLAIMS[name], rows)


def test_every_claim_has_a_case() -> None:
    assert set(CASES) == set(CLAIMS)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name: str) -> None:
    true, false = CASES[name]
    assert verdict(name, true).outcome == "holds", verdict(name, true).says
    assert verdict(name, false).outcome == "fails", verdict(name, false).says


@pytest.mark.parametrize("name", sorted(set(CASES) - {"three_point_identity"}))
def test_other_students_decide_nothing(name: str) -> None:
    assert verdict(name, table(known, student="other")).outcome == "untestable"


@pytest.mark.parametrize("name", ["fresh_teachers", "ratio_rises", "wider_students", "primal_mean_falls_short"])
def test_few_seeds_leave_it_open(name: str) -> None:
    rows = CASES[name][0]
    assert verdict(name, rows[rows["seed"] < 5]).outcome == "unresolved"
