"""Axes, blocks, groups: against the enumeration of every cell."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s import Axis, Block

BLOCK = Block(
    {"d": 5, "data": "digits", "none": None},
    (
        Axis.single("seed", [3, 4]),
        Axis(("filter", "ridge", "time"), (("ridge", 0.1, None), ("ridge", 0.2, None), ("flow", None, 0.1))),
        Axis.single("n", [10, 20, 30]),
    ),
)


def blocks():
    """Random products: up to four axes of one to three fields with few distinct values."""
    value = st.one_of(st.integers(0, 3), st.sampled_from(["u", "v", None, 0.5]))
    widths = st.lists(st.integers(1, 3), max_size=4)

    def build(shape):
        axes = []
        for k, width in enumerate(shape):
            rows = st.lists(st.tuples(*[value] * width), min_size=1, max_size=4)
            axes.append(rows.map(lambda r, k=k, w=width: Axis(tuple(f"f{k}{j}" for j in range(w)), tuple(r))))
        return st.tuples(*axes).map(lambda a: Block({"c": 7, "z": None}, a))

    return widths.flatmap(build)


def test_shape_size_and_order():
    assert (BLOCK.shape, BLOCK.size, BLOCK.wanted) == ((2, 3, 3), 18, 18)
    cells = list(BLOCK.cells())
    assert len(cells) == 18
    assert cells[0] == {
        "d": 5,
        "data": "digits",
        "none": None,
        "seed": 3,
        "filter": "ridge",
        "ridge": 0.1,
        "time": None,
        "n": 10,
    }
    assert [cell["n"] for cell in cells[:4]] == [10, 20, 30, 10]
    assert BLOCK.values("filter") == ["ridge", "flow"]
    assert BLOCK.one("d") == 5
    with pytest.raises(ValueError, match="n takes 3 values"):
        BLOCK.one("n")
    with pytest.raises(KeyError, match="width is not a field of this block; it has d, data"):
        BLOCK.column("width")
    with pytest.raises(KeyError, match="width"):
        BLOCK.group("n", "width")


def test_what_cannot_be_a_block():
    with pytest.raises(ValueError, match="is listed twice"):
        Block({"n": 1}, (Axis.single("n", [1, 2]),))
    with pytest.raises(ValueError, match="every value needs 2 entries"):
        Axis(("a", "b"), ((1,),))
    with pytest.raises(ValueError, match="mask has shape"):
        BLOCK.with_mask(np.ones((2, 3), dtype=bool))


def test_columns_broadcast_and_null_is_nan():
    assert BLOCK.column("n").shape == (1, 1, 3)
    assert BLOCK.column("ridge").shape == (1, 3, 1)
    np.testing.assert_array_equal(BLOCK.column("ridge").ravel(), [0.1, 0.2, np.nan])
    assert BLOCK.column("none").shape == (1, 1, 1)
    assert np.isnan(BLOCK.column("none")).all()
    assert BLOCK.column("n").dtype.kind == "i"
    assert BLOCK.column("filter").dtype == object
    assert BLOCK.column("seed").dtype.kind == "i"


@settings(max_examples=150, deadline=None, derandomize=True)
@given(blocks(), st.randoms(use_true_random=False))
def test_groups_agree_with_every_cell(block, random):
    names = [n for n in block.names if random.random() < 0.5]
    random.shuffle(names)
    group = block.group(*names)
    codes = np.broadcast_to(group.codes, block.shape).ravel()
    cells = list(block.cells())
    assert len(group) == len(group.levels) == len({tuple(cell[n] for n in names) for cell in cells})
    for cell, code in zip(cells, codes, strict=True):
        assert group.levels[code] == {n: cell[n] for n in names}
    first = [int(np.argmax(codes == k)) for k in range(len(group))]
    assert first == sorted(first), "levels are numbered in order of first appearance"
    for name in names:
        assert group.values(name) == [level[name] for level in group.levels]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(blocks())
def test_gather_spreads_a_table(block):
    groups = [block.group(name) for name in block.names]
    table = np.arange(np.prod([len(g) for g in groups], dtype=int) * 2).reshape(*[len(g) for g in groups], 2)
    spread = block.gather(table, *groups)
    assert spread.shape == (*block.shape, 2)
    for cell, row in zip(block.cells(), spread.reshape(-1, 2), strict=True):
        place = tuple(g.values(n).index(cell[n]) for g, n in zip(groups, block.names, strict=True))
        np.testing.assert_array_equal(row, table[place])


def test_gather_of_no_group_and_of_part():
    np.testing.assert_array_equal(BLOCK.gather(np.array(3.0)), np.full(BLOCK.shape, 3.0))
    seeds = BLOCK.group("seed")
    np.testing.assert_array_equal(BLOCK.gather(np.array([1.0, 2.0]), seeds)[1], np.full((3, 3), 2.0))


def test_mask_says_which_cells_are_wanted():
    mask = BLOCK.column("n") + 0 * BLOCK.column("seed") + np.zeros(BLOCK.shape) > 15
    masked = BLOCK.with_mask(mask)
    assert (masked.size, masked.wanted) == (18, 12)
    assert list(masked.cells()) == [c for c in BLOCK.cells() if c["n"] > 15]
    assert masked == BLOCK, "a mask is no part of what a block is"


def test_counting_a_large_group_costs_nothing():
    axes = tuple(Axis.single(f"a{k}", range(1000)) for k in range(5))
    assert len(Block({}, axes).group(*(f"a{k}" for k in range(5)))) == 1000**5


def test_slices_partition():
    axis = BLOCK.axes[1]
    assert [v for part in (axis[:2], axis[2:]) for v in part.values] == list(axis.values)
    assert axis[1:].column("time") == (None, 0.1)
    assert list(itertools.chain(axis.column("filter"))) == ["ridge", "ridge", "flow"]
