"""Rows and the code that made them: no launch mixes the rows of an edited study in silence, and every review says what is there."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from typer.testing import CliRunner
from workbench import events, table, wait_until

import w2s
from sweeper import GridError, RunError, launch, load_grid
from sweeper.cli import app
from sweeper.errors import Exit
from sweeper.folder.run_folder import RunFolder
from sweeper.launching.progress import Progress
from sweeper.plan.cut import make_plan
from sweeper.review.status import run_status
from sweeper.worker.solve import Job, solve_block
from w2s.studies.registry import StudyError
from w2s.user_files import read_source

STUDY = """
from w2s import Cell, Cost, Study, field
from helper import weak


class LineCell(Cell):
    x: float = field(description="any number")


class Line(Study):
    name = "line"
    version = 1
    Cell = LineCell

    def cost(self, block):
        return Cost(6e9 * block.size, 8.0)

    def solve(self, block, backend):
        x = block.column("x")
        return {"weak_error": weak(x) + block.column("seed"), "student_error": x / 2, "ceiling_error": 0 * x, "misfit": x}
"""
HELPER = "def weak(x):\n    return 1.0 + x\n"
EDITED = HELPER.replace("1.0", "2.0")


class Notes(Progress):
    """What a launch said."""

    def __init__(self):
        super().__init__()
        self.said = []

    def note(self, text):
        self.said.append(text)


class Place:
    """A folder with a study, its helper and a grid."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.run = folder, folder / "run"
        self.write(study=STUDY, helper=HELPER)
        self.grid([1, 2])

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.folder / f"{name}.py").write_text(text)

    def grid(self, xs) -> Path:
        content = {"study": "study.py:Line", "axes": {"x": xs}, "seeds": 3, "out": "run"}
        content["compute"] = {"executor": "inline", "backend": "numpy"}
        path = self.folder / "grid.yaml"
        path.write_text(yaml.safe_dump(content))
        return path

    def launch(self, xs=(1, 2), **options):
        return launch(self.grid(list(xs)), **options)

    def call(self, command, *more):
        return CliRunner().invoke(app, [command, *map(str, more)])

    def digests(self) -> dict[float, set[str]]:
        rows = w2s.load(self.run)
        return {x: set(part["code_digest"]) for x, part in rows.groupby("x")}


@pytest.fixture
def place(tmp_path):
    return Place(tmp_path)


def test_rows_parts_and_run_folder_carry_the_source(place):
    place.launch()
    source = read_source(place.folder / "study.py")
    assert place.digests() == {1.0: {source.digest}, 2.0: {source.digest}}
    for part in RunFolder(place.run).parts():
        assert part.code is not None
        assert (dict(part.code.study), part.code.digest) == (source.files, source.digest)
    kept = place.run / "code" / source.digest
    assert {path.name: path.read_text() for path in kept.iterdir()} == {"study.py": STUDY, "helper.py": HELPER}
    assert "code" not in place.call("status", place.run).output


def test_a_study_of_this_package_carries_none(tmp_path):
    grid = {"study": "dong2025.regression", "axes": {"ridge": [0.1]}, "seeds": 2}
    grid["fixed"] = {"d_weak": 8, "d_strong": 4, "d_overlap": 2, "n_labeled": 20, "n_transfer": 40}
    outcome = launch(load_grid(grid, tmp_path), out=tmp_path / "run", executor="inline", backend="numpy")
    assert w2s.load(outcome.run)["code_digest"].isna().all()
    assert not (outcome.run / "code").exists()
    assert run_status(outcome.run).code.remarks == []


@pytest.mark.parametrize("xs", [(1, 2), (1, 2, 3)], ids=["again", "extended"])
@pytest.mark.parametrize("edited", ["study", "helper"])
def test_a_launch_of_edited_code_is_refused_and_loses_nothing(place, xs, edited):
    place.launch()
    before = {path: path.read_bytes() for path in place.run.rglob("*") if path.is_file()}
    place.write(**{edited: STUDY.replace("x / 2", "x / 3") if edited == "study" else EDITED})
    place.grid(list(xs))
    told = place.call("launch", place.folder / "grid.yaml")
    assert told.exit_code == Exit.BAD_INPUT
    assert f"{edited}.py: 6 rows were made when it was" in told.output
    for remedy in ("write version = 2 in the study", "--keep-code", "--fresh"):
        assert remedy in told.output
    assert {path: path.read_bytes() for path in before} == before
    planned = place.call("plan", place.folder / "grid.yaml")
    assert planned.exit_code == 0
    assert f"{edited}.py: 6 rows were made when it was" in planned.output
    assert "a launch would refuse" in planned.output


