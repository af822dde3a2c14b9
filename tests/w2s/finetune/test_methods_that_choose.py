"""Methods that choose labels: files by hand, naive as their limit bit for bit, what they may read, kills."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid, kill_in_training, run, same_rows

from sweeper import launch
from sweeper.errors import Exit
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan
from w2s.artifacts import Store, in_order
from w2s.finetune.choices.folds import fold_rows
from w2s.finetune.data.labels import fold_of, part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.evaluation.chosen_labels import CHOICE_COLUMNS, choice_columns
from w2s.finetune.inference.hidden_states import read_features
from w2s.finetune.methods.registry import find_method
from w2s.finetune.methods.text import parse_method
from w2s.labels import knn_graph, spread
from w2s.labels.overlap import overlap_scores
from w2s.studies.burns2023.text.graph import cell_graph

NAIVE = ["selective(threshold=1, smooth=off)", "selective(knows=off, beta=0)", "critic(share=1)", "overlap(share=1)"]
NAIVE += ["confident_only(threshold=0)"]
"""Methods at the limit where nothing is chosen."""
LEARNS = {"learning_rate_labeled": 1e-2, "epochs": 3}
"""With these the tiny weak model learns something."""
CHOOSING = ["selective", "selective(smooth=off, threshold=0.5, own=hard)", "selective(threshold=0, smooth=off)"]
CHOOSING += ["consistent", "critic(share=0.4)", "overlap(share=0.3)", "confident_only(threshold=0.55)"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("selection"))


@pytest.fixture(scope="module")
def rows(place):
    outcome, found = run(place, "all", axes={"method": ["naive", *NAIVE, *CHOOSING]}, **LEARNS)
    assert (outcome.exit, set(found["status"])) == (Exit.DONE, {"ok"}), found[["method", "message"]].to_string()
    return found.set_index("method")


def graph_of(place, method):
    (cell,) = load_grid(grid(place, "one", method=method, **LEARNS)).parts[0].block.cells()
    return cell_graph(cell, 2), Store(place / "runs" / ".w2s-store")


NUMBERS = ["student_error", "student_error_01", "misfit", "misfit_squared", "student_brier", "agreement", "tokens"]


@pytest.mark.parametrize("method", NAIVE)
def test_where_nothing_is_chosen_it_is_naive_bit_for_bit(place, rows, method):
    assert rows.loc[method, NUMBERS].tolist() == rows.loc["naive", NUMBERS].tolist()
    weights = []
    for name in ("naive", method):
        graph, store = graph_of(place, name)
        weights.append((store.get(graph.student) / "predictions.arrow").read_bytes())
    assert weights[0] == weights[1]
    assert rows.loc[method, "label_accuracy"] == rows.loc[method, "weak_label_accuracy"]


def test_choices_change_the_student(rows):
    assert rows.loc[["naive", *CHOOSING], "student_error"].nunique() == len(CHOOSING) + 1
    assert rows.loc["naive", list(CHOICE_COLUMNS)].isna().all()
    assert rows.loc["selective(threshold=0, smooth=off)", "selected_share"] == 1
    assert rows.loc["critic(share=0.4)", "kept_share"] == pytest.approx(0.4)
    assert rows.loc["overlap(share=0.3)", "kept_share"] == pytest.approx(0.3)
    steps = rows.loc[[*NAIVE, *CHOOSING], "stopped_at"]
    assert (steps == rows.loc["naive", "stopped_at"]).all()  # the number of updates does not depend on what is kept


@pytest.mark.parametrize("method", CHOOSING[:3])
def test_the_identity_of_label_accuracy(rows, method):
    row = rows.loc[method]
    share = row["selected_share"]
    parts = share * row["own_accuracy_selected"] if share > 0 else 0.0
    parts += (1 - share) * row["smoothed_accuracy_rest"] if share < 1 else 0.0
    assert row["label_accuracy"] == pytest.approx(parts, abs=1e-12)


def test_selective_labels_written_out(place, rows):
    """Own answers where the score is above the threshold; elsewhere weak labels, spread with own answers as anchors."""
    graph, store = graph_of(place, "selective")
    labels = graph.trainings["student"].arguments["labels"]
    given = labels.arguments
    ids = part_ids(store.get(graph.items), "transfer")
    weak = probabilities(join(ids, read_table(store.get(given["labels"]), "labels")))
    own = probabilities(join(ids, read_table(store.get(given["predictions"]), "predictions")))
    judge = store.get(given["judged"])
    scores = join(ids, read_table(judge, "scores"))["score"].to_numpy()
    threshold = json.loads((judge / "judge.json").read_text())["threshold"]
    known = scores > threshold
    assert known.mean() == rows.loc["selective", "selected_share"]
    assert threshold == rows.loc["selective", "judge_threshold"]
    edges = knn_graph(read_features(store.get(given["features"]), given["layer"], ids), 10)
    expected = spread(edges, np.where(known[:, None], own, weak), 0.5, clamped=known)
    found = probabilities(join(ids, read_table(store.get(labels), "labels")))
    np.testing.assert_array_equal(found, expected)
    truth = truth_of(store.get(graph.truth), ids)
    assert rows.loc["selective", "label_accuracy"] == pytest.approx(np.mean(found.argmax(axis=1) == truth))
    assert rows.loc["selective", "weak_label_accuracy"] == pytest.approx(np.mean(weak.argmax(axis=1) == truth))


def test_answers_of_labelled_items_come_from_models_that_have_not_seen_them(place, rows):
    graph, store = graph_of(place, "selective")
    calls = in_order([graph.trainings["student"]])
    trainings = [
        call
        for call in calls
        if call.artifact.name == "w2s.train" and call.arguments["labels"].artifact.name == "w2s.without_fold"
    ]
    assert [call.arguments["rows"] for call in trainings] == [80, 80, 80]
    assert len({call.arguments["seed"] for call in trainings}) == 3
    (held,) = [call for call in calls if call.artifact.name == "w2s.held_out"]
    ids = read_table(store.get(held), "predictions")["item_id"].to_pylist()
    fold = fold_of(len(ids), 3, held.arguments["seed"])
    for k, predictions in enumerate(held.arguments["predictions"]):
        seen = read_table(store.get(predictions.arguments["model"].arguments["labels"]), "labels")["item_id"].to_pylist()
        assert {ids[j] for j in np.flatnonzero(fold == k)} == set(ids) - set(seen)
        whole = read_table(store.get(predictions), "predictions")
        mine = [ids[j] for j in np.flatnonzero(fold == k)]
        np.testing.assert_array_equal(
            probabilities(join(mine, whole)), probabilities(join(mine, read_table(store.get(held), "predictions")))
        )


def test_folds():
    fold = fold_of(10, 3, 5)
    assert sorted(np.bincount(fold)) == [3, 3, 4]
    assert [10 - fold_rows(10, 3, k) for k in range(3)] == np.bincount(fold).tolist()


@pytest.mark.parametrize("name", ["selective", "consistent", "critic", "overlap", "confident_only"])
def test_they_read_the_truth_of_labelled_items_and_no_other(place, name):
    uses = find_method(name).uses
    assert uses == (("truth:labeled",) if name in ("selective", "consistent", "critic") else ())
    graph, _ = graph_of(place, name)
    parts = {
        call.arguments["part"] for call in in_order([graph.student, *graph.says]) if call.artifact.name == "w2s.truth_labels"
    }
    assert parts == {"labeled"}  # the weak model's own training, at least
    readers = {call.artifact.name for call in in_order([graph.student, *graph.says]) if graph.truth in call.inputs}
    assert readers == {"w2s.truth_labels"}
    given = {"confident_only": "confident_only(threshold=0.5)"}.get(name, name)  # the tiny weak model is never sure
    path = grid(place, "blind", method=given, **LEARNS)
    assert launch(path, out=place / "runs" / f"blind {name}", blind=True).exit == Exit.DONE


def test_accuracies_by_hand():
    truth = np.array([0, 1, 1, 0])
    table = pa.table({"weak": [0, 0, 1, 1], "label": [0, 1, 1, 1], "own": [1, 1, 0, 0], "smoothed": [0, 0, 1, 1],
                      "selected": [False, True, False, False], "weight": [1.0] * 4, "score": [0.1, 0.9, 0.3, 0.2]})  # fmt: skip
    found = choice_columns(table, truth)
    assert found == {"label_accuracy": 0.75, "weak_label_accuracy": 0.5, "own_accuracy": 0.5, "own_accuracy_selected": 1.0,
                     "weak_accuracy_rest": pytest.approx(2 / 3), "smoothed_accuracy_rest": pytest.approx(2 / 3),
                     "judge_auroc": 0.75}  # fmt: skip
    kept = pa.table(
        {"weak": [0, 0, 1, 1], "label": [0, 0, 1, 1], "weight": [1.0, 0.0, 1.0, 0.0], "score": [1.0, 0.0, 1.0, 0.5]}
    )
    assert choice_columns(kept, truth) == {"label_accuracy": 1.0, "weak_label_accuracy": 0.5, "judge_auroc": 1.0}
    nothing = table.set_column(4, "selected", pa.array([False] * 4))
    assert choice_columns(nothing, truth)["own_accuracy_selected"] is None


def test_overlap_by_hand():
    easy, hard, both = [1.0, 0.0], [0.0, 1.0], [1.0, 1.0]
    states = np.array([easy, easy, hard, hard, both, both])
    found = overlap_scores([0.9, 0.8, 0.5, 0.5, 0.9, 0.7], states, 0.34)
    middle = states - states.mean(axis=0)
    unit = middle / np.linalg.norm(middle, axis=1, keepdims=True)
    assert found[[2, 3]].tolist() == [-1.0, -1.0]
    assert found[[0, 1, 4, 5]] == pytest.approx(np.abs(unit @ unit[2])[[0, 1, 4, 5]])
    with pytest.raises(ValueError, match="between 0 and 1"):
        overlap_scores([0.5, 0.5], states[:2], 0.0)


def test_overlap_is_found_in_a_planted_world():
    """Inputs with an easy pattern, a hard one, or both: the kept half holds more of both than all inputs do."""
    shares = []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        kind = rng.integers(0, 3, 600)
        sign = rng.choice([-1.0, 1.0], 600)
        states = 0.5 * rng.standard_normal((600, 12))
        states[:, 0] += np.where(kind != 1, 3.0 * sign, 0.0)  # easy
        states[:, 1] += np.where(kind != 0, 3.0 * sign, 0.0)  # hard
        sure = 1 / (1 + np.exp(-np.abs(states[:, 0])))
        scores = overlap_scores(sure, states, 1 / 3)
        kept = np.argsort(-scores, kind="stable")[:200]
        shares.append((kind[kept] == 2).mean() - (kind == 2).mean())
    assert min(shares) > 0.3, shares


def test_complaints():
    for text, complaint in (
        ("selective(threshold=2)", "is not a number from 0 up to 1, nor one of: auto, not_worse"),
        ("selective(threshold=atuo)", "did you mean 'auto'"),
        ("critic(share=0)", "above 0 and up to 1"),
    ):
        with pytest.raises(ValueError, match=complaint.replace("(", r"\(")):
            parse_method(text)


def test_a_filter_that_keeps_nothing_fails_its_cell_and_no_other(place):
    outcome, found = run(place, "none", axes={"method": ["naive", "confident_only(threshold=1)"]}, **LEARNS)
    assert outcome.exit == Exit.FAILED_CELLS
    assert set(found["status"]) == {"ok", "failed"}
    message = found.set_index("method").loc["confident_only(threshold=1)", "message"]
    assert "no item would be left" in message


@pytest.mark.fault
def test_killed_in_any_training_they_end_with_the_same_table(place, tmp_path):
    axes = {"method": ["selective", "consistent", "critic", "overlap", "confident_only(threshold=0.5)"]}
    assert launch(grid(place, "whole", axes=axes), out=tmp_path / "whole" / "run").exit == Exit.DONE
    path, out = grid(place, "killed", axes=axes), tmp_path / "killed" / "run"
    plan = {call.key: call for call in used_calls(make_plan(load_grid(path))) if call.artifact.name == "w2s.train"}
    students = {
        key for key, call in plan.items() if call.arguments["part"] == "transfer" and "stop" in call.arguments["recipe"]
    }
    assert len(students) == 5
    first = kill_in_training(path, out, lambda place: place.name not in students, step=2, seconds=0.02)  # weak, without a fold
    kill_in_training(path, out, lambda place: place != first and place.name in students, step=4, seconds=0.02)
    assert launch(path, out=out).exit == Exit.DONE
    same_rows(out, tmp_path / "whole" / "run")
