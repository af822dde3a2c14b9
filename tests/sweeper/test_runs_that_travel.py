"""Runs that travel: joined, packed, exported, and a launch that is ended from elsewhere."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import openpyxl
import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from waiting import watchdog

import w2s
from sweeper import RunError, UserError, launch
from sweeper.folder.provenance import run_origin
from sweeper.folder.run_folder import RunFolder
from sweeper.folder.standing import Standing, read_standing, write_standing
from sweeper.launching.stopping import ask_to_stop
from sweeper.review.status import run_status
from sweeper.review.table import read_run
from sweeper.travel.bundle import bundle_run
from sweeper.travel.export import export_run
from sweeper.travel.merge import merge_runs

ROOT = Path(__file__).parents[2]
NOISY = f"{ROOT}/tests/studies/noisy.py:Noisy"
GRID: dict[str, Any] = {
    "study": "dong2025.regression",
    "axes": {"n_labeled": [15, 30], "ridge": [0.01, 0.1]},
    "fixed": {"d_weak": 8, "d_strong": 6, "d_overlap": 3, "n_transfer": 20, "noise": 0.5},
}


def launched(out: Path, seeds: Any, **changes: Any) -> Path:
    assert launch({**GRID, **changes, "seeds": seeds}, out=out, executor="inline").exit == 0
    return out


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("travel")
    return {"one": launched(folder / "one", 6), "two": launched(folder / "two", [6, 7, 8]), "all": launched(folder / "all", 9)}


def bare(run: Path) -> pd.DataFrame:
    rows = w2s.load(run).sort_values("cell_id", ignore_index=True)
    return rows.drop(columns=["elapsed_s"])


def test_joined_seeds_are_the_run_of_all_seeds(runs: dict[str, Path], tmp_path: Path) -> None:
    merged = merge_runs([runs["one"], runs["two"]], tmp_path / "m")
    assert (merged.cells, merged.rows, merged.repeated, merged.notes) == (36, 36, 0, ())
    whole, joined = bare(runs["all"]), bare(tmp_path / "m")
    assert joined["cell_id"].tolist() == whole["cell_id"].tolist()
    numbers = whole.select_dtypes("float").columns
    np.testing.assert_allclose(joined[numbers], whole[numbers], rtol=1e-9)  # cut into other blocks
    status = run_status(tmp_path / "m")
    assert (status.done, status.pending, status.outside) == (36, 0, 0)
    assert yaml.safe_load((tmp_path / "m" / "grid.yaml").read_text())["grids"][0]["seeds"] == 9
    again = launch({**GRID, "seeds": 9}, out=tmp_path / "m", executor="inline")
    assert (again.exit, again.computed, again.found) == (0, 0, 36)


def test_cells_that_two_cuts_hold_twice_count_once(runs: dict[str, Path], tmp_path: Path) -> None:
    more = launched(tmp_path / "more", 4)
    merged = merge_runs([runs["one"], more], tmp_path / "m")
    assert (merged.cells, merged.rows, merged.repeated) == (24, 24, 16)
    assert run_status(tmp_path / "m").done == len(w2s.load(tmp_path / "m")) == 24


def test_cells_of_both_runs_must_have_equal_rows(runs: dict[str, Path], tmp_path: Path) -> None:
    assert merge_runs([runs["one"], shutil.copytree(runs["one"], tmp_path / "copy")], tmp_path / "m").repeated == 24
    part = next(path for path in (tmp_path / "copy" / "results").iterdir() if "schema" not in path.name)
    from sweeper.folder.part import rows_file

    table = pq.read_table(part)
    place = table.column_names.index("student_error")
    table = table.set_column(place, "student_error", [[1.25] * len(table)])
    part.write_bytes(rows_file(table.replace_schema_metadata(pq.read_schema(part).metadata)))
    with pytest.raises(RunError, match=r"has other rows in .*copy than in .*one: student_error is 1\.25 and"):
        merge_runs([runs["one"], tmp_path / "copy"], tmp_path / "n")


def test_what_does_not_fit_is_refused_by_name(runs: dict[str, Path], tmp_path: Path) -> None:
    other = launched(tmp_path / "other", [6], fixed={**GRID["fixed"], "noise": 0.25})
    with pytest.raises(RunError, match=r"differ in more than the seeds: noise: 0\.5 -> 0\.25"):
        merge_runs([runs["one"], other], tmp_path / "m")
    with pytest.raises(RunError, match="is not empty"):
        merge_runs([runs["one"], runs["two"]], runs["all"])
    with pytest.raises(RunError, match="two runs or more"):
        merge_runs([runs["one"]], tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_other_code_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "noisy.py"
    text = (ROOT / "tests" / "studies" / "toy.py").read_text()
    file.write_text(text)
    for name, seeds in (("one", 2), ("two", [2, 3])):
        grid = {"study": f"{file}:Toy", "axes": {"x": [0.5]}, "seeds": seeds}
        assert launch(grid, out=tmp_path / name, executor="inline").exit == 0
        file.write_text(text + "\n\nMORE = 1\n")
    with pytest.raises(RunError, match=r"made by different code: .*noisy\.py: 2 rows by"):
        merge_runs([tmp_path / "one", tmp_path / "two"], tmp_path / "m")


def test_a_bundle_is_a_run_without_a_place(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    first, second = bundle_run(runs["all"]), bundle_run(runs["all"], Path("again.zip"))
    assert first.path.read_bytes() == second.path.read_bytes()
    with pytest.raises(RunError, match=r"all\.zip exists"):
        bundle_run(runs["all"])
    with zipfile.ZipFile("all.zip") as archive:
        names = archive.namelist()
        content = {name: archive.read(name) for name in names}
        archive.extractall("unpacked")
    assert all(name.startswith("all/") and ".." not in name for name in names)
    assert {"all/grid.yaml", "all/report/index.html", "all/README.txt", "all/SHA256SUMS"} <= set(names)
    for name, text in content.items():
        assert str(runs["all"].parent).encode() not in text, name
    checked = subprocess.run(["sha256sum", "-c", "--quiet", "SHA256SUMS"], cwd="unpacked/all", check=False)
    assert checked.returncode == 0
    table = read_run(Path("unpacked/all"))
    assert (table.status.done, table.unfinished) == (36, "")
    pd.testing.assert_frame_equal(bare(Path("unpacked/all")), bare(runs["all"]))


def test_data_by_their_place_on_a_machine_are_noted_in_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("x,y\n" + "\n".join(f"{k},{k % 7}" for k in range(80)) + "\n")
    fixed = {"target": "y", "task": "regression", "n_labeled": 10, "n_transfer": 20, "n_test": 20, "ridge": 0.1}
    fixed |= {"weak_features": "inputs", "strong_features": "inputs"}
    for name, count in ((str(tmp_path / "p.csv"), 1), ("p.csv", 0)):
        grid = {"study": "probe.table", "fixed": {**fixed, "data": name}, "seeds": 3, "out": f"run-{count}"}
        (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
        run = launch(tmp_path / "grid.yaml", executor="inline").run
        notes = bundle_run(run, tmp_path / f"{count}.zip").notes
        assert sum("rows name data by their place on the machine" in note for note in notes) == count


def test_the_first_launch_is_known_whatever_the_clock_says(tmp_path: Path) -> None:
    """The clock was forty days ahead while the first seeds were made: theirs are the thresholds all the same."""
    run = launched(tmp_path / "run", 3)
    journal = run / "events.jsonl"
    ahead = [{**event, "time": event["time"] + 40 * 86400} for event in map(json.loads, journal.read_text().splitlines())]
    journal.write_text("".join(json.dumps(event) + "\n" for event in ahead))
    first = run_origin(RunFolder(run))["grid"]
    launched(run, 6)
    assert run_origin(RunFolder(run))["grid"] == first


def test_links_of_a_received_folder_lead_nowhere(runs: dict[str, Path], tmp_path: Path) -> None:
    """Curves, code and the temporary name of the standing are links out of the folder: nothing is read or written there."""
    secret, victim = tmp_path / "secret", tmp_path / "victim"
    secret.mkdir()
    for name in ("key.parquet", "key.py"):
        (secret / name).write_text("TOPSECRET")
    victim.write_text("mine")
    received = shutil.copytree(runs["two"], tmp_path / "received")
    (received / "code").symlink_to(secret)
    (received / "curves").mkdir()
    (received / "curves" / "part-x.parquet").symlink_to(secret / "key.parquet")
    (received / ".standing.json").symlink_to(victim)
    (received / "standing.json").symlink_to(victim)
    bundle_run(received, tmp_path / "bundle.zip")
    merge_runs([runs["one"], received], tmp_path / "m")
    shutil.rmtree(received / "curves")
    (received / "curves").symlink_to(secret)
    bundle_run(received, tmp_path / "again.zip")
    for name in ("bundle.zip", "again.zip"):
        with zipfile.ZipFile(tmp_path / name) as bundle:
            assert not [entry for entry in bundle.namelist() if b"TOPSECRET" in bundle.read(entry)]
    assert not [path for path in (tmp_path / "m").rglob("*") if path.is_file() and b"TOPSECRET" in path.read_bytes()]
    now = Standing(6, 0, 0, 0, 0, 0.0, None)
    write_standing(received, now)
    assert victim.read_text() == "mine"
    assert read_standing(received) == now


def test_a_bundle_has_the_code_of_a_study_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copy(ROOT / "tests" / "studies" / "toy.py", tmp_path / "toy.py")
    assert launch({"study": "toy.py:Toy", "axes": {"x": [0.5]}, "seeds": 2}, out=tmp_path / "run", executor="inline").exit == 0
    packed = bundle_run("run")
    assert any("--trust-code" in note for note in packed.notes)
    (tmp_path / "toy.py").unlink()
    with zipfile.ZipFile("run.zip") as archive:
        archive.extractall("unpacked")
    with pytest.raises(RunError, match="--trust-code"):
        read_run("unpacked/run")
    assert read_run("unpacked/run", trust_code=True).status.done == 2


def test_rows_as_csv_workbook_and_data_set(runs: dict[str, Path], tmp_path: Path) -> None:
    rows = read_run(runs["all"]).rows
    assert export_run(runs["all"], "csv", tmp_path / "c").rows == 36
    with (tmp_path / "c" / "rows.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [float(row["pgr"]) for row in found if row["pgr"]] == rows["pgr"].dropna().tolist()
    with (tmp_path / "c" / "columns.csv").open() as file:
        meanings = {line["column"]: line for line in csv.DictReader(file)}
    assert meanings["ridge"]["unit"] == "feature power"
    export_run(runs["all"], "xlsx", tmp_path / "r.xlsx")
    book = openpyxl.load_workbook(tmp_path / "r.xlsx", read_only=True)
    assert book.sheetnames == ["rows", "summary", "columns"]
    sheet = list(book["rows"].iter_rows(values_only=True))
    assert len(sheet) == 37
    book.close()
    gains = [row[sheet[0].index("gain")] for row in sheet[1:]]
    np.testing.assert_allclose(np.array(gains, dtype=float), rows["gain"], rtol=1e-15)
    export_run(runs["all"], "hf", tmp_path / "d")
    table = pq.read_table(tmp_path / "d" / "data" / "train.parquet")
    assert table["cell_id"].to_pylist() == rows["cell_id"].tolist()
    assert table.schema.field("misfit").metadata[b"description"].startswith(b"distance between the student")
    front = yaml.safe_load((tmp_path / "d" / "README.md").read_text().split("---")[1])
    assert front["configs"][0]["data_files"] == [{"split": "train", "path": "data/*.parquet"}]
    with pytest.raises(RunError, match="exists; name another"):
        export_run(runs["all"], "hf", tmp_path / "d")
    with pytest.raises(UserError, match="did you mean 'xlsx'"):
        export_run(runs["all"], "xls", tmp_path / "e")


def test_rows_as_runs_of_mlflow(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    export_run(runs["two"], "mlflow", tmp_path / "store")
    client = mlflow.MlflowClient(tracking_uri=(tmp_path / "store").as_uri())
    (experiment,) = [item for item in client.search_experiments() if item.name == "two"]
    found = client.search_runs([experiment.experiment_id], max_results=100)
    rows = w2s.load(runs["two"]).set_index("cell_id")
    assert {run.info.run_name: run.data.metrics["gain"] for run in found} == rows["gain"].to_dict()


class StandIn:
    """As much of wandb as the export uses."""

    def __init__(self) -> None:
        self.runs: list[dict[str, Any]] = []

    def Settings(self, **given: Any) -> dict[str, Any]:  # noqa: N802
        return given

    def init(self, **given: Any) -> StandIn:
        self.runs.append({**given, "log": {}})
        self.summary: dict[str, Any] = {}
        return self

    def log(self, numbers: dict[str, float]) -> None:
        self.runs[-1]["log"] = numbers

    def finish(self, **_given: Any) -> None:
        self.runs[-1]["summary"] = self.summary


def test_rows_as_offline_runs_of_wandb(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = StandIn()
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    export_run(runs["two"], "wandb", tmp_path / "w")
    assert len(stand_in.runs) == 12
    assert {run["mode"] for run in stand_in.runs} == {"offline"}
    first = stand_in.runs[0]
    assert first["config"]["ridge"] in (0.01, 0.1)
    assert first["summary"]["status"] == "ok"
    assert first["log"]["gain"] == w2s.load(runs["two"]).set_index("cell_id")["gain"][first["id"]]


def test_a_tracker_that_is_not_here_is_named(runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(UserError, match=r"wandb is not installed: pip install 'w2s-sweep\[wandb\]'"):
        export_run(runs["two"], "wandb", tmp_path / "w")


SLOW = """
import time
import numpy as np
from w2s import Cell, Cost, Study, field

