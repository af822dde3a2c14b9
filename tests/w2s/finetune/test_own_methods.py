"""Methods of one's own: in a file beside the grid, by entry point, with truth that they declare, and in every process."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

import pandas as pd
import yaml
from finetune_grids import finetune_place, grid, run
from tiny_models import letter_task, tiny_bert

import w2s
from sweeper import launch
from sweeper.cli.show.existing import print_existing
from sweeper.errors import Exit, GridError, RunError
from sweeper.grid.read import load_grid
from sweeper.grid.resolved import extends, read_resolved, resolved_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan
from sweeper.review.rerun import rerun_cell
from w2s.errors import FieldError
from w2s.finetune.methods.registry import METHODS, method
from w2s.finetune.methods.text import Method, parse_method
from w2s.finetune.methods.value import read_method
from w2s.finetune.objectives.losses import LOSSES

MANUAL = Path(__file__).parents[3] / "docs" / "methods.md"
MINE = next(block for block in re.findall(r"```python\n(.*?)```", MANUAL.read_text(), re.DOTALL) if '@method("mine"' in block)
GRID = next(block for block in re.findall(r"```yaml\n(.*?)```", MANUAL.read_text(), re.DOTALL) if "my_methods.yaml" in block)

NOSY = """
from w2s.finetune.methods import method

@method("nosy", uses={uses})
def nosy(kit, options):
    kit.weak_labels()
    return kit.student(kit.train(kit.student_model, kit.labelled(kit.truth("transfer"))))
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("own"))


def students(path):
    """Trainings of students that a grid plans, by key."""
    calls = {call.key: call for call in used_calls(make_plan(load_grid(path))) if call.artifact.name == "w2s.train"}
    return {key: call for key, call in calls.items() if "stop" in call.arguments["recipe"]}


def test_the_method_of_the_manual_runs_from_its_file(tmp_path, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(letter_task(tmp_path / "data", train=300, test=100)))
    (tmp_path / "mine.py").write_text(MINE)
    assert len(MINE.strip().splitlines()) <= 10
    tiny_bert(tmp_path / "bert", layers=2)
    (tmp_path / "my_methods.yaml").write_text(GRID.replace("minilm-l6", "bert"))
    outcome = launch(tmp_path / "my_methods.yaml", executor="inline")
    rows = w2s.load(outcome.run)
    assert (outcome.exit, outcome.computed, set(rows["status"])) == (Exit.DONE, 6, {"ok"})
    by_method = rows[rows["seed"] == 0].set_index("method")
    assert list(by_method.index.sort_values()) == sorted(yaml.safe_load(GRID)["axes"]["method"])
    assert by_method["student_error"].nunique() == 3
    assert by_method["weak_error"].nunique() == 1
    again = launch(tmp_path / "my_methods.yaml", executor="inline")
    assert (again.computed, again.artifacts, again.found) == (0, 0, 6)


def test_the_method_of_an_installed_package_runs(place, tmp_path, monkeypatch):
    (tmp_path / "package_of_methods.py").write_text(MINE)
    info = tmp_path / "package_of_methods-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: package-of-methods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[w2s_sweep.methods]\nmine = package_of_methods:mine\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    try:
        assert parse_method("mine(strength=0.5) + stop(legal)") == Method(name="mine", settings={"strength": 0.5}, stop="legal")
        outcome, rows = run(place, "package", method="mine(strength=0.5)")
        assert (outcome.exit, rows["status"].tolist(), rows["method"].tolist()) == (Exit.DONE, ["ok"], ["mine(strength=0.5)"])
    finally:
        sys.modules.pop("package_of_methods", None)
        METHODS.known.pop("mine", None)


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.timeout(240)
def test_a_worker_of_another_process_finds_the_file(place):
    pytest.importorskip("ray", reason="the cluster executor needs ray")
    (place / "worker.py").write_text(MINE)
    path = grid(place, "worker", method="./worker.py:mine(strength=0.5)", epochs=1)
    outcome = launch(path, out=place / "runs" / "worker", executor="ray", cpus=1)
    assert (outcome.exit, w2s.load(outcome.run)["status"].tolist()) == (Exit.DONE, ["ok"])


