"""Studies that break the contract of a study, each in its own way."""

from __future__ import annotations

from typing import Literal

import numpy as np

from w2s import Cell, Cost, Study, field


class FaultyCell(Cell):
    fault: Literal[
        "none",
        "shape",
        "missing",
        "unknown",
        "nan",
        "inf",
        "raises",
        "returns_none",
        "words",
        "complex",
        "marks_failed",
        "bad_status",
        "exit",
        "masked",
        "masked_misfit",
        "masked_status",
        "writes_fixed",
        "empties_mask",
        "swaps_mask",
    ] = field(description="what goes wrong")
    level: Literal[1, "auto"] = field("auto", description="a number or a word")


class Faulty(Study):
    name = "faulty"
    version = 1
    Cell = FaultyCell

    def cost(self, block):
        return Cost((1e6 if block.one("fault").endswith("mask") else 6e9) * block.size, 1.0)  # cells of one block share a mask

    def solve(self, block, backend):
        fault = block.one("fault")
        good = 1.0 + np.zeros(block.shape)
        rows = {"weak_error": 2 * good, "student_error": good, "ceiling_error": 0.5 * good, "misfit": good}
        if fault == "shape":
            rows["misfit"] = np.zeros((3, 5, 7))
        elif fault == "missing":
            del rows["ceiling_error"]
        elif fault == "unknown":
            rows["accuracy"] = good
        elif fault in ("nan", "inf"):
            rows["student_error"] = good * float(fault)
        elif fault == "raises":
            raise ZeroDivisionError("nothing to divide by")
        elif fault == "returns_none":
            return None
        elif fault == "words":
            rows["misfit"] = np.full(block.shape, "large", dtype=object)
        elif fault == "complex":
            rows["misfit"] = good * 1j
        elif fault == "marks_failed":
            rows["status"] = np.full(block.shape, 4)
        elif fault == "bad_status":
            rows["status"] = np.full(block.shape, 9)
        elif fault == "masked":
            rows["student_error"] = np.ma.array(good, mask=block.column("seed") == 1)
        elif fault == "masked_misfit":
            rows["misfit"] = np.ma.array(good, mask=block.column("seed") == 1)
        elif fault == "masked_status":
            rows["status"] = np.ma.array(np.zeros(block.shape, dtype=int), mask=block.column("seed") == 1)
        elif fault == "writes_fixed":
            block.fixed["level"] = 1
        elif fault == "empties_mask":
            block.mask[:] = False
        elif fault == "swaps_mask":
            object.__setattr__(block, "mask", np.zeros(block.shape, dtype=bool))
            object.__setattr__(block, "fixed", {"fault": "none", "level": 1})
        elif fault == "exit":
            raise SystemExit("a study must not end the process")
        return rows
