"""Today's code against what an earlier commit recorded: the same identities, artifact keys and bits (tests/recorded/README.md).

Public entry points are used where there are any, so that modules can move.
"""

from __future__ import annotations

import importlib.util
import json
import runpy
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import w2s
from sweeper import launch

RECORDED = Path(__file__).parent / "recorded"
recorder = SimpleNamespace(**runpy.run_path(str(RECORDED / "record.py")))
GRIDS: Sequence[str] = recorder.GRIDS
WITH_ARTIFACTS: Sequence[str] = recorder.WITH_ARTIFACTS
MODULES = {"charikar2024.molecules": ("rdkit",), "probe.table": ("rdkit",)}
MODULES |= dict.fromkeys(WITH_ARTIFACTS, ("torch", "transformers", "peft"))
TOLERANCE = 1e-9

pytestmark = pytest.mark.grid


@pytest.fixture(scope="module")
def elsewhere() -> dict[str, list[str]]:
    """For each grid, what this machine has otherwise than the one that recorded it; nothing means equal bits."""
    recorded, here = json.loads((RECORDED / "machine.json").read_text()), recorder.machine()
    return {name: recorder.differences(name, here, recorded) for name in GRIDS}


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of everything that is recorded, with a cache of its own for features."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for folder in ("grids", "inputs", "finished", "store"):
        shutil.copytree(RECORDED / folder, tmp_path / "recorded" / folder)
    return tmp_path / "recorded"


def needs_modules(name: str) -> None:
    """Skip a grid whose libraries are not installed."""
    for module in MODULES.get(name, ()):
        if importlib.util.find_spec(module) is None:
            pytest.skip(f"the recorded grid {name} needs {module}")


def part_names(run: Path) -> set[str]:
    return {path.name for path in (run / "results").glob("part-*.parquet")}


def of_today(table: pa.Table) -> pa.Table:
    """Recorded rows with today's name of the one field that was renamed."""
    return table.rename_columns(["student_filter" if name == "filter" else name for name in table.column_names])


MORE_OF_OLD_CELLS = {
    *("accuracy_by_step", "ceiling_agreement_right", "ceiling_agreement_wrong", "label_calibration"),
    *("strong_validation_error_01", "student_parameters", "weak_parameters", "weak_validation_error_01"),
}
"""Columns that came later and are computed from predictions and models that old cells have, too."""


HOW = ("solver", "student_iterations")
"""How a logistic probe was found: since it ends with Newton's steps it takes other ones to the same minimum, within 1e-9."""


def assert_same(found: pa.Table, recorded: pa.Table, differs: list[str], order: Sequence[str] = ("cell_id",)) -> None:
    """Equal bits where nothing differs; elsewhere equal words, counts and statuses, and numbers within 1e-9.

    Numbers are compared with the errors of their row, for a gain of rounding errors has no digits of its own, and ratios with 1.
    """
    found, recorded = (table.sort_by([(name, "ascending") for name in order]).combine_chunks() for table in (found, recorded))
    later = [name for name in found.column_names if name not in recorded.column_names]
    said = {name for name in later if found[name].null_count < found.num_rows}
    assert said <= MORE_OF_OLD_CELLS, said - MORE_OF_OLD_CELLS  # what came later says nothing of old cells
    found = found.drop_columns(later)
    assert found.column_names == recorded.column_names
    if "student_gradient_norm" in found.column_names:
        assert max(filter(None, found["student_gradient_norm"].to_pylist()), default=0.0) <= 1e-9
        how = [name for name in (*HOW, "student_gradient_norm") if name in found.column_names]
        found, recorded = (table.drop_columns(how) for table in (found, recorded))
    assert found["cell_id"].to_pylist() == recorded["cell_id"].to_pylist()
    inexact = [name for name in found.column_names if found[name].type == pa.float64()]
    for name in found.column_names:
        mine, theirs = found[name].to_pylist(), recorded[name].to_pylist()
        assert [value is None for value in mine] == [value is None for value in theirs], name
        if not differs or name not in inexact:
            pairs = zip(found["cell_id"].to_pylist(), mine, theirs, strict=True)
            unequal = [pair for pair in pairs if pair[1] != pair[2]]
            assert not unequal, f"{name}: {len(unequal)} of {len(mine)} values differ, the first: {unequal[0]}"
            continue
        values, expected = (np.array(column, dtype=np.float64) for column in (mine, theirs))
        scale = np.maximum(np.maximum(np.abs(expected), _scale(recorded, name)), np.finfo(float).tiny)
        apart = np.subtract(values, expected, out=np.zeros_like(values), where=values != expected)  # a time may be infinite
        worst = float(np.nanmax(np.abs(apart) / scale, initial=0.0))
        assert worst <= TOLERANCE, f"{name}: relative difference {worst:.1e} on another machine ({', '.join(differs)})"


def _scale(recorded: pa.Table, name: str) -> Any:
    if "pgr" in name or "weak_error" not in recorded.column_names:
        return 1.0
    errors = [np.array(recorded[column].to_pylist(), dtype=np.float64) for column in ("weak_error", "student_error")]
    return np.fmax(*errors)


def numpy_rows(name: str) -> pa.Table:
    return of_today(pq.read_table(RECORDED / "numpy_rows" / f"{name}.parquet"))


