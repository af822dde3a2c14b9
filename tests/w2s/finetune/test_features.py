"""Features: what the model's hidden states are, joined by item id, in a file with which a killed pass resumes."""

from __future__ import annotations

import json

import numpy as np
import pytest
from tiny_models import letter_task, tiny_bert

from w2s.artifacts import Store, Work
from w2s.errors import FieldError
from w2s.finetune.data.items import items
from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tasks import TaskData

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from safetensors.numpy import load_file  # noqa: E402

from w2s.finetune.inference import encode  # noqa: E402
from w2s.finetune.inference import hidden_states as module  # noqa: E402
from w2s.finetune.inference.hidden_states import features, read_features  # noqa: E402
from w2s.finetune.models.build import Shape, build  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402
from w2s.finetune.models.weights import layer_count  # noqa: E402

SIZES = {"labeled": 60, "transfer": 60, "validation": 0, "test": 40}
COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return ModelFolder.find(str(tiny_bert(tmp_path_factory.mktemp("bert"))))


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(letter_task(tmp_path / "data", train=200, test=80)))
    return items(task=TaskData.find("sentence_polarity"), columns=COLUMNS, sizes=SIZES, balance=True, seed=0)


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "store")


def by_hand(bert, text, layer, pooling):
    """Pooled hidden state of one text, alone in its batch."""
    tokens = load_tokenizer(bert)(text, return_tensors="pt")
    backbone = build(bert, Shape(2, tuning="head_only"), 0).backbone
    with torch.no_grad():
        state = backbone(**{name: tokens[name] for name in ("input_ids", "attention_mask")}, output_hidden_states=True)
    rows = state.hidden_states[layer][0]
    return {"mean": rows.mean(dim=0), "cls": rows[0], "last": rows[-1]}[pooling].numpy()


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_features_are_the_pooled_hidden_states_of_every_item(bert, drawn, store, pooling):
    folder = store.ensure(features(base=bert, items=drawn, layers=(0, 2, 3), pooling=pooling, max_length=32))
    table = read_table(store.get(drawn), "items")
    assert read_table(folder, "ids")["item_id"].to_pylist() == table["item_id"].to_pylist()
    for place in (0, 61, 159):
        name, text = table["item_id"][place].as_py(), table["text"][place].as_py()
        for layer in (0, 2, 3):
            found = read_features(folder, layer, [name])[0]
            np.testing.assert_allclose(found, by_hand(bert, text, layer, pooling), atol=1e-5)


def test_the_file_is_safetensors_as_others_read_it(bert, drawn, store):
    folder = store.ensure(features(base=bert, items=drawn, layers=(3, 1)))
    tensors = load_file(folder / "features.safetensors")
    assert {name: (value.dtype, value.shape) for name, value in tensors.items()} == {
        "layer_1": (np.float32, (160, 16)),
        "layer_3": (np.float32, (160, 16)),
    }
    ids = read_table(folder, "ids")["item_id"].to_pylist()
    np.testing.assert_array_equal(read_features(folder, 3, ids), tensors["layer_3"])
    assert json.loads((folder / "features.json").read_text())["items"] == 160
    assert sorted(path.name for path in folder.iterdir()) == [
        "artifact.json",
        "features.json",
        "features.safetensors",
        "ids.arrow",
    ]


def test_rows_are_joined_by_id_whatever_their_order(bert, drawn, store):
    folder = store.ensure(features(base=bert, items=drawn, layers=(2,)))
    ids = read_table(folder, "ids")["item_id"].to_pylist()
    order = np.random.default_rng(0).permutation(len(ids))
    np.testing.assert_array_equal(read_features(folder, 2, [ids[k] for k in order]), read_features(folder, 2, ids)[order])
    np.testing.assert_array_equal(read_features(folder, 2, ids[:5], dims=3), read_features(folder, 2, ids[:5])[:, :3])
    with pytest.raises(KeyError, match="1 of 2 items have no features, the first is nobody"):
        read_features(folder, 2, [ids[0], "nobody"])


