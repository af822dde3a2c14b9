"""Cells that fail: rows that say why, tried once per launch, replaced when they succeed, never listed twice."""

from __future__ import annotations

import pytest
from workbench import TOY_GRID, events, part_files, table

from sweeper import GridError, launch
from sweeper.errors import Exit

GRID = TOY_GRID.replace("[1, 2, 3, 4]", "[1, 13, 3, 4]")


def inline(grid, **options):
    return launch(grid, executor="inline", **options)


def statuses(run):
    return {(r["x"], r["n"], r["seed"]): r["status"] for r in table(run).to_pylist()}


def no_row_twice(run, cells):
    ids = table(run)["cell_id"].to_pylist()
    assert len(ids) == len(set(ids)) == cells


def test_failed_rows_say_why_and_are_tried_again(bench):
    bench.steer(fail=1)
    outcome = inline(bench.grid(GRID))
    assert (outcome.exit, outcome.computed, outcome.failed, outcome.pending) == (Exit.FAILED_CELLS, 12, 4, 0)
    rows = table(outcome.run).to_pylist()
    assert {r["status"] for r in rows if r["x"] == 13} == {"failed"}
    assert {r["message"] for r in rows if r["x"] == 13} == {"RuntimeError: x = 13 brings bad luck (toy.py:76)"}
    assert all(r["weak_error"] is None and r["gain"] is None for r in rows if r["x"] == 13)
    assert {r["status"] for r in rows if r["x"] != 13} == {"ok"}
    bench.solved()

    again = inline(bench.folder / "grid.yaml")
    assert (again.exit, again.found, again.failed, again.computed) == (Exit.FAILED_CELLS, 12, 4, 0)
    assert bench.solved() == [], "only the failed ones were tried, and they failed again"
    no_row_twice(outcome.run, 16)
    tried = [e for e in events(outcome.run, "block") if "error" in e]
    assert len(tried) == 4, "two blocks, once per launch"

    bench.steer(fail=None)
    mended = inline(bench.folder / "grid.yaml")
    assert (mended.exit, mended.found, mended.computed, mended.failed) == (Exit.DONE, 12, 4, 0)
    assert set(statuses(outcome.run).values()) == {"ok"}
    no_row_twice(outcome.run, 16)
    assert table(outcome.run).equals(table(inline(bench.folder / "grid.yaml", out=bench.folder / "fresh").run))


def test_the_command_line_says_3_and_shows_the_first_error(bench):
    bench.steer(fail=1)
    done = bench.sweep("launch", bench.grid(GRID), "--executor", "inline")
    assert done.returncode == 3
    assert "12 cells computed, 4 FAILED, of 16" in done.stdout
    assert "first error: RuntimeError: x = 13 brings bad luck" in done.stdout
    assert "first failure, cell " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("mend", [True, False])
def test_failed_rows_of_an_older_cut(bench, mend):
    """The grid grows, so that blocks are cut anew while failed rows are in parts of the old cut."""
    bench.steer(fail=1)
    first = inline(bench.grid(GRID.replace("n: [10, 20]", "n: [10, 20, 30]")))
    assert first.failed == 6
    old = part_files(first.run)
    if mend:
        bench.steer(fail=None)
    bigger = (
        GRID.replace("n: [10, 20]", "n: [5, 10, 20, 30]")
        .replace("[1, 13, 3, 4]", "[1, 13, 3, 4, 5]")
        .replace("seeds: 2", "seeds: 3")
    )
    outcome = inline(bench.grid(bigger))
    assert outcome.cells == 60
    assert outcome.found == 18
    assert (outcome.computed, outcome.failed) == ((42, 0) if mend else (30, 12))
    assert old - part_files(first.run), "parts with nothing but failed rows are gone"
    no_row_twice(first.run, 60)
    found = statuses(first.run)
    assert all((status == "failed") == (x == 13 and not mend) for (x, _, _), status in found.items())
    bench.steer(fail=None)
    last = inline(bench.folder / "grid.yaml")
    assert (last.exit, last.failed, last.computed) == (Exit.DONE, 0, 0 if mend else 12)
    no_row_twice(first.run, 60)
    assert set(statuses(first.run).values()) == {"ok"}


def test_failed_and_kept(bench):
    bench.steer(fail=1)
    run = inline(bench.grid(GRID)).run
    bench.steer(fail=None)
    kept = inline(bench.grid(GRID.replace("[1, 13, 3, 4]", "[1, 3]")), keep=True)
    assert (kept.computed, kept.found) == (0, 8)
    ids = table(run)["cell_id"].to_pylist()
    assert len(ids) == len(set(ids))
    back = inline(bench.grid(GRID), keep=True)
    assert (back.computed, back.exit) == (4, Exit.DONE)
    no_row_twice(run, 16)