class SlowCell(Cell):
    n: int = field(1, description="n")

class Slow(Study):
    name, version, Cell = "slow", 1, SlowCell
    def cost(self, block):
        return Cost(1e12, 1.0)
    def solve(self, block, backend):
        time.sleep(0.2)
        return {name: np.ones(block.shape) for name in ("weak_error", "student_error", "ceiling_error", "misfit")}
"""


def test_a_launch_is_ended_from_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    grid = {"study": "slow.py:Slow", "axes": {"n": list(range(1, 5000))}, "out": "run"}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump(grid))
    with pytest.raises(RunError, match="no such folder"):
        ask_to_stop(tmp_path / "run", 1)
    command = [sys.executable, "-m", "sweeper", "launch", "grid.yaml", "--executor", "inline"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        results = tmp_path / "run" / "results"
        with watchdog(120):
            while len(list(results.glob("part-*.parquet"))) < 3:
                assert process.poll() is None
                time.sleep(0.1)
        assert ask_to_stop(tmp_path / "run", 120)
        assert process.wait(120) == 130
    finally:
        process.kill()
        process.wait()
    assert not (tmp_path / "run" / ".stop").exists()
    events = [json.loads(line)["event"] for line in (tmp_path / "run" / "events.jsonl").read_text().splitlines()]
    assert events[-2:] == ["stop", "end"]
    with pytest.raises(RunError, match="no launch is at work"):
        ask_to_stop(tmp_path / "run", 1)
