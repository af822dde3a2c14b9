"""Grids that would take all memory or all time: each is read or refused with one message, in a bounded space."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sweeper import GridError, load_grid, make_plan

PROGRAM = Path(__file__).parents[2] / "support" / "hostile_grids.py"
PEAK_MIB = 2000
BASE = "study: toy.py:Quick\naxes:\n  x: {linspace: [0, 1, 10]}\n  n: [10, 20]\nseeds: 2\n"
LARGE = "study: toy.py:Quick\naxes:\n  x: {linspace: [0, 1, 10000]}\n  n: {linspace: [1000, 10999, 10000]}\nseeds: 10000\n"
LAUGHS = "b0: &b0 [1, 2]\n" + "".join(f"b{k}: &b{k} [{', '.join([f'*b{k - 1}'] * 9)}]\n" for k in range(1, 14))


def mutated(first, count):
    done = subprocess.run(
        [sys.executable, str(PROGRAM), str(first), str(count)], capture_output=True, text=True, timeout=280, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["wrong"] == []
    assert found["accepted"] + found["refused"] == count
    assert found["accepted"] > 0.02 * count, "the damage is too heavy to say anything"
    assert found["peak_mib"] < PEAK_MIB


def test_150_mutated_grids():
    mutated(0, 150)


@pytest.mark.slow
@pytest.mark.parametrize("first", [0, 500, 1000, 1500])
def test_2000_mutated_grids(first):
    mutated(first, 500)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BASE + "exclude: [\"label == 'a' * 1000000000000\"]\n", "words with numbers"),
        (BASE + 'exclude: ["x > 9 ** 9 ** 9"]\n', "are allowed"),
        (BASE + f'exclude: ["x > {"9" * 100_000}"]\n', "longer than 10,000 characters"),
        (BASE + f'exclude: ["x > {"(" * 4000}1{")" * 4000}"]\n', "is not a condition"),
        (BASE + f'exclude: ["{" or ".join(f"x == {k}" for k in range(2000))}"]\n', "longer than 10,000 characters"),
        (LARGE + 'exclude: ["x + n > seed"]\n', "conditions look 1,000,000,000,000 times"),
        (LARGE + "exclude: [{x: 0, n: 1000, seed: 1}]\n", "conditions look 1,000,000,000,000 times"),
        (BASE.replace("n: [10, 20]", "n: {logspace: [1, 2, 1000000000000]}"), "num must lie in 1..1000000"),
        (BASE.replace("seeds: 2", "seeds: 1000000000000"), "a whole number in 1..1000000"),
        (f"study: toy.py:Quick\n{LAUGHS}axes: {{x: *b13}}\n", "nested or repeated without end"),
        ("study: toy.py:Quick\naxes: {x: " + "[" * 900_000 + "]" * 900_000 + "}\n", "nested too deeply"),
        (BASE + "fixed: {label: [" + "k" * 500_000 + "]}\n", "label"),
        (BASE.replace("n: [10, 20]", "n: [10, 10]"), "listed twice"),
        (BASE.replace("n: [10, 20]", "n: [.nan]"), "nan is not a value"),
    ],
    ids=lambda value: value[:0] if len(value) > 60 else value,
)
def test_a_bomb_is_refused(bench, text, message):
    with pytest.raises(GridError) as problem:
        load_grid(bench.grid(text))
    assert message in str(problem.value)
    assert len(str(problem.value)) < 3000


def test_a_million_million_cells_are_counted(bench):
    """Conditions that share no axis are counted apart."""
    conditions = ["x > n", "seed > 4999"]
    grid = load_grid(bench.grid(LARGE + "exclude: " + str(conditions) + "\n"))
    assert grid.cells == 10_000 * 10_000 * 5000
    assert make_plan(grid).cells == grid.cells


def test_conditions_that_share_axes_are_counted_together(bench):
    text = (
        BASE.replace("linspace: [0, 1, 10]", "linspace: [0, 9, 10]")
        + 'exclude: ["x > 5 and n == 10", "n == 20 and x < 2", "seed == 1"]\n'
    )
    assert load_grid(bench.grid(text)).cells == 6 + 8


def test_cells_named_by_two_of_many_grids_are_found(bench):
    parts = [{"axes": {"x": [float(10 * k + j) for j in range(10)], "n": [1000, 1001]}} for k in range(60)]
    grid = {"study": "toy.py:Quick", "grids": parts}
    assert load_grid(grid, bench.folder).cells == 1200
    parts[47]["axes"]["x"].append(123.0)
    with pytest.raises(GridError, match="grids 13 and 48 share 2 cells"):
        load_grid(grid, bench.folder)
