"""Halves of a block: together they are the block, and their cells have its bits."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from sweeper import load_grid
from sweeper.worker.halve import halves
from sweeper.worker.solve import solve_rows
from w2s import Block
from w2s.contract.block import Axis
from w2s.contract.columns import PROVENANCE
from w2s_kernels import NUMPY


def block(seeds, mask=None):
    return Block({"k": 1}, (Axis.single("x", [1, 2]), Axis.single("seed", range(seeds))), mask)


@pytest.mark.parametrize("seeds", [2, 3, 8])
def test_halves_are_the_block(seeds):
    found = halves(block(seeds))
    assert [half.shape[1] for half in found] == [(seeds + 1) // 2, seeds // 2]
    cells = [cell for half in found for cell in half.cells()]
    assert sorted(cells, key=str) == sorted(block(seeds).cells(), key=str)


def test_a_half_without_a_wanted_cell_is_left_out():
    mask = np.array([[True, False, False, False], [False, True, False, False]])
    (half,) = halves(block(4, mask))
    assert list(half.cells()) == list(block(4, mask).cells())


@pytest.mark.parametrize("whole", [block(1), Block({"seed": 0}, (Axis.single("x", [1, 2]),))])
def test_one_seed_has_no_halves(whole):
    assert halves(whole) == ()


def test_halves_have_the_bits_of_the_block():
    written = {
        "study": "dong2025.regression",
        "fixed": {"d_weak": 5, "d_strong": 6, "d_overlap": 2, "n_transfer": 60, "noise": 0.5},
        "axes": {"n_labeled": [20, 40], "ridge": [0, 0.1]},
        "seeds": 6,
    }
    grid = load_grid(written)
    whole = grid.parts[0].block
    drop = list(PROVENANCE)

    def rows(part):
        return solve_rows(grid.study, part, NUMPY).drop_columns(drop)

    together = pa.concat_tables(rows(half) for half in halves(whole)).sort_by("cell_id")
    assert together.equals(rows(whole).sort_by("cell_id"))
