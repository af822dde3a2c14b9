"""Last layers on states that are computed once: the same as in the whole model, shared by seeds, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

import torch
from finetune_grids import finetune_place, grid, kill_in_training, run, same_rows
from tiny_models import letter_rows, tiny_bert, tiny_causal, tiny_distilbert

from sweeper import launch
from sweeper.errors import Exit, GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import used_calls
from sweeper.plan.cut import make_plan
from w2s.finetune.data.tokens import encode
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.small_pass import states_of
from w2s.finetune.models.tokenizer import load_tokenizer


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("top"))


MODELS = {
    "bert": lambda place: tiny_bert(place, layers=3),
    "distilbert": lambda place: tiny_distilbert(place, layers=3),
    "llama": lambda place: tiny_causal(place, kind="llama", layers=3),
    "gpt2": lambda place: tiny_causal(place, kind="gpt2", layers=3),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("top", [1, 2, 3])
def test_states_in_the_middle_give_the_logits_and_gradients_of_the_whole_model(tmp_path, kind, top):
    base = ModelFolder.find(str(MODELS[kind](tmp_path / kind)))
    texts = encode(load_tokenizer(base), [row["text"] for row in letter_rows(9, 2)], [None] * 9, 16)
    ids, mask = texts.batch(range(9))
    whole = build(base, Shape(2, head_init="normal"), seed=3).eval()
    upper = build(base, Shape(2, head_init="normal", tuning="top_layers", top=top), seed=3).eval()
    with torch.no_grad():
        states = states_of(whole.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True))[3 - top]
    found, wanted = upper(states, mask), whole(ids, mask)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    found.sum().backward(), wanted.sum().backward()
    slopes = {name: weight.grad for name, weight in upper.named_parameters() if weight.grad is not None}
    assert len({name for name in slopes if "head" not in name}) > 4
    assert all(("layer" in name or ".h." in name or "head" in name) for name in slopes)
    own = dict(whole.named_parameters())
    for name, slope in slopes.items():
        torch.testing.assert_close(slope, own[name].grad, rtol=1e-4, atol=1e-6)
    assert {name for name, weight in upper.named_parameters() if weight.requires_grad} == set(slopes)


def test_all_layers_from_their_embeddings_learn_what_the_whole_model_learns(place):
    given = {"epochs": 2, "student_model": "bert:1"}
    rows = {
        name: run(place, name, tuning=tuning, **given, **more)[1]
        for name, tuning, more in [
            ("through", "frozen_embeddings", {}),
            ("cached", "top_layers", {"top_layers": 1}),
        ]
    }
    for column in ("weak_error", "student_error", "ceiling_error", "strong_error"):
        np.testing.assert_allclose(rows["cached"][column], rows["through"][column], rtol=0.05, err_msg=column)
    assert rows["cached"]["tokens"].tolist() == rows["through"]["tokens"].tolist()


def test_every_method_takes_states_and_all_seeds_share_them(place):
    methods = ["naive", "confidence + stop(legal)", "ensemble(2) + ensemble_learned"]
    given = {"tuning": "top_layers", "n_validation": 40, "evaluate_every": 3, "control": "flip"}
    path = grid(place, "methods", axes={"method": methods}, seeds=2, **given)
    calls = list(used_calls(make_plan(load_grid(path))))
    assert sum(call.artifact.name == "w2s.token_states" for call in calls) == 2
    outcome, rows = run(place, "methods", axes={"method": methods}, seeds=2, **given)
    assert (outcome.exit, set(rows["status"]), len(rows)) == (Exit.DONE, {"ok"}, 6)


def test_killed_in_a_training_it_ends_with_the_same_table(place):
    given = {"tuning": "top_layers", "top_layers": 2, "weak_model": "bert:2", "epochs": 3, "seeds": 1}
    whole = place / "runs" / "unkilled"
    assert launch(grid(place, "unkilled", **given), out=whole).exit == Exit.DONE
    out = place / "killed" / "run"
    kill_in_training(grid(place, "killed", **given), out, lambda _scratch: True)
    assert launch(grid(place, "killed", **given), out=out).exit == Exit.DONE
    same_rows(whole, out)


def test_more_layers_than_a_model_has_are_refused(place):
    with pytest.raises(GridError, match="2 last layers are to be trained, weak_model bert:1 has 1"):
        load_grid(grid(place, "refused", tuning="top_layers", top_layers=2))
