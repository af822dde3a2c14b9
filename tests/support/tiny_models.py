"""A small random BERT as a folder, and a task of words that a bag of tokens tells apart: finetune tests without any download."""

from __future__ import annotations

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefghijklmnopqrstuvwxyz"]


def tiny_bert(
    place: Path, *, layers: int = 3, width: int = 16, seed: int = 0, words: Sequence[str] = WORDS, length: int = 64
) -> Path:
    """Write a BERT with random weights for texts of at most ``length`` tokens, which are letters unless ``words`` says more."""
    import torch
    import transformers

    place.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = transformers.BertConfig(
            vocab_size=len(words),
            hidden_size=width,
            num_hidden_layers=layers,
            num_attention_heads=2,
            intermediate_size=2 * width,
            max_position_embeddings=length,
        )
        transformers.BertModel(config).save_pretrained(place)
    (place / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(place / "vocab.txt"), model_max_length=length).save_pretrained(place)
    return place


def tiny_distilbert(place: Path, *, layers: int = 1, width: int = 12, seed: int = 1) -> Path:
    """Write a DistilBERT with random weights for texts of letters: another architecture than :func:`tiny_bert`."""
    import torch
    import transformers

    place.mkdir(parents=True, exist_ok=True)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = transformers.DistilBertConfig(
            vocab_size=len(WORDS), dim=width, n_layers=layers, n_heads=2, hidden_dim=2 * width, max_position_embeddings=64
        )
        transformers.DistilBertModel(config).save_pretrained(place)
    (place / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizerFast(str(place / "vocab.txt"), model_max_length=64).save_pretrained(place)
    return place


def tiny_causal(
    place: Path, *, kind: str = "llama", layers: int = 2, width: int = 16, seed: int = 0, words: Sequence[str] = WORDS
) -> Path:
    """Write a causal model (``llama`` or ``gpt2``) with random weights and words apart; [SEP] ends a text."""
    import torch
    import transformers

    end = words.index("[SEP]")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "gpt2":
            given = {"n_embd": width, "n_layer": layers, "n_head": 2, "n_positions": 128, "initializer_range": 0.2}
            config = transformers.GPT2Config(vocab_size=len(words), bos_token_id=None, eos_token_id=end, **given)
            transformers.GPT2LMHeadModel(config).save_pretrained(place)
        else:
            config = transformers.LlamaConfig(
                vocab_size=len(words),
                hidden_size=width,
                intermediate_size=2 * width,
                num_hidden_layers=layers,
                num_attention_heads=2,
                num_key_value_heads=1,
                max_position_embeddings=128,
                initializer_range=0.2,
                bos_token_id=None,
                eos_token_id=end,
                tie_word_embeddings=True,
            )
            transformers.LlamaForCausalLM(config).save_pretrained(place)
    _words(place, words, model_max_length=128)
    return place


def _words(place: Path, words: Sequence[str], **settings: object) -> None:
    """Write a tokenizer of words apart, without marks around a text, into a folder."""
    import tokenizers
    import transformers

    inner = tokenizers.Tokenizer(tokenizers.models.WordLevel({word: k for k, word in enumerate(words)}, unk_token="[UNK]"))
    inner.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    marks = {"eos_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=inner, **marks, **settings).save_pretrained(place)


_USUAL = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32}
ENCODERS = {
    "bert": {},
    "roberta": {"pad_token_id": 0},
    "mpnet": {"pad_token_id": 0},
    "longformer": {"pad_token_id": 0, "attention_window": 4},
    "electra": {"embedding_size": 8},
    "albert": {"embedding_size": 8},
    "deberta-v2": {"relative_attention": True, "pos_att_type": ["p2c", "c2p"]},
    "distilbert": {"dim": 16, "n_layers": 3, "n_heads": 2, "hidden_dim": 32},
    "mobilebert": {"embedding_size": 16, "intra_bottleneck_size": 8, "true_hidden_size": 8},
    "modernbert": {"pad_token_id": 0, "cls_token_id": 2, "sep_token_id": 3, "bos_token_id": 2, "eos_token_id": 3},
}
CAUSAL = {
    "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 64},
    "llama": {"num_key_value_heads": 1},
    "qwen2": {"num_key_value_heads": 1},
    "gemma3_text": {"num_key_value_heads": 1, "head_dim": 8},
    "mixtral": {"num_key_value_heads": 1, "num_local_experts": 2},
    "gpt_neox": {},
    "bloom": {"n_layer": 3, "n_head": 2},
    "opt": {"ffn_dim": 32, "word_embed_proj_dim": 8, "do_layer_norm_before": False},
    "xlm": {"emb_dim": 16, "n_layers": 3, "n_heads": 2},
}
"""Settings of small models by kind. ``opt`` projects its last state to half the width, as opt-350m does."""


def tiny(place: Path, kind: str, *, seed: int = 0, **settings: object) -> Path:
    """Write a model of three layers of any kind with random weights, for texts of letters of at most 64 tokens."""
    import torch
    import transformers

    given = {**ENCODERS, **CAUSAL}.get(kind, {})
    usual = {} if "n_layer" in given or "n_layers" in given else _USUAL
    length = (
        {} if "n_positions" in given else {"max_position_embeddings": 66 if kind in ("roberta", "mpnet", "longformer") else 64}
    )
    auto = transformers.AutoModelForCausalLM if kind in CAUSAL and kind != "xlm" else transformers.AutoModel
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        config = transformers.AutoConfig.for_model(kind, vocab_size=len(WORDS), **usual, **length, **given, **settings)
        auto.from_config(config).save_pretrained(place)
    (_words if kind in CAUSAL else letters)(place, WORDS)
    return place


def letters(place: Path, words: Sequence[str] = WORDS) -> None:
    """Write a tokenizer of letters into a folder."""
    import transformers

    (place / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(place / "vocab.txt"), model_max_length=64).save_pretrained(place)


def letter_rows(count: int, seed: int) -> list[dict[str, object]]:
    """Texts of letters; class 1 has more letters of the first half of the alphabet, with noise."""
    rng = np.random.default_rng(seed)
    rows = []
    for _ in range(count):
        label = int(rng.integers(2))
        early = rng.random(int(rng.integers(4, 12))) < (0.65 if label else 0.35)
        letters = [chr(ord("a") + int(rng.integers(13)) + (0 if first else 13)) for first in early]
        rows.append({"text": " ".join(letters), "label": label})
    return rows


def letter_task(folder: Path, *, train: int = 900, test: int = 300, name: str = "sentence_polarity") -> Path:
    """Write the task under a known name into a folder for ``W2S_DATA``; return that folder."""
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    for split, count, seed in (("train", train, 1), ("test", test, 2)):
        with gzip.open(place / f"{split}.jsonl.gz", "wt") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in letter_rows(count, seed))
    return folder


