"""A study that ends badly, once for each value of ``fault``, with cells that are well beside it."""

from __future__ import annotations

import ctypes
import os
import resource
import sys
import threading
import time
from pathlib import Path

import numpy as np

from w2s import Cell, Cost, Study, field

MIB = 2**20


class EndsCell(Cell):
    fault: str = field("none", description="what goes wrong")
    seconds: float = field(0.0, description="time that a block takes", ge=0)


class Odd(BaseException):
    """Neither an Exception nor an interrupt."""


class Ends(Study):
    name = "ends"
    version = 1
    Cell = EndsCell
    shares = ("seed",)

    def cost(self, block):
        return Cost(1e9 * block.size, 64.0)

    def solve(self, block, backend):
        for fault in block.values("fault"):
            misbehave(fault, len(block.values("seed")))
        time.sleep(block.one("seconds"))
        seed = block.column("seed") + np.zeros(block.shape)
        return {"weak_error": 2.0 + seed, "student_error": 1.0 + seed, "ceiling_error": 0.1, "misfit": 0.3 + seed}


def misbehave(fault, seeds):
    if fault == "os_exit":
        os._exit(0)
    elif fault == "segfault":
        ctypes.string_at(0)
    elif fault == "interrupt":
        raise KeyboardInterrupt
    elif fault == "base":
        raise Odd("neither an Exception")
    elif fault == "surrogates":
        raise ValueError("bad \udcff name \x1b[31m")
    elif fault == "exit":
        sys.exit(0)
    elif fault == "chdir":
        os.chdir("/")
    elif fault == "thread":
        threading.Thread(target=time.sleep, args=(10_000,)).start()
    elif fault == "hang":
        time.sleep(10_000)
    elif fault == "breakpoint":
        breakpoint()
    elif fault in ("large", "hopeless"):
        allocate(seeds * 200 if fault == "large" else 2000)


def allocate(mib):
    """Take memory where this process may have 500 MiB more than it has."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + 500 * MIB, before[1]))
    try:
        np.empty(mib * MIB, dtype=np.uint8)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