def test_a_comment_changes_nothing(place):
    place.launch()
    place.write(study=f'"""A study."""\n{STUDY}  # the end\n', helper=f"# weak\n\n{HELPER}")
    outcome = place.launch((1, 2, 3))
    assert (outcome.found, outcome.computed) == (6, 3)
    assert len({digest for found in place.digests().values() for digest in found}) == 1


def test_rows_that_are_kept_stay_apart_and_every_review_says_so(place):
    place.launch()
    place.write(helper=EDITED)
    notes = Notes()
    outcome = place.launch((1, 2, 3), keep_code=True, progress=notes)
    assert (outcome.found, outcome.computed) == (6, 3)
    assert any(line.startswith("the code is not the one that made the rows: helper.py: 6 rows") for line in notes.said)
    assert notes.said[1].startswith("--keep-code: these rows stay")
    digests = place.digests()
    assert digests[1.0] == digests[2.0] != digests[3.0]
    rows = w2s.load(place.run)
    assert rows.groupby("x")["weak_error"].mean().tolist() == [3.0, 4.0, 6.0]
    summary = w2s.summarize(rows)
    assert summary.attrs["w2s_summary"]["by"] == ["x", "code_digest"]
    with pytest.raises(ValueError, match="field 'code_digest' has no value in common"):
        w2s.contrast(rows, {"x": 1}, {"x": 3})
    with pytest.warns(UserWarning, match="rows that different code made are averaged together"):
        w2s.summarize(rows, by=[])
    now = read_source(place.folder / "study.py").files["helper.py"]
    mixed = rf"rows of several sources are together, told apart by code_digest: helper\.py: 6 rows by \w+, 3 rows by {now}"
    for command in ("status", "report"):
        assert place.call(command, place.run).output.count("several sources are together") == 1
    assert "Rows of several sources are together" in (place.run / "report" / "index.html").read_text()
    assert re.fullmatch(mixed, run_status(place.run).code.remarks[0])
    again = place.launch((1, 2, 3), keep_code=True)
    assert (again.found, again.computed) == (9, 0)
    with pytest.raises(RunError, match=r"helper\.py: 6 rows were made when it was"):
        place.launch((1, 2, 3))


def test_an_edit_after_the_launch_is_said_by_every_review(place):
    place.launch()
    place.write(helper=EDITED)
    for command in ("status", "report"):
        told = place.call(command, place.run)
        assert told.exit_code == 0
        assert "the code is not the one that made the rows: helper.py: 6 rows" in " ".join(told.output.split())
    cell = w2s.load(place.run)["cell_id"][0]
    assert "made by other code" in place.call("rerun", place.run, cell).output


def test_a_raised_version_computes_all_cells_anew(place):
    place.launch()
    place.write(study=STUDY.replace("version = 1", "version = 2"), helper=EDITED)
    outcome = place.launch((1, 2, 3))
    assert (outcome.found, outcome.computed) == (0, 9)
    assert w2s.load(place.run).groupby("x")["weak_error"].mean().tolist() == [4.0, 5.0, 6.0]
    assert run_status(place.run).code.remarks == []


def test_fresh_starts_a_folder_for_other_code_and_finds_it_again(place):
    place.launch()
    place.write(helper=EDITED)
    assert place.launch(fresh=True).run.name == "run-2"
    assert (place.launch(fresh=True).found, place.launch((1, 2, 3), fresh=True).run.name) == (6, "run-2")
    place.write(helper=HELPER)
    assert place.launch(fresh=True).run.name == "run"


def test_failed_rows_are_tried_with_the_mended_code(place):
    place.write(helper="def weak(x):\n    raise RuntimeError('not yet')\n")
    assert place.launch(on_error="continue").exit == Exit.FAILED_CELLS
    place.write(helper=HELPER)
    assert (place.launch().computed, place.digests().keys()) == (6, {1.0, 2.0})
    assert run_status(place.run).code.remarks == []