def test_a_changed_file_makes_other_cells_and_other_trainings(place):
    def read(text):
        (place / "changing.py").write_text(text)
        path = grid(place, "changing", method="./changing.py:mine")
        return load_grid(path).parts[0].block.one("method"), set(students(path))

    (before, old), (same, again), (after, new) = read(MINE), read(MINE), read(MINE.replace("1 + options", "2 + options"))
    assert (before, old) == (same, again)
    assert before != after
    assert not old & new
    (naive,) = students(grid(place, "changing_naive")).values()
    assert "method_code" not in naive.arguments["recipe"]


def test_a_run_can_be_read_again_from_its_folder(place, tmp_path):
    (place / "again.py").write_text(MINE)
    path = grid(
        place, "again", axes={"method": ["naive", "./again.py:mine + stop(end)"]}, weak_model="bert:2", chain="bert:1 > bert"
    )
    whole, far = load_grid(path), tmp_path / "a" / "run"
    far.mkdir(parents=True)
    back = read_resolved(resolved_grid(whole, far), far, check_files=True)
    assert extends(back, whole)
    assert extends(whole, back)
    assert {call.key for call in used_calls(make_plan(back))} == {call.key for call in used_calls(make_plan(whole))}
    (place / "again.py").write_text(MINE + "# changed\n")
    with pytest.raises(GridError, match="sha256 differs"):
        read_resolved(resolved_grid(whole, far), far, check_files=True)


def test_a_cell_with_a_file_goes_to_another_process(place):
    (place / "sent.py").write_text(MINE)
    block = load_grid(grid(place, "sent", method="./sent.py:mine(strength=0.3)")).parts[0].block
    assert pickle.loads(pickle.dumps(block)) == block
    assert str(block.one("method")) == "./sent.py:mine(strength=0.3)"


WITHOUT_TORCH = """
import sys
from importlib.abc import MetaPathFinder
from pathlib import Path

class Absent(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan
from sweeper.review.rerun import rerun_cell

print(*sorted({call.key for call in used_calls(make_plan(load_grid(Path(sys.argv[1]))))}))
"""


def test_methods_are_planned_without_torch(place):
    methods = ["naive", "confidence + stop(end)", "self_labels", "ensemble_learned + ensemble(2)", "selective", "critic"]
    path = grid(place, "planned", axes={"method": methods})
    command = [sys.executable, "-c", WITHOUT_TORCH, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == sorted({call.key for call in used_calls(make_plan(load_grid(path)))})


def test_truth_has_to_be_declared(place):
    (place / "nosy.py").write_text(NOSY.format(uses="()"))
    path = grid(place, "nosy", method="./nosy.py:nosy")
    with pytest.raises(GridError, match=r"asks for the truth of transfer items; in uses it declares nothing") as told:
        load_grid(path)
    assert told.value.line == next(k for k, line in enumerate(path.read_text().splitlines(), 1) if "nosy.py" in line)
    (place / "nosy.py").write_text(NOSY.format(uses='("truth:transfer",)'))
    with pytest.raises(GridError, match=r"method '\./nosy\.py:nosy': \./nosy\.py:nosy looks at the truth of transfer items"):
        launch(path, out=place / "runs" / "nosy", blind=True)
    outcome = launch(path, out=place / "runs" / "nosy")
    (row,) = w2s.load(outcome.run).to_dict("records")
    assert row["student_error"] == row["ceiling_error"]  # it has learned the truth, as the ceiling has


def test_truth_around_the_kit_is_found(place):
    (place / "sly.py").write_text(
        NOSY.format(uses="()").replace('kit.truth("transfer")', "flip(labels=kit.weak_labels(), truth=kit.setup.truth, seed=0)")
        + "from w2s.finetune.data.labels import flip\n"
    )
    with pytest.raises(GridError, match=r"w2s\.flip, from which the student is made, reads the truth"):
        launch(grid(place, "sly", method="./sly.py:nosy"), out=place / "runs" / "sly", blind=True)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("./nowhere.py:mine", "no such file"),
        ("./own.py:mein", "registers no method 'mein' (did you mean 'mine'?); methods in it: mine"),
        ("./own.py:mine(strenght=0.5)", "has no option 'strenght' (did you mean 'strength'?)"),
        ("./own.py:mine(strength=2)", "strength 2 is not a number from 0 up to 1"),
        ("./own.py:mine + ./own.py:mine", "names two methods"),
        ("./own.py:mine + self_labels", "names a method twice"),
        ("./broken.py:mine", "cannot be imported: NameError"),
        ("mine", "unknown word 'mine'"),
    ],
)
def test_complaints(place, text, complaint):
    (place / "own.py").write_text(MINE)
    (place / "broken.py").write_text("mine\n")
    path = grid(place, "bad", method=text)
    with pytest.raises(GridError, match=re.escape(complaint)) as told:
        load_grid(path)
    assert told.value.line == next(k for k, line in enumerate(path.read_text().splitlines(), 1) if "method:" in line)