def test_two_passes_have_the_same_bits_and_all_layers_those_of_one(bert, drawn, tmp_path):
    places = []
    for name, layers in (("a", (0, 1, 2, 3)), ("b", (0, 1, 2, 3)), ("c", (2,))):
        places.append(
            load_file(Store(tmp_path / name).ensure(features(base=bert, items=drawn, layers=layers)) / "features.safetensors")
        )
    assert all(np.array_equal(places[0][name], places[1][name]) for name in places[0])
    assert np.array_equal(places[0]["layer_2"], places[2]["layer_2"])


def test_a_killed_pass_goes_on_with_the_same_bits(bert, drawn, store, tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_TOKENS", 128)
    monkeypatch.setattr(module, "_SAVE_SECONDS", 0.0)
    whole = load_file(
        Store(tmp_path / "whole").ensure(features(base=bert, items=drawn, layers=(1, 3))) / "features.safetensors"
    )
    call, forward = features(base=bert, items=drawn, layers=(1, 3)), []
    put = module.RowsFile.put

    def killed(self, rows, states):
        if self.done == 4:
            raise KeyboardInterrupt
        put(self, rows, states)

    monkeypatch.setattr(module.RowsFile, "put", killed)
    with pytest.raises(KeyboardInterrupt):
        store.ensure(call)
    assert not store.has(call)
    monkeypatch.setattr(module.RowsFile, "put", lambda self, rows, states: (forward.append(self.done), put(self, rows, states)))
    again = load_file(store.ensure(call) / "features.safetensors")
    assert forward[0] == 4
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_memory_is_that_of_a_batch(bert, drawn, store, monkeypatch):
    held = []
    put = module.RowsFile.put
    monkeypatch.setattr(encode, "_TOKENS", 128)
    monkeypatch.setattr(
        module.RowsFile, "put", lambda self, rows, states: (held.append(sum(s.nbytes for s in states)), put(self, rows, states))
    )
    store.ensure(features(base=bert, items=drawn, layers=(0, 1, 2, 3)))
    assert len(held) > 10
    assert max(held) < 160 * 16 * 4 * 4 / 4  # a small part of what all items have


def test_layers_that_are_not_there_are_refused(bert, drawn, store):
    with pytest.raises(FieldError, match=r"has layers 0\.\.3, not 4"):
        store.ensure(features(base=bert, items=drawn, layers=(4,)))
    assert layer_count(bert) == 3
    short = ModelFolder.find(f"{bert.path}:2")
    assert layer_count(short) == 2
    first, second = (store.ensure(features(base=base, items=drawn, layers=(1,))) for base in (bert, short))
    ids = read_table(first, "ids")["item_id"].to_pylist()
    np.testing.assert_array_equal(read_features(first, 1, ids), read_features(second, 1, ids))


def test_a_note_says_where_a_long_pass_is(bert, drawn, store, tmp_path, monkeypatch):
    monkeypatch.setattr(encode, "_TOKENS", 128)
    monkeypatch.setattr(module, "_SAVE_SECONDS", 0.0)
    said: list[str] = []
    folder = store.ensure(drawn)
    for place in ("value", "scratch"):
        (tmp_path / place).mkdir()
    features.function(Work(tmp_path / "value", tmp_path / "scratch", said.append), base=bert, items=folder, layers=(1,))
    assert said[0].startswith("features: batch 1 of ")


def test_a_model_in_a_data_folder(bert, tmp_path, monkeypatch):
    from w2s.files.datafile import DataFileError

    tiny_bert(tmp_path / "data" / "models" / "tiny")
    monkeypatch.setenv("W2S_DATA", str(tmp_path / "data"))
    found = ModelFolder.find("data:models/tiny")
    assert found == bert  # equal content, wherever it lies
    assert ModelFolder.keeps_name("data:models/tiny")
    assert ModelFolder.find("data:models/tiny:2").layers == 2
    with pytest.raises(DataFileError, match="no folder models/other"):
        ModelFolder.find("data:models/other")
    with pytest.raises(DataFileError, match="not allowed"):
        ModelFolder.find("data:../models")
