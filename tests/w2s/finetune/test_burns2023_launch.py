"""Finetune grids end to end with a tiny model: methods, sharing, legality, a user's own file, kills."""

from __future__ import annotations

import json
import runpy

import numpy as np
import pandas as pd
import pytest
import yaml

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid, kill_in_training, run, same_rows

import w2s
from sweeper import launch
from sweeper.errors import Exit, GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import artifact_lines, used_calls
from sweeper.plan.cut import make_plan
from sweeper.review.verify import verify
from w2s.artifacts import Call, Store, in_order
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.evaluation.classification import one_class_message
from w2s.finetune.objectives import losses
from w2s.finetune.training.checkpoint import latest_step
from w2s.studies.burns2023.text.graph import cell_graph


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("burns"))


def test_every_method_gives_a_full_row(place):
    methods = [
        "naive",
        "confidence",
        "product + temper(2)",
        "ensemble(2) + entropy",
        "naive + stop(legal)",
        "naive + stop(oracle)",
    ]
    outcome, rows = run(place, "methods", axes={"method": methods}, n_validation=40, evaluate_every=3, control="flip")
    assert (outcome.exit, len(rows)) == (Exit.DONE, 6)
    assert (rows["status"] == "ok").all(), rows[["method", "status", "message"]].to_string()
    numbers = [
        "weak_error",
        "student_error",
        "strong_error",
        "ceiling_error",
        "gain",
        "misfit",
        "agreement",
        "weak_calibration",
        "pgr_flip_01",
        "tokens",
    ]
    assert rows[numbers].drop(columns="pgr_flip_01").notna().all().all()
    assert rows["weak_error"].nunique() == 2  # one weak model, and the ensemble
    assert rows["ceiling_error"].nunique() == 1
    assert (rows[["cut_items", "dropped_items"]] >= 0).all().all()
    selected = rows.set_index("method")["selected_by"]
    assert selected["naive + stop(legal)"] == "agreement with weak labels of the validation items"
    assert "truth" in selected["naive + stop(oracle)"]
    assert selected["naive"] is None or pd.isna(selected["naive"])
    curves = pd.read_parquet(place / "runs" / "methods" / "curves")
    assert set(curves["cell_id"]) == set(rows["cell_id"])
    assert curves.groupby("cell_id")["test_accuracy"].count().min() >= 4
    steps = curves.groupby("cell_id")["step"]
    assert (steps.min().unique(), steps.max().unique()) == (1, 12)
    assert set(rows["stopped_at"]) <= set(curves.loc[curves["test_accuracy"].notna(), "step"])
    last = curves.sort_values("step").groupby("cell_id")["test_accuracy"].last()
    naive = rows.set_index("method").loc["naive"]
    assert last[naive["cell_id"]] == pytest.approx(1 - naive["student_error_01"])
    assert naive["stopped_at"] == 12


def predicted(place, call, ids):
    return probabilities(join(ids, read_table(Store(place / "runs" / ".w2s-store").get(call), "predictions")))


def one_hot(values):
    return np.eye(values.shape[1])[values.argmax(axis=1)]


OWN = """
from w2s.finetune.data.labels import mix, truth_labels
from w2s.finetune.methods import method
from w2s.artifacts import artifact
from w2s.finetune.data.tables import probabilities, probability_table, read_table, write_table

@artifact(version=1)
def halved(work, *, labels):
    table = read_table(labels, "labels")
    write_table(work.folder, "labels", probability_table(table["item_id"], 0.5 * probabilities(table) + 0.25))

@method("halving")
def halving(kit, options):
    return kit.student(kit.train(kit.student_model, kit.labelled(halved(labels=kit.weak_labels()))))
"""
TAUGHT = {
    "naive": ({}, lambda weak, link: weak),
    "hard": ({"labels": "hard"}, lambda weak, link: one_hot(weak)),
    "tempered": ({"method": "temper(0.5)"}, lambda weak, link: weak**2 / (weak**2).sum(axis=1, keepdims=True)),
    "chain": ({"chain": "bert:2"}, lambda weak, link: link),
    "hard chain": ({"chain": "bert:2", "labels": "hard"}, lambda weak, link: one_hot(link)),
    "ensemble": ({"method": "ensemble(2) + confidence", "control": "flip"}, lambda weak, link: weak),
}


