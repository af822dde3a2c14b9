"""Generation through vLLM, with a stand-in that has the part of its interface that is used: what it is asked, what is kept."""

from __future__ import annotations

import importlib.util
import sys
from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
transformers = pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from tiny_models import letter_task, tiny_causal  # noqa: E402

from w2s.artifacts import Store  # noqa: E402
from w2s.errors import FieldError  # noqa: E402
from w2s.finetune.data.items import items  # noqa: E402
from w2s.finetune.data.tables import read_table  # noqa: E402
from w2s.finetune.data.tasks import TaskData  # noqa: E402
from w2s.finetune.inference import serve  # noqa: E402
from w2s.finetune.inference.generate import generate  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402

SIZES = {"labeled": 10, "transfer": 10, "validation": 0, "test": 20}
COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}
GREEDY = {"temperature": 0.0, "max_new_tokens": 6}


class StandIn:
    """What is used of vLLM: a model from a folder that writes the most probable tokens; the last one may come apart."""

    def __init__(self, apart):
        self.apart, self.asked = apart, []
        self.SimpleParameters = SimpleNamespace
        self.LLM, self.SamplingParams = self.load, self.parameters

    def parameters(self, *, temperature, top_k, top_p, max_tokens, seed, stop_token_ids, detokenize):
        assert temperature == 0.0
        assert (top_k, top_p, detokenize) == (0, 1.0, False)
        assert 0 <= seed < 2**63
        return SimpleNamespace(max_tokens=max_tokens, stop=stop_token_ids, seed=seed)

    def load(self, *, model, skip_tokenizer_init, trust_remote_code, dtype, max_model_len, seed):
        assert skip_tokenizer_init
        assert not trust_remote_code
        assert dtype == "float32"
        assert max_model_len == 16 + 6
        self.model = transformers.AutoModelForCausalLM.from_pretrained(model).eval()
        return self

    def generate(self, prompts, parameters, *, use_tqdm):
        self.asked = [asked.seed for asked in parameters]
        return [self.answer(prompt["prompt_token_ids"], asked) for prompt, asked in zip(prompts, parameters, strict=True)]

    def answer(self, ids, asked):
        found = []
        with torch.no_grad():
            while len(found) < asked.max_tokens and not (found and found[-1] in asked.stop):
                found.append(int(self.model(torch.tensor([[*ids, *found]])).logits[0, -1].argmax()))
        ended = found[-1] in asked.stop
        reason = found[-1] if ended else None
        tokens = found[:-1] if ended and self.apart else found
        out = SimpleNamespace(token_ids=tokens, finish_reason="stop" if ended else "length", stop_reason=reason)
        return SimpleNamespace(outputs=[out])


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    folder = tmp_path_factory.mktemp("served")
    base = ModelFolder.find(str(tiny_causal(folder / "llama", kind="llama")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2S_DATA", str(letter_task(folder, train=80, test=60)))
        task = TaskData.find("sentence_polarity")
    drawn = items(task=task, columns=COLUMNS, sizes=SIZES, balance=True, seed=0)
    return Store(folder / "store"), {"base": base, "items": drawn, "parts": ("test",), "seed": 5, "max_length": 16}


@pytest.mark.parametrize("apart", [False, True])
def test_it_writes_what_transformers_writes(given, monkeypatch, apart):
    store, asked = given
    plain = read_table(store.ensure(generate(sampling=GREEDY, **asked)), "generations")
    stand_in = StandIn(apart)
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    monkeypatch.setattr(serve, "check_serving", lambda: None)
    monkeypatch.setattr("w2s.finetune.inference.generate.check_serving", lambda: None)
    samples = 2 + apart  # another artifact for each of the two stand-ins
    call = generate(sampling=GREEDY, engine="vllm", samples=samples, **asked)
    found = read_table(store.ensure(call), "generations")
    for column in ("item_id", "text", "tokens", "ended"):
        assert found[column].to_pylist()[::samples] == plain[column].to_pylist()
    assert len(set(stand_in.asked)) == samples * 20


def test_the_way_is_part_of_what_names_the_texts(given):
    _, asked = given
    usual = generate(sampling=GREEDY, **asked)
    assert generate(sampling=GREEDY, engine="transformers", **asked).key == usual.key
    assert generate(sampling=GREEDY, engine="vllm", **asked).key != usual.key


@pytest.mark.skipif(importlib.util.find_spec("vllm") is not None, reason="vLLM is installed")
def test_without_it_the_error_says_what_to_install():
    with pytest.raises(FieldError, match=r"pip install 'w2s-sweep\[serve\]'"):
        serve.check_serving()


def test_a_model_that_is_not_merged_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace())
    with pytest.raises(FieldError, match="LoRA over int8 weights is not merged"):
        serve.served(SimpleNamespace(merge_and_unload=None), [], None, 0, (), 1, tmp_path)
