"""Identities: spelled, ordered, cut and stored in any way, a cell keeps its id; different cells have different ones."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from solving import cell_id

from sweeper import load_grid
from w2s import Axis, Block, Cell, Study, field
from w2s.contract.cells import cell_fields
from w2s.contract.identity import cell_ids, hex_ids
from w2s.studies.registry import find_study

GOLDEN = Path(__file__).parents[2] / "data" / "ids-0.1.0.json"


class Shape(Cell):
    a: float = field(0.0, description="a", infinite=True)
    b: float = field(0.0, description="b", infinite=True)
    c: str = field("x", description="c")
    late: int = field(7, description="added by version 2", since=2)


class Shapes(Study):
    name = "shapes"
    version = 1
    Cell = Shape

    def cost(self, block): ...

    def solve(self, block, backend): ...


class OtherName(Shapes):
    name = "shape"


class NextVersion(Shapes):
    version = 2


def ids(block, study=Shapes):
    return hex_ids(cell_ids(study, block)).tolist()


def test_form():
    found = ids(Block({"c": "x"}, (Axis.single("a", [1.0, 2.0]), Axis.single("seed", [0, 1, 2]))))
    assert len(found) == len(set(found)) == 6
    assert all(len(i) == 32 and set(i) <= set(b"0123456789abcdef") for i in found)
    assert found[4].decode() == cell_id(Shapes, {"c": "x", "a": 2.0, "seed": 1})


def test_spelling_does_not_matter():
    one = cell_id(Shapes, {"a": 1000.0, "seed": 0})
    assert {cell_id(Shapes, {"a": 1e3, "seed": 0}), cell_id(Shapes, {"a": 1000, "seed": 0}), one} == {one}
    assert cell_id(Shapes, {"a": -0.0}) == cell_id(Shapes, {"a": 0.0})
    assert cell_id(Shapes, {"a": 1.0, "b": None}) == cell_id(Shapes, {"a": 1.0})
    assert cell_id(Shapes, {"c": "x", "a": 1.0}) == cell_id(Shapes, {"a": 1.0, "c": "x"})


def test_study_name_and_version_matter_and_so_does_the_field():
    cell = {"a": 1.0, "b": 2.0, "seed": 0}
    swapped = {"a": 2.0, "b": 1.0, "seed": 0}
    found = {cell_id(study, cell) for study in (Shapes, OtherName, NextVersion)} | {cell_id(Shapes, swapped)}
    assert len(found) == 4


def test_a_field_added_later_stays_out_at_its_default():
    assert cell_id(Shapes, {"a": 1.0, "late": 7}) == cell_id(Shapes, {"a": 1.0})
    assert cell_id(Shapes, {"a": 1.0, "late": 8}) != cell_id(Shapes, {"a": 1.0})
    both = ids(Block({"a": 1.0}, (Axis.single("late", [7, 8]),)))
    assert [i.decode() for i in both] == [cell_id(Shapes, {"a": 1.0}), cell_id(Shapes, {"a": 1.0, "late": 8})]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=4, unique=True),
    st.lists(st.floats(allow_nan=False), min_size=1, max_size=4, unique=True),
    st.lists(st.text(max_size=3), min_size=1, max_size=3, unique=True),
    st.data(),
)
def test_order_of_axes_zips_and_cuts_do_not_matter(a, b, c, data):
    axes = [Axis.single("a", a), Axis.single("b", b), Axis.single("c", c)]
    whole = Block({"seed": 3}, tuple(axes))
    found = dict(zip((tuple(cell[n] for n in "abc") for cell in whole.cells()), ids(whole), strict=True))
    assert len(set(found.values())) == len(found)
    turned = Block({"seed": 3}, tuple(data.draw(st.permutations(axes))))
    for cell, i in zip(turned.cells(), ids(turned), strict=True):
        assert found[tuple(cell[n] for n in "abc")] == i
    pairs = tuple((x, y) for x in a for y in b)
    zipped = Block({"seed": 3}, (Axis(("a", "b"), pairs), axes[2]))
    assert set(ids(zipped)) == set(found.values())
    cut = data.draw(st.integers(0, len(a)))
    halves = [Block({"seed": 3}, (part, *axes[1:])) for part in (axes[0][:cut], axes[0][cut:]) if len(part)]
    assert [i for half in halves for i in ids(half)] == ids(whole)


def test_a_million_cells_do_not_collide_and_are_spread_evenly():
    axes = (Axis.single("seed", range(1000)), Axis.single("a", [k / 8 for k in range(100)]), Axis.single("b", range(10)))
    words = cell_ids(Shapes, Block({"c": "x"}, axes))
    assert words.shape == (1_000_000, 2)
    for word in words.T:
        assert len(np.unique(word)) == 1_000_000, "even half an identity does not collide in a million cells"
        for shift in (0, 8, 28, 56):
            counts = np.bincount((word >> np.uint64(shift)).astype(np.uint8), minlength=256)
            # Mean 255 as for a chi-square; sums over a product of axes scatter more than independent draws do.
            assert np.sum((counts - 3906.25) ** 2) / 3906.25 < 1000


def of_the_first_release(study):
    """The study at its first version: a raised one gives other identities on purpose, for other numbers."""
    return type(study.__name__, (study,), {"version": 1})


def test_ids_of_the_first_release_never_change():
    """If this fails, every stored table loses its identity: give new fields ``since=`` instead, or raise ``version``."""
    golden = json.loads(GOLDEN.read_text())
    assert len(golden) == 24
    for entry in golden:
        study = of_the_first_release(find_study(entry["study"]))
        fields = cell_fields(study.Cell)
        first = {spec.word: name for name, spec in fields.items()}
        cell = {first[word]: fields[first[word]].parse(value, stored=True) for word, value in entry["cell"].items()}
        cell |= {name: spec.default for name, spec in fields.items() if spec.since is not None}
        assert cell_id(study, cell) == entry["cell_id"], entry


def test_a_grid_read_today_gives_the_ids_of_the_first_release():
    golden = {entry["cell_id"] for entry in json.loads(GOLDEN.read_text())}
    regression = {
        "study": "dong2025.regression",
        "axes": {
            "filter": ["ridge", "flow", "steps"],
            "ridge": [0, 1e-6],
            "time": [1, math.inf],
            "evaluate": ["fresh", "labeled"],
        },
        "fixed": {
            "d_weak": 5,
            "d_strong": 6,
            "d_overlap": 2.5,
            "n_labeled": 20,
            "n_transfer": 1e3,
            "noise": 0.5,
            "rho_weak": 0.25,
        },
        "seeds": [0, 12345678901],
    }
    table = {
        "study": "probe.table",
        "axes": {"weak_features": ["relu", "means:8"], "labels": ["soft", "hard"], "ridge": [0.01]},
        "fixed": {"data": "digits", "task": "classification", "n_labeled": 50, "n_transfer": 100, "n_test": 60, "d_weak": 20},
    }
    found = set()
    for grid in map(load_grid, (regression, table)):
        study = of_the_first_release(grid.study)
        found |= {i.decode() for part in grid.parts for i in ids(part.block, study)}
    assert found == golden


@pytest.mark.parametrize("name", ["dong2025.regression", "probe.table"])
def test_every_field_of_a_built_in_study_is_in_the_identity(name):
    study = find_study(name)
    fields = [n for n in study.Cell.model_fields if n != "seed"]
    found = {cell_id(study, {n: 1}) for n in fields} | {cell_id(study, {n: 2}) for n in fields}
    assert len(found) == 2 * len(fields)