def reply_rows(count: int, seed: int) -> list[dict[str, object]]:
    """Pairs of replies of letters with a planted reward: letters of the first half of the alphabet less the others, and noise."""
    rng = np.random.default_rng(seed)
    rows: list[dict[str, object]] = []
    while len(rows) < count:
        prompt = " ".join(chr(ord("a") + k) for k in rng.integers(26, size=3))
        replies = []
        for _ in range(2):
            letters = rng.integers(26, size=int(rng.integers(3, 8)))
            reward = float((letters < 13).sum() - (letters >= 13).sum()) + 0.3 * rng.normal()
            replies.append((reward, " ".join(chr(ord("a") + k) for k in letters)))
        (_, rejected), (_, chosen) = sorted(replies)
        start = f"\n\nHuman: {prompt}\n\nAssistant: "
        if chosen != rejected:
            rows.append({"chosen": start + chosen, "rejected": start + rejected})
    return rows


def reply_task(folder: Path, *, train: int = 900, test: int = 300) -> Path:
    """Write the pairs as ``hh_harmless`` into a folder for ``W2S_DATA``; return that folder."""
    place = folder / "hh_harmless"
    place.mkdir(parents=True, exist_ok=True)
    for split, count, seed in (("train", train, 1), ("test", test, 2)):
        with gzip.open(place / f"{split}.jsonl.gz", "wt") as stream:
            stream.writelines(json.dumps(row) + "\n" for row in reply_rows(count, seed))
    return folder
