"""Seeds needed: the number does what it promises, and nothing is promised where the gap is unresolved."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from declared import seeds_needed

from w2s.summary.intervals import mean_interval, t_quantile
from w2s.summary.power import chance_to_decide, seeds_to_decide


def table(seeds, *, spread=1.0, gap=5.0, seed=0):
    generator = np.random.default_rng(seed)
    rows = []
    for scale in (1.0, 2.0):
        weak = gap + 1 + 0.01 * generator.standard_normal(seeds)
        student = weak - 2 + scale * spread * generator.standard_normal(seeds)
        rows.append(
            pd.DataFrame(
                {
                    "seed": range(seeds),
                    "scale": scale,
                    "weak_error": weak,
                    "student_error": student,
                    "ceiling_error": 1.0,
                    "status": "ok",
                }
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    frame["gain"] = frame["weak_error"] - frame["student_error"]
    return frame


def test_the_number_of_seeds_gives_the_width():
    pilot = seeds_needed(table(200), "student_error", 0.1).set_index("scale")
    assert pilot["half_width"].loc[2.0] / pilot["half_width"].loc[1.0] == pytest.approx(2.0, rel=0.25)
    for scale in (1.0, 2.0):
        needed = int(pilot["needed"].loc[scale])
        widths = []
        for seed in range(40):
            sample = scale * np.random.default_rng(seed).standard_normal(needed)
            interval = mean_interval(sample)
            widths.append(float(interval.high - interval.low) / 2)
        assert np.mean(widths) == pytest.approx(0.1, rel=0.2)


def test_a_pilot_that_is_precise_enough_needs_no_more():
    found = seeds_needed(table(50), "student_error", 100.0)
    assert (found["needed"] == 2).all()


def test_ratios_scale_like_means_once_the_gap_is_resolved():
    found = seeds_needed(table(100), "pgr", 0.01).set_index("scale")
    more = seeds_needed(table(400), "pgr", 0.01).set_index("scale")
    assert (found["status"] == "ok").all()
    assert float(found["needed"].loc[1.0]) == pytest.approx(float(more["needed"].loc[1.0]), rel=0.5)


def test_an_unresolved_gap_has_no_number():
    frame = table(8, gap=0.0)
    found = seeds_needed(frame, "pgr", 0.05)
    assert found["needed"].isna().any()
    assert (found["needed"].isna() == (found["status"] != "ok")).all()
    assert set(found["status"]) <= {"ok", "gap_unresolved", "gap_nonpositive"}
    far = seeds_needed(table(8, gap=-5.0), "pgr", 0.05)
    assert far["needed"].isna().all()
    assert set(far["status"]) == {"gap_nonpositive"}


def test_one_seed_and_bad_widths():
    assert seeds_needed(table(1), "student_error", 0.1)["needed"].isna().all()
    for width in (0.0, -1.0, float("nan")):
        with pytest.raises(ValueError, match="above 0"):
            seeds_needed(table(4), "student_error", width)


@pytest.mark.parametrize(("seeds", "chance"), [(3, 0.08), (8, 0.80), (16, 1.0)])
def test_the_chance_to_decide_is_that_of_simulated_intervals(seeds, chance):
    assert chance_to_decide(1.6, seeds) == pytest.approx(chance, abs=0.01)
    draws = 1.6 + np.random.default_rng(3).standard_normal((40_000, seeds))
    half = float(t_quantile(seeds, 0.99)) * draws.std(axis=1, ddof=1) / np.sqrt(seeds)
    assert np.mean(draws.mean(axis=1) - half > 0) == pytest.approx(chance_to_decide(1.6, seeds), abs=0.008)
    assert chance_to_decide(-1.6, seeds) == chance_to_decide(1.6, seeds)
    assert chance_to_decide(1.6, 1) == 0


def test_seeds_to_decide_are_the_least_that_decide_often_enough():
    half = float(t_quantile(5, 0.99)) / np.sqrt(5)  # of five seeds of standard deviation 1
    found = seeds_to_decide(0.5, (0.5 - half, 0.5 + half), 0.0, 5)
    assert chance_to_decide(0.5, found) >= 0.8 > chance_to_decide(0.5, found - 1)
    assert seeds_to_decide(1.5, (1.5 - half, 1.5 + half), 1.0, 5) == found
    assert seeds_to_decide(9.0, (9.0 - half, 9.0 + half), 0.0, 5) < found


@pytest.mark.parametrize(
    ("value", "interval", "seeds"),
    [
        (0.5, (-np.inf, np.inf), 5),
        (np.nan, (0.0, 1.0), 5),
        (0.5, (0.5, 0.5), 5),
        (0.5, (0.0, 1.0), 1),
        (1.0 + 1e-6, (0.0, 2.0), 5),
    ],
)
def test_what_no_number_of_seeds_is_known_for(value, interval, seeds):
    assert seeds_to_decide(value, interval, 1.0, seeds) is None