def test_a_method_of_a_file_is_not_known_by_its_name_alone(place):
    (place / "own.py").write_text(MINE)
    load_grid(grid(place, "own", method="./own.py:mine"))
    with pytest.raises(FieldError, match="unknown word 'mine'"):  # else a grid would work here and fail in a worker
        parse_method("mine")


def test_what_a_method_uses_is_checked_where_it_is_declared():
    with pytest.raises(ValueError, match=r"uses 'truth:validaton'.*did you mean 'truth:validation'"):
        method("mine", uses=("truth:validaton",))


def test_an_objective_in_the_file_of_a_method_trains(place):
    (place / "halves.py").write_text(
        """
from w2s.finetune.methods import method
from w2s.finetune.objectives.base import objective
from w2s.finetune.objectives.classification import Classification

@objective("test_halved", share=0.5)
class Halved(Classification):
    def loss(self, outputs, places, progress):
        return 0.5 * super().loss(outputs, places, progress)

@method("halves")
def halves(kit, options):
    return kit.student(kit.train(kit.student_model, kit.labelled(kit.weak_labels()), "test_halved", {"share": 0.5}))
"""
    )
    outcome, rows = run(place, "halves", axes={"method": ["naive", "./halves.py:halves"]})
    assert (outcome.exit, set(rows["status"])) == (Exit.DONE, {"ok"})
    (own,) = [call for call in students(place / "halves.yaml").values() if "objective" in call.arguments["recipe"]]
    assert set(own.arguments["recipe"]) >= {"objective_code", "method_code"}
    curves = {name: rows.set_index("method").loc[name, "cell_id"] for name in ("naive", "./halves.py:halves")}
    losses = pd.read_parquet(place / "runs" / "halves" / "curves").query("step == 1").set_index("cell_id")["loss"]
    assert losses[curves["./halves.py:halves"]] == pytest.approx(0.5 * losses[curves["naive"]], rel=1e-6)


def test_the_loss_of_the_page_of_jobs_trains(place):
    page = (MANUAL.parent / "howto.md").read_text()
    (place / "sharpen.py").write_text(re.search(r"```python\n(# sharpen.py\n.*?)```", page, re.DOTALL)[1])
    outcome, rows = run(place, "sharpen", axes={"method": ["naive", "./sharpen.py:sharpen"]})
    assert (outcome.exit, set(rows["status"])) == (Exit.DONE, {"ok"})
    errors = rows.set_index("method")["student_error"]
    assert abs(errors["./sharpen.py:sharpen"] - errors["naive"]) > 1e-3  # Adam does not see the scale of a loss


