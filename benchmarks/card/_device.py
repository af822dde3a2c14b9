"""What the steps of `bench --gpu` share: the device or its stand-in, timing, and lines for the report.

A step is a process of its own, `python FILE STEP [--stand-in]`, so that a hang or a crash costs one line of the report. Its
results are lines that begin with CARD, each followed by one JSON object; `sweeper/tools/card.py` gathers them. With
`--stand-in` CuPy is a device made of NumPy, CUDA kernels are compiled for the CPU, and sizes are tiny: the times say nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from w2s_kernels import Backend, choose

ROOT = Path(__file__).resolve().parents[2]
TURNS = 5
Call = Callable[[], Any]


class Missing(Exception):  # noqa: N818  nothing went wrong
    """A peer that is not here; the text says what it lacks."""


def emit(what: str, **numbers: Any) -> None:
    """Print one line of the report."""
    print("CARD", json.dumps({"what": what, **numbers}), flush=True)


class Device:
    """A backend for CuPy, and how to wait for it; `size` picks the size of a problem for a card or for a rehearsal."""

    def __init__(self, backend: Backend, stand_in: bool) -> None:
        self.backend, self.stand_in = backend, stand_in

    def size(self, real: int, rehearsal: int) -> int:
        return rehearsal if self.stand_in else real

    def wait(self) -> None:
        """Wait for the device: a launch returns before its kernel has run."""
        if not self.stand_in:
            import cupy

            cupy.cuda.Device().synchronize()

    def seconds(self, call: Callable[[], Any]) -> float:
        """Median seconds of a call, after one that is not measured; fewer turns where a call takes seconds."""
        call()
        self.wait()
        found: list[float] = []
        while len(found) < TURNS and sum(found) < 3.0:
            start = time.perf_counter()
            call()
            self.wait()
            found.append(time.perf_counter() - start)
        return float(np.median(found))

    def compare(
        self, what: str, ours: Callable[[], Any], peers: Mapping[str, Callable[[], Any]], work: float, unit: str
    ) -> None:
        """Time both sides and print their lines; `work` units are done in a call. A peer that is missing has a line, too."""
        mine = self.seconds(ours)
        emit(what, side="w2s_kernels", ms=1e3 * mine, rate=work / mine, unit=f"{unit}/s")
        for name, call in peers.items():
            try:
                spent = self.seconds(call)
            except Exception as error:  # whatever a peer lacks or breaks in, the other sides are measured
                emit(what, side=name, missing=f"{type(error).__name__}: {error}"[:200])
                continue
            emit(what, side=name, ms=1e3 * spent, rate=work / spent, unit=f"{unit}/s", ratio=spent / mine)

    def torch(self) -> Any:
        """Return Torch and its device; raise :class:`Missing` where it has no card."""
        try:
            import torch
        except ImportError as error:
            raise Missing(str(error)) from None
        if self.stand_in:
            return torch, "cpu"
        if not torch.cuda.is_available():
            raise Missing("Torch finds no CUDA device")
        return torch, "cuda"


def torch_side(device: Device, make: Callable[[Any, str], Callable[[], Any]]) -> Callable[[], Any]:
    """Return a call of Torch on the card, made at the first use, that waits for it."""
    made: list[Callable[[], Any]] = []

    def call() -> None:
        torch, place = device.torch()
        if not made:
            made.append(make(torch, place))
        made[0]()
        if place == "cuda":
            torch.cuda.synchronize()

    return call


@contextlib.contextmanager
def opened(stand_in: bool) -> Iterator[Device]:
    """Open the card, or put the stand-in in its place while the context lasts."""
    if not stand_in:
        yield Device(choose("cupy"), False)
        return
    sys.path.insert(0, str(ROOT / "tests" / "kernels"))
    import pytest
    from cuda_build import Shim
    from device import DEVICE, install

    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        install(Shim(Path(folder)), patch)
        yield Device(DEVICE, True)


def main(description: str | None, steps: Mapping[str, Callable[[Device], None]]) -> None:
    """Run the step that the command line names."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("step", choices=steps)
    parser.add_argument("--stand-in", action="store_true", help="rehearse on the CPU")
    chosen = parser.parse_args()
    with opened(chosen.stand_in) as device:
        steps[chosen.step](device)
