"""Kinds of models: what is refused before anything runs, how wide the states are, and that all that LoRA adapts is learned."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

import torch
import transformers
from tiny_models import CAUSAL, ENCODERS, WORDS, letter_rows, letters, tiny

import w2s
from sweeper import launch
from sweeper.errors import GridError
from sweeper.grid.read import load_grid
from w2s.artifacts import Store
from w2s.errors import FieldError
from w2s.files.cache import _stored
from w2s.files.datafile import DataFileError
from w2s.finetune.data.tokens import encode
from w2s.finetune.inference.encode import hidden_means
from w2s.finetune.models import check
from w2s.finetune.models.build import Shape, build, reload, save
from w2s.finetune.models.check import check_causal, check_lora, check_model, layer_width
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.small_pass import unused_linears
from w2s.finetune.models.tokenizer import load_tokenizer

KINDS = [*ENCODERS, *CAUSAL]
POOLED = ("bert", "roberta", "mpnet", "longformer", "albert", "mobilebert")


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        _stored.cache_clear()
        yield
        _stored.cache_clear()


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Every kind, made when it is asked for."""
    folder = tmp_path_factory.mktemp("models")

    def make(kind: str) -> Path:
        return folder / kind if (folder / kind).is_dir() else tiny(folder / kind, kind)

    return make


def batch():
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    return ids, torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def states(base: ModelFolder) -> list[int]:
    """Widths of the states, from a model of transformers that is loaded and cut by nobody."""
    model = transformers.AutoModel.from_pretrained(base.path).eval()
    with torch.no_grad():
        return [state.shape[-1] for state in model(*batch()[:1], output_hidden_states=True).hidden_states]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_taken_with_the_width_of_its_states(models, kind):
    base = ModelFolder.find(str(models(kind)))
    check_model(base)
    widths = states(base)
    assert len(widths) == 4
    assert [layer_width(base, layer) for layer in range(4)] == widths
    with pytest.raises(FieldError, match=r"has layers 0\.\.3, not 4"):
        layer_width(base, 4)
    assert (kind == "opt") == (len(set(widths)) > 1)  # the one that projects its output
    module = build(base, Shape(3, head_init="normal"), seed=0)
    assert module(*batch()).shape == (2, 3)
    assert module.head.in_features == widths[-1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_can_be_cut_to_its_first_layers(models, kind):
    base = ModelFolder.find(f"{models(kind)}:2")
    if kind == "xlm":  # a layer is in pieces, in several lists
        with pytest.raises(FieldError, match="cannot be cut to 2 layers"):
            check_model(base)
        return
    check_model(base)
    module = build(base, Shape(2, tuning="head_only"), seed=0)
    with torch.no_grad():
        cut = module.backbone(batch()[0], output_hidden_states=True).hidden_states
        whole = transformers.AutoModel.from_pretrained(models(kind)).eval()(batch()[0], output_hidden_states=True).hidden_states
    assert len(cut) == 3
    assert torch.allclose(cut[1], whole[1], atol=1e-6)
    with pytest.raises(FieldError, match="has 3 layers, not 9"):
        check_model(ModelFolder.find(f"{models(kind)}:9"))


def adapters(base, adapted):
    """LoRA's weights by name, after a step back from the output."""
    module = build(base, Shape(2, tuning="lora", head_init="normal", lora_rank=2, adapted=adapted), seed=0)
    found = {name: weight for name, weight in module.named_parameters() if "lora_" in name}
    with torch.no_grad():
        for name, weight in found.items():
            if "lora_B" in name:
                weight.normal_(std=0.1)  # they begin at zero, which gives the others no gradient
    module(*batch()).square().sum().backward()
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_all_that_lora_adapts_is_learned(models, kind):
    base = ModelFolder.find(str(models(kind)))
    used, whole = adapters(base, "used"), adapters(base, "all")
    assert used
    assert not [name for name, weight in used.items() if weight.grad is None or not weight.grad.abs().sum() > 0]
    assert {name for name, weight in whole.items() if weight.grad is not None} == set(used)
    assert (len(whole) > len(used)) == (kind in POOLED)


def test_lora_leaves_out_the_pooler_alone(models, tmp_path):
    base = ModelFolder.find(str(models("bert")))
    shapes = {name: Shape(2, tuning="lora", lora_rank=2, head_init="normal", adapted=name) for name in ("all", "used")}
    modules = {name: build(base, shape, seed=3) for name, shape in shapes.items()}
    trained = {name: {key: w for key, w in m.named_parameters() if w.requires_grad} for name, m in modules.items()}
    left_out = set(trained["all"]) - set(trained["used"])
    assert len(left_out) == 2
    assert all(".pooler.dense.lora_" in key for key in left_out)
    assert all(torch.equal(trained["all"][key], weight) for key, weight in trained["used"].items())
    with torch.no_grad():
        assert torch.equal(modules["all"](*batch()), modules["used"](*batch()))
    for name, module in modules.items():  # a model of before there was a choice is built as it was
        (tmp_path / name).mkdir()
        save(tmp_path / name, module, base, shapes[name])
        again = reload(tmp_path / name, base)
        assert {key for key, w in again.named_parameters() if w.requires_grad} == set(trained[name])
    assert unused_linears(transformers.AutoModel.from_pretrained(base.path)) == ["pooler.dense"]


# ---------------------------------------------------------------- refused in one line

PLAIN = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
IMAGE = {**PLAIN, "image_size": 16, "patch_size": 8}
PARTS = {
    **{"vocab_size": 31, "d_model": 16, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32, "encoder_layers": 2, "decoder_layers": 2},
    **{"encoder_attention_heads": 2, "decoder_attention_heads": 2, "eos_token_id": 3, "pad_token_id": 0},
}
SOUND = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2}
TWO = "has an encoder and a decoder"
STRANGERS = {
    "t5": ({"vocab_size": 31, "d_model": 16, "d_kv": 8, "d_ff": 32, "num_layers": 2, "num_heads": 2}, TWO),
    "bart": ({**PARTS, "max_position_embeddings": 64}, TWO),
    "whisper": ({**PARTS, "num_mel_bins": 8, "decoder_start_token_id": 2}, TWO),
    "vit": (IMAGE, "takes no texts"),
    "wav2vec2": ({**PLAIN, **SOUND, "conv_dim": (8,), "conv_stride": (5,), "conv_kernel": (10,)}, "takes no texts"),
    "fnet": ({"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32, "vocab_size": 31}, "takes no attention mask"),
    "clip": ({"text_config": {**PLAIN, "vocab_size": 31}, "vision_config": IMAGE}, "reads images too"),
}


@pytest.mark.parametrize("cut", ["", ":1"])
@pytest.mark.parametrize("kind", STRANGERS)
def test_models_of_other_things_are_refused(kind, cut, tmp_path):
    settings, complaint = STRANGERS[kind]
    transformers.AutoModel.from_config(transformers.AutoConfig.for_model(kind, **settings)).save_pretrained(tmp_path)
    letters(tmp_path)
    with pytest.raises(FieldError, match=complaint) as told:
        check_model(ModelFolder.find(f"{tmp_path}{cut}"))
    assert len(str(told.value).splitlines()) == 1


def changed(source: Path, place: Path, **settings: object) -> Path:
    """A copy of a model with other settings in its configuration."""
    shutil.copytree(source, place)
    config = json.loads((place / "config.json").read_text()) | settings
    (place / "config.json").write_text(json.dumps(config))
    return place


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "is quantised"),
        (
            {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}},
            "needs code that comes with it, which is never run",
        ),
        ({"model_type": "mine"}, "does not know its kind 'mine'"),
        ({"num_hidden_layers": 5}, "lack 32 weights"),
        ({"hidden_size": 32}, "cannot be loaded"),
        ({"vocab_size": 20}, "its tokenizer has ids up to 30, its embedding only 20 rows"),
    ],
)
def test_what_does_not_fit_is_refused(models, tmp_path, settings, complaint):
    with pytest.raises(FieldError, match=complaint) as told:
        check_model(ModelFolder.find(str(changed(models("bert"), tmp_path / "bert", **settings))))
    assert len(str(told.value).splitlines()) == 1


