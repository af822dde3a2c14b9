"""A study whose errors are noise of a known spread around known means, so that a test knows when seeds are enough."""

from __future__ import annotations

import numpy as np
from toy import misbehave

from w2s import Cell, Cost, Study, field


class NoisyCell(Cell):
    x: float = field(0.0, description="a number")
    spread: float = field(0.1, description="standard deviation of the gain of a seed", ge=0)
    gap: float = field(1.0, description="mean of weak_error - ceiling_error")
    n: int = field(1, description="a number that shares work", ge=1)


class Noisy(Study):
    name = "noisy"
    version = 1
    Cell = NoisyCell
    summary = "noise"
    shares = ("n",)

    def cost(self, block):
        return Cost(3e8 * block.size, 64.0 * block.size)

    def solve(self, block, backend):
        misbehave(block)
        fields = [np.broadcast_to(block.column(name), block.shape) for name in ("seed", "x", "spread", "gap", "n")]
        gain, gap = np.empty(block.shape), np.empty(block.shape)
        for place in np.ndindex(*block.shape):
            seed, x, spread, mean, n = (float(values[place]) for values in fields)
            key = [int(seed), hash((x, spread, mean, n)) % 2**63]
            noise = np.random.Generator(np.random.Philox(key=key)).standard_normal(2)
            gain[place], gap[place] = 0.5 * mean + spread * noise[0], mean + 0.05 * noise[1]
        weak = np.full(block.shape, 2.0)
        return {"weak_error": weak, "student_error": weak - gain, "ceiling_error": weak - gap, "misfit": gain**2}
