"""Every claim of the similarity study: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Verdict, decide
from w2s.studies.goel2025.similarity.study import Similarity

CLAIMS = {claim.id: claim for claim in Similarity.claims}
FIELDS = ["overlap", "d_weak", "d_strong", "labels", "seed"]


def table(
    gain: Callable[[int], float], *, alike: float = 0.02, joint: float = 1.0, mean: float = 0.1, seeds: int = 12
) -> pd.DataFrame:
    """A supervisor of error .4 and a far better baseline; similarity grows with the shared features."""
    rng = np.random.default_rng(0)
    rows = []
    for overlap in (0, 2, 4, 6):
        for seed in range(seeds):
            weak, off = 0.4 + 0.01 * rng.standard_normal(), 0.002 * rng.standard_normal()
            won = gain(overlap) + 0.005 * rng.standard_normal()
            rows.append({
                "overlap": overlap, "seed": seed, "similarity": alike * overlap + off, "gain_01": won,
                "weak_error_01": weak, "student_error_01": weak - won, "ceiling_error_01": weak - 0.2,
                "strong_error_01": 0.2, "oracle_error_01": 0.08 * joint + off, "oracle_error_01_theory": 0.08,
                "mean_error_01": mean, "pgr_01": won / 0.2,
            })  # fmt: skip
    return tagged(pd.DataFrame(rows).assign(status="ok", d_weak=6, d_strong=18, labels="soft"))


def tagged(frame: pd.DataFrame) -> pd.DataFrame:
    frame.attrs["w2s"] = {"fields": FIELDS}
    return frame


FALLS = table(lambda shared: 0.12 - 0.02 * shared)
CASES: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
    "independent_views": (FALLS, table(lambda shared: 0.1, joint=1.3)),
    "gain_falls_with_similarity": (FALLS, table(lambda shared: 0.02 * shared)),
    "complementary_view_gains": (FALLS, table(lambda shared: 0.01)),
    "nested_view_copies": (FALLS, table(lambda shared: 0.1)),
    "below_the_mean_of_both": (FALLS, table(lambda shared: 0.12, mean=0.35)),
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


def test_similar_models_are_not_independent() -> None:
    shifted = tagged(FALLS.assign(similarity=FALLS["similarity"] + 0.1))
    assert verdict("independent_views", shifted).outcome == "fails"


@pytest.mark.parametrize("name", CASES)
def test_few_seeds_leave_it_open(name: str) -> None:
    few = tagged(CASES[name][0][lambda rows: rows["seed"] < 4])
    assert verdict(name, few).outcome == "unresolved"


@pytest.mark.parametrize("name", ["gain_falls_with_similarity", "complementary_view_gains"])
def test_a_view_that_is_little_better_decides_nothing(name: str) -> None:
    assert verdict(name, tagged(FALLS.assign(strong_error_01=0.35))).outcome == "untestable"


@pytest.mark.parametrize("name", ["independent_views", "nested_view_copies", "complementary_view_gains"])
def test_overlaps_in_between_decide_nothing(name: str) -> None:
    between = tagged(FALLS[FALLS["overlap"].isin([2, 4])])
    assert verdict(name, between).outcome == "untestable"
