"""Models and token batches: a reload is the original to the last bit, padding and batching change nothing that matters."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import tiny_models

from w2s.errors import FieldError
from w2s.files.datafile import DataFileError

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
transformers = pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

import safetensors.torch  # noqa: E402

from w2s.finetune.data.tokens import encode, evaluation_batches, training_batches  # noqa: E402
from w2s.finetune.models.build import Shape, build, reload, save  # noqa: E402
from w2s.finetune.models.check import check_model  # noqa: E402
from w2s.finetune.models.classifier import last_token, pooled  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402

WORDS = [*tiny_models.WORDS, "yes", "no", "good", "bad", "film"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """A small random BERT with four layers, as a folder."""
    return tiny_models.tiny_bert(tmp_path_factory.mktemp("bert"), layers=4, words=WORDS)


@pytest.fixture(scope="module")
def gpt(tmp_path_factory, bert):
    """A small random causal model with the same words."""
    place = tmp_path_factory.mktemp("gpt")
    torch.manual_seed(0)
    config = transformers.GPT2Config(vocab_size=len(WORDS), n_embd=16, n_layer=3, n_head=2, n_positions=64)
    transformers.GPT2LMHeadModel(config).save_pretrained(place)
    transformers.BertTokenizerFast.from_pretrained(bert).save_pretrained(place)
    return place


def batch():
    ids = torch.tensor([[2, 5, 6, 7, 3], [2, 8, 3, 0, 0]])
    return ids, (ids != 0).long()


@pytest.mark.parametrize("tuning", ["full", "frozen_embeddings", "lora", "head_only"])
@pytest.mark.parametrize("name", ["bert", "gpt"])
def test_a_reload_is_the_original_to_the_last_bit(name, tuning, tmp_path, request):
    base = ModelFolder.find(str(request.getfixturevalue(name)))
    shape = Shape(3, tuning=tuning, head_init="normal", lora_rank=2)
    module = build(base, shape, seed=5)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.requires_grad:
                weight.add_(0.1 * torch.randn_like(weight))
    save(tmp_path, module, base, shape)
    again = reload(tmp_path, base)
    with torch.no_grad():
        assert torch.equal(module(*batch()), again(*batch()))
    assert {n for n, w in module.named_parameters() if w.requires_grad} == {
        n for n, w in again.named_parameters() if w.requires_grad
    }
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.json", "weights.safetensors"]


def test_what_is_trained(bert):
    base = ModelFolder.find(str(bert))
    count = {
        t: sum(w.numel() for w in build(base, Shape(2, tuning=t), 0).parameters() if w.requires_grad)
        for t in ("full", "frozen_embeddings", "lora", "head_only")
    }
    assert count["head_only"] == 16 * 2 + 2
    assert count["full"] - count["frozen_embeddings"] == 16 * len(WORDS)
    assert count["head_only"] < count["lora"] < count["frozen_embeddings"]


def test_the_seed_decides_new_weights_alone_and_leaves_the_generator_alone(bert):
    base = ModelFolder.find(str(bert))
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first, same, other = (build(base, Shape(2, head_init="normal"), seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first.head.weight, same.head.weight)
    assert not torch.equal(first.head.weight, other.head.weight)
    assert torch.equal(first.backbone.embeddings.word_embeddings.weight, other.backbone.embeddings.word_embeddings.weight)


def test_first_layers_are_a_smaller_model_with_an_identity_of_its_own(bert):
    whole, half = ModelFolder.find(str(bert)), ModelFolder.find(f"{bert}:2")
    assert whole.sha256 != half.sha256
    assert half.layers == 2
    full, cut = build(whole, Shape(2, head_init="normal"), 0), build(half, Shape(2, head_init="normal"), 0)
    hidden = full.backbone(*[batch()[0]], attention_mask=batch()[1], output_hidden_states=True).hidden_states[2]
    assert torch.equal(cut.backbone(batch()[0], attention_mask=batch()[1]).last_hidden_state, hidden)
    with pytest.raises(FieldError, match="has 4 layers, not 9"):
        build(ModelFolder.find(f"{bert}:9"), Shape(2), 0)


def test_padding_changes_nothing(bert, gpt):
    for place in (bert, gpt):
        module = build(ModelFolder.find(str(place)), Shape(2, head_init="normal"), 0)
        ids, mask = batch()
        with torch.no_grad():
            together, alone = module(ids, mask)[1], module(ids[1:, :3], mask[1:, :3])[0]
        assert together.tolist() == pytest.approx(alone.tolist(), abs=1e-6)


def test_the_last_token_is_found_by_the_mask():
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1], [0, 0, 1, 1]])
    assert last_token(mask).tolist() == [1, 3, 3]
    hidden = torch.arange(24.0).reshape(3, 4, 2)
    assert pooled(hidden, mask, "last").tolist() == [[2, 3], [14, 15], [22, 23]]
    assert pooled(hidden, mask, "cls").tolist() == [[0, 1], [8, 9], [20, 21]]
    assert pooled(hidden, mask, "mean")[0].tolist() == [1, 2]


def test_answer_tokens(gpt, bert):
    base = ModelFolder.find(str(gpt))
    module = build(base, Shape(2, head="lm_tokens", answers=("no", "yes")), 0)
    ids, mask = batch()
    with torch.no_grad():
        logits = module(ids, mask)
        full = module.backbone(input_ids=ids, attention_mask=mask).logits
    tokens = [WORDS.index("no"), WORDS.index("yes")]
    assert torch.equal(logits[0], full[0, 4, tokens])
    assert torch.equal(logits[1], full[1, 2, tokens])
    with pytest.raises(FieldError, match="different tokens"):
        build(base, Shape(2, head="lm_tokens", answers=("no", "no")), 0)
    with pytest.raises(FieldError, match="one answer word per class"):
        build(base, Shape(3, head="lm_tokens", answers=("no", "yes")), 0)
    with pytest.raises(FieldError, match="no causal language model"):
        build(ModelFolder.find(str(bert)), Shape(2, head="lm_tokens", answers=("no", "yes")), 0)


def test_pickled_weights_missing_folders_and_other_bases_are_refused(tmp_path, bert):
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"x")
    with pytest.raises(DataFileError, match="pickled weights are not read"):
        ModelFolder.find(str(tmp_path))
    with pytest.raises(DataFileError, match=r"no config\.json"):
        ModelFolder.find("nowhere", tmp_path)
    with pytest.raises(DataFileError, match="@REVISION"):
        ModelFolder.find("hub:bert-base-uncased")
    base = ModelFolder.find(str(bert))
    out = tmp_path / "out"
    out.mkdir()
    save(out, build(base, Shape(2), 0), base, Shape(2))
    content = json.loads((out / "model.json").read_text())
    assert content["sha256"] == base.sha256
    with pytest.raises(FieldError, match="which is not"):
        reload(out, ModelFolder.find(f"{bert}:2"))


def test_identity_follows_weights_and_not_the_folders_name(bert, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(bert, copy)
    assert ModelFolder.find(str(copy)) == ModelFolder.find(str(bert))
    module = transformers.BertModel.from_pretrained(copy)
    with torch.no_grad():
        module.embeddings.word_embeddings.weight[0, 0] += 1.0
    module.save_pretrained(copy)
    assert ModelFolder.find(str(copy)) != ModelFolder.find(str(bert))


@pytest.mark.parametrize("name", ["special_tokens_map.json", "added_tokens.json"])
def test_what_changes_token_ids_changes_the_identity(bert, tmp_path, name):
    copy = shutil.copytree(bert, tmp_path / "copy")
    (copy / name).write_text('{"unk_token": "good"}')
    assert ModelFolder.find(str(copy)) != ModelFolder.find(str(bert))


def test_damaged_and_incomplete_models_are_told(bert, tmp_path):
    copy = shutil.copytree(bert, tmp_path / "copy")
    base = ModelFolder.find(str(copy))
    check_model(base)
    with pytest.raises(FieldError, match="has 4 layers, not 9"):
        check_model(ModelFolder.find(f"{copy}:9"))
    whole = (copy / "model.safetensors").read_bytes()
    for content, complaint in ((whole[:-5], "is cut short"), (whole[:200], "or is damaged"), (b"", "or is damaged")):
        (copy / "model.safetensors").write_bytes(content)
        with pytest.raises(FieldError, match=complaint):
            check_model(base)
    tensors = safetensors.torch.load(whole)
    del tensors["encoder.layer.0.output.dense.weight"]
    safetensors.torch.save_file(tensors, copy / "model.safetensors", {"format": "pt"})
    with pytest.raises(FieldError, match=r"lack 1 weights, the first is .*encoder\.layer\.0\.output\.dense\.weight"):
        build(base, Shape(2), 0)
    for path in [*copy.glob("tokenizer*"), *copy.glob("vocab*")]:
        path.unlink()
    with pytest.raises(DataFileError, match="has no tokenizer"):
        ModelFolder.find(str(copy))


@pytest.mark.parametrize(
    ("name", "change", "positions"),
    [
        ("bert", {"max_position_embeddings": 20}, 20),
        ("bert", {"max_position_embeddings": 20, "model_type": "roberta"}, 19),
        ("gpt", {"n_positions": 12}, 12),
    ],
)
def test_texts_are_cut_at_the_positions_that_a_model_has(name, change, positions, tmp_path, request):
    copy = shutil.copytree(request.getfixturevalue(name), tmp_path / "copy")
    config = json.loads((copy / "config.json").read_text()) | change
    said = json.loads((copy / "tokenizer_config.json").read_text())
    said.pop("model_max_length")
    (copy / "tokenizer_config.json").write_text(json.dumps(said))
    (copy / "config.json").write_text(json.dumps(config))
    tokenizer = load_tokenizer(ModelFolder.find(str(copy)))
    found = encode(tokenizer, ["a " * 40, "a b"], [None] * 2, max_length=64)
    assert found.lengths.tolist() == [positions, 4]
    assert found.cut == 1


def test_a_tokenizer_with_more_tokens_than_the_embedding_is_refused(bert, tmp_path):
    copy = shutil.copytree(bert, tmp_path / "copy")
    tokenizer = transformers.BertTokenizerFast.from_pretrained(copy)
    tokenizer.add_tokens(["one", "more"])
    tokenizer.save_pretrained(copy)
    with pytest.raises(FieldError, match=f"ids up to {len(WORDS) + 1}, its embedding only {len(WORDS)} rows"):
        load_tokenizer(ModelFolder.find(str(copy)))


def test_encoding_cuts_and_counts(bert):
    tokenizer = load_tokenizer(ModelFolder.find(str(bert)))
    found = encode(tokenizer, ["a b c", "a " * 30, "good film", "a b c d e f"], [None] * 4, max_length=8)
    assert found.lengths.tolist() == [5, 8, 4, 8]
    assert found.cut == 1  # six letters with two marks fit exactly
    ids, mask = found.batch([0, 2])
    assert ids.shape == (2, 5)
    assert mask.sum(dim=1).tolist() == [5, 4]
    paired = encode(tokenizer, ["a b", "c"], ["d", None], max_length=8)
    assert paired.lengths.tolist() == [6, 4]


@pytest.mark.parametrize(("count", "batch_size"), [(1, 4), (100, 8), (1000, 32), (257, 16)])
def test_training_batches_cover_every_item_once(count, batch_size):
    lengths = np.random.default_rng(count).integers(3, 60, size=count)
    found = training_batches(lengths, batch_size, seed=1, epoch=0)
    assert sorted(np.concatenate(found).tolist()) == list(range(count))
    assert all(np.array_equal(a, b) for a, b in zip(found, training_batches(lengths, batch_size, seed=1, epoch=0), strict=True))
    if count >= 100:
        assert not np.array_equal(np.concatenate(found), np.concatenate(training_batches(lengths, batch_size, seed=1, epoch=1)))
    if count == 1000:
        padded = sum(len(b) * lengths[b].max() for b in found)
        unsorted = sum(b.size * b.max() for b in np.array_split(lengths, len(found)))
        assert padded < 0.75 * unsorted


def test_evaluation_batches_keep_under_their_size():
    lengths = np.random.default_rng(0).integers(1, 200, size=300)
    found = list(evaluation_batches(lengths, tokens=512))
    assert sorted(np.concatenate(found).tolist()) == list(range(300))
    assert all(len(rows) == 1 or len(rows) * lengths[rows].max() <= 512 for rows in found)
