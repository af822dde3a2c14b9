"""Pretraining: no text is unknown, every token is predicted once, bits per byte are those of a recomputation, kills change no bit."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="pretraining needs torch: pip install 'w2s-sweep[llm]'")
transformers = pytest.importorskip("transformers")

from w2s.artifacts import Store  # noqa: E402
from w2s.errors import FieldError  # noqa: E402
from w2s.files.datafile import DataFile  # noqa: E402
from w2s.finetune.models.check import check_causal, check_model  # noqa: E402
from w2s.finetune.models.folder import ModelFolder  # noqa: E402
from w2s.finetune.models.tokenizer import load_tokenizer  # noqa: E402
from w2s.finetune.pretraining.corpus import Piece, read_lines, text_bytes  # noqa: E402
from w2s.finetune.pretraining.packed import Packed, packed_tokens, read_packed, stream_of, windows_of  # noqa: E402
from w2s.finetune.pretraining.pretrain import held_out_text, pretrain, weight_count  # noqa: E402
from w2s.finetune.pretraining.tokenizer import END, LEAST_VOCABULARY, corpus_tokenizer, read_tokenizer  # noqa: E402
from w2s.finetune.training.loop import Trainer  # noqa: E402

WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "the", "dog", "lay", "by", "it", "while", "rain", "fell"]
MOLECULES = ["CC(=O)Oc1ccccc1C(=O)O", "C[C@@H](N)C(=O)O", "Clc1ccc(Br)cc1", "O=C1CCC%10CC1%10", "[Na+].[Cl-]", "F/C=C/F"]
SHAPE = {"layers": 2, "hidden": 8, "heads": 2, "context": 16, "vocabulary": 300}
RECIPE = {"epochs": 2, "batch": 4, "learning_rate": 1e-2, "schedule": "cosine", "warmup": 0.1, "weight_decay": 0.1, "clip": 1.0}


def corpus(folder: Path, lines: list[str], name: str = "corpus.txt") -> DataFile:
    (folder / name).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return DataFile.find(name, folder)


@pytest.fixture(scope="module")
def sentences(tmp_path_factory: pytest.TempPathFactory) -> DataFile:
    rng = np.random.default_rng(0)
    lines = [" ".join(rng.choice(WORDS, size=rng.integers(3, 12))) for _ in range(400)]
    return corpus(tmp_path_factory.mktemp("corpus"), lines)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


def calls(text: DataFile, seed: int = 0, **changed: object):
    tokenizer = corpus_tokenizer(corpus=text, held_lines=40, vocabulary=300, splits="text")
    packed = packed_tokens(tokenizer=tokenizer, corpus=text, held_lines=40, tokens=1000)
    shape = {**SHAPE, **changed}
    return tokenizer, packed, pretrain(tokenizer=tokenizer, packed=packed, shape=shape, recipe=RECIPE, tokens=1000, seed=seed)


@pytest.fixture(scope="module")
def splits(tmp_path_factory: pytest.TempPathFactory, store: Store, sentences: DataFile) -> dict[str, Path]:
    molecules = corpus(tmp_path_factory.mktemp("molecules"), 20 * MOLECULES)
    files = {"text": sentences, "smiles": molecules}
    return {
        kind: store.ensure(corpus_tokenizer(corpus=file, held_lines=0, vocabulary=300, splits=kind))
        for kind, file in files.items()
    }


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])), kind=st.sampled_from(["text", "smiles"]))
def test_no_text_is_unknown_and_every_one_comes_back(splits: dict[str, Path], text: str, kind: str) -> None:
    inner = read_tokenizer(splits[kind])
    ids = inner.encode(text, add_special_tokens=False).ids
    assert inner.decode(ids, skip_special_tokens=False) == text
    assert min(ids, default=2) > END  # a mark written in a text is letters, no mark


def test_tokens_of_molecules_stay_inside_an_atom(splits: dict[str, Path]) -> None:
    inner = read_tokenizer(splits["smiles"])
    assert inner.encode("C[C@@H](Cl)Br").tokens == ["C", "[C@@H]", "(", "Cl", ")", "Br"]
    learned = [word for word, k in inner.get_vocab().items() if k >= LEAST_VOCABULARY]
    assert {"[C@@H]", "[Na+]", "Cl", "Br", "%10"} <= set(learned)
    assert all(
        word.startswith(("[", "%")) or word.strip("[]@") in ("Cl", "Br", "C@@H", "Na+", "Cl-", "") or len(word) < 6
        for word in learned
    )


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 200), context=st.integers(2, 40))
def test_windows_predict_every_token_but_the_first_once(count: int, context: int) -> None:
    tokens = np.arange(count, dtype=np.int32)
    windows, rest = windows_of(tokens, context)
    predicted = [*windows[:, 1:].ravel().tolist(), *rest[1:].tolist()]
    assert predicted == list(range(1, count))
    assert windows.shape[1:] == (context + 1,)
    assert 1 <= len(rest) <= context
    assert all((window == window[0] + np.arange(context + 1)).all() for window in windows)


def test_a_stream_holds_lines_and_their_ends(store: Store, sentences: DataFile) -> None:
    tokenizer, packed, _ = calls(sentences)
    folder = store.ensure(tokenizer)
    lines = Piece(sentences, 40).lines()
    whole = stream_of(folder, lines)
    assert whole[0] == END
    assert int((whole == END).sum()) == len(lines) + 1
    inner = read_tokenizer(folder)
    parts = np.split(whole[1:], np.flatnonzero(whole[1:] == END) + 1)
    assert [inner.decode([k for k in part.tolist() if k != END]) for part in parts[:-1]] == lines
    assert read_packed(store.ensure(packed)).tolist() == whole[:1000].tolist()  # packed: no padding anywhere
    assert not (whole == 0).any()


def test_held_out_lines_are_not_learned(tmp_path: Path, store: Store) -> None:
    """Models and tokenizers of corpora that differ in held-out lines alone have the same bits."""
    same = [" ".join(WORDS[k % 7 : k % 7 + 5]) for k in range(300)]
    for place in ("a", "b"):
        (tmp_path / place).mkdir()
    first = corpus(tmp_path / "a", [*same, *40 * ["zzz zzz"]])
    other = corpus(tmp_path / "b", [*same, *40 * ["unheard of"]])
    models = [store.ensure(calls(text)[2]) for text in (first, other)]
    assert ModelFolder.find(str(models[0])).sha256 == ModelFolder.find(str(models[1])).sha256
    assert first.sha256 != other.sha256
    assert Piece(first, 40, last=True).lines() == 40 * ["zzz zzz"]


def test_a_pretrained_model_is_one_like_any_other(store: Store, sentences: DataFile) -> None:
    folder = store.ensure(calls(sentences)[2])
    base = ModelFolder.find(str(folder))
    check_model(base)
    check_causal(base, "test")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    said = json.loads((folder / "training.json").read_text())
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    assert said["weights"] == weight_count(layers=2, hidden=8, vocabulary=size) == sum(w.numel() for w in model.parameters())
    assert said["steps"] == 2 * math.ceil((999 // 16) / 4)
    assert said["tokens"] == 2 * 16 * (999 // 16)
    tokenizer = load_tokenizer(base)
    ids = tokenizer(["the cat"])["input_ids"][0]
    assert tokenizer.decode(ids) == "the cat"
    assert tokenizer.model_max_length == 256


def test_bits_per_byte_are_those_of_a_recomputation_in_float64(store: Store, sentences: DataFile) -> None:
    model = calls(sentences)[2]
    folder = store.ensure(model)
    said = json.loads(
        (store.ensure(held_out_text(model=model, text=sentences, held_lines=40, context=16)) / "held_out.json").read_text()
    )
    lines = Piece(sentences, 40, last=True).lines()
    module = transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).double().eval()
    tokens, nats = stream_of(folder, lines).astype(np.int64), 0.0
    for start in range(0, len(tokens) - 1, 16):
        window = tokens[start : start + 17]
        with torch.no_grad():
            logits = module(input_ids=torch.tensor(window[None, :-1])).logits[0].numpy()
        shifted = logits - logits.max(axis=1, keepdims=True)
        chosen = shifted[np.arange(len(window) - 1), window[1:]]
        nats -= float((chosen - np.log(np.exp(shifted).sum(axis=1))).sum())
    assert said["bytes"] == sum(len(f"{line}\n".encode()) for line in lines) == text_bytes(lines)
    assert said["tokens"] == len(tokens) - 1
    assert said["bits_per_byte"] == pytest.approx(nats / math.log(2) / said["bytes"], rel=1e-5)
    size = json.loads((folder / "config.json").read_text())["vocab_size"]
    assert said["bits_per_byte"] < math.log2(size) * said["tokens"] / said["bytes"]  # better than all tokens alike


def test_the_loss_is_the_mean_over_predicted_tokens(store: Store, sentences: DataFile) -> None:
    _, packed, model = calls(sentences)
    module = transformers.AutoModelForCausalLM.from_pretrained(store.ensure(model), local_files_only=True)
    objective = Packed(read_packed(store.ensure(packed)), 16)
    places = np.array([0, 3, 5])
    ids = torch.tensor(objective.windows[places])
    with torch.no_grad():
        found = objective.loss(objective.outputs(module, places), places, 0.0)
        expected = module(input_ids=ids, labels=ids).loss
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
    assert objective.predicted(module, places).sum() / -48 == pytest.approx(float(expected), rel=1e-5)


def test_a_killed_pretraining_resumes_to_the_same_bits(
    tmp_path: Path, store: Store, sentences: DataFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = calls(sentences, seed=5)[2]
    whole = store.ensure(call)
    other, notes = Store(tmp_path), []
    run, step = Trainer.run, Trainer._step
    monkeypatch.setattr(Trainer, "run", lambda self: run(self, checkpoint_seconds=0.0))
    for stop in (1, 4, 17):

        def limited(self: Trainer, batch: object, stop: int = stop) -> None:
            if self.step >= stop:
                raise KeyboardInterrupt
            step(self, batch)

        monkeypatch.setattr(Trainer, "_step", limited)
        with pytest.raises(KeyboardInterrupt):
            other.ensure(call)
        assert not other.has(call)
    monkeypatch.setattr(Trainer, "_step", step)
    resumed = other.ensure(call, notes.append)
    assert any("resumed at step 17" in note for note in notes)
    for name in ("model.safetensors", "config.json", "tokenizer.json", "curve.arrow"):
        assert (resumed / name).read_bytes() == (whole / name).read_bytes()


def test_seeds_and_sizes_are_other_models(store: Store, sentences: DataFile) -> None:
    found = [calls(sentences), calls(sentences, seed=1), calls(sentences, hidden=16)]
    assert len({ModelFolder.find(str(store.ensure(model))).sha256 for _, _, model in found}) == 3
    assert found[2][2].flops > found[0][2].flops > 0


def test_texts_that_cannot_be_learned(tmp_path: Path, store: Store, sentences: DataFile) -> None:
    (tmp_path / "latin.txt").write_bytes("caf\xe9\n".encode("latin-1"))
    (tmp_path / "empty.txt").write_bytes(b"")
    (tmp_path / "damaged.txt.gz").write_bytes(gzip.compress(b"text\n" * 1000)[:-20])
    for name, says in {"latin.txt": "no text in UTF-8", "empty.txt": "empty", "damaged.txt.gz": "cannot be read"}.items():
        with pytest.raises(FieldError, match=says):
            read_lines(DataFile.find(name, tmp_path))
    with pytest.raises(FieldError, match="cannot be held out"):
        Piece(sentences, 400).lines()
    tokenizer = calls(sentences)[0]
    store.ensure(tokenizer)
    with pytest.raises(FieldError, match="fewer than 10,000,000"):
        store.ensure(packed_tokens(tokenizer=tokenizer, corpus=sentences, held_lines=40, tokens=10_000_000))
    with pytest.raises(FieldError, match="fill no window"):
        Packed(np.arange(5, dtype=np.int32), 16)
    with pytest.raises(FieldError, match="from a corpus"):
        Packed.read(type("Source", (), {"part": "labeled"})())  # type: ignore[arg-type]
    packed = tmp_path / "lines.txt"
    packed.write_bytes("one\x85line\r\n\nthree".encode())
    assert read_lines(DataFile.find("lines.txt", tmp_path)) == ["one\x85line\r", "", "three"]
