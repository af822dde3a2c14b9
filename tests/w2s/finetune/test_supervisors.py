"""Grids of several weak models, of learned weights and of self-labels, end to end with tiny models."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import curve_bits, finetune_place, grid, kill_in_training, run, same_rows

import w2s
from sweeper import launch
from sweeper.errors import Exit, GridError
from sweeper.grid.read import load_grid
from sweeper.grid.resolved import extends, read_resolved, resolved_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan
from sweeper.report.make import make_report
from sweeper.review.verify import verify
from w2s.artifacts import Store
from w2s.contract.identity import cell_ids
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.training.checkpoint import latest_step

MODELS = ["bert:1", "distil", "bert:2"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models of two architectures."""
    return finetune_place(tmp_path_factory.mktemp("supervisors"))


def store(place):
    return Store(place / "runs" / ".w2s-store")


def calls(path, name):
    found = {call.key: call for call in used_calls(make_plan(load_grid(path))) if call.artifact.name == name}
    return list(found.values())


def students(path):
    return [call for call in calls(path, "w2s.train") if "stop" in call.arguments["recipe"]]


def files(place, call):
    """Files of a finished training that say nothing of time."""
    folder = store(place).get(call)
    return {name: (folder / name).read_bytes() for name in ("weights.safetensors", "curve.arrow")}


# several weak models


def test_weak_models_of_two_architectures_teach_in_one_cell(place):
    methods = ["naive + temper(0.1)", "ensemble_learned(rate=0.5, easy=0.2) + temper(0.1)"]
    outcome, rows = run(place, "several", axes={"method": methods}, weak_models=MODELS, n_validation=40, evaluate_every=3)
    assert (outcome.exit, rows["status"].tolist()) == (Exit.DONE, ["ok", "ok"]), rows["message"].tolist()
    assert rows["weak_models"].unique().tolist() == ["bert:1 | distil | bert:2"]
    assert rows["weak_model"].isna().all()
    rows = rows.set_index("method")
    naive, learned = (rows.loc[method] for method in methods)
    assert naive["weak_error"] == learned["weak_error"]
    assert naive["ceiling_error"] == learned["ceiling_error"]
    errors = json.loads(learned["weak_errors_01"])
    assert len(errors) == 3
    assert json.loads(naive["weak_errors_01"]) == errors
    weights = json.loads(learned["learned_weights"])
    assert sum(weights) == pytest.approx(1.0)
    assert max(weights) > 0.34  # they have moved
    assert naive["learned_weights"] is None or naive.isna()["learned_weights"]
    assert 0 < learned["agreed_items"] < 1
    curve = [row for row in curve_bits(place / "runs" / "several") if row["cell_id"] == learned["cell_id"]]
    assert curve[0]["learned"] == [1 / 3] * 3
    assert curve[-1]["learned"] == weights
    assert all(row["learned"] is None for row in curve_bits(place / "runs" / "several") if row["cell_id"] == naive["cell_id"])


def test_a_run_of_several_weak_models_is_reported_and_verified(place):
    methods = ["naive", "ensemble_learned(rate=0.5)"]
    outcome, rows = run(place, "report", axes={"method": methods}, weak_models=["bert:1", "distil"], seeds=2, epochs=1)
    assert (outcome.exit, len(rows)) == (Exit.DONE, 4)
    (found,) = verify([outcome.run])
    assert not [judged.claim.id for judged in found.judged if judged.broken]
    digest = found_study().digest(w2s.load(outcome.run)).to_string()
    assert all(method in digest for method in methods)
    assert "index.html" in [path.name for path in make_report(outcome.run)]


def found_study():
    from w2s.studies.registry import find_study

    return find_study("burns2023.text")()


def test_a_learned_ensemble_learns_from_every_supervisors_own_labels(place):
    path = grid(place, "parts", method="ensemble_learned", weak_models=MODELS, chain="bert:2", labels="hard")
    (student,) = students(path)
    assert [len(student.arguments["labels"]), student.arguments["recipe"]["objective"]["name"]] == [3, "learned_weights"]
    links = [
        call
        for call in calls(path, "w2s.train")
        if call.arguments["part"] == "transfer" and call.arguments["base"].name == "bert:2"
    ]
    assert len(links) == 3  # each supervisor's labels go through the chain on their own
    assert all(labels.artifact.name == "w2s.temper" for labels in student.arguments["labels"])


def test_members_of_one_model_are_supervisors_too(place):
    path = grid(place, "members", method="ensemble_learned + ensemble(2)")
    (student,) = students(path)
    assert len(student.arguments["labels"]) == 2
    teachers = [call for call in calls(path, "w2s.train") if call.arguments["base"].name == "bert:1"]
    assert sorted(call.arguments["seed"] for call in teachers) == [0, 1]


def test_one_supervisor_is_the_naive_student(place):
    _, rows = run(place, "one", axes={"method": ["naive", "ensemble_learned"]})
    one, other = students(place / "one.yaml")
    assert files(place, one)["weights.safetensors"] == files(place, other)["weights.safetensors"]
    assert rows["student_error"].nunique() == 1