def test_code_of_a_known_kind_is_left_where_it_is(models, tmp_path):
    place = changed(models("bert"), tmp_path / "bert", auto_map={"AutoModel": "mine.Model"})
    (place / "mine.py").write_text("raise RuntimeError('run')")
    check_model(ModelFolder.find(str(place)))


def test_an_embedding_may_have_more_rows_than_the_tokenizer_has_ids(tmp_path):
    tiny(tmp_path / "bert", "bert")
    letters(tmp_path / "bert", WORDS[:-6])
    base = ModelFolder.find(str(tmp_path / "bert"))
    check_model(base)
    assert max(load_tokenizer(base).get_vocab().values()) == len(WORDS) - 7


def test_a_tokenizer_without_padding_pads_with_a_token_that_is_masked(models, tmp_path):
    import tokenizers

    place = shutil.copytree(models("llama"), tmp_path / "llama")
    for path in [*place.glob("tokenizer*"), *place.glob("vocab*")]:
        path.unlink()
    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner).save_pretrained(place)
    base = ModelFolder.find(str(place))
    check_model(base)
    texts = encode(load_tokenizer(base), ["a b c d", "e"], [None, None], 64)
    module = build(base, Shape(2, head_init="normal"), seed=0)
    with torch.no_grad():
        together, alone = module(*texts.batch([0, 1]))[1], module(*texts.batch([1]))[0]
    assert together.tolist() == pytest.approx(alone.tolist(), abs=1e-6)


