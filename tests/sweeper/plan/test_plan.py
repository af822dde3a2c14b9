"""The plan: blocks partition the wanted cells, in any process alike, and a grid of ten million cells is never expanded."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from sweeper import load_grid, make_plan
from sweeper.grid.axes import expand_values
from sweeper.plan.cut import MAX_BYTES, MAX_FLOPS, ROW_BYTES, block_key
from w2s.contract.identity import cell_ids

COUNT = """
import sys
from pathlib import Path
from sweeper import load_grid, make_plan
from sweeper.plan.forecast import make_forecast
plan = make_plan(load_grid(sys.argv[1]))
cells, blocks = plan.cells, sum(1 for _ in plan.blocks()) if plan.block_count < 5000 else plan.block_count
assert make_forecast(plan).seconds > 0
# Not ru_maxrss: that is inherited from the process that forked this one.
peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
print(cells, blocks, int(peak.split()[1]) / 1024)
"""
LARGE = {
    "toy": "study: toy.py:Quick\naxes:\n  x: {linspace: [0, 1, 1000]}\n  n: {linspace: [1000, 1099, 100]}\nseeds: 100\n",
    "dong2025": """\
study: dong2025.regression
fixed: {d_weak: 5, d_overlap: 2}
axes:
  d_strong: {linspace: [6, 15, 10]}
  n_labeled: {geomspace: [300, 16384, 25], round: true}
  n_transfer: {geomspace: [300, 16384, 20], round: true}
  ridge: {logspace: [-6, 0, 20]}
  noise: {linspace: [0, 1, 10]}
seeds: 10
""",
    "digits": """\
study: probe.table
fixed: {data: digits, task: classification, d_strong: 60, n_transfer: 150, n_test: 100}
axes:
  n_labeled: {linspace: [20, 119, 100]}
  d_weak: {linspace: [5, 54, 50]}
  ridge: {logspace: [-6, 0, 20]}
  labels: [soft, hard]
