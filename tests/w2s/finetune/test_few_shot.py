"""Few-shot prompts: cached prefixes change nothing, examples are drawn as they should be, bias is taken out as it says."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny, tiny_causal

from w2s.artifacts import Store
from w2s.errors import FieldError
from w2s.finetune.data.items import items, truth
from w2s.finetune.data.labels import truth_labels
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.prompting.calibration import geometric_mean, without_bias
from w2s.finetune.prompting.examples import answer_tokens, check_prompts, chosen, cut_to_words, written

torch = pytest.importorskip("torch", reason="prompts need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="prompts need transformers: pip install 'w2s-sweep[llm]'")

from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.pretrained import causal_model  # noqa: E402
from w2s.finetune.prompting.few_shot import WITHOUT_CONTENT, class_logits, few_shot  # noqa: E402

SIZES = {"labeled": 6, "transfer": 12, "validation": 0, "test": 10}
COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}


class Letters:
    """A tokenizer of letters."""

    def __call__(self, text, **_given):
        return {"input_ids": [ord(letter) for letter in text]}


@pytest.fixture(scope="module", params=["llama", "gpt2", "gemma3_text"])
def model(request, tmp_path_factory):
    place = tmp_path_factory.mktemp("causal")
    if request.param == "gemma3_text":  # some layers see the last eight tokens only: fewer than a prefix has
        return causal_model(ModelFolder.find(str(tiny(place, request.param, sliding_window=8))), "a test")
    return causal_model(ModelFolder.find(str(tiny_causal(place, kind=request.param))), "a test")


@pytest.mark.parametrize("length", [0, 1, 20])
def test_a_cached_prefix_gives_what_whole_passes_give(model, length):
    rng = np.random.default_rng(length)
    prefix = tuple(rng.integers(5, 31, size=length).tolist())
    suffixes = [tuple(rng.integers(5, 31, size=rng.integers(1, 12)).tolist()) for _ in range(40)]
    found = np.full((40, 3), np.nan)
    for places, values in class_logits(model, prefix, suffixes, (7, 11, 30)):
        found[places] = values
    with torch.inference_mode():
        whole = [model(input_ids=torch.tensor([prefix + suffix])).logits[0, -1, [7, 11, 30]].numpy() for suffix in suffixes]
    np.testing.assert_allclose(found, whole, atol=2e-5)
    assert np.ptp(found, axis=0).min() > 1e-3  # the texts do say something


def test_a_text_gets_the_same_whatever_else_is_asked(model):
    rng = np.random.default_rng(1)
    prefix = tuple(rng.integers(5, 31, size=9).tolist())
    suffixes = [tuple(rng.integers(5, 31, size=length).tolist()) for length in (4, 4, 4, 7)]
    (_, first), *_ = class_logits(model, prefix, suffixes, (7, 11))
    (_, alone), *_ = class_logits(model, prefix, suffixes[:1], (7, 11))
    np.testing.assert_allclose(first[0], alone[0], atol=2e-5)


@given(st.integers(0, 30), st.integers(0, 10_000), st.booleans())
def test_fewer_examples_are_among_more(shots, seed, balanced):
    classes = np.arange(40) % 3
    more, fewer = chosen(classes, 3, shots + 1, balanced, seed), chosen(classes, 3, shots, balanced, seed)
    assert more[:shots] == fewer
    assert len(set(more)) == shots + 1
    if balanced:
        counts = np.bincount(classes[more], minlength=3)
        assert counts.max() - counts.min() <= 1


def test_a_class_that_is_used_up_leaves_its_turn_to_others():
    classes = np.array([0, 1, 1, 1, 1])
    assert sorted(chosen(classes, 2, 5, True, 0)) == [0, 1, 2, 3, 4]
    firsts = {chosen(np.array([0, 1] * 10), 2, 1, True, seed)[0] % 2 for seed in range(20)}
    assert firsts == {0, 1}  # which class comes first is drawn
    with pytest.raises(ValueError, match="a prompt of 6 examples needs as many labelled items, not 5"):
        chosen(classes, 2, 6, False, 0)


def test_words_are_told_apart_by_the_first_token_in_which_they_differ():
    assert answer_tokens(Letters(), ["good", "great"], "m") == ((32, 103), (111, 114))
    assert answer_tokens(Letters(), ["yes", "no"], "m") == ((32,), (121, 110))
    for words in (["no", "none"], ["bad", "bag", "car"]):
        with pytest.raises(FieldError, match="one token does not tell the class words"):
            answer_tokens(Letters(), words, "m")


def test_a_template_has_one_place_for_the_text():
    base = ModelFolder.find("made:decoder-1x16")
    check_prompts(base, "R: {text} S:", ("no", "yes"))
    for template in ("R: S:", "{text} {text}", "R: {text}\nS:"):
        with pytest.raises(FieldError, match="write one line with") as error:
            check_prompts(base, template, ("no", "yes"))
        assert error.value.field == "template"
    assert written("R: {text} S:", "it is", "yes") == "R: it is S: yes\n"
    assert written("R: {text} S:", "{text}") == "R: {text} S:"
    assert cut_to_words(" a\nb  c", 2) == ("a b", True)
    assert cut_to_words("a b", 2) == ("a b", False)


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.integers(2, 4))
def test_without_its_bias_a_batch_leans_to_no_class(seed, count):
    values = np.random.default_rng(seed).dirichlet(np.ones(count), size=20)
    np.testing.assert_allclose(without_bias(values, np.full(count, 0.3)), values, atol=1e-12)
    found = without_bias(values, geometric_mean(values))
    np.testing.assert_allclose(found.sum(axis=1), 1.0)
    odds = np.log(found / found[:, :1]).mean(axis=0)  # mean log-odds of every class against the first
    np.testing.assert_allclose(odds, 0.0, atol=1e-9)
    bias = values[0]
    expected = np.array([[p / b for p, b in zip(row, bias, strict=True)] for row in values])
    np.testing.assert_allclose(without_bias(values, bias), expected / expected.sum(axis=1, keepdims=True), rtol=1e-9)


def own_task(folder: Path) -> TaskData:
    """Texts of letters, two classes with names."""
    rng = np.random.default_rng(0)
    lines = ["text,label"]
    lines += [f"{''.join(rng.choice(list('abcdef'), size=5))} {k},{('good', 'poor')[k % 2]}" for k in range(60)]
    (folder / "own.csv").write_text("\n".join(lines) + "\n")
    return TaskData.find("own.csv", folder)


def test_answers_are_those_of_the_written_prompt(tmp_path):
    task, store, base = own_task(tmp_path), Store(tmp_path / "store"), ModelFolder.find("made:decoder-2x32")
    drawn = {"task": task, "columns": COLUMNS, "sizes": SIZES, "balance": True, "seed": 3}
    own, true = items(**drawn), truth(**drawn)
    labels = truth_labels(items=own, truth=true, part="transfer", classes=2)
    given = {"base": base, "items": own, "part": "transfer", "balanced": True, "template": "R: {text} S:", "max_words": 1}
    words = ("good", "poor")
    call = few_shot(labels=labels, shots=3, seed=5, words=words, **given)
    folder = store.ensure(call)
    account = json.loads((folder / "few_shot.json").read_text())
    table = read_table(store.get(own), "items")
    texts = dict(zip(table["item_id"].to_pylist(), table["text"].to_pylist(), strict=True))
    shown = "".join(
        f"R: {texts[name].split()[0]} S: {words[k]}\n" for name, k in zip(account["shown"], account["classes"], strict=True)
    )
    known = probabilities(join(account["shown"], read_table(store.get(labels), "labels"))).argmax(axis=1)
    assert known.tolist() == account["classes"]
    assert abs(sum(account["classes"]) - 1.5) == 0.5  # balanced
    found = read_table(folder, "predictions")
    assert set(found["item_id"].to_pylist()) == {
        n for n, p in zip(texts, table["part"].to_pylist(), strict=True) if p == "test"
    }
    assert account["cut_items"] == account["items"] == 10
    from w2s.finetune.models.tokenizer import load_tokenizer

    module, tokenizer = causal_model(base, "a test"), load_tokenizer(base)
    ends = [tokenizer(letter, add_special_tokens=False)["input_ids"][-1] for letter in "gp"]
    for name, row in [
        *zip(found["item_id"].to_pylist(), probabilities(found), strict=True),
        (None, account["without_content"]),
    ]:
        text = WITHOUT_CONTENT if name is None else texts[name].split()[0]
        ids = tokenizer(f"{shown}R: {text} S: ", add_special_tokens=False)["input_ids"]
        with torch.inference_mode():
            expected = module(input_ids=torch.tensor([ids])).logits[0, -1, ends].double().softmax(dim=0).numpy()
        np.testing.assert_allclose(row, expected, atol=1e-6)
    again = Store(tmp_path / "again")
    np.testing.assert_array_equal(probabilities(read_table(again.ensure(call), "predictions")), probabilities(found))
    with pytest.raises(FieldError, match="has 256 positions, fewer than the"):
        store.ensure(few_shot(labels=labels, shots=12, seed=5, words=words, **{**given, "template": "R: {text}" + 20 * "-"}))
