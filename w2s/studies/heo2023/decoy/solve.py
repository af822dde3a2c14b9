"""The arithmetic of the decoy study: per world and recipe two networks of plain training, then every method beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.sharing.results import Results
from w2s.studies.fields import occurring
from w2s.studies.heo2023.networks import MEASURES, Loss, joined, measured, trained
from w2s.studies.heo2023.worlds import STRENGTHS, WORLD, recipe, sample, tested
from w2s_kernels import Backend

__all__ = ["METHOD", "NAMES", "PLAIN", "WORLD", "solved"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]
METHOD = ("method", *STRENGTHS)
PLAIN = ("width", "epochs", "batch", "rate", "attack_steps", "growth", "box")
NAMES = MEASURES
_ROLE = "labeled"


def solved(block: Block, backend: Backend) -> dict[str, Matrix]:
    """Return the columns of a block."""
    groups = [block.group(*names) for names in (WORLD, PLAIN, METHOD, ("seed",))]
    worlds, plain, methods, seeds = groups
    results = Results(block, groups, ("weak_error", "student_error", "ceiling_error", "misfit"))
    asked = occurring(block, worlds, plain, methods)
    for w, p in np.argwhere(asked.any(axis=2)):
        chosen = np.flatnonzero(asked[w, p])
        level = {**worlds.levels[w], **plain.levels[p]}
        found = _compared(level, [methods.levels[m] for m in chosen], seeds.values("seed"), backend)
        results.put((w, p, chosen), found)
    return results.columns() | {"solver": np.array(["adam"], dtype=object)}


def _loss(method: Level) -> Loss:
    return Loss(method["method"], *(float(method[name] or 0.0) for name in STRENGTHS))


def _compared(level: Level, methods: Sequence[Level], seeds: Sequence[int], backend: Backend) -> dict[str, Matrix]:
    """Train and measure the networks of some methods: columns (methods, seeds)."""
    inputs, labels = sample(level, seeds, _ROLE, level["n_labeled"], intact=True)
    broken, _ = sample(level, seeds, _ROLE, level["n_labeled"], intact=False)
    test, how, every = tested(level, seeds), recipe(level, _ROLE, level["width"]), np.arange(len(seeds))
    others = [k for k, method in enumerate(methods) if method["method"] not in ("erm", "random_decoy")]
    losses = [Loss("erm")] + [_loss(methods[k]) for k in others]
    at = np.tile(every, len(losses))
    each = [loss for loss in losses for _ in seeds]
    mine = trained(inputs, test.count, how, each, at, labels[at], backend)
    best = trained(broken, test.count, how, [Loss("erm")] * len(seeds), every, labels, backend)
    numbers, given = measured(joined(mine, best), test, level["box"], backend)
    answers = given.reshape(len(losses) + 1, len(seeds), -1)
    place = {k: n + 1 for n, k in enumerate(others)}
    places = [place.get(k, 0 if methods[k]["method"] == "erm" else len(losses)) for k in range(len(methods))]
    found = {"misfit": (answers[places] != answers[0]).mean(axis=2)}
    for name, values in numbers.items():
        table = values.reshape(len(losses) + 1, len(seeds))
        found |= {f"student_{name}": table[places], f"weak_{name}": table[:1], f"ceiling_{name}": table[-1:]}
    return found
