"""Ways to train that save memory or time: the same numbers where that is promised, close ones where it is not."""

from __future__ import annotations

import copy
import importlib.util

import numpy as np
import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

import torch
from small_trainings import run_until
from tiny_models import letter_rows, tiny_bert, tiny_causal

from w2s.errors import FieldError
from w2s.finetune.data.tokens import Encoded, encode, training_batches
from w2s.finetune.models.build import Shape, build, reload, save
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.training.loop import Recipe, Trainer
from w2s.finetune.training.masters import Masters

MODELS = {
    "bert": tiny_bert,
    "llama": lambda place: tiny_causal(place, kind="llama"),
    "gpt2": lambda place: tiny_causal(place, kind="gpt2"),
}


def problem(tmp_path, kind="bert"):
    base = ModelFolder.find(str(MODELS[kind](tmp_path / kind)))
    rows = letter_rows(40, 2)
    texts = encode(load_tokenizer(base), [row["text"] for row in rows], [None] * 40, 16)
    labels = torch.tensor([row["label"] for row in rows], dtype=torch.float32)
    return base, texts, torch.stack([1 - 0.8 * labels - 0.1, 0.8 * labels + 0.1], dim=1)


def trained(base, texts, targets, shape, recipe, checkpoint=None, stop_after=None, **more):
    trainer = Trainer(
        build(base, shape, 1), Classification(texts, range(40), targets, **more), recipe, 3, checkpoint=checkpoint
    )
    return run_until(trainer, stop_after)


def losses(trainer):
    return np.array([row["loss"] for row in trainer.curve])


RECIPE = {"epochs": 2, "batch": 8, "learning_rate": 3e-3}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("tuning", ["full", "lora", "top_layers"])
def test_checkpointing_gives_the_same_losses_and_weights(tmp_path, kind, tuning):
    base, texts, targets = problem(tmp_path, kind)
    shape = Shape(2, tuning=tuning, head_init="normal", top=1 if tuning == "top_layers" else None)
    if tuning == "top_layers":
        texts = States(texts, build(base, Shape(2), 0))
    recipes = [Recipe(**RECIPE, checkpointing=checkpointing) for checkpointing in (False, True)]
    plain, again = (trained(base, texts, targets, shape, recipe) for recipe in recipes)
    np.testing.assert_allclose(losses(again), losses(plain), rtol=0, atol=1e-6)
    for name, weight in plain.weights.items():
        torch.testing.assert_close(again.weights[name], weight, rtol=1e-5, atol=1e-6)


class States(Encoded):
    """States of tokens below the last layer, computed anew for each batch."""

    def __init__(self, texts, whole):
        super().__init__(texts.tokens, texts.padding, texts.cut)
        object.__setattr__(self, "whole", whole)

    def batch(self, rows):
        ids, mask = super().batch(rows)
        with torch.no_grad():
            hidden = self.whole.backbone(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        return hidden[-2], mask


def test_checkpointing_repeats_the_noise_of_dropout(tmp_path):
    base, texts, targets = problem(tmp_path)
    shape = Shape(2, head_init="normal")
    found = []
    for checkpointing in (False, True):
        module = build(base, shape, 1)
        for part in module.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.3
        recipe = Recipe(**RECIPE, dropout=0.3, checkpointing=checkpointing)
        trainer = Trainer(module, Classification(texts, range(40), targets), recipe, 3)
        trainer.run()
        found.append(losses(trainer))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=1e-6)


def test_checkpointing_holds_fewer_activations(tmp_path):
    base, texts, _ = problem(tmp_path)
    ids, mask = texts.batch(range(40))
    held = []
    for checkpointing in (False, True):
        module = build(base, Shape(2, head_init="normal"), 1)
        Trainer(module, Classification(texts, [0], torch.ones(1, 2) / 2), Recipe(checkpointing=checkpointing), 0)
        sizes: dict[int, int] = {}

        def keep(tensor, sizes=sizes):
            sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            kept = module(ids, mask)
        held.append(sum(sizes.values()))
        del kept
    assert held[1] < 0.5 * held[0]


