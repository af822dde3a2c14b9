"""A study whose numbers are closed forms, so that a test of the engine costs milliseconds; it misbehaves on request.

The folder named in ``W2S_TOY`` steers it: ``sleep`` holds seconds to sleep per block, ``fail`` makes x = 13 raise,
``die_once`` kills the first process that solves x = 66, ``die_always`` every such process. ``solved`` counts blocks.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Literal

import numpy as np

from w2s import Cell, Cost, Rule, Study, field


class ToyCell(Cell):
    x: float = field(description="any number", infinite=True)
    n: int = field(10, description="rows", unit="rows", ge=1, le=10**9)
    kind: Literal["plain", "wave"] = field("plain", description="kind")
    shape: Literal["sine", "saw"] = field("sine", description="shape of a wave", when={"kind": ["wave"]})
    depth: float = field(0.5, description="depth of a saw", when={"shape": ["saw"]}, ge=0)
    label: str = field("a", description="a word")
    tag: str | None = field("none", description="a word, or none")
    flag: bool = field(False, description="yes or no")


class Toy(Study):
    name = "toy"
    version = 1
    Cell = ToyCell
    summary = "closed forms"
    shares = ("n",)
    columns = {"double_x": "double"}
    rules = (Rule(("x", "n"), lambda x, n: x <= n + 1000, "x must not exceed n + 1000"),)

    def cost(self, block):
        return Cost(6e9 * block.size, 64.0 * block.size)

    def solve(self, block, backend):
        misbehave(block)
        x, n, seed = block.column("x"), block.column("n"), block.column("seed")
        wave = np.where(block.column("kind") == "wave", np.sin(x), 0.0)
        saw = np.nan_to_num(np.asarray(block.column("depth"), dtype=float)) * (block.column("shape") == "saw")
        weak = 2.0 + np.cos(x + 0.1 * seed) + wave + saw
        student = 1.0 / n + 0.3 * weak
        return {
            "weak_error": weak,
            "student_error": student,
            "ceiling_error": 0.1 * np.exp(-np.abs(x)) + 0.0 * seed,
            "misfit": (weak - student) ** 2,
            "double_x": 2.0 * x,
        }


class Quick(Toy):
    """Blocks that cost next to nothing: a grid of millions of cells."""

    name = "quick"

    def cost(self, block):
        return Cost(1.0 * block.size, 64.0 * block.size)


def misbehave(block):
    folder = Path(os.environ.get("W2S_TOY", "/nonexistent"))
    if not folder.is_dir():
        return
    xs = block.values("x")
    if (folder / "sleep").exists():
        time.sleep(float((folder / "sleep").read_text()))
    if 13.0 in xs and (folder / "fail").exists():
        raise RuntimeError("x = 13 brings bad luck")
    if 66.0 in xs and (folder / "die_always").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    if 66.0 in xs and (folder / "die_once").exists():
        (folder / "die_once").unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    with (folder / "solved").open("a") as stream:
        stream.write(f"{block.wanted} {os.getpid()}\n")
