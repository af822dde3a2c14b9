"""Seeds until they are enough: a launch adds looks where they are needed, and ends at the same table whatever happens to it."""

from __future__ import annotations

import collections
import signal

import numpy as np
import pytest
from workbench import events, part_files, table, wait_until

import w2s
from sweeper import GridError, launch, load_grid, make_plan
from sweeper.errors import Exit
from w2s.summary.looks import Until, settle

GRID = """\
study: noisy.py:Noisy
axes:
  spread: [0.05, 0.1, 0.4]
  x: [1, 2]
  n: [1, 2]
fixed: {gap: 1.0}
seeds: {until: {metric: pgr, half_width: 0.1, max: 64, max_unresolved: 16, first: 8}}
"""
RULE = Until("pgr", 0.1, 64, 16, 8)


def inline(grid, **options):
    return launch(grid, executor="inline", **options)


def seeds_by_setting(run):
    found = collections.defaultdict(list)
    for row in table(run).to_pylist():
        found[row["spread"], row["gap"], row["x"], row["n"]].append(row["seed"])
    return {setting: sorted(seeds) for setting, seeds in found.items()}


def expected(bench, text=GRID):
    """Seeds of every setting, by the rule alone, from all the rows that there could be."""
    head = text.partition("seeds:")[0]
    whole = inline(bench.grid(f"{head}seeds: 64\n", "whole.yaml"))
    rows = w2s.load(whole.run)
    found = {}
    for setting, group in rows.sort_values("seed").groupby(["spread", "gap", "x", "n"]):
        top, gap = group["gain"].to_numpy(), (group["weak_error"] - group["ceiling_error"]).to_numpy()
        ends = (n for n in RULE.looks if settle(RULE, top[None, :n], gap[None, :n])[0] != "open")
        found[setting] = list(range(next(ends)))
    return found


def test_every_setting_has_the_seeds_that_the_rule_asks_for(bench):
    text = GRID.replace("{gap: 1.0}", "{}").replace("x: [1, 2]", "x: [1, 2]\n  gap: [1.0, 0.0]")
    outcome = inline(bench.grid(text))
    assert (outcome.exit, outcome.pending, outcome.failed) == (Exit.DONE, 0, 0)
    wanted = expected(bench, text)
    assert seeds_by_setting(outcome.run) == wanted
    counts = collections.Counter(map(len, wanted.values()))
    assert len(counts) > 2, "the grid is too easy to say anything"
    assert outcome.computed == outcome.cells == sum(map(len, wanted.values())) < 24 * 64
    again = inline(bench.folder / "grid.yaml")
    assert (again.computed, again.found, again.cells) == (0, outcome.cells, outcome.cells)


def test_a_plan_is_the_worst_case_and_says_so(bench):
    plan = make_plan(load_grid(bench.grid(GRID)))
    assert plan.cells == 12 * 64
    assert sum(block.wanted for block in plan.blocks()) == plan.cells
    shown = bench.sweep("plan", "grid.yaml").stdout
    assert "looks at 8, 16, 32, 64 seeds" in shown
    assert "an upper bound" in shown
    assert "98.75 %" in shown


def test_status_and_report_say_why_settings_ended(bench):
    text = GRID.replace("{gap: 1.0}", "{}").replace("x: [1, 2]", "x: [1]\n  gap: [1.0, 0.0]")
    run = inline(bench.grid(text)).run
    shown = bench.sweep("status", run).stdout
    assert "100.0 %" in shown
    assert "settings known within that" in shown
    assert "ended without bounds" in shown
    assert "98.75 %" in shown
    assert "98.75 %" in bench.sweep("report", run).stdout


@pytest.mark.parametrize("executor", ["processes", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.slow])])
def test_any_executor_gives_the_same_rows(bench, executor):
    grid = bench.grid(GRID)
    first, second = inline(grid).run, launch(grid, executor=executor, cpus=2, out=bench.folder / "other").run
    assert table(first).equals(table(second))
    assert part_files(first) == part_files(second)