@pytest.mark.parametrize("more", [{}, {"dropout": 0.2}, {"micro_batch": 3}])
def test_unused_rows_of_the_embedding_table_change_no_bit(tmp_path, monkeypatch, more):
    base, texts, targets = problem(tmp_path)
    shape, recipe = Shape(2, head_init="normal"), Recipe(**RECIPE, **more)
    narrow = trained(base, texts, targets, shape, recipe, kept=range(30, 40))
    monkeypatch.setattr(Trainer, "_narrow", lambda self: None)
    whole = trained(base, texts, targets, shape, recipe, kept=range(30, 40))
    assert losses(narrow).tolist() == losses(whole).tolist()
    assert narrow.weights.keys() == whole.weights.keys()
    for name, weight in whole.weights.items():
        assert torch.equal(narrow.weights[name], weight), name
    assert np.array_equal(narrow.predict([1, 2]), whole.predict([1, 2]))
    assert dict(narrow.module.named_parameters()).keys() == dict(whole.module.named_parameters()).keys()


def test_rows_are_left_out_while_it_trains_and_a_whole_checkpoint_is_read(tmp_path, monkeypatch):
    base, texts, targets = problem(tmp_path)
    few = Encoded(tuple(row[:3] for row in texts.tokens), texts.padding, 0)
    shape, recipe = Shape(2, head_init="normal"), Recipe(**RECIPE)
    trainer = Trainer(build(base, shape, 1), Classification(few, range(40), targets), recipe, 3)
    table = trainer.module.backbone.get_input_embeddings()
    assert len(table.weight) == len({token for row in few.tokens for token in row} | {0}) < 31
    straight = trained(base, few, targets, shape, recipe)
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_narrow", lambda self: None)
        trained(base, few, targets, shape, recipe, checkpoint=tmp_path / "kept", stop_after=4)
    resumed = trained(base, few, targets, shape, recipe, checkpoint=tmp_path / "kept")
    for name, weight in straight.weights.items():
        assert torch.equal(resumed.weights[name], weight), name


@pytest.mark.parametrize("more", [{"weight_decay": 0.1}, {"clip": 1.0}])
def test_rows_stay_where_they_matter(tmp_path, more):
    base, texts, targets = problem(tmp_path)
    trainer = Trainer(build(base, Shape(2), 1), Classification(texts, range(40), targets), Recipe(**more), 3)
    assert isinstance(trainer.module.backbone.get_input_embeddings(), torch.nn.Embedding)


def test_rows_of_a_table_that_makes_logits_stay(tmp_path):
    base, texts, targets = problem(tmp_path, "llama")
    module = build(base, Shape(2, head="lm_tokens", answers=("a", "b")), 1)
    trainer = Trainer(module, Classification(texts, range(40), targets), Recipe(), 3)
    assert isinstance(trainer.module.backbone.get_input_embeddings(), torch.nn.Embedding)


def test_more_batches_sorted_together_have_less_padding():
    lengths = np.random.default_rng(0).integers(3, 60, size=2000)

    def padding(grouping):
        batches = training_batches(lengths, 32, 0, 0, grouping)
        assert np.array_equal(np.sort(np.concatenate(batches)), np.arange(2000))
        return sum(len(batch) * lengths[batch].max() for batch in batches) / lengths.sum() - 1

    assert padding(1) > padding(4) > padding(16) > padding(100)
    assert padding(100) < 0.02
    first, second = (training_batches(lengths, 32, 0, epoch, 100) for epoch in (0, 1))
    assert {tuple(sorted(batch)) for batch in first} != {tuple(sorted(batch)) for batch in second}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_bfloat16_trains_on_float32_copies(tmp_path, kind, tuning):
    base, texts, targets = problem(tmp_path, kind)
    recipe = Recipe(**RECIPE | {"epochs": 4})
    exact = trained(base, texts, targets, Shape(2, tuning=tuning, head_init="normal"), recipe)
    shape = Shape(2, tuning=tuning, head_init="normal", precision="bfloat16")
    half = trained(base, texts, targets, shape, recipe)
    assert all(weight.dtype == torch.float32 for weight in half.weights.values())
    held = {weight.dtype for name, weight in half.module.named_parameters() if "lora" not in name and "head." not in name}
    assert held == {torch.bfloat16}
    np.testing.assert_allclose(losses(half), losses(exact), rtol=0, atol=0.03)
    save(tmp_path, half.weights, base, shape)
    again = reload(tmp_path, base)
    for name, weight in half.module.named_parameters():
        assert torch.equal(dict(again.named_parameters())[name], weight), name