def test_a_list_is_known_by_its_members_in_their_order(place):
    def identity(models):
        return cell_ids(*_study_and_block(place, weak_models=models)).tolist()

    (place / "copy").mkdir(exist_ok=True)
    for file in (place / "distil").iterdir():
        (place / "copy" / file.name).write_bytes(file.read_bytes())
    assert identity(["bert:1", "distil"]) == identity("bert:1 | copy")
    assert identity(["bert:1", "distil"]) != identity(["distil", "bert:1"])


def _study_and_block(place, **fixed):
    whole = load_grid(grid(place, "identity", **fixed))
    return whole.study, whole.parts[0].block


def test_lists_are_values_of_an_axis_and_are_found_from_the_run_folder(place, tmp_path):
    path = grid(place, "axis", axes={"weak_models": [["bert:1", "distil"], ["bert:1", "bert:2"]]})
    whole, far = load_grid(path), tmp_path / "b" / "run"
    far.mkdir(parents=True)
    assert whole.cells == 2
    back = read_resolved(resolved_grid(whole, far), far, check_files=True)
    assert extends(back, whole)
    assert {call.key for call in used_calls(make_plan(back))} == {call.key for call in used_calls(make_plan(whole))}


@pytest.mark.parametrize(
    ("fixed", "complaint"),
    [
        ({"weak_models": ["bert:1"]}, "is one model: write it as weak_model, or name two or more in a list"),
        ({"weak_models": ["bert:1", "bret"]}, "no config.json"),
        ({"weak_models": ["bert:1", "bert:9"]}, "has 3 layers, not 9"),
        ({"weak_models": ["bert:1", 3]}, "is not a list of two or more models"),
        ({"weak_model": None}, "name the teacher in weak_model, or several in weak_models, not both"),
        ({"method": "ensemble_learned(easy=2)"}, "easy 2 is not a number from 0 up to 1"),
        ({"method": "self_labels(folds=2.5)"}, "folds 2.5 is not a whole number from 2 on"),
        ({"method": "self_labels + ensemble_learned"}, "names a method twice"),
    ],
)
def test_complaints(place, fixed, complaint):
    with pytest.raises(GridError, match=complaint.replace("(", r"\(").replace(")", r"\)")):
        load_grid(grid(place, "bad", **fixed))


def test_one_teacher_and_a_list_of_teachers_are_not_both_given(place):
    content = yaml.safe_load(grid(place, "both", weak_models=MODELS).read_text())
    content["fixed"]["weak_model"] = "bert:1"
    (place / "both.yaml").write_text(yaml.safe_dump(content))
    with pytest.raises(GridError, match="not both"):
        load_grid(place / "both.yaml")


@pytest.mark.slow
@pytest.mark.fault
def test_learned_weights_of_a_killed_launch_have_the_bits_of_an_uninterrupted_one(place, tmp_path):
    fixed = {
        "method": "ensemble_learned(rate=0.5, easy=0.2) + temper(0.1)",
        "weak_models": MODELS,
        "evaluate_every": 4,
        "n_validation": 40,
    }
    assert launch(grid(place, "unkilled", **fixed), out=tmp_path / "whole" / "run").exit == Exit.DONE
    path, out = grid(place, "killed", **fixed), tmp_path / "killed" / "run"
    (student,) = students(path)
    for step in (4, 9):  # the weights move from step 3 of 12 on; the second kill hits the resumed training
        scratch = kill_in_training(path, out, lambda place: place.name == student.key, step=step)
        reached = latest_step(scratch)[1]
        assert step <= reached["step"] < 12
        assert reached["curve"][-1]["learned"] != [1 / 3] * 3
    assert launch(path, out=out).exit == Exit.DONE
    same_rows(out, tmp_path / "whole" / "run")
    assert curve_bits(out) == curve_bits(tmp_path / "whole" / "run")
    folders = [Store(tmp_path / name / ".w2s-store").get(student) for name in ("killed", "whole")]
    for name in ("weights.safetensors", "curve.arrow", "steps.arrow"):
        assert len({(folder / name).read_bytes() for folder in folders}) == 1, name
    learned = [json.loads((folder / "training.json").read_text())["learned"] for folder in folders]
    assert learned[0] == learned[1]


# labels of one's own


def test_self_labels_at_threshold_one_are_naive_bit_for_bit(place):
    methods = ["naive", "self_labels(threshold=1)"]
    outcome, rows = run(place, "threshold", axes={"method": methods}, n_validation=40, evaluate_every=3)
    assert outcome.exit == Exit.DONE
    naive, own = students(place / "threshold.yaml")
    assert naive.key != own.key
    for name in ("weights.safetensors", "curve.arrow", "steps.arrow"):
        one, other = (store(place).get(call) / name for call in (naive, own))
        assert one.read_bytes() == other.read_bytes(), name
    same = [name for name in rows if rows[name].dtype == float and name not in ("elapsed_s", "train_seconds", "self_labelled")]
    first, second = (rows.set_index("method").loc[method, same].to_numpy(dtype=float) for method in methods)
    assert np.array_equal(first, second, equal_nan=True)
    assert rows.set_index("method").loc[methods, "self_labelled"].isna().tolist() == [True, False]
    assert rows.set_index("method").loc[methods[1], "self_labelled"] == 0.0


