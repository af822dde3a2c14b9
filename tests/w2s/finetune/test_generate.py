"""Generation: a batch is what its prompts are alone, the cache changes nothing, draws follow the probabilities asked for."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import WORDS, letter_task, reply_task, tiny_bert, tiny_causal

from w2s.artifacts import Store
from w2s.errors import FieldError
from w2s.finetune.data.items import items
from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.inference.sampling import Sampling, choose, draws

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from w2s.finetune.inference import generate as module  # noqa: E402
from w2s.finetune.inference.generate import Prompt, continuations, generate  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.pretrained import causal_model  # noqa: E402

SIZES = {"labeled": 10, "transfer": 10, "validation": 0, "test": 20}
COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}
END = 3
KINDS = {
    "greedy": Sampling(temperature=0.0, max_new_tokens=8),
    "plain": Sampling(max_new_tokens=8),
    "top_k": Sampling(temperature=0.7, top_k=5, max_new_tokens=8),
    "top_p": Sampling(temperature=1.3, top_p=0.6, max_new_tokens=8),
}


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def base(request, tmp_path_factory):
    return ModelFolder.find(str(tiny_causal(tmp_path_factory.mktemp("causal"), kind=request.param)))


@pytest.fixture(scope="module")
def model(base):
    return causal_model(base, "a test")


def prompts(count=14):
    rng = np.random.default_rng(0)
    return [Prompt(f"item-{k}", k % 2, tuple(rng.integers(5, 31, size=rng.integers(1, 40)).tolist())) for k in range(count)]


def written(model, given, sampling, seed=0, ends=(END,)):
    found = {}
    for places, tokens in continuations(model, given, sampling, seed, ends, padding=0):
        found |= dict(zip(places, tokens, strict=True))
    return [found[k] for k in range(len(given))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_what_its_prompts_are_alone(model, kind):
    together = written(model, prompts(), KINDS[kind])
    assert [written(model, [prompt], KINDS[kind])[0] for prompt in prompts()] == together
    assert written(model, prompts()[::-1], KINDS[kind])[::-1] == together


def test_the_logits_of_a_row_have_the_same_bits_whatever_is_beside_it(model, monkeypatch):
    seen = {}

    def noted(logits, uniform, sampling):
        seen.setdefault(round(uniform, 12), []).append(logits.tobytes())
        return choose(logits, uniform, sampling)

    monkeypatch.setattr(module, "choose", noted)
    given = prompts(10)
    written(model, given, KINDS["plain"])
    for prompt in given:
        written(model, [prompt], KINDS["plain"])
    assert len(seen) > 60
    assert all(len(bits) == 2 and bits[0] == bits[1] for bits in seen.values())


@pytest.mark.parametrize("kind", KINDS)
def test_the_cache_and_the_padding_change_nothing(model, kind):
    sampling = KINDS[kind]
    for prompt, found in zip(prompts(5), written(model, prompts(5), sampling), strict=True):
        tokens, chances = list(prompt.tokens), draws(prompt.name, prompt.sample, 0, sampling.max_new_tokens)
        for chance in chances:
            with torch.no_grad():
                logits = model(input_ids=torch.tensor([tokens])).logits[0, -1].numpy()
            tokens.append(choose(logits, chance, sampling))
            if tokens[-1] == END:
                break
        assert tokens[len(prompt.tokens) :] == found


def test_item_sample_and_seed_decide_and_a_longer_limit_only_adds(model):
    given = [Prompt(name, sample, (5, 6, 7)) for name in "ab" for sample in (0, 1)]
    sampling = Sampling(max_new_tokens=20)
    found = written(model, given, sampling, ends=())
    assert len({tuple(tokens) for tokens in [*found, *written(model, given, sampling, seed=1, ends=())]}) == 8
    assert written(model, given, Sampling(max_new_tokens=7), ends=()) == [tokens[:7] for tokens in found]
    assert {len(tokens) for tokens in found} == {20}


def test_a_text_ends_with_its_end(model):
    found = written(model, prompts(), Sampling(max_new_tokens=30))
    assert any(len(tokens) < 30 for tokens in found)
    for tokens in found:
        assert END not in tokens[:-1]
        assert len(tokens) == 30 or tokens[-1] == END


def test_draws_have_the_frequencies_of_the_softmax():
    logits = np.array([1.0, -0.5, 2.0, 0.3], dtype=np.float32)
    chances = draws("x", 0, 0, 10_000)
    for sampling in (Sampling(), Sampling(temperature=0.5), Sampling(top_k=3), Sampling(top_p=0.999)):
        values = np.exp(logits.astype(np.float64) / sampling.temperature)
        values[logits < np.sort(logits)[-(sampling.top_k or 4)]] = 0.0
        expected = values / values.sum()
        counts = np.bincount([choose(logits, chance, sampling) for chance in chances], minlength=4)
        noise = np.sqrt(expected * (1 - expected) / len(chances)) + 1e-12
        assert (np.abs(counts / len(chances) - expected) / noise).max() < 4.0


@pytest.mark.parametrize("share", [0.05, 0.3, 0.62, 0.9, 1.0])
@pytest.mark.parametrize("count", [None, 1, 4])
def test_the_tokens_left_are_those_of_transformers(share, count):
    from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

    logits = torch.randn(1, 30, generator=torch.Generator().manual_seed(3))
    left = TopKLogitsWarper(count)(None, logits) if count else logits
    left = TopPLogitsWarper(share)(None, left) if share < 1 else left
    sampling = Sampling(top_k=count, top_p=share)
    found = {choose(logits[0].numpy(), chance, sampling) for chance in np.linspace(1e-6, 1 - 1e-6, 3000)}
    assert found == set(left[0].isfinite().nonzero()[:, 0].tolist())


def test_the_first_of_equal_logits_is_taken():
    assert choose(np.array([0.0, 2.0, 2.0]), 0.9, Sampling(temperature=0.0)) == 1
    assert choose(np.array([0.0, 2.0, 2.0]), 0.9, Sampling(top_k=1)) == 1


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"temperature": -1.0}, "temperature -1.0 is not a number from 0 on"),
        ({"top_k": 0}, "top_k 0 is not a whole number from 1 on, or none"),
        ({"top_p": 0.0}, "top_p 0.0 is not a number above 0 and up to 1"),
        ({"max_new_tokens": 0}, "max_new_tokens 0 is not a whole number from 1 on"),
        ({"top_q": 0.5}, "no 'top_q' (did you mean 'top_p'?)"),
    ],
)
def test_settings_that_cannot_be_are_refused(given, complaint):
    with pytest.raises(FieldError) as error:
        Sampling.of(given)
    assert complaint in str(error.value)


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(letter_task(tmp_path / "data", train=60, test=40)))
    return items(task=TaskData.find("sentence_polarity"), columns=COLUMNS, sizes=SIZES, balance=True, seed=0)


def call(base, drawn, **changed):
    given = {"sampling": {"max_new_tokens": 6}, "seed": 4, "samples": 2, "max_length": 7, "parts": ("test",)}
    return generate(**{"base": base, "items": drawn, **given, **changed})


def test_texts_by_item_id(base, drawn, tmp_path):
    store = Store(tmp_path / "store")
    folder = store.ensure(call(base, drawn))
    table, source = read_table(folder, "generations"), read_table(store.get(drawn), "items")
    ids = [name for name, part in zip(*(source[c].to_pylist() for c in ("item_id", "part")), strict=True) if part == "test"]
    assert table["item_id"].to_pylist() == [name for name in ids for _ in range(2)]
    assert table["sample"].to_pylist() == [0, 1] * 20
    words = dict(enumerate(WORDS))
    for text, tokens, ended in zip(*(table[c].to_pylist() for c in ("text", "tokens", "ended")), strict=True):
        assert text.split() == [words[t] for t in tokens if t not in (0, 1, 3)]
        assert ended == (tokens[-1] == END)
    account = json.loads((folder / "generations.json").read_text())
    lengths = [
        len(text.split())
        for text, part in zip(*(source[c].to_pylist() for c in ("text", "part")), strict=True)
        if part == "test"
    ]
    assert account["cut_prompts"] == sum(length > 7 for length in lengths) > 0
    assert account["new_tokens"] == sum(map(len, table["tokens"].to_pylist()))


def test_a_killed_generation_resumes_with_the_same_texts(base, drawn, tmp_path, monkeypatch):
    whole = read_table(Store(tmp_path / "whole").ensure(call(base, drawn)), "generations")
    store, made, batch = Store(tmp_path / "store"), [], module._batch

    def counted(model, rows, *given):
        made.append([(row.name, row.sample) for row in rows])
        if len(made) == 3:
            raise KeyboardInterrupt
        return batch(model, rows, *given)

    monkeypatch.setattr(module, "_batch", counted)
    with pytest.raises(KeyboardInterrupt):
        store.ensure(call(base, drawn))
    assert not store.has(call(base, drawn))
    (line,) = list((tmp_path / "store" / "scratch").rglob("continuations.jsonl"))
    with line.open("a") as stream:
        stream.write("[[0, [1, ")  # a line that a kill cut short
    found = read_table(store.ensure(call(base, drawn)), "generations")
    assert found.equals(whole)
    assert made[3] == made[2]  # it resumed with the batch that was lost
    assert len(made) == 3 + 5 - 2


def test_the_example_of_the_manual_runs(tmp_path, monkeypatch):
    manual = (Path(__file__).parents[3] / "docs" / "language_models.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", manual, flags=re.DOTALL)
    place = tiny_causal(tmp_path / "model")
    monkeypatch.setenv("W2S_DATA", str(reply_task(tmp_path / "data", train=60, test=40)))
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(code.replace('"smollm2-135m"', repr(str(place))), found)
    assert found["table"].num_rows == 20
    assert set(found["table"].column_names) == {"item_id", "sample", "text", "tokens", "ended"}


def test_what_cannot_write_is_refused(base, drawn, tmp_path):
    store = Store(tmp_path / "store")
    bert = ModelFolder.find(str(tiny_bert(tmp_path / "bert")))
    with pytest.raises(FieldError, match="is no causal language model; generation needs one"):
        store.ensure(call(bert, drawn))
    with pytest.raises(FieldError, match="has 128 positions, fewer than max_length 125 and 6 new tokens"):
        store.ensure(call(base, drawn, max_length=125))
