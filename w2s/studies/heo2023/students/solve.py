"""The arithmetic of the students study: per world and recipe all teachers side by side, then all students on their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.heo2023.networks import Loss, measured, predicted, trained
from w2s.studies.heo2023.worlds import STRENGTHS, WORLD, recipe, sample, tested
from w2s_kernels import Backend

__all__ = ["LEVELS", "NAMES", "RECIPE", "loss", "solved"]

Matrix = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int64]
Level = Mapping[str, Any]
LEVELS = ("transfer", "teacher_reg", "student_reg", *STRENGTHS)
RECIPE = (*("n_transfer", "teacher_width", "width", "epochs"), *("batch", "rate", "attack_steps", "growth", "box"))
NAMES = ("error", "worst_class", "intact")


def loss(level: Level, who: str) -> Loss:
    """Return the loss of a cell's teacher or student (``who``); ``none`` is plain training, which has no strengths."""
    named = level[f"{who}_reg"]
    if named == "none":
        return Loss("erm")
    strength = float(level["penalty"]), float(level["radius"])
    return Loss(named, strength[0], 0.0) if named == "rrr" else Loss(named, 0.0, strength[1])


def solved(block: Block, backend: Backend) -> dict[str, Matrix]:
    """Return the columns of a block."""
    groups = [block.group(*names) for names in (WORLD, RECIPE, LEVELS, ("seed",))]
    worlds, recipes, levels, seeds = groups
    results = Results(block, groups, ("weak_error", "student_error", "ceiling_error", "strong_error", "misfit"))
    asked = occurring(block, worlds, recipes, levels)
    for w, r in np.argwhere(asked.any(axis=2)):
        chosen = np.flatnonzero(asked[w, r])
        level = {**worlds.levels[w], **recipes.levels[r]}
        found = _taught(level, [levels.levels[k] for k in chosen], seeds.values("seed"), backend)
        results.put((w, r, chosen), found)
    return results.columns() | {"solver": np.array(["adam"], dtype=object)}


class _Side:
    """Networks of one role on one sample: each different loss and label trained once, for all seeds."""

    def __init__(self, count: int) -> None:
        self.keys: dict[Any, int] = {}
        self.losses: list[Loss] = []
        self.labels: list[Whole] = []
        self.count = count

    def place(self, key: Any, what: Loss, labels: Whole) -> int:
        """Return the place of a network that learns ``labels`` (S, n), adding it where it is new."""
        if key not in self.keys:
            self.keys[key] = len(self.losses)
            self.losses.append(what)
            self.labels.append(labels)
        return self.keys[key]

    def arguments(self) -> tuple[list[Loss], Whole, Whole]:
        """Return losses, worlds and labels of the networks of all seeds, seeds fastest."""
        each = [what for what in self.losses for _ in range(self.count)]
        return each, np.tile(np.arange(self.count), len(self.losses)), np.concatenate(self.labels)


def _taught(level: Level, cells: Sequence[Level], seeds: Sequence[int], backend: Backend) -> dict[str, Matrix]:
    """Train and measure teachers, students, ceilings and strong baselines: columns (cells, seeds)."""
    count, test = len(seeds), tested(level, seeds)
    labelled, truth = sample(level, seeds, "labeled", level["n_labeled"], intact=True)
    teachers, strong = _Side(count), _Side(count)
    taught_by = [teachers.place(loss(cell, "teacher"), loss(cell, "teacher"), truth) for cell in cells]
    alone = [strong.place(loss(cell, "student"), loss(cell, "student"), truth) for cell in cells]

    def trained_on(side: _Side, inputs: Any, role: str, width: int) -> Any:
        losses, at, labels = side.arguments()
        return trained(inputs, test.count, recipe(level, role, width), losses, at, labels, backend)

    weak = trained_on(teachers, labelled, "teacher", level["teacher_width"])
    numbers, answers = measured(weak, test, level["box"], backend)
    found = {f"weak_{name}": _rows(numbers[name], taught_by, count) for name in NAMES}
    given = answers.reshape(-1, count, answers.shape[1])[taught_by]
    numbers, _ = measured(trained_on(strong, labelled, "student", level["width"]), test, level["box"], backend)
    found["strong_error"] = _rows(numbers["error"], alone, count)
    tables = {name: np.empty((len(cells), count)) for name in (*_OF_STUDENTS, "misfit", "label_error")}
    for kind in dict.fromkeys(cell["transfer"] for cell in cells):
        mine = [k for k, cell in enumerate(cells) if cell["transfer"] == kind]
        inputs, right = sample(level, seeds, "transfer", level["n_transfer"], intact=kind == "intact")
        labels = predicted(weak, inputs.inputs, backend).reshape(-1, count, right.shape[1])
        side = _Side(count)
        own, best = [], []
        for k in mine:
            what = loss(cells[k], "student")
            own.append(side.place((what, taught_by[k]), what, labels[taught_by[k]]))
            best.append(side.place((what, "truth"), what, right))
        numbers, answers = measured(trained_on(side, inputs, "student", level["width"]), test, level["box"], backend)
        for name in NAMES:
            tables[f"student_{name}"][mine] = _rows(numbers[name], own, count)
            tables[f"ceiling_{name}"][mine] = _rows(numbers[name], best, count)
        followed = answers.reshape(-1, count, answers.shape[1])[own]
        tables["misfit"][mine] = (followed != given[mine]).mean(axis=2)
        tables["label_error"][mine] = (labels[[taught_by[k] for k in mine]] != right).mean(axis=2)
    return found | tables


_OF_STUDENTS = tuple(f"{who}_{name}" for who in ("student", "ceiling") for name in NAMES)


def _rows(values: Matrix, places: Sequence[int], count: int) -> Matrix:
    """Return values (networks x seeds,) of some networks, (places, seeds)."""
    return np.asarray(values.reshape(-1, count)[list(places)])
