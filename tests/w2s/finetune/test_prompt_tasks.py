"""Prompts with checked answers: masks, the loss at the sheet's value, made decoders, answers as labels, rows, kills."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import yaml

import w2s
from sweeper import launch
from sweeper.errors import GridError
from w2s.artifacts import Store
from w2s.finetune.data.answers import checked
from w2s.finetune.data.formatters import find_formatter
from w2s.finetune.data.items import items, truth
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.evaluation.base import Seen
from w2s.finetune.evaluation.generation import GenerationEvaluation

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import kill_in_training, same_rows  # noqa: E402
from small_trainings import Certain  # noqa: E402

from w2s.finetune.data.answers import answers_of, as_answers, draft_answers, reference_answers  # noqa: E402
from w2s.finetune.data.targets import encode_targets  # noqa: E402
from w2s.finetune.inference.generate import generate  # noqa: E402
from w2s.finetune.models.build import Shape, build  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402
from w2s.finetune.objectives.sequence import Sequences  # noqa: E402
from w2s.finetune.training.loop import Recipe, Trainer  # noqa: E402

COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}
BASE = {
    "task": "sorted_digits",
    "weak_model": "made:decoder-1x16",
    "student_model": "made:decoder-1x32",
    "n_labeled": 40,
    "n_transfer": 40,
    "n_test": 24,
    "batch": 8,
    "epochs": 1,
    "max_length": 32,
    "answer_length": 6,
}


def grid(place: Path, name: str, axes=None, seeds=1, **fixed) -> Path:
    content = {
        "study": "burns2023.text",
        "axes": axes or {},
        "fixed": {key: value for key, value in {**BASE, **fixed}.items() if key not in (axes or {})},
        "seeds": seeds,
        "compute": {"executor": "inline", "backend": "numpy"},
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.fixture(scope="module")
def small():
    return ModelFolder.find("made:decoder-1x16")


def test_the_loss_at_the_sheets_value(small):
    """A correction of three tokens, its end included, at probabilities .5, .25 and .8: 0.767528 nats."""
    texts = encode_targets(load_tokenizer(small), ["ab>"], ["xy"], 32)
    assert (texts.lengths.tolist(), texts.starts, texts.counts().tolist()) == ([6], (3,), [3])
    objective = Sequences(texts, [0])
    module = Certain([0.0, math.log(0.9), -math.inf, *np.log([0.5, 0.25, 0.8])])
    loss = objective.loss(objective.outputs(module, np.array([0])), np.array([0]), 0.0)
    assert float(loss.detach()) == pytest.approx(0.767528, abs=1e-6)
    loss.backward()
    assert module.values.grad.tolist() == pytest.approx([0, 0, 0, -1 / 3, -1 / 3, -1 / 3])  # exactly 0 on the prompt
    assert module.values.grad[:3].abs().max() == 0.0


def test_the_loss_is_the_mean_over_all_target_tokens_of_a_batch(small):
    texts = encode_targets(load_tokenizer(small), ["ab>", "c>"], ["x", "pqrs"], 32)
    module = build(small, Shape(1, head="lm"), seed=0)
    objective = Sequences(texts, [0, 1])
    found = float(objective.loss(objective.outputs(module, np.array([0, 1])), np.array([0, 1]), 0.0).detach())
    total, count = 0.0, 0
    for ids, start in zip(texts.tokens, texts.starts, strict=True):
        logits = module.backbone(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(dim=-1).detach()
        total += sum(-float(logits[t - 1, ids[t]]) for t in range(start, len(ids)))
        count += len(ids) - start
    assert found == pytest.approx(total / count, abs=1e-5)


def test_a_prompt_is_cut_at_its_start_and_a_target_at_its_end(small):
    tokenizer = load_tokenizer(small)
    texts = encode_targets(tokenizer, ["abcdefgh", "ab", ""], ["xy", "pqrstuvw", "z"], 8)
    words = [tokenizer.convert_ids_to_tokens(ids) for ids in texts.tokens]
    assert words == [["d", "e", "f", "g", "h", "x", "y", "<end>"], ["a", "b", *"pqrstu"], ["<pad>", "z", "<end>"]]
    assert (texts.starts, texts.cut) == ((5, 2, 1), 2)


def test_the_boundary_is_exact_where_a_tokenizer_would_merge_across_it(tmp_path):
    """A tokenizer with the word "ab" makes one token of "a" and "b" side by side; the target "b" still is a token."""
    import tokenizers
    import transformers

    inner = tokenizers.Tokenizer(tokenizers.models.BPE({"<end>": 0, "a": 1, "b": 2, "ab": 3}, [("a", "b")], unk_token=None))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", pad_token="<end>")
    assert tokenizer("aab")["input_ids"] == [1, 3]
    texts = encode_targets(tokenizer, ["aa"], ["b"], 16)
    assert (texts.tokens, texts.starts) == (((1, 1, 2, 0),), (2,))


def test_pieces_of_a_batch_give_the_gradient_of_the_whole(small, tmp_path):
    prompts, targets = ["ab>", "c>", "defg>", "h>"], ["x", "pqrs", "", "yz"]
    texts = encode_targets(load_tokenizer(small), prompts, targets, 32)
    weights = []
    for piece in (4, 1, 3):
        trainer = Trainer(
            build(small, Shape(1, head="lm"), 0), Sequences(texts, range(4)), Recipe(batch=4, micro_batch=piece, epochs=2), 0
        )
        trainer.run()
        weights.append({name: weight.detach().clone() for name, weight in trainer.weights.items()})
    for other in weights[1:]:
        for name, weight in weights[0].items():
            torch.testing.assert_close(other[name], weight, rtol=1e-4, atol=1e-6)


def test_a_made_decoder_is_its_name(tmp_path, monkeypatch, small):
    module = build(small, Shape(1, head="lm"), seed=0)
    before = {name: weight.clone() for name, weight in module.state_dict().items()}
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    again = ModelFolder.find("made:decoder-1x16")
    assert (again.sha256, str(again)) == (small.sha256, "made:decoder-1x16")
    assert tmp_path in again.path.parents
    for name, weight in build(again, Shape(1, head="lm"), seed=5).state_dict().items():
        assert torch.equal(weight, before[name])
    assert len({ModelFolder.find(f"made:decoder-{size}").sha256 for size in ("1x16", "2x16", "1x32")}) == 3
    tokenizer = load_tokenizer(again)
    text = "7:37192> {x} Az~"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    for wrong in ("made:decoder", "made:decoder-2x30", "made:decoder-0x16", "made:bert-2x16"):
        with pytest.raises(ValueError, match="made:decoder-LAYERSxWIDTH"):
            ModelFolder.find(wrong)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return Store(tmp_path_factory.mktemp("prompts") / "store")


def drawn(name="sorted_digits"):
    sizes = {"labeled": 20, "transfer": 20, "validation": 0, "test": 10}
    return {"task": TaskData.find(name), "columns": COLUMNS, "sizes": sizes, "balance": True, "seed": 0}


def test_items_are_prompts_and_truth_is_answers(store, small):
    drawing = items(**drawn())
    references = reference_answers(items=drawing, truth=truth(**drawn()), part="transfer")
    drafts = draft_answers(items=drawing, part="transfer")
    places = {call: store.ensure(call) for call in (drawing, references, drafts)}
    from w2s.finetune.data.labels import part_ids
    from w2s.finetune.data.tables import read_table

    assert read_table(places[drawing], "items").column_names == ["item_id", "text", "pair", "group", "part", "draft"]
    ids = part_ids(places[drawing], "transfer")
    prompts = dict(zip(*(read_table(places[drawing], "items")[c].to_pylist() for c in ("item_id", "text")), strict=True))
    score = find_formatter("sorted_digits").score
    assert checked(score, [prompts[k] for k in ids], answers_of(places[references], ids)).min() == 1.0
    assert 0.0 < (checked(score, [prompts[k] for k in ids], answers_of(places[drafts], ids)) < 1).mean() < 0.8
    given = {"items": drawing, "parts": ("transfer", "test"), "sampling": {"temperature": 0, "max_new_tokens": 5}, "seed": 0}
    texts = generate(base=small, max_length=32, rows=16, **given)
    assert "rows" in texts.arguments
    assert "rows" not in generate(base=small, max_length=32, **given).arguments
    answers = as_answers(generations=texts, items=drawing, parts=("transfer",))
    assert len(answers_of(store.ensure(answers), ids)) == 20
    with pytest.raises(KeyError):
        answers_of(store.get(answers), part_ids(places[drawing], "test"))


def test_the_columns_of_answers():
    score = lambda prompt, answer: 1.0 if answer == prompt else 0.5 if answer else 0.0  # noqa: E731
    prompts = list("abcd")
    seen = Seen(
        weak=[["a", "x", "", "d"]], student=["a", "b", "", "y"], ceiling=prompts, strong=["a", "b", "c", ""], labels=["a"] * 4
    )
    row = GenerationEvaluation(score).row(prompts, seen)
    assert (row["weak_error_01"], row["student_error_01"], row["strong_error_01"], row["ceiling_error_01"]) == (
        0.5,
        0.5,
        0.25,
        0,
    )
    assert (row["weak_reward"], row["student_reward"], row["weak_error"]) == (0.625, 0.625, 0.375)
    assert (row["weak_edit_rate"], row["strong_edit_rate"], row["disagreement"], row["misfit"]) == (0.5, 0.5, 0.5, 0.75)
    assert (row["agreement_right"], row["agreement_wrong"], row["n_items"]) == (0.5, 0.5, 4)
    assert math.isnan(GenerationEvaluation(score).row(prompts, Seen([prompts], prompts, prompts, prompts))["misfit"])
    with pytest.raises(ValueError, match="outside"):
        checked(lambda prompt, answer: 1.5, prompts, prompts)


def test_rows_of_a_grid(tmp_path):
    path = grid(tmp_path, "rows", {"task": ["sorted_digits", "brackets"]}, chain="made:decoder-2x16")
    launch(path, out=tmp_path / "run")
    table = w2s.load(tmp_path / "run")
    assert table["status"].tolist() == ["ok", "ok"]
    assert (table["misfit"].notna() & table["ceiling_reward"].between(0, 1)).all()
    assert (table["gain_01"] == table["weak_error_01"] - table["student_error_01"]).all()
    assert (table["tokens"] > 0).all()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"method": "confidence"}, "needs class probabilities"),
        ({"method": "naive + stop(oracle)", "n_validation": 20, "evaluate_every": 5}, "needs class probabilities"),
        ({"method": "ensemble(2)"}, "needs class probabilities"),
        ({"method": "self_labels"}, "needs features of items"),
        ({"method": "dpo"}, "pairs of replies"),
        ({"control": "flip"}, "needs class probabilities"),
        ({"weak_model": "minilm-l6"}, "no causal language model"),
    ],
)
def test_what_does_not_fit_answers_is_refused(tmp_path, changed, message):
    with pytest.raises((GridError, ValueError), match=message):
        launch(grid(tmp_path, "wrong", **changed), out=tmp_path / "run")


@pytest.mark.slow  # test_aligner.py kills a launch of the same objective in every run
@pytest.mark.fault
def test_a_killed_launch_ends_with_the_same_rows(tmp_path):
    path = grid(tmp_path, "killed")
    kill_in_training(path, tmp_path / "killed", lambda scratch: True, step=2)
    launch(path, out=tmp_path / "killed")
    (tmp_path / "whole").mkdir()
    launch(path, out=tmp_path / "whole" / "run")
    same_rows(tmp_path / "killed", tmp_path / "whole" / "run")
