"""Planted errors, fitted temperatures, and what a row says of both: launches with tiny models, files by hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid, run

from sweeper.errors import Exit, GridError
from sweeper.grid.read import load_grid
from sweeper.plan.cut import make_plan
from w2s.artifacts import Store, in_order
from w2s.errors import FieldError
from w2s.finetune.data.labels import part_ids, tempered, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.methods.text import parse_method
from w2s.finetune.models.weights import parameter_count, used_parameter_count
from w2s.labels.temperature import fitted_temperature
from w2s.measure.scores import calibration_error
from w2s.studies.burns2023.text.graph import cell_graph

PLANTED = ["planted", "planted(where=long)", "planted(where=hard)", "planted(where=sure)"]
METHODS = ["naive", *PLANTED, "temper(fit)", "naive + stop(oracle)"]
FIXED = {"learning_rate_labeled": 1e-2, "n_validation": 40, "evaluate_every": 3}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("planted"))


@pytest.fixture(scope="module")
def rows(place):
    outcome, found = run(place, "all", axes={"method": METHODS}, **FIXED)
    assert (outcome.exit, set(found["status"])) == (Exit.DONE, {"ok"}), found[["method", "message"]].to_string()
    return found.set_index("method")


def graph_of(place, method, name="one", **fixed):
    (cell,) = load_grid(grid(place, name, method=method, **{**FIXED, **fixed})).parts[0].block.cells()
    return cell_graph(cell, 2), Store(place / "runs" / ".w2s-store")


def labels_of(graph, store, part):
    ids = part_ids(store.get(graph.items), part)
    given = read_table(store.get(graph.trainings["student"].arguments["labels"]), "labels")
    return probabilities(join(ids, given)), truth_of(store.get(graph.truth), ids), ids


@pytest.mark.parametrize("method", PLANTED)
def test_accuracy_prior_and_probabilities_of_the_labels_stay(place, rows, method):
    (naive, truth, _), (moved, again, _) = (labels_of(*graph_of(place, name), "transfer") for name in ("naive", method))
    assert (truth == again).all()
    for k in (0, 1):
        assert sorted(map(tuple, naive[truth == k])) == sorted(map(tuple, moved[truth == k]))
    assert not np.array_equal(naive, moved)
    kept = [labels_of(*graph_of(place, name), "validation")[0] for name in ("naive", method)]
    np.testing.assert_array_equal(*kept)


def test_long_items_are_the_wrong_ones(place, rows):
    graph, store = graph_of(place, "planted(where=long)")
    values, truth, ids = labels_of(graph, store, "transfer")
    texts = join(ids, read_table(store.get(graph.items), "items"))["text"].to_pylist()
    lengths, wrong = np.array([len(text) for text in texts]), values.argmax(axis=1) != truth
    for k in (0, 1):
        inside = truth == k
        assert lengths[inside & wrong].min() >= lengths[inside & ~wrong].max()


def test_hard_items_are_those_that_the_strong_baseline_finds_hard(place, rows):
    graph, store = graph_of(place, "planted(where=hard)")
    values, truth, ids = labels_of(graph, store, "transfer")
    (predicted,) = [c for c in in_order([graph.student]) if c.artifact.name == "w2s.hardness"]
    own = probabilities(join(ids, read_table(store.get(predicted.arguments["predictions"]), "predictions")))
    chance, wrong = own[np.arange(len(ids)), truth], values.argmax(axis=1) != truth
    for k in (0, 1):
        assert chance[(truth == k) & wrong].max() <= chance[(truth == k) & ~wrong].min()


def test_structures_give_different_students(rows):
    assert rows.loc[["naive", *PLANTED], "student_error"].nunique() == 5
    assert rows.loc[PLANTED, "misfit"].isna().all()  # no teacher predicts what was moved
    assert rows["weak_error_01"].nunique() == 1


def test_the_temperature_is_the_one_that_suits_the_validation_items(place, rows):
    graph, store = graph_of(place, "temper(fit)")
    plain, truth, _ = labels_of(*graph_of(place, "naive"), "validation")
    found = rows.loc["temper(fit)", "fitted_temperature"]
    assert found == fitted_temperature(plain, truth)
    assert rows.loc["naive", ["fitted_temperature"]].isna().all()
    before, after = (labels_of(*graph_of(place, name), "transfer")[0] for name in ("naive", "temper(fit)"))
    np.testing.assert_array_equal(after, tempered(before, found))
    test = part_ids(store.get(graph.items), "test")
    weak = probabilities(join(test, read_table(store.get(graph.weak[0]), "predictions")))
    wanted = calibration_error(tempered(weak, found), truth_of(store.get(graph.truth), test))
    assert rows.loc["temper(fit)", "label_calibration"] == pytest.approx(wanted, abs=1e-12)
    assert rows.loc["naive", "label_calibration"] == rows.loc["naive", "weak_calibration"]


def test_a_chain_says_the_temperature_of_its_last_labels(place):
    graph, _ = graph_of(place, "temper(fit) + confidence", "chain", chain="distil")
    (said,) = graph.says
    last = graph.trainings["student"].arguments["labels"]
    assert (said.key, said.artifact.name) == (last.key, "w2s.temper_fit")
    assert len([c for c in in_order([last]) if c.artifact.name == "w2s.temper_fit"]) == 2


def test_what_the_ceiling_shares_of_the_weak_models_errors(place, rows):
    graph, store = graph_of(place, "naive")
    ids = part_ids(store.get(graph.items), "test")
    truth = truth_of(store.get(graph.truth), ids)
    weak, ceiling = (
        probabilities(join(ids, read_table(store.get(call), "predictions"))).argmax(axis=1)
        for call in (graph.weak[0], graph.ceiling)
    )
    wrong = weak != truth
    assert rows.loc["naive", "ceiling_agreement_wrong"] == np.mean(weak[wrong] == ceiling[wrong])
    assert rows.loc["naive", "ceiling_agreement_right"] == np.mean(weak[~wrong] == ceiling[~wrong])


def test_accuracy_by_step_ends_where_the_curve_does(rows):
    found = json.loads(rows.loc["naive", "accuracy_by_step"])
    assert list(map(int, found)) == sorted(map(int, found))
    assert len(found) >= 3
    assert found[str(rows.loc["naive + stop(oracle)", "stopped_at"])] == pytest.approx(
        1.0 - rows.loc["naive + stop(oracle)", "student_error_01"]
    )


def test_sizes_leave_out_layers_that_are_cut_off(place, rows):
    graph, _ = graph_of(place, "naive")
    teacher, student = graph.sizes["weak"][0], graph.sizes["student"][0]
    assert used_parameter_count(student) == parameter_count(student) == parameter_count(teacher)
    assert used_parameter_count(teacher) < used_parameter_count(student)
    assert (rows["weak_parameters"].unique(), rows["student_parameters"].unique()) == (
        [used_parameter_count(teacher)],
        [used_parameter_count(student)],
    )


def test_what_cannot_be_asked_for(place):
    with pytest.raises(FieldError, match="one of: random, long, hard, sure"):
        parse_method("planted(where=short)")
    with pytest.raises(FieldError, match=r"temperature above 0, or temper\(fit\)"):
        parse_method("temper(fitted)")
    with pytest.raises(GridError, match=r"temper\(fit\) needs n_validation above 0"):
        make_plan(load_grid(grid(place, "none", method="temper(fit)")))
