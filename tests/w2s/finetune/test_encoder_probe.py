"""Probes: the closed form and the logistic fit against independent solutions, and the artifact that holds their predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler
from tiny_models import letter_task, tiny_bert

from w2s.artifacts import Store
from w2s.finetune.data.items import items, truth
from w2s.finetune.data.labels import part_ids, truth_labels, truth_of
from w2s.finetune.data.tables import probabilities, read_table
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.inference.hidden_states import features, read_features
from w2s.finetune.inference.probe import HEADS, ClosedForm, probe
from w2s.finetune.models.folder import ModelFolder
from w2s.probes.logistic import CLIP, Logistic
from w2s_kernels import NUMPY

STRENGTHS = (1e-4, 0.01, 1.0, 100.0)


def problem(classes, rows=300, width=20, seed=0):
    """Correlated features of very different scales, and soft labels."""
    rng = np.random.default_rng(seed)
    mixed = rng.standard_normal((width, width)) * np.geomspace(1, 1e-2, width)
    x = rng.standard_normal((rows, width)) @ mixed + 3.0
    scores = np.column_stack([x[:, k] - 3 for k in range(classes)]) + rng.standard_normal((rows, classes))
    soft = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return x, soft


def scaled(x, preprocess):
    return StandardScaler(with_std=preprocess == "standardise").fit(x)


@pytest.mark.parametrize("preprocess", ["center", "standardise"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("c", STRENGTHS)
def test_logistic_is_that_of_scikit_learn_on_rows_weighted_by_their_labels(c, classes, preprocess):
    x, soft = problem(classes)
    other = problem(classes, seed=1)[0]
    scaler = scaled(x, preprocess)
    rows, labels = np.tile(scaler.transform(x), (classes, 1)), np.repeat(np.arange(classes), len(x))
    known = LogisticRegression(C=c, tol=1e-12, max_iter=1000, solver="newton-cholesky").fit(
        rows, labels, sample_weight=soft.T.reshape(-1)
    )
    found = Logistic(x, preprocess, NUMPY).fit(soft, c)
    np.testing.assert_allclose(found.at(other), known.predict_proba(scaler.transform(other)), atol=1e-7)
    assert found.account["gradient_norm"] < 1e-6


def test_duplicated_rows_are_soft_labels():
    x, _ = problem(2)
    votes = np.random.default_rng(0).integers(0, 2, size=(len(x), 4))
    soft = np.column_stack([1 - votes.mean(axis=1), votes.mean(axis=1)])
    hard = np.eye(2)[votes.T.reshape(-1)]
    once = Logistic(x, "standardise", NUMPY).fit(soft, 0.4)
    four = Logistic(np.tile(x, (4, 1)), "standardise", NUMPY).fit(hard, 0.1)  # C counts rows
    np.testing.assert_allclose(once.at(x), four.at(x), atol=1e-9)


def test_separable_labels_and_constant_features_are_no_trouble():
    x, soft = problem(2)
    x[:, 3] = 7.0
    hard = np.eye(2)[soft.argmax(axis=1)]
    for head in HEADS.values():
        found = head(x, "standardise", NUMPY).fit(np.eye(2)[(x[:, 0] > 3).astype(int)], 10.0)
        moved = x.copy()
        moved[:, 3] = -50.0
        np.testing.assert_array_equal(found.at(x), found.at(moved))
    assert Logistic(x, "standardise", NUMPY).fit(hard, 1e4).account["gradient_norm"] < 1e-6


@pytest.mark.parametrize("preprocess", ["center", "standardise"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("ridge", [1e-4, 0.1, 10.0])
def test_closed_form_is_a_ridge_on_probabilities_cut_and_normalised(ridge, classes, preprocess):
    x, soft = problem(classes)
    other = problem(classes, seed=1)[0]
    scaler = scaled(x, preprocess)
    known = Ridge(alpha=ridge * len(x)).fit(scaler.transform(x), soft).predict(scaler.transform(other))
    np.testing.assert_allclose(known.sum(axis=1), 1.0)
    cut = np.maximum(known, CLIP)
    np.testing.assert_allclose(
        ClosedForm(x, preprocess, NUMPY).fit(soft, ridge).at(other), cut / cut.sum(axis=1, keepdims=True), atol=1e-9
    )
    if ridge < 1:
        assert (known < CLIP).any()


def test_a_large_closed_form_ridge_gives_class_shares():
    x, soft = problem(3)
    found = ClosedForm(x, "standardise", NUMPY).fit(soft, 1e9).at(x)
    np.testing.assert_allclose(found, np.tile(soft.mean(axis=0), (len(x), 1)), atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_a_fit_does_not_depend_on_the_fits_before_it(head):
    x, soft = problem(2)
    once = HEADS[head](x, "standardise", NUMPY)
    once.fit(soft[:, ::-1], 3.0)
    assert np.array_equal(once.fit(soft, 0.5).at(x), HEADS[head](x, "standardise", NUMPY).fit(soft, 0.5).at(x))
    assert np.allclose(once.fit(soft, 0.5).at(x), once.fit(soft[:, ::-1], 0.5).at(x)[:, ::-1], atol=1e-12)


@pytest.fixture
def calls(tmp_path, monkeypatch):
    pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
    monkeypatch.setenv("W2S_DATA", str(letter_task(tmp_path / "data", train=300, test=100)))
    drawn = {
        "task": TaskData.find("sentence_polarity"),
        "columns": {"text": "text", "label": "label", "pair": None, "group": None},
        "sizes": {"labeled": 120, "transfer": 100, "validation": 0, "test": None},
        "balance": True,
        "seed": 0,
    }
    own, true = items(**drawn), truth(**drawn)
    states = features(base=ModelFolder.find(str(tiny_bert(tmp_path / "bert"))), items=own, layers=(0, 1))
    labels = truth_labels(items=own, truth=true, part="labeled", classes=2)
    return own, true, states, labels


@pytest.mark.parametrize("head", HEADS)
def test_the_artifact_predicts_parts_from_the_labels_it_is_given(calls, tmp_path, head):
    own, true, states, labels = calls
    store = Store(tmp_path / "store")
    call = probe(
        features=states,
        items=own,
        labels=labels,
        layer=1,
        dims=6,
        head=head,
        strength=0.1,
        preprocess="standardise",
        parts=("transfer", "test"),
    )
    folder = store.ensure(call)
    table = read_table(folder, "predictions")
    wanted = [*part_ids(store.get(own), "transfer"), *part_ids(store.get(own), "test")]
    assert table["item_id"].to_pylist() == wanted
    train = part_ids(store.get(own), "labeled")
    targets = np.eye(2)[truth_of(store.get(true), train)]
    known = HEADS[head](read_features(store.get(states), 1, train, 6), "standardise", NUMPY).fit(targets, 0.1)
    np.testing.assert_array_equal(probabilities(table), known.at(read_features(store.get(states), 1, wanted, 6)))
    account = json.loads((folder / "training.json").read_text())
    assert (account["rows"], account["width"]) == (120, 6)
    assert "iterations" in account or head == "closed_form"


def test_true_labels_are_an_input_that_a_plan_shows(calls):
    own, true, states, labels = calls
    common = {
        "features": states,
        "items": own,
        "layer": 1,
        "dims": None,
        "head": "logistic",
        "strength": 1.0,
        "preprocess": "center",
        "parts": ("test",),
    }
    call = probe(labels=labels, **common)
    assert true not in call.inputs
    assert true in labels.inputs
    assert call.key != probe(labels=labels, **common | {"strength": 2.0}).key