def test_the_objective_of_the_manual_weighs_classes_by_all_labels(place):
    (place / "balanced.py").write_text(re.search(r"```python\n(# balanced.py\n.*?)```", MANUAL.read_text(), re.DOTALL)[1])
    outcome, rows = run(place, "balanced", axes={"method": ["naive", "./balanced.py:balanced"]})
    assert (outcome.exit, set(rows["status"])) == (Exit.DONE, {"ok"})
    objectives = [call.arguments["recipe"].get("objective") for call in students(place / "balanced.yaml").values()]
    assert {"name": "balanced", "options": {}} in objectives
    errors = rows.set_index("method")["student_error"]
    assert errors["./balanced.py:balanced"] != errors["naive"]


HEAD = "from w2s.finetune.losses import loss\nfrom w2s.finetune.methods import method\n\n\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            "def own(kit, options):\n    kit.weak_lables()",
            "no attribute 'weak_lables' (did you mean 'weak_labels'?) (own.py:7)",
        ),
        (
            "def own(kit, options):\n    return kit.weak_labels()",
            "method 'own' returned a Call; it returns what kit.student(...)",
        ),
        (
            "def own(kit, options):\n    kit.weak_labels()",
            "method 'own' returned None; it returns what kit.student(...) returns",
        ),
        ("def own(kit):\n    return kit", "method 'own' takes (kit); write def own(kit, options) (own.py:5)"),
        (
            "def own(kit, options):\n    kit.train(kit.student_model, kit.labelled(kit.weak_labels()), loss='confidense')",
            "unknown loss 'confidense' (did you mean 'confidence'?)",
        ),
        (
            "def own(kit, options):\n    kit.train(kit.student_model, kit.labelled(kit.weak_labels()), epoch=1)",
            "a training has no 'epoch' (did you mean 'epochs'?)",
        ),
    ],
)
def test_an_error_in_a_method_names_its_line_and_the_line_of_the_grid(place, body, said):
    (place / "own.py").write_text(f'{HEAD}@method("own")\n{body}\n')
    with pytest.raises(GridError) as caught:
        load_grid(path := grid(place, "own", method="./own.py:own"))
    assert said in str(caught.value)
    line = next(k for k, text in enumerate(path.read_text().splitlines(), start=1) if "own.py:own" in text)
    assert f"{path.name}:{line}:" in str(caught.value)


def test_an_error_in_an_objective_names_its_line(place):
    page = re.search(r"```python\n(# balanced.py\n.*?)```", MANUAL.read_text(), re.DOTALL)[1]
    (place / "wrong.py").write_text(
        page.replace("cross_entropy(outputs", "cross_entropy(outputz").replace('"balanced"', '"wrong"')
    )
    outcome, rows = run(place, "wrong", method="./wrong.py:wrong")
    assert outcome.exit == Exit.FAILED_CELLS
    line = next(k for k, text in enumerate((place / "wrong.py").read_text().splitlines(), start=1) if "outputz" in text)
    assert f"name 'outputz' is not defined (wrong.py:{line})" in rows["message"].iloc[0]


LOSS = """
from w2s.finetune.losses import cross_entropy, loss
from package_of_losses.tools import share

@loss("test_shared")
def shared(logits, targets, progress):
    return share() * cross_entropy(logits, targets).mean()
"""