def test_rows_of_an_earlier_release_are_unknown_and_no_reason_to_refuse(place):
    place.launch()
    for path in (place.run / "results").glob("part-*.parquet"):
        found = pq.read_table(path)
        metadata = {key: value for key, value in found.schema.metadata.items() if key != b"w2s.code"}
        pq.write_table(found.drop_columns(["code_digest"]).replace_schema_metadata(metadata), path)
    place.write(helper=EDITED)
    notes = Notes()
    outcome = place.launch((1, 2, 3), progress=notes)
    assert (outcome.found, outcome.computed) == (6, 3)
    (unknown,) = [line for line in notes.said if "rows do not say which code made them" in line]
    assert unknown.startswith("6 rows")
    assert "6 rows do not say which code made them" in place.call("status", place.run).output
    assert w2s.summarize(w2s.load(place.run)).attrs["w2s_summary"]["by"] == ["x"]


def test_a_renamed_or_added_file_is_another_source(place):
    place.launch()
    (place.folder / "helper.py").rename(place.folder / "helpers.py")
    place.write(study=STUDY.replace("from helper ", "from helpers "))
    with pytest.raises(RunError) as told:
        place.launch()
    for line in ("study.py: 6 rows were made when", "helpers.py: 6 rows were made without it", "the study has no such file"):
        assert line in str(told.value)


def test_a_run_that_stands_for_the_pilot_must_be_of_the_same_code(place):
    place.launch((1, 2))
    place.write(helper=EDITED)
    told = place.call("plan", place.folder / "grid.yaml", "--resolve", "weak_error=0.5", "--pilot", 2)
    assert told.exit_code == Exit.BAD_INPUT
    assert "helper.py: 6 rows were made when it was" in told.output


def test_verify_says_what_is_mixed(tmp_path):
    shutil.copy(Path(__file__).parents[2] / "studies" / "claimed.py", tmp_path)
    grid = {"study": "claimed.py:Claimed", "axes": {"x": [1, 2]}, "seeds": 12}

    def run(name, **options):
        return launch(load_grid(grid, tmp_path), out=tmp_path / name, executor="inline", backend="numpy", **options).run

    one = run("one")
    with (tmp_path / "claimed.py").open("a") as file:
        file.write("\nADDED = 1\n")
    two = run("two")
    told = CliRunner().invoke(app, ["verify", str(one), str(two)])
    words = " ".join(told.output.split())
    assert f"{one}: the code is not the one that made the rows: claimed.py: 24 rows".replace(" ", "") in words.replace(" ", "")
    assert "rows of several sources are together" in words
    found = json.loads(CliRunner().invoke(app, ["verify", "--json", str(one), str(two)]).output)
    assert [bool(run["code"]) for run in found["studies"][0]["runs"]] == [True, False]


@pytest.mark.fault
@pytest.mark.parametrize("executor", ["processes", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.slow])])
def test_workers_see_the_neighbours(place, executor):
    if executor == "ray":
        pytest.importorskip("ray", reason="the cluster executor needs ray")
    place.launch(executor="inline", out=place.folder / "inline")
    outcome = place.launch(executor=executor, cpus=2)
    assert (outcome.exit, outcome.computed) == (Exit.DONE, 6)
    assert table(place.run).equals(table(place.folder / "inline"))
    assert set(w2s.load(place.run)["code_digest"]) == {read_source(place.folder / "study.py").digest}


SLOW = STUDY.replace(
    '        x = block.column("x")\n',
    """        import pathlib, time
        place = pathlib.Path(__file__).parent
        (place / "begun").touch()
        while not (place / "go").exists():
            time.sleep(0.01)
        x = block.column("x")
""",
)


def test_an_edit_while_a_launch_is_at_work_changes_none_of_its_rows(place):
    place.write(study=SLOW)
    path, outcomes = place.grid([1, 2, 3]), []
    worker = threading.Thread(target=lambda: outcomes.append(launch(path)))
    worker.start()
    wait_until((place.folder / "begun").exists)
    before = read_source(place.folder / "study.py").digest
    place.write(helper=EDITED)
    (place.folder / "go").touch()
    worker.join()
    assert outcomes[0].exit == Exit.DONE
    rows = w2s.load(place.run)
    assert set(rows["code_digest"]) == {before}
    assert rows.groupby("x")["weak_error"].mean().tolist() == [3.0, 4.0, 5.0]