@pytest.mark.parametrize("name", GRIDS)
def test_rows_computed_anew_are_the_recorded_ones(name: str, copy: Path, elsewhere: dict[str, list[str]]) -> None:
    needs_modules(name)
    new, store, grid = copy.parent / "new", copy.parent / "new-store", copy / "grids" / f"{name}.yaml"
    outcome = launch(grid, out=new / "numba", executor="inline", backend="numba", store=str(store))
    assert (outcome.exit, outcome.computed, outcome.found) == (0, outcome.cells, 0)
    launch(grid, out=new / "numpy", executor="inline", backend="numpy", store=str(store))
    recorded = of_today(recorder.rows(RECORDED / "finished" / name))
    found = {backend: recorder.rows(new / backend) for backend in ("numba", "numpy")}
    assert part_names(new / "numba") == part_names(RECORDED / "finished" / name)
    if name in WITH_ARTIFACTS and elsewhere[name]:
        # Trainings are float32 and not comparable: the identities are, and what is computed from the recorded trainings.
        assert found["numba"]["cell_id"].to_pylist() == recorded["cell_id"].to_pylist()
        return
    assert_same(found["numba"], recorded, elsewhere[name])
    assert_same(found["numpy"], numpy_rows(name), elsewhere[name])
    if name in WITH_ARTIFACTS:
        assert_same_artifacts(store, outcome.artifacts)


def assert_same_artifacts(store: Path, count: int) -> None:
    """Every finished artifact of a new store has the files of the recorded one, bit for bit, but for times and memory."""
    found = sorted(path.parent for path in store.glob("??/*/artifact.json"))
    assert len(found) == count > 0
    for folder in found:
        before = RECORDED / "store" / folder.relative_to(store)
        files = {path.name for path in folder.iterdir()}
        assert files == {path.name for path in before.iterdir()}
        for file in files - {"artifact.json", "training.json"}:
            assert (folder / file).read_bytes() == (before / file).read_bytes(), f"{before.name}/{file}"


@pytest.mark.parametrize("name", GRIDS)
def test_a_recorded_run_is_found_complete(name: str, copy: Path) -> None:
    needs_modules(name)
    before = {path: path.read_bytes() for path in (copy / "finished" / name / "results").iterdir() if "schema" not in path.name}
    outcome = launch(copy / "grids" / f"{name}.yaml", executor="inline")
    assert (outcome.exit, outcome.computed, outcome.artifacts) == (0, 0, 0)
    assert outcome.found == outcome.cells == len(w2s.load(outcome.run)) > 0
    assert outcome.run.resolve() == (copy / "finished" / name).resolve()
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("name", WITH_ARTIFACTS)
def test_rows_come_back_from_the_recorded_store(name: str, copy: Path, elsewhere: dict[str, list[str]]) -> None:
    needs_modules(name)
    run = copy / "finished" / name
    shutil.rmtree(run / "results")
    shutil.rmtree(run / "curves", ignore_errors=True)
    outcome = launch(copy / "grids" / f"{name}.yaml", executor="inline", backend="numba")
    assert (outcome.exit, outcome.computed, outcome.artifacts) == (0, outcome.cells, 0)
    assert_same(recorder.rows(run), recorder.rows(RECORDED / "finished" / name), elsewhere[name])
    tables = [pq.read_table(place / "curves") for place in (run, RECORDED / "finished" / name) if (place / "curves").exists()]
    assert len(tables) == (2 if name == "burns2023.text" else 0)
    if tables:
        assert_same(*tables, elsewhere[name], order=("cell_id", "step"))


@pytest.mark.parametrize("name", WITH_ARTIFACTS)
def test_artifact_keys_are_the_recorded_ones(name: str, copy: Path) -> None:
    needs_modules(name)
    recorded = json.loads((RECORDED / "artifacts.json").read_text())[name]
    assert recorder.planned(copy / "grids" / f"{name}.yaml") == recorded
    places = {path.parent.name for path in (copy / "store").glob("??/*/artifact.json")}
    assert {key for _, key in recorded} <= places


def test_the_command_line_finds_the_recorded_finetunes_complete(copy: Path) -> None:
    needs_modules("burns2023.text")
    grid, events = copy / "grids" / "burns2023.text.yaml", copy / "finished" / "burns2023.text" / "events.jsonl"
    before = events.read_text()
    command = [sys.executable, "-m", "sweeper", "launch", str(grid), "--executor", "inline"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert events.read_text() == before  # a launch with something to do says so there


def test_nothing_recorded_names_a_place_of_one_machine() -> None:
    whole = {path: path.read_bytes() for path in RECORDED.rglob("*") if path.is_file() and path.suffix not in (".py", ".md")}
    documents = {path: pq.read_schema(path).metadata or {} for path in whole if path.suffix == ".parquet"}
    grids = [json.loads(found[b"w2s"])["grid"] for found in documents.values() if b"w2s" in found]
    assert len(grids) > len(GRIDS)
    for place in _places([*grids, *(json.loads(line) for line in _events())]):
        assert not Path(place).is_absolute(), place
    assert not [path for path, content in whole.items() if str(Path.home()).encode() + b"/" in content or b"/tmp/" in content]


def _events() -> list[str]:
    return [line for path in RECORDED.glob("finished/*/events.jsonl") for line in path.read_text().splitlines()]


def _places(value: Any) -> list[str]:
    """Every path or store that is named anywhere in a document."""
    if isinstance(value, dict):
        own = [str(value[key]) for key in ("path", "store") if key in value]
        return own + [place for item in value.values() for place in _places(item)]
    return [place for item in value for place in _places(item)] if isinstance(value, list) else []
