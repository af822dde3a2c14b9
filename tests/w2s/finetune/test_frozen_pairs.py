"""Reward models that are heads on features of both replies: the same as a head on the whole model, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import yaml
from tiny_models import letter_task, reply_task, tiny_bert, tiny_causal

import w2s
from sweeper import launch
from sweeper.errors import Exit, GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

ERRORS = ["weak_error_01", "student_error_01", "ceiling_error_01", "strong_error_01", "student_error"]
FIXED = {
    "task": "hh_harmless",
    "weak_model": "bert:1",
    "student_model": "bert",
    "n_labeled": 200,
    "n_transfer": 200,
    "n_test": 100,
    "max_length": 32,
    "batch": 1000,
    "epochs": 30,
    "learning_rate": 0.05,
    "learning_rate_labeled": 0.05,
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two tiny models and a task with a planted reward."""
    folder = tmp_path_factory.mktemp("frozen_pairs")
    reply_task(letter_task(folder / "data", train=60, test=30), train=700)
    tiny_bert(folder / "bert", layers=2, width=32)
    tiny_causal(folder / "llama", width=32)
    return folder


@pytest.fixture(autouse=True)
def data(place, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(place / "data"))


def grid(place, name, seeds=1, axes=None, **fixed):
    content = {"study": "burns2023.text", "axes": axes or {}, "fixed": {**FIXED, **fixed}, "seeds": seeds}
    for key in content["axes"]:
        content["fixed"].pop(key, None)
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump({**content, "compute": {"executor": "inline", "backend": "numpy"}}))
    return path


def rows(place, name, **fixed):
    assert launch(grid(place, name, **fixed), out=place / "runs" / name).exit == Exit.DONE
    return w2s.load(place / "runs" / name)


def test_it_learns_what_a_head_on_the_whole_model_learns(place):
    found = {name: rows(place, name, tuning=name) for name in ("head_only", "frozen")}
    assert found["frozen"]["ceiling_error_01"][0] < 0.45
    for column in ERRORS:
        np.testing.assert_allclose(found["frozen"][column], found["head_only"][column], rtol=0.05, atol=0.011, err_msg=column)


def test_seeds_and_methods_share_the_features_of_both_replies(place):
    given = {"tuning": "frozen", "student_model": "llama", "axes": {"method": ["naive", "confidence + stop(legal)"]}}
    given |= {"n_validation": 40, "evaluate_every": 10, "epochs": 10, "control": "flip"}
    calls = list(used_calls(make_plan(load_grid(grid(place, "shared", seeds=2, **given)))))
    assert sum(call.artifact.name == "w2s.pair_features" for call in calls) == 2
    found = rows(place, "shared", seeds=2, **given)
    assert (set(found["status"]), len(found)) == ({"ok"}, 4)
    assert found["weak_validation_error_01"].between(0, 1).all()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"tuning": "top_layers"}, "takes texts, no pairs of replies"),
        ({"tuning": "frozen", "method": "dpo", "weak_model": "llama", "student_model": "llama"}, "has a head alone"),
        (
            {"tuning": "frozen", "method": "generative", "weak_model": "llama", "student_model": "llama"},
            "a whole language model",
        ),
    ],
)
def test_what_needs_a_whole_model_is_refused(place, given, says):
    with pytest.raises(GridError, match=says):
        load_grid(grid(place, "refused", **given))
