"""Studies with artifacts: each made once, whoever needs it, whatever fails, dies or runs again."""

from __future__ import annotations

import errno
import io
import json
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from workbench import wait_until

from sweeper import launch
from sweeper.cli.show.run import print_rerun
from sweeper.errors import Exit, GridError, StoreError
from sweeper.grid.read import load_grid
from sweeper.launching.progress import Progress
from sweeper.plan.artifacts import artifact_lines, check_blind
from sweeper.plan.cut import make_plan
from sweeper.review.rerun import rerun_cell
from w2s.artifacts import Store

STUDY = f"{Path(__file__).parents[2] / 'studies' / 'chained.py'}:Chained"


def grid(tmp_path, *, weak=(1, 2), strong=(5, 6, 7), seconds=0.0, seeds=1, **compute):
    content = {
        "study": STUDY,
        "axes": {"weak": list(weak), "strong": list(strong)},
        "fixed": {"log": str(tmp_path / "log"), "seconds": seconds},
        "seeds": seeds,
        "compute": {"executor": "inline", "backend": "numpy", **compute},
    }
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def made(tmp_path) -> Counter[str]:
    log = tmp_path / "log"
    return Counter(log.read_text().splitlines()) if log.exists() else Counter()


def table(run) -> pd.DataFrame:
    rows = pd.read_parquet(run / "results").sort_values("cell_id").reset_index(drop=True)
    return rows.drop(columns=["elapsed_s"])


def test_each_artifact_is_made_once_and_found_by_later_runs(tmp_path):
    outcome = launch(grid(tmp_path), out=tmp_path / "runs" / "a")
    assert (outcome.exit, outcome.computed, outcome.artifacts) == (Exit.DONE, 6, 8)
    assert set(made(tmp_path).values()) == {1}
    assert sum(made(tmp_path).values()) == 2 + 6
    again = launch(grid(tmp_path), out=tmp_path / "runs" / "b")
    assert (again.computed, again.artifacts) == (6, 0)
    wider = launch(grid(tmp_path, strong=(5, 6, 7, 8)), out=tmp_path / "runs" / "b")
    assert (wider.computed, wider.artifacts) == (2, 2)
    assert sum(made(tmp_path).values()) == 10
    first, second = table(tmp_path / "runs" / "a"), table(tmp_path / "runs" / "b")
    pd.testing.assert_frame_equal(first, second[second["strong"] < 8].reset_index(drop=True))
    assert len(list((tmp_path / "runs" / "a" / "curves").glob("*.parquet"))) == 6


@pytest.mark.parametrize("executor", ["inline", "processes"])
def test_what_the_making_tells_is_told_once(tmp_path, executor):
    stream = io.StringIO()
    text = Path(STUDY.partition(":")[0]).read_text()
    told = text.replace("    time.sleep(seconds)\n", "    work.note('resumed at step 3 of 9')\n")
    (tmp_path / "telling.py").write_text(told)
    path = grid(tmp_path, weak=(1,), strong=(5,), executor=executor, **({"cpus": 1} if executor == "processes" else {}))
    path.write_text(path.read_text().replace(STUDY, "telling.py:Chained"))
    assert launch(path, out=tmp_path / "run", progress=Progress(stream)).exit == Exit.DONE
    assert stream.getvalue().count("resumed at step 3 of 9") == 1


def test_the_plan_counts_what_sharing_saves(tmp_path):
    plan = make_plan(load_grid(grid(tmp_path, weak=(1, 2), strong=(5, 6, 7))))
    lines = {line.function: line for line in artifact_lines(plan, Store(tmp_path / "none"))}
    assert (lines["chained.teach"].distinct, lines["chained.teach"].unshared) == (2, 6)
    assert (lines["chained.learn"].distinct, lines["chained.learn"].unshared) == (6, 6)
    assert lines["chained.teach"].stored == 0
    launch(grid(tmp_path, weak=(1,)), out=tmp_path / "runs" / "a")
    lines = {line.function: line for line in artifact_lines(plan, Store(tmp_path / "runs" / ".w2s-store"))}
    assert (lines["chained.teach"].stored, lines["chained.learn"].stored) == (1, 3)