@pytest.mark.fault
def test_a_killed_launch_goes_on_to_the_same_rows(bench):
    """Killed at three points, in the middle of looks: no row is lost, doubled or changed, and no setting gets other seeds."""
    undisturbed = inline(bench.grid(GRID), out=bench.folder / "undisturbed").run
    run = bench.folder / "runs" / "grid"
    bench.steer(sleep=0.1)
    parts = len(part_files(undisturbed))
    for enough in (parts // 10, parts // 2, 4 * parts // 5):
        process = bench.start("launch", "grid.yaml", "--executor", "inline")
        wait_until(lambda enough=enough: len(part_files(run)) >= enough, 60)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        whole = collections.Counter(w2s.load(run).groupby(["spread", "x", "n"]).size())
        assert set(whole) <= set(RULE.looks), "a table of an interrupted run has complete looks only"
    bench.steer(sleep=None)
    assert inline(bench.folder / "grid.yaml").exit == Exit.DONE
    assert table(run).equals(table(undisturbed))
    assert part_files(run) == part_files(undisturbed)


def test_a_failed_cell_keeps_its_launch_from_the_next_look(bench):
    bench.steer(fail=1)
    grid = bench.grid(GRID.replace("x: [1, 2]", "x: [1, 13]"))
    outcome = inline(grid, on_error="continue")
    assert outcome.exit == Exit.FAILED_CELLS
    assert max(row["seed"] for row in table(outcome.run).to_pylist()) == 7
    bench.steer(fail=None)
    assert inline(grid).exit == Exit.DONE
    assert table(outcome.run).equals(table(inline(grid, out=bench.folder / "undisturbed").run))


def test_rows_that_are_there_are_used(bench):
    """A grid of 20 seeds that becomes one with a rule keeps its rows; a tighter rule goes on from a looser one."""
    head = GRID.partition("seeds:")[0]
    run = inline(bench.grid(f"{head}seeds: 20\n")).run
    before = {row["cell_id"] for row in table(run).to_pylist()}
    outcome = inline(bench.grid(GRID))
    after = seeds_by_setting(run)
    assert before <= {row["cell_id"] for row in table(run).to_pylist()}
    assert {setting: set(seeds) for setting, seeds in after.items()} == {
        setting: set(seeds) | set(range(20)) for setting, seeds in expected(bench).items()
    }
    assert outcome.found + outcome.computed == outcome.cells
    tighter = inline(bench.grid(GRID.replace("half_width: 0.1", "half_width: 0.05")))
    assert tighter.computed > 0
    assert inline(bench.folder / "grid.yaml").computed == 0


def test_settled_settings_are_not_solved_in_vain(bench):
    run = inline(bench.grid(GRID)).run
    asked = sum(event["rows"] for event in events(run, "block"))
    assert sum(bench.solved()) <= 1.25 * asked
    assert np.isfinite(asked)


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("{}", "until needs metric"),
        ("{metric: pgrr, half_width: 0.1, max: 64}", "did you mean 'pgr'"),
        ("{metric: pgr, half_width: 0, max: 64}", "half_width must be a positive number"),
        ("{metric: pgr, half_width: .inf, max: 64}", "half_width must be a positive number"),
        ("{metric: pgr, half_width: 0.1, max: 1}", "max must be a whole number in 2..1000000"),
        ("{metric: pgr, half_width: 0.1, max: 1000000000000}", "max must be a whole number in 2..1000000"),
        ("{metric: pgr, half_width: 0.1, max: 64, max_unresolved: 65}", "max_unresolved must be a whole number in 2..64"),
        ("{metric: pgr, half_width: 0.1, max: 64, half: 1}", "unknown key 'half'"),
        ("[1]", "until takes metric"),
    ],
)
def test_a_wrong_rule_is_refused(bench, rule, message):
    with pytest.raises(GridError, match="seeds") as problem:
        load_grid(bench.grid(GRID.partition("seeds:")[0] + f"seeds: {{until: {rule}}}\n"))
    assert message in str(problem.value)


def test_a_seed_cannot_be_left_out(bench):
    with pytest.raises(GridError, match="exclude names the seed"):
        load_grid(bench.grid(GRID + "exclude: [{seed: 3}]\n"))