def test_a_part_with_failed_and_good_rows_of_an_older_cut(bench):
    """A study may mark single cells as failed; only those are tried again."""
    study = bench.folder / "toy.py"
    text = study.read_text()
    mark = (
        '            "double_x": 2.0 * x,\n            "status": np.where((n == 20) & (seed == 1), 4, 0) + 0 * x.astype(int),\n'
    )
    study.write_text(text.replace('            "double_x": 2.0 * x,\n', mark))
    first = inline(bench.grid())
    assert (first.exit, first.computed, first.failed) == (Exit.FAILED_CELLS, 12, 4)
    study.write_text(text)
    outcome = inline(bench.grid(TOY_GRID.replace("[10, 20]", "[10, 15, 20]")), keep_code=True)
    assert (outcome.found, outcome.computed, outcome.failed) == (12, 12, 0)
    no_row_twice(outcome.run, 24)
    assert set(statuses(outcome.run).values()) == {"ok"}


def test_on_error_stop(bench):
    bench.steer(fail=1)
    outcome = inline(bench.grid(GRID), on_error="stop")
    assert outcome.exit == Exit.FAILED_CELLS
    assert outcome.stopped == "stopped after 1 failed blocks (--on-error stop)"
    assert outcome.failed == 2
    assert outcome.pending > 0
    assert outcome.computed + outcome.failed + outcome.pending == 16
    rest = inline(bench.folder / "grid.yaml", on_error="continue")
    assert (rest.exit, rest.computed + rest.found, rest.failed) == (Exit.FAILED_CELLS, 12, 4)
    no_row_twice(outcome.run, 16)


def test_stop_if_all_alike(bench):
    bench.steer(fail=1)
    hopeless = TOY_GRID.replace("[1, 2, 3, 4]", "[13]").replace("seeds: 2", "seeds: 20")
    outcome = inline(bench.grid(hopeless))
    assert outcome.stopped == "stopped after 3 failed blocks (--on-error stop-if-all-alike)"
    assert (outcome.failed, outcome.pending) == (6, 34)
    going_on = inline(bench.folder / "grid.yaml", on_error="continue")
    assert (going_on.failed, going_on.pending, going_on.stopped) == (40, 0, None)
    other = inline(bench.grid(GRID.replace("seeds: 2", "seeds: 5")), out=bench.folder / "other")
    assert (other.stopped, other.failed, other.computed) == (None, 10, 30), "one block that worked is reason to continue"
    bench.steer(fail=None)
    assert inline(bench.grid(hopeless)).exit == Exit.DONE


FAULTY = "study: faulty.py:Faulty\nfixed: {fault: FAULT}\nseeds: 2\ncompute: {on_error: continue}\n"


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("shape", "ValueError: column 'misfit' has shape (3, 5, 7), the block has shape (1,)"),
        ("missing", "ValueError: study faulty returned no ceiling_error"),
        ("unknown", "ValueError: study faulty returned unknown columns: accuracy"),
        ("raises", "ZeroDivisionError: nothing to divide by (faulty.py:58)"),
        ("returns_none", "ValueError: study faulty returned NoneType, not a mapping of column names to arrays"),
        ("words", "ValueError: study faulty: column 'misfit' holds object values, not numbers"),
        ("complex", "ValueError: study faulty: column 'misfit' holds complex128 values, not numbers"),
        ("bad_status", "ValueError: study faulty: status 9 is not one of 0..4"),
        ("exit", "SystemExit: a study must not end the process (faulty.py:83)"),
        ("writes_fixed", "TypeError: 'mappingproxy' object does not support item assignment (faulty.py:76)"),
    ],
)
def test_a_study_that_breaks_its_contract(bench, fault, says):
    outcome = inline(bench.grid(FAULTY.replace("FAULT", fault)))
    assert (outcome.exit, outcome.failed) == (Exit.FAILED_CELLS, 2)
    assert outcome.first_error == says
    assert {r["message"] for r in table(outcome.run).to_pylist()} == {says}