def test_a_failed_artifact_fails_its_cells_alone_and_is_tried_again(tmp_path):
    outcome = launch(grid(tmp_path, weak=(13, 2), on_error="continue"), out=tmp_path / "runs" / "a")
    assert (outcome.exit, outcome.computed, outcome.failed) == (Exit.FAILED_CELLS, 3, 3)
    rows = table(tmp_path / "runs" / "a")
    failed = rows[rows["status"] == "failed"]
    assert set(failed["weak"]) == {13}
    assert failed["message"].str.contains("chained.teach").all()
    assert failed["message"].str.contains("thirteen cannot be taught").all()
    assert made(tmp_path)["teach 13 0"] == 1
    launch(grid(tmp_path, weak=(13, 2), on_error="continue"), out=tmp_path / "runs" / "a")
    assert made(tmp_path)["teach 13 0"] == 2
    assert made(tmp_path)["teach 2 0"] == 1


def test_blind_refuses_what_could_leak(tmp_path):
    launch(grid(tmp_path, blind=True), out=tmp_path / "runs" / "a")
    with pytest.raises(GridError, match="blind: the teacher of size 99 reads the truth"):
        launch(grid(tmp_path, weak=(99,), blind=True), out=tmp_path / "runs" / "b")
    assert launch(grid(tmp_path, weak=(99,)), out=tmp_path / "runs" / "b").exit == Exit.DONE


def test_blind_refuses_a_study_that_does_not_say(tmp_path, monkeypatch):
    plan = make_plan(load_grid(grid(tmp_path)))
    check_blind(plan)
    monkeypatch.delattr(plan.grid.study, "unblind")
    with pytest.raises(GridError, match=r"test\.chained has artifacts and no method unblind"):
        check_blind(plan)


def test_the_store_can_be_elsewhere_and_knows_its_runs(tmp_path):
    path = grid(tmp_path, store="models")
    launch(path, out=tmp_path / "runs" / "a")
    launch(grid(tmp_path, weak=(2, 3), store="models"), out=tmp_path / "runs" / "b")
    store = Store(tmp_path / "models")
    used = store.in_use()
    assert {Path(run).name: len(keys) for run, keys in used.items()} == {"a": 8, "b": 8}
    assert len(set().union(*used.values())) == len(list(store.keys())) == 12


def test_a_finished_run_that_has_moved_registers_when_it_is_launched_again(tmp_path):
    path, store = grid(tmp_path), Store(tmp_path / "runs" / ".w2s-store")
    launch(path, out=tmp_path / "runs" / "a")
    shutil.move(tmp_path / "runs" / "a", tmp_path / "runs" / "b")
    assert store.in_use() == {}
    assert launch(path, out=tmp_path / "runs" / "b").artifacts == 0
    assert {Path(run).name: len(keys) for run, keys in store.in_use().items()} == {"b": 8}
    assert store.remove_unused()[0] == 0
    (tmp_path / "elsewhere").mkdir()
    shutil.move(tmp_path / "runs" / "b", tmp_path / "elsewhere" / "b")
    assert launch(path, out=tmp_path / "elsewhere" / "b").exit == Exit.DONE
    assert not (tmp_path / "elsewhere" / ".w2s-store").exists()  # nothing to do, and no store here: none is made


def test_a_cell_solved_again_says_that_its_artifacts_are_those_of_the_store(tmp_path, capsys):
    run = launch(grid(tmp_path), out=tmp_path / "runs" / "a").run
    assert print_rerun(rerun_cell(run, table(run)["cell_id"][0], "numpy"))
    shown = "".join(capsys.readouterr().out.split())  # lines may be folded
    assert f"werereadfrom{tmp_path}/runs/.w2s-store,notmadeagain" in shown
    assert set(made(tmp_path).values()) == {1}


