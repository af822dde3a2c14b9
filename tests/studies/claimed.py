"""A study that makes one claim of every kind; ``MADE`` says which of them it makes, a test rewrites that line and others."""

from __future__ import annotations

import numpy as np

from w2s import Cell, Claim, Cost, Figure, Study, field
from w2s.claims import above, below, over_seeds, within

MADE = ("ratio", "coin", "wrong", "needy", "known", "broken")
LIMIT = 0.5
RESAMPLES = 50


class ClaimedCell(Cell):
    x: float = field(description="any number")
    n: int = field(10, description="rows", ge=1)
    fails: bool = field(False, description="whether the cell has status failed")


def ratio(table, thresholds):
    value, interval, seeds = over_seeds(
        table, lambda rows: rows["student_error"].mean() / rows["weak_error"].mean(), resamples=RESAMPLES
    )
    return below("student / weak", value, interval, thresholds["limit"], seeds)


def coin(table, thresholds):
    value, interval, seeds = over_seeds(table, lambda rows: (rows["luck"] > 0).mean(), resamples=RESAMPLES)
    return above("share of luck", value, interval, 0.5, seeds)


def wrong(table, thresholds):
    value, interval, seeds = over_seeds(table, lambda rows: rows["gain"].mean(), resamples=RESAMPLES)
    return within("gain", value, interval, (10.0, 20.0), seeds)


def broken(table, thresholds):
    raise KeyError("no_such_column")


CLAIMS = (
    Claim("ratio", "the student makes less than half of the errors", "Theorem 1", ratio, {"x": 2}, {"limit": LIMIT}),
    Claim("coin", "seeds are lucky", "Fig. 2", coin, {"seed": 2}),
    Claim("wrong", "the gain is above ten <b>bold</b>", "Table 3", wrong),
    Claim("needy", "more rows are better", "Section 4", coin, {"n": 2}),
    Claim("known", "the gain is large", "Section 5", wrong, expected="fails_at_this_scale", reason="cells are small here"),
    Claim("broken", "a test with a mistake in it", "Section 6", broken),
)


def draw(table):
    from w2s.figures.style import canvas, panels

    figure = canvas(3, 2)
    panels(figure, 1, 1)[0, 0].plot(table["x"], table["gain"], "o")
    return figure


class Claimed(Study):
    """Half of the teacher's errors & <i>luck</i>."""

    name = "claimed"
    version = 1
    Cell = ClaimedCell
    columns = {"luck": "double"}
    claims = tuple(claim for claim in CLAIMS if claim.id in MADE)
    figures = (Figure("gain", "Gain & <b>errors</b>", draw), Figure("never", "Never", lambda table: None))

    def cost(self, block):
        return Cost(6e9 * block.size, 64.0 * block.size)

    def solve(self, block, backend):
        x, seed, fails = block.column("x"), block.column("seed"), block.column("fails")
        luck = np.array([np.random.Generator(np.random.Philox(key=[int(s), 7])).standard_normal() for s in seed.ravel()])
        luck = luck.reshape(seed.shape)
        weak = 2.0 + 0.1 * x + 0.1 * luck
        status = np.where(fails.astype(bool), 4, 0).astype(np.int8)
        return {
            "weak_error": weak,
            "student_error": 0.3 * weak * (1 + 1e-8 * luck),  # seeds that all say the same decide nothing
            "ceiling_error": np.full_like(seed, 0.1, dtype=float),
            "misfit": 0.49 * weak,
            "luck": luck + 0.0 * x,
            "status": status,
            "message": np.full_like(status, "<script>alert(1)</script>", dtype=object),
        }