def test_a_model_without_a_limit_of_positions_takes_texts_of_any_length(models):
    base = ModelFolder.find(str(models("bloom")))
    tokenizer = load_tokenizer(base)
    tokenizer.model_max_length = 10**30
    texts = encode(tokenizer, ["a " * 500], [None], 400)
    assert (texts.lengths.tolist(), texts.cut) == ([400], 1)


@pytest.mark.parametrize("kind", ["roberta", "mpnet", "longformer", "gpt2", "bert"])
def test_the_longest_text_fits_the_positions(models, kind):
    base = ModelFolder.find(str(models(kind)))
    texts = encode(load_tokenizer(base), ["a " * 500], [None], 400)
    assert texts.lengths.tolist() == [64]
    with torch.no_grad():
        assert build(base, Shape(2), seed=0)(*texts.batch([0])).isfinite().all()


def test_a_folder_of_sentence_transformers(models, tmp_path):
    whole = shutil.copytree(models("bert"), tmp_path / "whole")
    (whole / "modules.json").write_text("[]")
    (whole / "1_Pooling").mkdir()
    (whole / "1_Pooling" / "config.json").write_text("{}")
    base = ModelFolder.find(str(whole))
    check_model(base)
    assert base == ModelFolder.find(str(models("bert")))
    apart = tmp_path / "apart"
    shutil.copytree(models("bert"), apart / "0_Transformer")
    (apart / "modules.json").write_text("[]")
    with pytest.raises(DataFileError, match=r"whose model is in .*0_Transformer: name that"):
        ModelFolder.find(str(apart))


def test_only_causal_models_take_part_where_one_is_needed(models):
    check_causal(ModelFolder.find(str(models("gpt2"))), "a test")
    with pytest.raises(FieldError, match="is no causal language model; a test needs one"):
        check_causal(ModelFolder.find(str(models("bert"))), "a test")


def test_a_large_model_is_not_loaded_to_be_tried(models, monkeypatch):
    base = ModelFolder.find(str(models("longformer")))
    monkeypatch.setattr(check, "_LARGE", 10)
    load, told = check.pretrained, []
    monkeypatch.setattr(check, "pretrained", lambda *given, **how: (told.append(how), load(*given, **how))[1])
    assert check._widths(base) == (16, 16, 16, 16)
    assert told == [{"without_weights": True}]


def test_what_a_pass_told_is_kept(models, monkeypatch):
    base = ModelFolder.find(str(models("electra")))
    check_model(base)
    _stored.cache_clear()
    check._state_widths.cache_clear()
    monkeypatch.setattr(check, "_tried", lambda base: pytest.fail("tried again"))
    check_model(base)


# ---------------------------------------------------------------- in grids

GRID = """study: {study}
fixed:
  task: mine.csv
  weak_model: bert:1
  student_model: {model}
  n_labeled: 24
  n_transfer: 24
  n_test: 30
{more}
"""
TEXT = "  epochs: 1\n  batch: 8"


@pytest.fixture(scope="module")
def place(tmp_path_factory, models):
    folder = tmp_path_factory.mktemp("grids")
    pd.DataFrame(letter_rows(120, 1)).to_csv(folder / "mine.csv", index=False)
    for kind in ("bert", "opt", "t5"):
        if kind in STRANGERS:
            config = transformers.AutoConfig.for_model(kind, **STRANGERS[kind][0])
            transformers.AutoModel.from_config(config).save_pretrained(folder / kind)
            letters(folder / kind)
        else:
            shutil.copytree(models(kind), folder / kind)
    return folder


def grid(place, name, **given):
    (place / f"{name}.yaml").write_text(GRID.format(**{"study": "burns2023.text", "model": "bert", "more": TEXT} | given))
    return place / f"{name}.yaml"


@pytest.mark.parametrize("study", ["burns2023.text", "burns2023.probes"])
@pytest.mark.parametrize("model", ["t5", "t5:1"])
def test_a_grid_with_an_encoder_decoder_is_refused_at_its_line(place, study, model):
    with pytest.raises(GridError, match="has an encoder and a decoder") as told:
        load_grid(grid(place, "refused", study=study, model=model, more="" if study.endswith("probes") else TEXT))
    assert told.value.line == 5


def test_dpo_needs_a_causal_student_before_anything_runs(place, monkeypatch):
    from tiny_models import reply_task

    monkeypatch.setenv("W2S_DATA", str(reply_task(place / "data", train=100, test=60)))
    path = grid(place, "dpo", more=f"{TEXT}\n  method: dpo")
    path.write_text(path.read_text().replace("mine.csv", "hh_harmless"))
    with pytest.raises(GridError, match=r"model bert is no causal language model; method 'dpo' needs one"):
        load_grid(path)