def test_a_bfloat16_training_resumes_with_the_same_bits(tmp_path):
    base, texts, targets = problem(tmp_path)
    shape, recipe = Shape(2, head_init="normal", precision="bfloat16"), Recipe(**RECIPE, micro_batch=3)
    straight = trained(base, texts, targets, shape, recipe)
    trained(base, texts, targets, shape, recipe, checkpoint=tmp_path / "kept", stop_after=4)
    resumed = trained(base, texts, targets, shape, recipe, checkpoint=tmp_path / "kept")
    assert losses(resumed).tolist() == losses(straight).tolist()
    for name, weight in straight.module.named_parameters():
        assert torch.equal(dict(resumed.module.named_parameters())[name], weight), name


def test_steps_below_the_resolution_of_bfloat16_add_up_in_the_masters():
    weight = torch.ones(4, dtype=torch.bfloat16, requires_grad=True)
    masters = Masters({"w": weight})
    optimizer = torch.optim.SGD(list(masters.whole.values()), lr=1.0)
    for _ in range(100):
        (weight * 2**-12).sum().backward()
        masters.take_gradients()
        optimizer.step()
        optimizer.zero_grad()
        masters.give_values()
    assert torch.equal(masters.whole["w"].detach(), torch.full((4,), 1 - 100 * 2**-12))
    assert weight.detach()[0] == torch.tensor(1 - 100 * 2**-12).bfloat16()


@pytest.mark.parametrize("kind", MODELS)
def test_attention_is_fused_and_as_written_out(tmp_path, kind):
    base, texts, _ = problem(tmp_path, kind)
    module = build(base, Shape(2, head_init="normal"), 1)
    assert module.backbone.config._attn_implementation == "sdpa"
    plain = copy.deepcopy(module)
    plain.backbone.set_attn_implementation("eager")
    ids, mask = texts.batch(range(8))
    torch.testing.assert_close(module(ids, mask), plain(ids, mask), rtol=1e-5, atol=1e-6)


def test_int8_is_for_lora_alone(tmp_path):
    base, _, _ = problem(tmp_path)
    with pytest.raises(FieldError, match="precision int8 is for tuning lora"):
        build(base, Shape(2, precision="int8"), 1)


@pytest.mark.skipif(importlib.util.find_spec("torchao") is not None, reason="torchao is installed")
def test_int8_without_its_library_says_what_to_install(tmp_path):
    base, _, _ = problem(tmp_path)
    with pytest.raises(FieldError, match=r"pip install 'w2s-sweep\[quant\]'"):
        build(base, Shape(2, tuning="lora", precision="int8"), 1)


@pytest.mark.parametrize("kind", ["bert", "llama"])
def test_lora_learns_over_int8_weights(tmp_path, kind):
    pytest.importorskip("torchao", reason="needs torchao: pip install 'w2s-sweep[quant]'")
    base, texts, targets = problem(tmp_path, kind)
    recipe = Recipe(**RECIPE | {"epochs": 4})
    exact = trained(base, texts, targets, Shape(2, tuning="lora", adapted="used", head_init="normal"), recipe)
    shape = Shape(2, tuning="lora", adapted="used", head_init="normal", precision="int8")
    found = trained(base, texts, targets, shape, recipe)
    np.testing.assert_allclose(losses(found), losses(exact), rtol=0, atol=0.05)
    save(tmp_path, found.weights, base, shape)
    ids, mask = texts.batch(range(8))
    torch.testing.assert_close(reload(tmp_path, base)(ids, mask), found.module(ids, mask))