@pytest.mark.parametrize(
    ("fault", "column"), [("masked", "student_error"), ("masked_misfit", "misfit"), ("masked_status", None)]
)
def test_masked_values_are_null_with_a_status(bench, fault, column):
    outcome = inline(bench.grid(FAULTY.replace("FAULT", fault)))
    rows = {r["seed"]: r for r in table(outcome.run).to_pylist()}
    assert rows[0]["status"] == "ok"
    if column is None:
        assert (outcome.exit, rows[1]["status"]) == (Exit.FAILED_CELLS, "failed")
        return
    assert (rows[0][column], rows[1]["status"], rows[1][column]) == (1.0, "nonfinite", None)
    assert rows[1]["weak_error"] == 2.0


@pytest.mark.parametrize(("fault", "failed"), [("empties_mask", 3), ("swaps_mask", 0)])
def test_a_study_cannot_change_which_rows_are_asked_for(bench, fault, failed):
    """Four seeds, one of them excluded, so that the block has a mask."""
    text = FAULTY.replace("FAULT", fault).replace("seeds: 2", "seeds: 4") + "exclude: ['seed == 2']\n"
    outcome = inline(bench.grid(text))
    assert (outcome.exit, outcome.failed, outcome.pending) == (Exit.FAILED_CELLS if failed else Exit.DONE, failed, 0)
    rows = table(outcome.run).to_pylist()
    assert sorted(r["seed"] for r in rows) == [0, 1, 3]
    assert {r["fault"] for r in rows} == {fault}
    assert {r["message"] for r in rows} == (
        {"ValueError: assignment destination is read-only (faulty.py:78)"} if failed else {None}
    )


@pytest.mark.parametrize("fault", ["nan", "inf"])
def test_results_that_are_not_finite(bench, fault):
    outcome = inline(bench.grid(FAULTY.replace("FAULT", fault)))
    assert (outcome.exit, outcome.failed, outcome.statuses) == (Exit.DONE, 0, {"nonfinite": 2})
    row = table(outcome.run).to_pylist()[0]
    assert (row["status"], row["student_error"], row["gain"], row["pgr"]) == ("nonfinite", None, None, None)
    assert row["weak_error"] == 2.0


def test_cells_that_the_study_marks_as_failed(bench):
    outcome = inline(bench.grid(FAULTY.replace("FAULT", "marks_failed")))
    assert (outcome.exit, outcome.failed) == (Exit.FAILED_CELLS, 2)
    assert outcome.first_error == "the study gave cells the status failed"
    assert inline(bench.folder / "grid.yaml").failed == 2


CLASS = """
from w2s import Cell, Cost, Study, field
class S(Study):
    name = "s"
    version = 1
    class Cell(Cell):
        x: int = field(1, description="x")
    def cost(self, block): return Cost(1.0, 1.0)
    def solve(self, block, backend): return {}
"""


@pytest.mark.parametrize(
    ("change", "to", "says"),
    [
        ('name = "s"', 'name = ""', "S: name must be a non-empty string"),
        ("version = 1", "version = 0", "S: version must be a whole number, 1 or more"),
        ("version = 1", "version = True", "S: version must be a whole number, 1 or more"),
        ("    class Cell(Cell)", "    class Other(Cell)", "S: Cell must be a subclass of w2s.Cell"),
        ("version = 1", 'version = 1\n    shares = ("y",)', "'y' is named in shares or rules"),
        ("def cost", "def price", "S: must define cost"),
        ("x: int", "x: Unheard", "Unheard"),
        ('description="x"', 'description="x", when={"y": [1]}', "when= names 'y', which is not a field"),
        ("x: int", "gain: int", "'gain' is a field of its Cell and a column of every table"),
        ("version = 1", 'version = 1\n    columns = {"x": "double"}', "'x' is a field of its Cell and a column of every table"),
        (
            "version = 1",
            'version = 1\n    columns = {"y": "float"}',
            "column 'y' has type 'float'; known: double, int64, string, bool",
        ),
        ("return Cost(1.0, 1.0)", "return 1 / 0", "s.cost raised ZeroDivisionError: division by zero"),
        ("return Cost(1.0, 1.0)", "return 3", "s.cost returned int, not a Cost"),
        (
            "def cost",
            "def check(self, block): return 1 / 0\n    def cost",
            "s.check raised ZeroDivisionError: division by zero",
        ),
    ],
)
def test_a_study_that_is_malformed(bench, change, to, says):
    assert change in CLASS
    (bench.folder / "s.py").write_text(CLASS.replace(change, to))
    path = bench.grid("study: s.py:S\n")
    with pytest.raises(GridError) as caught:
        inline(path)
    assert says in str(caught.value)
    assert not (bench.folder / "runs").exists()
