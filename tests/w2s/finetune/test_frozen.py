"""Heads on features that are computed once: the same as a head on a frozen model, shared by seeds, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid, kill_in_training, run, same_rows

from sweeper import launch
from sweeper.errors import Exit, GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan
from w2s.artifacts.remote import open_store
from w2s.errors import FieldError
from w2s.finetune.data.tables import read_table
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.folder import ModelFolder

ERRORS = ["weak_error_01", "student_error_01", "ceiling_error_01", "strong_error_01", "student_error", "misfit"]
ONE_BATCH = {"epochs": 30, "batch": 1000, "learning_rate": 0.05, "learning_rate_labeled": 0.05}
"""One step an epoch: smaller batches are made by length, and features have none."""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("frozen"))


def test_it_learns_what_a_head_on_a_frozen_model_learns(place):
    whole = {name: run(place, name, tuning=name, **ONE_BATCH)[1] for name in ("head_only", "frozen")}
    assert list(whole["frozen"]["status"]) == ["ok"]
    assert 0 < whole["frozen"]["student_error_01"][0] < 0.5
    for column in ERRORS:  # AdamW divides by the size of a gradient, so rounding of a small one is seen
        np.testing.assert_allclose(whole["frozen"][column], whole["head_only"][column], rtol=0.02, atol=1e-4, err_msg=column)


def test_every_method_takes_features_and_all_seeds_share_them(place):
    methods = [
        "naive",
        "confidence + stop(legal)",
        "ensemble(2) + temper(2)",
        "ensemble(2) + ensemble_learned",
        "self_labels",
        "evidential",
        "robust(eps=0.2)",
    ]
    given = {"tuning": "frozen", "n_validation": 40, "evaluate_every": 3, "control": "flip"}
    path = grid(place, "methods", axes={"method": methods}, seeds=2, **given)
    calls = list(used_calls(make_plan(load_grid(path))))
    assert sum(call.artifact.name == "w2s.features" for call in calls) == 2  # of the weak and of the strong model
    outcome, rows = run(place, "methods", axes={"method": methods}, seeds=2, **given)
    assert (outcome.exit, set(rows["status"]), len(rows)) == (Exit.DONE, {"ok"}, 14)
    assert rows.groupby("seed")["ceiling_error"].nunique().eq(1).all()
    assert rows["cut_items"].ge(0).all()


def test_rates_can_be_chosen_by_validation_items(place):
    given = {"tuning": "frozen", "n_validation": 40, "epochs": 3}
    outcome, rows = run(place, "validated", **given)
    _, without = run(place, "unvalidated", tuning="frozen", epochs=3)
    assert outcome.exit == Exit.DONE
    columns = {"bert:1": "weak_validation_error_01", "bert": "strong_validation_error_01"}
    assert without[list(columns.values())].isna().all(axis=None)
    store, seen = open_store(place / "runs" / ".w2s-store"), set()
    for call in used_calls(make_plan(load_grid(place / "validated.yaml"))):
        if call.artifact.name != "w2s.predict" or call.arguments["model"].arguments["part"] != "labeled":
            continue
        items = read_table(store.get(call.arguments["items"]), "items").to_pandas()
        ids = items[items["part"] == "validation"]["item_id"]
        found = read_table(store.get(call), "predictions").to_pandas().set_index("item_id").loc[ids]
        truth = pd.read_csv(place / "mine.csv").set_index("letters")["kind"]
        names = [truth[text] for text in items.set_index("item_id").loc[ids]["text"]]
        wrong = [("early", "late")[int(p > 0.5)] != name for p, name in zip(found["p_1"], names, strict=True)]
        assert rows[columns[call.arguments["base"].name]].tolist() == [sum(wrong) / 40]
        seen.add(call.arguments["base"].name)
    assert seen == set(columns)


def test_killed_in_a_training_it_ends_with_the_same_table(place):
    given = {"tuning": "frozen", "epochs": 3, "seeds": 1}
    whole = place / "runs" / "unkilled"
    assert launch(grid(place, "unkilled", **given), out=whole).exit == Exit.DONE
    out = place / "killed" / "run"
    kill_in_training(grid(place, "killed", **given), out, lambda _scratch: True)
    assert launch(grid(place, "killed", **given), out=out).exit == Exit.DONE
    same_rows(whole, out)


def test_a_chain_of_heads(place):
    _, rows = run(place, "chain", tuning="frozen", chain="bert:2")
    assert list(rows["status"]) == ["ok"]


def test_the_teacher_may_be_an_embedding_alone(place):
    _, rows = run(place, "embedding", tuning="frozen", weak_model="bert:0")
    assert list(rows["status"]) == ["ok"]


@pytest.mark.parametrize(
    ("given", "says"),
    [({"shards": 2}, "frozen and top_layers train on one device"), ({"dropout": 0.1}, "frozen trains without dropout")],
)
def test_what_needs_a_model_is_refused(place, given, says):
    with pytest.raises(GridError, match=f"tuning {says}"):
        load_grid(grid(place, "refused", tuning="frozen", **given))


def test_a_head_without_a_width_is_refused(place):
    with pytest.raises(FieldError, match="needs the width"):
        build(ModelFolder.find(str(place / "bert")), Shape(2, tuning="frozen"), seed=0)