seeds: 50
""",
}


@pytest.mark.parametrize(
    ("name", "exclude"),
    [
        ("toy", ""),
        ("toy", "exclude:\n  - x > 0.5 and n < 1050\n  - {seed: [3, 4], n: 1000}\n  - x + seed * n == 7\n"),
        ("dong2025", ""),
        ("dong2025", "exclude: ['n_labeled > n_transfer', {noise: [0], d_strong: [6, 7]}]\n"),
        ("digits", "exclude: ['ridge > 0.1 and d_weak > n_labeled']\n"),
    ],
)
def test_ten_million_cells(bench, name, exclude):
    grid = bench.grid(LARGE[name] + exclude)
    done = subprocess.run([sys.executable, "-c", COUNT, str(grid)], capture_output=True, text=True, check=True)
    cells, blocks, megabytes = map(float, done.stdout.split())
    assert (cells == 1e7) if not exclude else (1e6 < cells < 1e7)
    assert blocks > 5
    assert megabytes < 500


def ids_of(grid, blocks):
    found = []
    for block in blocks:
        ids = cell_ids(grid.study, block)
        found.append(ids if block.mask is None else ids[block.mask.reshape(-1)])
    return np.concatenate(found)


def test_blocks_partition_the_wanted_cells(bench):
    rng = random.Random(2)
    for _ in range(60):
        axes = {"x": [k / 4 for k in range(rng.randrange(1, 9))], "n": list(range(1, rng.randrange(2, 7)))}
        if rng.random() < 0.5:
            axes |= {"kind": ["plain", "wave"], "shape": ["sine", "saw"]}
        exclude = rng.choice(([], ["x > 1"], ["x * n > 2 and seed == 0", {"n": [2, 3]}], ["n == 1 and x == 0"]))
        exclude = [e for e in exclude if not (isinstance(e, dict) and max(axes["n"]) < 3)]
        document = {"study": "toy.py:Toy", "axes": axes, "seeds": rng.randrange(1, 6), "exclude": exclude}
        grid = load_grid(document, bench.folder)
        plan = make_plan(grid)
        blocks = list(plan.blocks())
        whole = grid.parts[0].block
        mask = grid.parts[0].mask(whole)
        wanted = cell_ids(grid.study, whole) if mask is None else cell_ids(grid.study, whole)[mask.reshape(-1)]
        found = ids_of(grid, blocks)
        assert len(found) == plan.cells == sum(block.wanted for block in blocks)
        assert {tuple(i) for i in found.tolist()} == {tuple(i) for i in wanted.tolist()}
        assert len({tuple(i) for i in found.tolist()}) == len(found)
        keys = [block_key(grid.study, block) for block in blocks]
        assert len(set(keys)) == len(keys)
        assert all(block.wanted > 0 for block in blocks)
        assert plan.waste >= sum(block.size for block in blocks) - plan.cells


KEYS = "import sys\nfrom sweeper import *\nfrom sweeper.plan.cut import block_key\ng = load_grid(sys.argv[1])\nfor b in make_plan(g).blocks(): print(block_key(g.study, b))"


def test_the_cut_is_the_same_in_any_process(bench):
    text = (
        LARGE["dong2025"].replace("25]", "3]").replace("20]", "4]").replace("seeds: 10", "seeds: 500")
        + "exclude: [noise == 0]\n"
    )
    grid = bench.grid(text)
    checked = load_grid(grid)
    keys = [block_key(checked.study, block) for block in make_plan(checked).blocks()]
    for seed in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": seed, "OMP_NUM_THREADS": seed}
        done = subprocess.run(
            [sys.executable, "-c", KEYS, str(grid)], capture_output=True, text=True, check=True, env=environment
        )
        assert done.stdout.split() == keys
    assert len(keys) > 10


@pytest.mark.parametrize("name", LARGE)
def test_blocks_are_bounded(bench, name):
    plan = make_plan(load_grid(bench.grid(LARGE[name])))
    for cut in plan.cuts:
        assert cut.cost.bytes <= MAX_BYTES
        assert cut.cost.flops <= MAX_FLOPS or all(
            len(axis) == 1 or chunk == 1 or any(n in plan.grid.study.shares for n in axis.names)
            for axis, chunk in zip(cut.part.block.axes, cut.chunks, strict=True)
        )
        largest = math.prod(cut.chunks)
        assert largest * ROW_BYTES <= MAX_BYTES
        assert cut.count == math.prod(math.ceil(len(a) / c) for a, c in zip(cut.part.block.axes, cut.chunks, strict=True))
    assert plan.cells == math.prod(cut.part.block.size for cut in plan.cuts)


def test_shared_axes_are_cut_last(bench):
    document = {"study": "toy.py:Toy", "axes": {"x": [1, 2, 3, 4], "n": [10, 20, 30]}, "seeds": 4}
    (cut,) = make_plan(load_grid(document, bench.folder)).cuts
    chunks = {axis.names[0]: chunk for axis, chunk in zip(cut.part.block.axes, cut.chunks, strict=True)}
    assert chunks == {"seed": 1, "x": 1, "n": 3}


def test_work_that_all_cells_share_is_not_cut_for_the_sake_of_many_blocks(bench):
    document = {"study": "accounts.py:Shared", "axes": {"x": [1, 2, 3, 4]}, "seeds": 40}
    (cut,) = make_plan(load_grid(document, bench.folder)).cuts
    assert cut.chunks == (40, 4)
    assert cut.cost.flops == 1e9


@pytest.mark.parametrize("kind", ["linspace", "geomspace", "logspace"])
def test_generated_values_have_twelve_digits_and_keep_them(kind):
    rng = random.Random(kind)
    for _ in range(300):
        start, stop = (
            (rng.uniform(-9, 9), rng.uniform(-9, 9)) if kind != "geomspace" else (rng.uniform(1e-9, 9), rng.uniform(1, 1e9))
        )
        count = rng.randrange(1, 40)
        values = expand_values({kind: [start, stop, count]})
        assert len(values) == count
        assert all(float(f"{v:.12g}") == v for v in values)
        exact = getattr(np, kind)(start, stop, count)
        np.testing.assert_allclose(values, exact, rtol=5.1e-12)
        rounded = expand_values({kind: [start, stop, count], "round": True})
        assert all(type(v) is int for v in rounded)
        np.testing.assert_allclose(rounded, exact, atol=0.5 + 1e-9)
    assert expand_values({"linspace": [0, 0.3, 4]}) == [0.0, 0.1, 0.2, 0.3]
    assert expand_values({"logspace": [-3, 0, 4]}) == [0.001, 0.01, 0.1, 1.0]
    assert expand_values({"geomspace": [300, 16384, 3], "round": True}) == [300, 2217, 16384]


def test_a_block_beyond_the_machines_memory_is_said(tmp_path, capsys, monkeypatch):
    from sweeper.cli.show import plan as describe

    monkeypatch.setattr(describe, "physical_memory", lambda: 8 * 2**30)
    fixed = {"student": "finite", "d": 32, "d_weak": 16, "time": 1.0}
    for width, said in ((64, False), (65_536, True)):
        grid = {"study": "medvedev2025.random_features", "fixed": fixed | {"d_strong": width}}
        describe.print_plan(make_plan(load_grid(grid, tmp_path)))
        assert ("takes more memory than this machine has (8 GiB)" in capsys.readouterr().out) == said