@pytest.mark.parametrize("name", TAUGHT)
def test_misfit_is_the_distance_to_what_the_student_was_trained_on(place, name):
    """The last teacher of a chain, hardened or tempered as its labels were; weak_distance is to the weak model's outputs."""
    fixed, rule = TAUGHT[name]
    fixed = {"seeds": [7], **fixed}  # trainings of its own: other tests count theirs
    _, rows = run(place, f"taught {name}", **fixed)
    (row,) = rows.to_dict("records")
    (cell,) = make_plan(load_grid(grid(place, f"taught {name}", **fixed))).grid.parts[0].block.cells()
    graph, store = cell_graph(cell, 2), Store(place / "runs" / ".w2s-store")
    ids = part_ids(store.get(graph.items), "test")
    weak = np.mean([predicted(place, call, ids) for call in graph.weak], axis=0)
    student, link = predicted(place, graph.student, ids), None
    if "chain" in fixed:
        found = [c for c in in_order(graph.needs) if c.artifact.name == "w2s.predict" and c.arguments["base"].name == "bert:2"]
        link = predicted(place, found[0], ids)
    labels = rule(weak, link)
    for distance, wanted in (("misfit", labels), ("weak_distance", weak)):
        logs = np.log(np.maximum(wanted, 1e-12)) - np.log(student)
        assert row[distance] == pytest.approx(np.mean(np.sum(wanted * logs, axis=1)), rel=1e-9)
        assert row[f"{distance}_squared"] == pytest.approx(np.mean(np.sum((wanted - student) ** 2, axis=1)), rel=1e-9)
    assert (row["misfit"] == pytest.approx(row["weak_distance"], rel=1e-6)) == (name in ("naive", "ensemble"))


@pytest.mark.parametrize("method", ["ensemble_learned(rate=5, easy=0)", "boosted", "reliable(sharpness=3)"])
def test_misfit_of_several_supervisors_is_to_their_weighted_labels(place, method):
    fixed = {"seeds": [7], "method": f"ensemble(2) + {method}"}
    _, rows = run(place, f"weighted {method}", **fixed)
    (row,) = rows.to_dict("records")
    (cell,) = load_grid(grid(place, f"weighted {method}", **fixed)).parts[0].block.cells()
    graph, store = cell_graph(cell, 2), Store(place / "runs" / ".w2s-store")
    ids = part_ids(store.get(graph.items), "test")
    each = [predicted(place, call, ids) for call in graph.weak]
    weights = [1.0, 1.0] if "reliable" in method else json.loads(row["learned_weights"])
    labels = sum(weight * values for weight, values in zip(weights, each, strict=True)) / sum(weights)
    squared = np.mean(np.sum((labels - predicted(place, graph.student, ids)) ** 2, axis=1))
    assert row["misfit_squared"] == pytest.approx(squared, rel=1e-9)
    if "reliable" not in method:
        assert max(weights) / sum(weights) > 0.501
        assert row["misfit"] != row["weak_distance"]


def test_labels_that_no_test_item_has_leave_the_misfit_open(place):
    (place / "own.py").write_text(OWN)
    _, rows = run(place, "open", seeds=[7], axes={"method": ["./own.py:halving", "self_labels(threshold=0.5)", "naive"]})
    for row in rows.to_dict("records"):
        known = row["method"] == "naive"
        assert (row["status"], np.isfinite(row["misfit"]), np.isfinite(row["misfit_squared"])) == ("ok", known, known)
        assert np.isfinite(row["weak_distance"])
        assert ("misfit unknown" in str(row["message"])) != known


def test_the_claims_are_decided_on_a_finished_run(place):
    methods = ["naive", "confidence", "naive + stop(legal)", "naive + stop(oracle)"]
    path = grid(place, "claims", axes={"method": methods}, seeds=2, n_validation=40, evaluate_every=3, control="flip", epochs=1)
    assert launch(path, out=place / "runs" / "claims").exit == Exit.DONE
    (found,) = verify([place / "runs" / "claims"])
    assert (found.study, found.rows, found.seeds) == ("burns2023.text", 8, 2)
    verdicts = {judged.claim.id: judged.verdict for judged in found.judged}
    assert not [judged.claim.id for judged in found.judged if judged.broken]
    assert all(judged.frozen == judged.claim.thresholds for judged in found.judged)
    assert verdicts["gap"].seeds == 2
    naive = w2s.load(place / "runs" / "claims").query("method == 'naive'")
    gap = naive["weak_error_01"].mean() - naive["ceiling_error_01"].mean()
    assert verdicts["gap"].statistic == pytest.approx(gap, abs=1e-12)
    assert verdicts["bootstrapping"].outcome == "untestable"  # no chain in the grid


