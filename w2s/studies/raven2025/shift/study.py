"""Jeon et al. 2025 (RAVEN, arXiv 2510.21332): supervisors under a distribution shift, and weights that a student learns.

Students are linear softmax classifiers, so a run takes a fraction of a second and hundreds of seeds are affordable. Supervisors
are drawn with given errors, or trained on data of another distribution than the student's: Gaussian classes, or images of
digits of which the student sees corrupted ones. Errors are shares of wrong classes on test items of the student's distribution.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import Cell, field
from w2s.contract.study import Cost, Kind, Piece, Rule, Study
from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.sharing.results import Results
from w2s.studies.fields import asked_levels, occurring
from w2s.studies.raven2025.shift import solve as solver
from w2s.studies.raven2025.shift.claims import CLAIMS
from w2s.studies.raven2025.shift.figures import FIGURES
from w2s.studies.raven2025.shift.supervisors import SUPERVISED_EPOCHS
from w2s.studies.raven2025.shift.world import CLASSES_OF_DIGITS, IMAGES, WORLD, check_digits
from w2s.summary.population import SeedsDraw
from w2s_kernels import Backend

__all__ = ["Shift", "ShiftCell"]

_SAMPLES: tuple[str, Kind] = ("items and supervisors' labels", "normals")
_SUPERVISORS: tuple[str, Kind] = ("supervisors: minibatches of Adam", "elementwise")
_STUDENTS: tuple[str, Kind] = ("students: minibatches of Adam", "elementwise")  # a few classes: loops, and no wide products
_MADE = 60.0  # operations of a drawn number
_TRAINED, _DRAWN, _IMAGES = ["trained"], ["drawn"], ["digits"]
_OWN = ["confidence", "adaptive"]
_RAVEN = ["raven"]


class ShiftCell(Cell):
    """One point of the shift study. The ceiling is the student trained on true classes of the same items."""

    source: Literal["drawn", "trained", "digits"] = field(
        "drawn",
        description="supervisors: drawn with given errors; trained on unshifted Gaussian classes; or on images of digits",
    )
    data: DataFile | None = field(None, description="images of 8 x 8 pixels, data: digits", when={"source": _IMAGES})
    n_labeled: int = field(
        500,
        description="items with truth of the supervisors",
        unit="rows",
        when={"source": _TRAINED + _IMAGES},
        ge=20,
        le=50_000,
    )
    n_transfer: int = field(3000, description="items of the student", unit="rows", ge=20, le=50_000)
    n_test: int = field(3000, description="test items", unit="rows", ge=20, le=50_000)
    d: int = field(64, description="features", when={"source": _DRAWN + _TRAINED}, ge=2, le=1000)
    classes: int = field(5, description="classes", when={"source": _DRAWN + _TRAINED}, ge=3, le=50)
    spread: float = field(
        0.45, description="standard deviation of class means, per feature", when={"source": _DRAWN + _TRAINED}, gt=0, le=10
    )
    best: float = field(
        0.75, description="accuracy of the best supervisor (drawn), or its share of stable features or of pixels", ge=0.02, le=1
    )
    bad: int = field(2, description="other supervisors", ge=0, le=20)
    bad_high: float = field(0.51, description="the same as best, of the first of them", ge=0.02, le=1)
    bad_low: float = field(0.35, description="and of the last of them, evenly spaced between", ge=0.02, le=1)
    sharing: float = field(
        0.0, description="part of the items on which bad supervisors make the same errors", when={"source": _DRAWN}, ge=0, le=1
    )
    gap: float = field(
        0.0,
        description="largest probability: uniform on [.55, .95 - gap] for the best supervisor, on [.55 + gap, .95] for others",
        when={"source": _DRAWN},
        ge=0,
        le=0.2,
    )
    errors: Literal["visible", "hidden"] = field(
        "visible", description="bad supervisors err on a side of the student's features, or at random", when={"source": _DRAWN}
    )
    shift: Literal["none", "features", "labels", "groups"] = field(
        "none",
        description="what differs for the student: unstable features speak of another class; rarer classes; a group of noise",
        when={"source": _TRAINED},
    )
    corruption: Literal["noise", "blur", "contrast", "rotation"] = field(
        "noise", description="what is done to the student's images", when={"source": _IMAGES}
    )
    size: float = field(0.8, description="size of the shift; 0 is none", when={"source": _TRAINED + _IMAGES}, ge=0, le=1)
    labels: Literal["soft", "hard", "matched"] = field(
        "soft", description="labels as they are, one-hot, or brought to one mean entropy, a temperature each"
    )
    epochs: int = field(30, description="passes over the student's items", ge=1, le=1000)
    batch: int = field(128, description="items of a minibatch", ge=1, le=10_000)
    learning_rate: float = field(1e-2, description="step size of Adam", gt=0, le=10)
    method: Literal["naive", "ensemble", "raven", "confidence", "adaptive", "bootstrapping", "co_supervised"] = field(
        "raven", description="how the student learns from the supervisors"
    )
    supervisor: int = field(
        0,
        description="which one teaches; 0 is the best, -1 the mean of all",
        when={"method": list(solver.SINGLE)},
        ge=-1,
        le=20,
    )
    opinion: float = field(
        0.5, description="confidence: weight of the own opinion; adaptive: temperature", when={"method": _OWN}, gt=0, le=1
    )
    rate: float = field(0.05, description="learning rate of the weights", when={"method": _RAVEN}, ge=0, le=10)
    easy: float = field(
        0.3, description="share of the training with items on which all agree alone", when={"method": _RAVEN}, ge=0, le=1
    )
    start: Literal["uniform", "entropy", "random"] = field(
        "uniform", description="weights to start from; entropy: inverse to the labels' mean entropy", when={"method": _RAVEN}
    )
    reset: bool = field(False, description="weights start again after every epoch", when={"method": _RAVEN})
    floor: float = field(
        0.0, description="least entropy of the weights, as a share of the uniform ones'", when={"method": _RAVEN}, ge=0, le=1
    )
    decay: float = field(
        0.0, description="part of its rate that the weights lose by the end", when={"method": _RAVEN}, ge=0, le=1
    )


class Shift(Study):
    """Students of several supervisors, with fixed and with learned weights, under shifts."""

    name = "raven2025.shift"
    version = 1
    error_unit = "share of wrong answers"
    seeds_draw: ClassVar[SeedsDraw] = "fresh"
    Cell: ClassVar[type[Cell]] = ShiftCell
    summary = "Jeon et al. 2025 (RAVEN): learned weights of supervisors under shifts, linear students (0-1 errors)"
    shares = (*solver.METHOD, "labels")
    columns: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(solver.NUMBERS[4:], "double"),
        **dict.fromkeys(solver.TEXTS, "string"),
    }
    rules = (
        Rule(("supervisor", "bad"), lambda chosen, bad: ~(chosen > bad), "supervisor is at most the number of bad ones"),
        Rule(("bad_high", "bad_low"), lambda high, low: high >= low, "bad_high is at least bad_low"),
    )
    figures = FIGURES
    claims = CLAIMS
    example: ClassVar[Mapping[str, Any]] = {"method": ["ensemble", "raven"], "sharing": [0, 1], "rate": [0.01, 0.05]}

    def check(self, block: Block) -> None:
        """Ask for a file of digits where images are wanted, and for enough of them."""
        for level in asked_levels(block, "source", "data", "n_labeled", "n_transfer", "n_test"):
            if level["source"] == "digits":
                if level["data"] is None:
                    raise FieldError("images need a file: data: digits", "data")
                check_digits(level["data"].path, level["n_labeled"] + level["n_transfer"] + level["n_test"])

    def cost(self, block: Block) -> Cost:
        """Add up the pieces, and count the bytes of all seeds' samples, labels and minibatches."""
        seeds, held = float(len(block.values("seed"))), 0.0
        for level in _levels(block):
            rows = float(level["n_transfer"] + 2 * level["n_test"])
            held = max(held, rows * (level["d"] + 2.0 * (level["bad"] + 4.0) * level["classes"]))
            held = max(held, held + float(solver.steps_of(level) * level["batch"]))
        students = float(len(block.group(*solver.METHOD)))
        # Without the supervisors, as it was: the cut of grids must not move.
        flops = sum(piece.flops for piece in self.pieces(block) if piece.name != _SUPERVISORS[0])
        return Cost(flops, 8.0 * (seeds * held * (1.0 + 0.1 * students) + block.size))

    def pieces(self, block: Block) -> Sequence[Piece]:
        """List per seed and world the samples once, and a student for each treatment of labels and method."""
        pieces, seeds = [], float(len(block.values("seed")))
        students = float(len(block.group(*solver.METHOD)) * len(block.values("labels")) + 1)
        for level in _levels(block):
            d, classes, supervisors = float(level["d"]), float(level["classes"]), float(level["bad"] + 1)
            rows = float(level["n_transfer"] + 2 * level["n_test"])
            made = rows * (_MADE * d + supervisors * (2.0 * d + _MADE))
            step = 4.0 * level["batch"] * (d * classes + supervisors * classes) + 2.0 * level["batch"] * d
            shared, why = (*solver.METHOD, "labels"), "methods and treatments of labels share a seed's items"
            pieces.append(Piece(*_SAMPLES, seeds, seeds * made, shared, why, d))
            if level["source"] != "drawn":
                seen = float(SUPERVISED_EPOCHS * level["n_labeled"])
                own = seeds * supervisors * seen * (4.0 * (d + 1.0) * classes + 2.0 * d)
                pieces.append(Piece(*_SUPERVISORS, seeds * supervisors, own, shared, why, d))
            count = seeds * students
            pieces.append(Piece(*_STUDENTS, count, count * solver.steps_of(level) * step, (), "", d))
        return pieces

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:
        """Solve every cell: per world all seeds at once, all treatments of labels and methods on the same items."""
        groups = [block.group(*names) for names in (("seed",), WORLD, ("labels",), solver.METHOD)]
        seeds, worlds, labels, methods = groups
        asked = occurring(block, worlds, labels, methods)
        results = Results(block, groups, solver.NUMBERS)
        for w in np.flatnonzero(asked.any(axis=(1, 2))):
            level = _completed(worlds.levels[w])
            kinds, chosen = np.flatnonzero(asked[w].any(axis=1)), np.flatnonzero(asked[w].any(axis=0))
            wanted = [methods.levels[q] for q in chosen]
            found = solver.results(level, [labels.values("labels")[k] for k in kinds], seeds.values("seed"), wanted, backend)
            every = np.arange(len(seeds))
            results.put(np.ix_(every, [w], kinds, chosen), {name: values[:, None] for name, values in found.items()})
        columns = results.columns()
        columns["solver"] = np.array(["adam"], dtype=object)
        return columns


def _completed(level: Mapping[str, Any]) -> Mapping[str, Any]:
    """Add what images have in place of fields."""
    return {**level, "d": IMAGES[0] * IMAGES[1], "classes": CLASSES_OF_DIGITS} if level["source"] == "digits" else level


def _levels(block: Block) -> list[Mapping[str, Any]]:
    return [_completed(level) for level in block.group(*WORLD).levels]