def test_a_store_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "runs").write_text("in the way")
    with pytest.raises(StoreError, match=r"cannot write in the artifact store .*models"):
        launch(grid(tmp_path, store="models"), out=tmp_path / "runs" / "a")
    problems = [PermissionError(errno.EACCES, "Permission denied"), RuntimeError("I/O error: No space left (os error 28)")]
    for problem in problems:

        def fail(_self, _call, _note, problem=problem):
            raise problem

        monkeypatch.setattr(Store, "compute", fail)
        with pytest.raises(StoreError, match=r"cannot write in the artifact store .*(Permission denied|No space left)"):
            launch(grid(tmp_path), out=tmp_path / "runs" / "b")


@pytest.mark.fault
def test_killed_at_any_moment_it_resumes_and_ends_the_same(tmp_path):
    whole = tmp_path / "whole"
    whole.mkdir()
    launch(grid(whole, weak=(1, 2, 3), seconds=0.1), out=whole / "runs" / "a")
    path = grid(tmp_path, weak=(1, 2, 3), seconds=0.1)
    for moment in (1, 3, 5, 8):
        process = subprocess.Popen(
            [sys.executable, "-m", "sweeper", "launch", str(path), "--out", str(tmp_path / "runs" / "a")],
            stderr=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        wait_until(lambda: sum(made(tmp_path).values()) >= moment or process.poll() is not None)  # noqa: B023
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL, f"the launch ended before artifact {moment}"
        assert sum(made(tmp_path).values()) < 12, "nothing was left to resume"
    outcome = launch(path, out=tmp_path / "runs" / "a")
    assert outcome.exit == Exit.DONE
    assert max(made(tmp_path).values()) <= 5  # once, and once more for each kill that met it
    columns = ["weak", "strong", "weak_error", "student_error", "gain", "misfit", "status"]
    ours, theirs = (
        table(place / "runs" / "a")[columns].sort_values(["weak", "strong"]).reset_index(drop=True)
        for place in (tmp_path, whole)
    )
    pd.testing.assert_frame_equal(ours, theirs)


@pytest.mark.ray
def test_under_ray_workers_die_and_each_artifact_is_still_made_once(tmp_path):
    path = grid(tmp_path, weak=(1, 2, 13, 14), strong=(5, 6), executor="ray", cpus=2, on_error="continue")
    # In a process of its own: what a local cluster sets in the environment must not reach the clusters of other tests.
    command = [sys.executable, "-m", "sweeper", "launch", str(path), "--out", str(tmp_path / "runs" / "a")]
    assert subprocess.run(command, capture_output=True, check=False, timeout=200).returncode == Exit.FAILED_CELLS
    statuses = table(tmp_path / "runs" / "a")["status"].value_counts()
    assert (statuses["ok"], statuses["failed"]) == (6, 2)
    counts = made(tmp_path)
    assert counts["teach 14 0"] == 2  # its worker died once
    assert counts["teach 1 0"] == counts["teach 2 0"] == counts["teach 13 0"] == 1
    inline = tmp_path / "inline"
    inline.mkdir()
    launch(grid(inline, weak=(1, 2), strong=(5, 6)), out=inline / "runs" / "a")
    columns = ["weak", "strong", "student_error", "misfit"]
    rows = table(tmp_path / "runs" / "a")
    ours = rows[rows["weak"] < 13][columns].sort_values(["weak", "strong"]).reset_index(drop=True)
    theirs = table(inline / "runs" / "a")[columns].sort_values(["weak", "strong"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(ours, theirs)
    events = [json.loads(line) for line in (tmp_path / "runs" / "a" / "events.jsonl").read_text().splitlines()]
    assert sum(event["event"] == "artifact" for event in events) == 4 + 6