def test_a_worker_that_finds_edited_files_says_so_and_computes_nothing(place):
    place.write(helper=EDITED)
    edited = place.launch(out=place.folder / "other").run  # this process knows the edited source, too
    place.write(helper=HELPER)
    (block, *_) = make_plan(load_grid(place.grid([1]))).blocks()
    job = Job("study.py:Line", place.folder, edited, "numpy", {}, source="0" * 16)
    with pytest.raises(StudyError, match=r"study\.py, or a module beside it, was edited after the launch had read it"):
        solve_block(job, block)


SPY = "import pathlib\npathlib.Path(__file__).with_name('ran').touch()\n"


@pytest.mark.parametrize("command", ["status", "report", "verify", "rerun"])
def test_code_inside_a_run_folder_is_run_by_consent_only(place, command):
    place.launch()
    inside = place.run / "inside"
    inside.mkdir()
    (inside / "study.py").write_text(SPY + STUDY)
    (inside / "helper.py").write_text(HELPER)
    stored = yaml.safe_load((place.run / "grid.yaml").read_text())
    (place.run / "grid.yaml").write_text(yaml.safe_dump(stored | {"study": "inside/study.py:Line"}))
    more = [w2s.load(place.run)["cell_id"][0]] if command == "rerun" else []
    told = place.call(command, place.run, *more)
    assert told.exit_code == Exit.BAD_INPUT
    assert "is a Python file inside it" in told.output
    assert "--trust-code" in told.output
    assert not (inside / "ran").exists()
    link = place.run / "link.py"
    link.symlink_to(place.folder / "study.py")
    (place.run / "grid.yaml").write_text(yaml.safe_dump(stored | {"study": "link.py:Line"}))
    assert place.call(command, place.run, *more).exit_code == Exit.BAD_INPUT
    (place.run / "grid.yaml").write_text(yaml.safe_dump(stored | {"study": "inside/study.py:Line"}))
    place.call(command, place.run, *more, "--trust-code")
    assert (inside / "ran").exists()


def test_a_launch_and_a_plan_run_only_the_study_that_their_grid_names(place):
    place.launch()
    (place.run / "other.py").write_text(SPY + STUDY)
    stored = yaml.safe_load((place.run / "grid.yaml").read_text())
    (place.run / "grid.yaml").write_text(yaml.safe_dump(stored | {"study": "other.py:Line"}))
    assert place.call("plan", place.folder / "grid.yaml").exit_code == 0
    assert place.call("plan", place.folder / "grid.yaml", "--resolve", "weak_error=1", "--pilot", 2).exit_code == 0
    place.launch((1, 2, 3))
    assert not (place.run / "ran").exists()


def test_a_study_named_through_a_variable_is_found_again_from_its_run(place, monkeypatch):
    monkeypatch.setenv("W2S_TEST_STUDIES", str(place.folder))
    path = place.grid([1])
    path.write_text(path.read_text().replace("study.py:Line", "$W2S_TEST_STUDIES/study.py:Line"))
    assert launch(path).computed == 3
    monkeypatch.delenv("W2S_TEST_STUDIES")
    assert run_status(place.run).done == 3
    monkeypatch.setenv("W2S_TEST_STUDIES", str(place.run))
    stored = yaml.safe_load((place.run / "grid.yaml").read_text())
    (place.run / "grid.yaml").write_text(yaml.safe_dump(stored | {"study": "$W2S_TEST_STUDIES/inside.py:Line"}))
    with pytest.raises(RunError, match="is a Python file inside it"):
        run_status(place.run)


def test_the_run_of_another_study_is_refused_unread(place):
    place.launch()
    place.write(study=STUDY.replace('name = "line"', 'name = "curve"'))
    with pytest.raises(RunError, match="holds a run of line, not of curve"):
        place.launch()
    assert "holds a run of line, not of curve" in place.call("plan", place.folder / "grid.yaml").output


def test_events_and_messages_are_of_user_errors(place):
    place.write(helper="1 / 0")
    with pytest.raises(GridError, match=r"study\.py cannot be imported: ZeroDivisionError"):
        place.launch()
    assert not place.run.exists()
    place.write(helper=HELPER)
    place.launch()
    assert len(events(place.run, "launch")) == 1
