"""A study with artifacts, quick enough to kill: teacher -> labels -> student, with files that count how often each was made."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from w2s import Block, Cell, Cost, Study, field
from w2s.artifacts import Call, Work, artifact


@artifact(version=1, name="chained.teach", cost=lambda **_: 1e9)
def teach(work: Work, *, weak: int, seed: int, log: str, seconds: float) -> None:
    _count(log, f"teach {weak} {seed}")
    time.sleep(seconds)
    if weak == 13:
        raise ValueError("thirteen cannot be taught")
    if weak == 14 and not (work.scratch / "tried").exists():
        (work.scratch / "tried").write_text("")
        os._exit(9)
    (work.folder / "value.json").write_text(json.dumps(1.0 / weak + 0.01 * seed))


@artifact(version=1, name="chained.learn", cost=lambda **_: 1e9)
def learn(work: Work, *, teacher: Path, strong: int, log: str) -> None:
    _count(log, f"learn {strong} {teacher.name[:6]}")
    value = json.loads((teacher / "value.json").read_text())
    (work.folder / "value.json").write_text(json.dumps(value * value + 0.1 / strong))


def _count(log: str, line: str) -> None:
    with Path(log).open("a") as stream:
        stream.write(line + "\n")


class ChainedCell(Cell):
    weak: int = field(description="size of the teacher", ge=1)
    strong: int = field(description="size of the student", ge=1)
    log: str = field(description="file that counts", default="")
    seconds: float = field(0.0, description="how long a teacher takes", ge=0)


class Chained(Study):
    """Numbers instead of models."""

    name = "test.chained"
    version = 1
    Cell = ChainedCell

    def needs(self, block: Block) -> Sequence[Call]:
        return [call for cell in block.cells() for call in self._calls(cell)]

    def _calls(self, cell) -> list[Call]:
        teacher = teach(**{name: cell[name] for name in ("weak", "seed", "log", "seconds")})
        return [teacher, learn(teacher=teacher, strong=cell["strong"], log=cell["log"])]

    def cost(self, block: Block) -> Cost:
        return Cost(flops=3e10 * block.size, bytes=1e3)

    def solve(self, block, backend):
        values = np.array([[self._read(call) for call in self._calls(cell)] for cell in block.with_mask(None).cells()])
        weak, student = (values[:, k].reshape(block.shape) for k in (0, 1))
        return {"weak_error": weak, "student_error": student, "ceiling_error": np.zeros(1), "misfit": (weak - student) ** 2}

    def curves(self, block: Block) -> pa.Table:
        return pa.table({"step": [0, 1], "loss": [1.0, float(block.size)]})

    def unblind(self, block: Block) -> str:
        return "the teacher of size 99 reads the truth" if 99 in block.values("weak") else ""

    def _read(self, call: Call) -> float:
        assert self.store is not None
        return float(json.loads((self.store.get(call) / "value.json").read_text()))