def test_models_that_lora_cannot_adapt_are_refused_where_it_is_asked_for(place):
    settings = {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4, "vocab_size": 31, "pad_token_id": 0}
    transformers.AutoModel.from_config(transformers.AutoConfig.for_model("mamba", **settings)).save_pretrained(place / "mamba")
    letters(place / "mamba")
    load_grid(grid(place, "full", model="mamba"))
    with pytest.raises(GridError, match=r"model mamba cannot be adapted by LoRA: .*Mamba") as told:
        load_grid(grid(place, "lora", model="mamba", more=f"{TEXT}\n  tuning: lora"))
    assert told.value.line == 5
    load_grid(grid(place, "both", model="opt", more=f"{TEXT}\n  tuning: lora"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_adapted_by_lora(models, kind):
    check_lora(ModelFolder.find(str(models(kind))))


@pytest.mark.parametrize(("error", "fits"), [(NotImplementedError, True), (RuntimeError, True), (ValueError, False)])
def test_an_error_without_weights_counts_where_it_comes_with_them_too(models, monkeypatch, error, fits):
    """Only those that the meta device raises are asked about again."""
    base, asked = ModelFolder.find(str(models("distilbert"))), []

    def adapt(model, *_given):
        asked.append(next(model.parameters()).device.type)
        if asked[-1] == "meta" or not fits:
            raise error("\nno such step")

    monkeypatch.setattr(check, "tuned", adapt)
    with (
        contextlib.nullcontext() if fits else pytest.raises(FieldError, match=r"distilbert cannot be adapted by LoRA: no such")
    ):
        check._adapted(base)
    assert asked == (["meta", "cpu"] if fits else ["meta"])


def test_an_error_with_weights_is_told(models, monkeypatch):
    def adapt(*_given):
        raise RuntimeError

    monkeypatch.setattr(check, "tuned", adapt)
    with pytest.raises(FieldError, match=r"cannot be adapted by LoRA: RuntimeError$"):
        check._adapted(ModelFolder.find(str(models("bert"))))


def test_a_projected_model_is_a_student(place):
    outcome = launch(grid(place, "text", model="opt"), executor="inline", out=place / "text")
    assert outcome.exit == 0
    rows = w2s.load(outcome.run)
    assert rows["status"].tolist() == ["ok"]
    assert np.isfinite(rows["student_error"]).all()


@pytest.mark.parametrize(("layer", "width"), [("null", 8), ("3", 8), ("2", 16), ("0", 16)])
def test_probes_have_the_width_of_their_layer(place, layer, width):
    more = f"  student_layer: {layer}\n  weak_layer: 1"
    outcome = launch(
        grid(place, "probes", study="burns2023.probes", model="opt", more=more),
        executor="inline",
        out=place / f"probes-{layer}",
    )
    assert outcome.exit == 0
    assert w2s.load(outcome.run)["student_width"].tolist() == [width]


def test_coordinates_that_a_projected_layer_has_not_are_refused(place):
    path = grid(place, "dims", study="burns2023.probes", model="opt", more="  student_dims: 12")
    with pytest.raises(GridError, match="has 8 features, not 12, after layer 3"):
        load_grid(path)
    load_grid(grid(place, "dims", study="burns2023.probes", model="opt", more="  student_layer: 2\n  student_dims: 12"))


def test_texts_encoded_by_a_projected_model_are_followed_by_zeros(models):
    found = hidden_means(ModelFolder.find(str(models("opt"))), ["a b c", "d"])
    assert found.shape == (4, 2, 16)
    assert (found[-1, :, 8:] == 0).all()
    assert (found[-1, :, :8] != 0).all()
    assert (found[:3] != 0).all()


def test_lora_students_have_a_key_of_their_own_and_others_keep_theirs(place):
    from w2s.studies.registry import find_study

    def shapes(tuning):
        read = load_grid(grid(place, "lora", more=f"{TEXT}\n  tuning: {tuning}"))
        study = find_study(read.study.name)(Store(place / "store"))
        calls = study.needs(read.parts[0].block)
        return [call.arguments["shape"] for call in calls if call.artifact.name == "w2s.train"]

    assert all(shape["adapted"] == "used" for shape in shapes("lora"))
    assert all("adapted" not in shape for shape in shapes("full"))


def test_a_row_says_that_every_text_was_cut(place):
    more = "  max_length: 4\n  weak_layer: 1\n  student_layer: 2"
    path = grid(place, "cut", study="burns2023.probes", more=more)
    outcome = launch(path, executor="inline", out=place / "cut")
    assert "every text was cut" in w2s.load(outcome.run)["message"].iloc[0]
    outcome = launch(grid(place, "cut-text", more=f"{TEXT}\n  max_length: 4"), executor="inline", out=place / "cut-text")
    assert "every text was cut" in w2s.load(outcome.run)["message"].iloc[0]