def test_a_model_of_nans_predicts_no_class():
    wild, same = np.full((3, 2), np.nan), np.eye(2)[[1, 1, 1]]
    assert one_class_message(weak=wild, ceiling=wild) == {}
    assert one_class_message(weak=wild, ceiling=same) == {"message": "ceiling model predicts one class only"}


def test_a_ladder_trains_each_model_once(place):
    pairs = {"weak_model": ["bert:1", "bert:1", "bert:2"], "student_model": ["bert:2", "bert", "bert"]}
    content = yaml.safe_load(grid(place, "ladder").read_text())
    content["zip"] = [pairs]
    content["fixed"] = {key: value for key, value in content["fixed"].items() if key not in pairs}
    path = place / "ladder.yaml"
    path.write_text(yaml.safe_dump(content))
    plan = make_plan(load_grid(path))
    lines = {line.function: line for line in artifact_lines(plan, Store(place / "nowhere"))}
    # weak 1, weak 2 (which is the strong baseline of the first pair too), strong 3, three students, two ceilings
    assert (lines["w2s.train"].distinct, lines["w2s.train"].unshared) == (8, 12)


def test_no_coefficient_is_the_naive_student_bit_for_bit(place):
    _, rows = run(place, "alpha", axes={"method": ["naive", "confidence(alpha_max=0)"]})
    columns = ["student_error", "misfit", "student_error_01", "student_brier"]
    first, second = (rows[columns].iloc[k] for k in range(2))
    assert first.tolist() == second.tolist()


def test_a_chain_trains_its_links(place):
    _, plain = run(place, "plain")
    outcome, chained = run(place, "chain", chain="bert:2")
    plan = make_plan(load_grid(grid(place, "chain", chain="bert:2")))
    trainings = {call.key: call for call in used_calls(plan) if call.artifact.name == "w2s.train"}
    students = [call for call in trainings.values() if "stop" in call.arguments["recipe"]]
    (link,) = [call for call in trainings.values() if call.arguments["base"].name == "bert:2"]
    assert (link.arguments["part"], len(students)) == ("transfer", 1)
    assert link in in_order([students[0].arguments["labels"]])  # the student learns from the link, not from the weak model
    assert outcome.artifacts == 5  # the link, its predictions and labels, the student and its predictions
    assert chained["weak_error"].tolist() == plain["weak_error"].tolist()
    assert chained["student_error"].tolist() != plain["student_error"].tolist()


def test_blind(place):
    legal = grid(place, "legal", axes={"method": ["naive", "naive + stop(legal)"]}, n_validation=40, evaluate_every=3)
    assert launch(legal, out=place / "runs" / "legal", blind=True).exit == Exit.DONE
    oracle = grid(place, "oracle", method="naive + stop(oracle)", n_validation=40, evaluate_every=3)
    with pytest.raises(GridError, match="looks at the truth of validation items"):
        launch(oracle, out=place / "runs" / "oracle", blind=True)
    with pytest.raises(GridError, match="permutes labels by the truth"):
        launch(grid(place, "flipped", control="flip"), out=place / "runs" / "flipped", blind=True)


OWN_LOSS = """
from w2s.finetune.losses import cross_entropy, loss

@loss("test_halved")
def halved(logits, targets, progress):
    return {share} * cross_entropy(logits, targets).mean()
"""


def test_a_loss_of_ones_own_that_has_changed_is_trained_again(place, tmp_path):
    def students(name: str, **fixed) -> dict[str, Call]:
        plan = make_plan(load_grid(grid(place, name, **fixed)))
        found = {call.key: call for call in used_calls(plan) if call.artifact.name == "w2s.train"}
        return {key: call for key, call in found.items() if "stop" in call.arguments["recipe"]}

    keys = []
    try:
        for share in (0.5, 0.5, 0.25):
            (tmp_path / "own.py").write_text(OWN_LOSS.format(share=share))
            runpy.run_path(str(tmp_path / "own.py"))
            keys += students("own", method="test_halved")
        assert launch(grid(place, "own", method="test_halved"), out=place / "runs" / "own").exit == Exit.DONE
    finally:
        losses.LOSSES.known.pop("test_halved", None)
    assert keys[0] == keys[1] != keys[2]
    (naive,) = students("own", method="naive").values()
    assert "loss_code" not in naive.arguments["recipe"]