def test_own_labels_stand_where_the_probe_is_confident(place):
    thresholds = [0, 0.7, 0.9]
    methods = [f"self_labels(threshold={t}, strength=1) + temper(0.1)" for t in thresholds]
    _, rows = run(place, "shares", axes={"method": methods}, epochs=1, n_validation=20, evaluate_every=5)
    shares = rows.set_index("method").loc[methods, "self_labelled"].tolist()
    assert shares[0] == 1.0
    assert shares[0] > shares[1] > shares[2]
    chosen = {call.arguments["threshold"]: call for call in calls(place / "shares.yaml", "w2s.own_where_confident")}
    for threshold, share in zip(thresholds, shares, strict=True):
        arguments = chosen[threshold].arguments
        ids = part_ids(store(place).get(arguments["items"]), "transfer")
        held_out = part_ids(store(place).get(arguments["items"]), "validation")
        mixed, weak = (read_table(store(place).get(call), "labels") for call in (chosen[threshold], arguments["labels"]))
        own = probabilities(join(ids, read_table(store(place).get(arguments["predictions"]), "predictions")))
        confident = own.max(axis=1) > threshold
        expected = np.where(confident[:, None], own, probabilities(join(ids, weak)))
        assert np.array_equal(probabilities(join(ids, mixed)), expected)
        assert confident.mean() == share
        assert np.array_equal(probabilities(join(held_out, mixed)), probabilities(join(held_out, weak)))


def test_the_probe_of_an_item_has_not_seen_its_label(place):
    """With the labels of one fold turned round, that fold's predictions stay, and the other fold's change."""
    path = grid(place, "shares", axes={"method": ["self_labels(threshold=0, strength=1)"]}, epochs=1)
    launch(path, out=place / "runs" / "folds")
    (call,) = calls(path, "w2s.probe_by_folds")
    given = call.arguments
    assert (given["folds"], given["head"], given["part"]) == (2, "logistic", "transfer")
    from w2s.artifacts import Work
    from w2s.finetune.data.tables import probability_table, write_table

    place_of = {name: store(place).get(given[name]) for name in ("features", "items", "labels")}
    ids = part_ids(place_of["items"], "transfer")
    before = probabilities(join(ids, read_table(store(place).get(call), "predictions")))
    table = join(ids, read_table(place_of["labels"], "labels"))
    turned = probabilities(table).copy()
    turned[7] = turned[7][::-1]
    folder = place / "turned"
    folder.mkdir()
    write_table(folder, "labels", probability_table(ids, turned))
    out = place / "turned_out"
    out.mkdir()
    call.artifact.function(Work(out, out, lambda text: None), **{**given, **place_of, "labels": folder})
    moved = np.abs(probabilities(join(ids, read_table(out, "predictions"))) - before).max(axis=1) > 1e-9
    assert not moved[7]
    assert moved.sum() == len(ids) // 2


def test_self_labels_look_at_no_truth(place):
    path = grid(place, "blind", axes={"method": ["self_labels(threshold=0.6)", "ensemble_learned + ensemble(2)"]}, epochs=1)
    assert launch(path, out=place / "runs" / "blind", blind=True).exit == Exit.DONE


def test_self_labels_work_with_hard_labels_and_the_control(place):
    fixed = {"labels": "hard", "control": "flip", "epochs": 4}
    outcome, rows = run(place, "mixed", method="self_labels(threshold=0.9, strength=1) + confidence", **fixed)
    assert (outcome.exit, rows["status"].tolist()) == (Exit.DONE, ["ok"])
    assert 0 < rows["self_labelled"].item() < 1
    (student,) = [call for call in students(place / "mixed.yaml") if "flip" not in _names(call)]
    values = probabilities(read_table(store(place).get(student.arguments["labels"]), "labels"))
    assert set(np.unique(values)) == {0.0, 1.0}
    flips = calls(place / "mixed.yaml", "w2s.flip")
    ids = read_table(store(place).get(flips[0]), "labels")["item_id"].to_pylist()
    assert len(truth_of(store(place).get(flips[0].arguments["truth"]), ids)) == len(ids)
    assert rows["student_flip_error_01"].notna().all()


def _names(call):
    from w2s.artifacts import in_order

    return " ".join(needed.artifact.name for needed in in_order([call]))


# the recipe


def test_dropout_and_a_limit_of_the_gradient_make_other_students(place):
    _, plain = run(place, "recipe")
    for name, value in (("dropout", 0.4), ("clip", 0.01)):
        outcome, rows = run(place, f"recipe_{name}", **{name: value})
        assert outcome.exit == Exit.DONE
        trainings = calls(place / f"recipe_{name}.yaml", "w2s.train")
        assert all(call.arguments["recipe"][name] == value for call in trainings)
        assert rows["ceiling_error"].item() != plain["ceiling_error"].item()
    assert w2s.load(place / "runs" / "recipe")["dropout"].isna().all()
