"""Seeds until a number is known: when to look, and what a look says of a setting."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.summary.intervals import fieller, mean_interval
from w2s.summary.looks import Until, settle


def normal(key, *shape):
    return np.random.Generator(np.random.Philox(key=[key, 0])).standard_normal(shape)


def test_looks_double_up_to_the_most_seeds():
    assert Until("pgr", 0.1, 4096, 128).looks == (32, 64, 128, 256, 512, 1024, 2048, 4096)
    assert Until("pgr", 0.1, 100, 50).looks == (32, 64, 100)
    assert Until("pgr", 0.1, 20, 20).looks == (20,)
    assert Until("pgr", 0.1, 40, 40, first=8).looks == (8, 16, 32, 40)
    assert Until("pgr", 0.1, 4096, 128).level == pytest.approx(1 - 0.05 / 8)


def test_a_ratio_is_tight_when_half_of_its_fieller_set_is_small_enough():
    until = Until("pgr", 0.05, 1024, 64)
    bottom = 1.0 + 0.1 * normal(1, 40, 32)
    top = 0.5 * bottom + np.geomspace(0.01, 1.0, 40)[:, None] * normal(2, 40, 32)
    found = fieller(top, bottom, until.level)
    wanted = np.where((found.high - found.low) / 2 <= 0.05, "tight", "open")
    assert {"tight", "open"} == set(wanted)
    assert settle(until, top, bottom).tolist() == wanted.tolist()


def test_a_mean_is_tight_by_the_interval_that_summaries_show():
    until = Until("gain", 0.2, 1024, 64)
    numbers = np.geomspace(0.1, 2.0, 30)[:, None] * normal(3, 30, 64) ** 2
    found = mean_interval(numbers, until.level)
    assert settle(until, numbers).tolist() == np.where((found.high - found.low) / 2 <= 0.2, "tight", "open").tolist()


@pytest.mark.parametrize(("seeds", "state"), [(32, "open"), (63, "open"), (64, "unresolved"), (128, "unresolved")])
@pytest.mark.parametrize("what", ["gap without sign", "gap below zero", "all alike", "no number"])
def test_a_setting_without_bounds_ends_at_max_unresolved(what, seeds, state):
    until = Until("pgr", 0.05, 1024, 64)
    top, bottom = normal(4, 1, seeds), 1.0 + 0.1 * normal(5, 1, seeds)
    if what == "gap without sign":
        bottom = normal(7, 1, seeds)
    elif what == "gap below zero":
        bottom = -bottom
    elif what == "all alike":
        top, bottom = np.ones((1, seeds)), np.full((1, seeds), 2.0)
    else:
        top = np.full((1, seeds), np.nan)
    assert settle(until, top, bottom).tolist() == [state]


def test_the_most_seeds_end_every_setting():
    until = Until("pgr", 1e-6, 128, 64)
    top, bottom = normal(8, 3, 128), 1.0 + 0.1 * normal(9, 3, 128)
    assert settle(until, top, bottom).tolist() == ["max"] * 3
    assert settle(until, top[:, :64], bottom[:, :64]).tolist() == ["open"] * 3


def test_a_setting_is_judged_by_its_own_numbers():
    until = Until("pgr", 0.1, 1024, 32)
    top, bottom = normal(10, 20, 32), 0.3 + normal(11, 20, 32)
    together = settle(until, top, bottom)
    assert together.tolist() == [settle(until, top[k : k + 1], bottom[k : k + 1])[0] for k in range(20)]