@pytest.mark.parametrize(
    ("fixed", "complaint"),
    [
        ({"method": "confidense"}, "did you mean 'confidence'"),
        ({"method": "naive + stop(legal)"}, "need n_validation and evaluate_every above 0"),
        ({"n_labeled": 9000}, "9000 labeled items with 4500 of each class are asked for"),
        ({"weak_model": "nothing"}, "no config.json"),
        ({"label_column": "kinds"}, "no column 'kinds'"),
        ({"task": "none.csv"}, "no such file"),
        ({"seeds": [2**63 - 1]}, "seeds of this study go from 0 to 9223372036854774"),
    ],
)
def test_complaints_before_anything_runs(place, fixed, complaint):
    with pytest.raises(GridError, match=complaint.replace("(", r"\(").replace(")", r"\)")):
        load_grid(grid(place, "bad", **fixed))


@pytest.mark.fault
def test_killed_in_any_training_it_ends_with_the_same_table(place, tmp_path):
    axes = {"method": ["naive", "confidence"]}
    assert launch(grid(place, "whole", axes=axes), out=tmp_path / "whole" / "run").exit == Exit.DONE
    path, out = grid(place, "killed", axes=axes), tmp_path / "killed" / "run"
    first = kill_in_training(path, out, lambda place: True, step=2)
    second = kill_in_training(path, out, lambda place: place != first, step=5)  # the first has resumed and is finished
    store = Store(tmp_path / "killed" / ".w2s-store")
    assert (store.path / first.name[:2] / first.name / "artifact.json").exists()
    assert (second / f"step-{latest_step(second)[1]['step']}").exists()
    told = store.steps(second.name)
    assert told is not None, "a training says how far it is"
    assert (1 <= told.step <= told.steps, told.unit) == (True, "tokens")
    assert launch(path, out=out).exit == Exit.DONE
    assert not second.exists()
    same_rows(out, tmp_path / "whole" / "run")


def test_random_flips_have_the_weak_models_errors_at_other_places(place):
    _, rows = run(place, "flip", control="flip")
    plan, store = make_plan(load_grid(place / "flip.yaml")), Store(place / "runs" / ".w2s-store")
    (flip,) = {call.key: call for call in used_calls(plan) if call.artifact.name == "w2s.flip"}.values()
    before, after = (read_table(store.get(call), "labels") for call in (flip.arguments["labels"], flip))
    ids = before["item_id"].to_pylist()
    assert after["item_id"].to_pylist() == ids
    weak, flipped, truth = probabilities(before), probabilities(after), truth_of(store.get(flip.arguments["truth"]), ids)
    for k in range(2):  # within each true class the same rows, in another order
        assert sorted(map(tuple, weak[truth == k])) == sorted(map(tuple, flipped[truth == k]))
    wrong, elsewhere = (values.argmax(axis=1) != truth for values in (weak, flipped))
    assert 0 < wrong.sum() == elsewhere.sum()
    assert (wrong != elsewhere).any()
    ((row,),) = [rows.to_dict("records")]
    assert row["pgr_flip_01"] == pytest.approx(
        (row["weak_error_01"] - row["student_flip_error_01"]) / (row["weak_error_01"] - row["ceiling_error_01"])
    )
    assert row["student_flip_error_01"] != row["student_error_01"]


def test_artifacts_are_named_by_role_model_task_method_and_seed(place):
    plan = make_plan(load_grid(grid(place, "names", axes={"method": ["naive", "confidence"]}, seeds=[3])))
    study = plan.grid.study()
    words = {study.describe(call, block) for block in plan.blocks() for call in in_order(study.needs(block))}
    assert {word for word in words if word.startswith("train ")} == {
        "train weak bert:1 mine.csv seed 3",
        "train student bert mine.csv naive seed 3",
        "train student bert mine.csv confidence seed 3",
        "train ceiling bert mine.csv seed 3",
        "train strong bert mine.csv seed 3",
    }
    assert {"predict weak bert:1 mine.csv seed 3", "items mine.csv seed 3"} <= words
    assert not [word for word in words if "w2s." in word]
