"""Every claim of the Bregman study: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Verdict, decide
from w2s.studies.mulgund2025.bregman.study import Bregman

CLAIMS = {claim.id: claim for claim in Bregman.claims}
FIELDS = ["head", "loss", "error", "target", "bias", "noise", "components", "seed"]


def table(excess: float, *, seeds: int = 10, noise: tuple[float, ...] = (1.0, 2.0), **cell: Any) -> pd.DataFrame:
    """Students whose gain is 1 + excess times their misfit, more or less by seed."""
    rng = np.random.default_rng(1)
    rows = [
        {"noise": level, "seed": seed, "misfit": (misfit := level * rng.uniform(0.9, 1.1)), "gain": misfit * (1 + off)}
        for level in noise
        for seed in range(seeds)
        for off in [excess * rng.uniform(0.8, 1.2)]
    ]
    fixed = {"head": "logistic", "loss": "forward", "error": "forward", "target": "in_class", "bias": 0.0, "components": np.nan}
    frame = pd.DataFrame(rows).assign(status="ok", **(fixed | cell))
    frame["weak_error"] = frame["gain"] + 0.1
    frame["gain_theory"] = frame["gain"]
    return tagged(frame)


def tagged(frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs["w2s"] = {"fields": FIELDS}
    return frame


def mixture(excess: float) -> pd.DataFrame:
    return table(excess, head="mixture", loss="reverse", components=20)


def sizes(exponent: float, seeds: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = [
        {"components": k, "seed": seed, "misfit": 1.0, "gain": 1.0 - k**exponent * rng.uniform(0.95, 1.05)}
        for k in (2, 4, 8, 16)
        for seed in range(seeds)
    ]
    fixed = {"head": "mixture", "loss": "reverse", "error": "forward", "target": "outside", "bias": 0.0, "noise": 1.0}
    return tagged(pd.DataFrame(rows).assign(status="ok", **fixed))


dual, squared = {"error": "reverse"}, {"head": "squared", "loss": None, "error": None, "target": None}
outside = {"error": "reverse", "target": "outside"}
CASES: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
    "reverse_mixture": (mixture(0.01), mixture(-1e-6)),
    "dual_identity": (table(0.0, **dual), table(1e-9, **dual)),
    "squared_identity": (table(0.0, **squared), table(1e-10, **squared)),
    "three_point_identity": (table(0.3), table(0.3).assign(gain_theory=lambda t: t["gain"] + 1e-9)),
    "cross_entropy_falls_short": (table(-0.1), table(0.1)),
    "truth_outside": (table(-0.1, **outside), table(0.1, **outside)),
    "mixtures_approach": (sizes(-0.8), sizes(-0.3)),
}


def verdict(name: str, rows: pd.DataFrame) -> Verdict:
    return decide(CLAIMS[name], rows)


def test_every_claim_has_a_case() -> None:
    assert set(CASES) == set(CLAIMS)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name: str) -> None:
    true, false = CASES[name]
    assert verdict(name, true).outcome == "holds"
    assert verdict(name, false).outcome == "fails"


@pytest.mark.parametrize("name", sorted(set(CASES) - {"three_point_identity"}))
def test_rows_of_other_students_decide_nothing(name: str) -> None:
    other = table(0.0, head="mixture", loss="forward", error="reverse", components=20)
    assert verdict(name, other).outcome == "untestable"


@pytest.mark.parametrize("name", ["cross_entropy_falls_short", "truth_outside", "mixtures_approach"])
def test_few_seeds_leave_it_open(name: str) -> None:
    few = CASES[name][0]
    assert verdict(name, few[few["seed"] < 5]).outcome == "unresolved"


def test_the_worst_setting_decides() -> None:
    both = tagged(pd.concat([table(-0.1, noise=(1.0,)), table(0.1, noise=(4.0,))], ignore_index=True))
    found = verdict("cross_entropy_falls_short", both)
    assert found.outcome == "fails"
    assert "noise = 4" in found.says


def test_teachers_that_a_head_can_follow_are_left_out() -> None:
    both = tagged(pd.concat([table(-0.1), table(0.1, bias=0.5)], ignore_index=True))
    assert verdict("cross_entropy_falls_short", both).outcome == "holds"


def test_a_size_that_lacks_seeds_is_left_out() -> None:
    rows = sizes(-0.8)
    extra = rows[(rows["components"] == 2) & (rows["seed"] < 3)].assign(components=3, gain=0.0)
    found = verdict("mixtures_approach", tagged(pd.concat([rows, extra], ignore_index=True)))
    assert (found.outcome, found.seeds) == ("holds", 12)