def forget_losses():
    """As a new process would: nothing of the package is known."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "package_of_losses"]:
        del sys.modules[name]
    LOSSES.known.pop("test_shared", None)


@pytest.fixture
def package(tmp_path, monkeypatch):
    """An installed package with a loss that calls a function of another of its modules."""
    folder, info = tmp_path / "package_of_losses", tmp_path / "package_of_losses-1.0.dist-info"
    folder.mkdir()
    info.mkdir()
    (folder / "__init__.py").write_text(LOSS)
    (folder / "tools.py").write_text("def share():\n    return 0.5\n")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: package-of-losses\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[w2s_sweep.losses]\ntest_shared = package_of_losses:shared\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    forget_losses()


def test_plan_and_launch_agree_on_what_an_edited_loss_means(place, package, capsys):
    path = grid(place, "edited", axes={"method": ["naive", "test_shared"]})
    out = place / "runs" / "edited"
    outcome = launch(path, out=out)
    rows = w2s.load(out).set_index("method")["code_digest"]
    assert outcome.exit == Exit.DONE
    assert rows.isna().to_dict() == {"naive": True, "test_shared": False}
    before = students(path)
    forget_losses()
    (package / "tools.py").write_text("def share():  # a half\n    return 0.5\n")
    assert students(path).keys() == before.keys()
    assert (launch(path, out=out).found, launch(path, out=out).artifacts) == (2, 0)
    forget_losses()
    (package / "tools.py").write_text("def share():\n    return 0.25\n")
    assert len(students(path).keys() - before.keys()) == 1  # plan: this student is trained anew
    print_existing(replace(load_grid(path), out=out))
    said = " ".join(capsys.readouterr().out.split())
    assert "package_of_losses: 1 rows were made when it was" in said
    assert "a launch would refuse to add rows of other code" in said
    with pytest.raises(RunError, match=r"package_of_losses: 1 rows were made when it was \w+; it is \w+ now") as told:
        launch(path, out=out)
    assert "version =" not in str(told.value)  # that of the study is not the user's to raise
    more = launch(grid(place, "edited", axes={"method": ["naive", "test_shared"]}, seeds=2), out=out, keep_code=True)
    assert (more.exit, more.found, more.computed) == (Exit.DONE, 2, 2)
    found = w2s.load(out)
    assert found.groupby("method")["code_digest"].nunique().to_dict() == {"naive": 0, "test_shared": 2}
    assert "code_digest" in w2s.summarize(found).columns
    fresh = launch(path, out=out, fresh=True)
    assert (fresh.run.name, fresh.artifacts) == ("edited-2", 2)  # the student and its predictions


def test_a_module_beside_a_method_is_part_of_its_cells(place):
    def read(helper):
        (place / "beside.py").write_text("import tuned\n" + MINE.replace("1 + options", "tuned.BASE + options"))
        (place / "tuned.py").write_text(helper)
        path = grid(place, "beside", method="./beside.py:mine")
        return load_grid(path).parts[0].block.one("method"), set(students(path))

    (one, trained), (same, again), (other, anew) = read("BASE = 1\n"), read("BASE = 1\n"), read("BASE = 2\n")
    assert (one, trained) == (same, again)
    assert one != other
    assert not trained & anew
    commented, kept = read("BASE = 2  # twice\n")
    assert (commented == other, kept) == (False, anew)  # other cells, as the page says, and the same trainings


def test_a_method_that_is_edited_while_a_launch_is_at_work_is_refused(place):
    (place / "late.py").write_text(MINE)
    block = load_grid(grid(place, "late", method="./late.py:mine")).parts[0].block
    (place / "late.py").write_text(MINE + "\nX = 1\n")
    with pytest.raises(FieldError, match=r"late\.py, or a module beside it, was edited after the grid had been read"):
        read_method(block.one("method"))


def test_a_method_inside_a_run_folder_is_run_by_consent_only(place):
    (place / "ours.py").write_text(MINE)
    run = launch(grid(place, "inside", method="./ours.py:mine"), out=place / "runs" / "inside").run
    (run / "theirs.py").write_text(MINE)
    stored = yaml.safe_load((run / "grid.yaml").read_text())
    text = yaml.safe_dump(stored)
    assert "../../ours.py" in text
    (run / "grid.yaml").write_text(text.replace("../../ours.py", "theirs.py"))
    cell = w2s.load(run)["cell_id"][0]
    with pytest.raises(RunError, match=r"the method of .* is a Python file inside it, theirs\.py"):
        rerun_cell(run, cell, "numpy")
    assert rerun_cell(run, cell, "numpy", trust_code=True).verdict("student_error") == "same bits"
