"""Tokenizers learned from a corpus: byte-pair encoding over bytes, so that every text is covered and nothing is unknown.

    text     pieces are words with the blank before them, as GPT-2 cuts them
    smiles   pieces are atoms, bonds and ring numbers of a SMILES string: merges stay inside one atom (``Cl``, ``[C@@H]``)

Token 0 pads, token 1 ends a line; bytes and merges follow.
"""

from __future__ import annotations

import json
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from w2s.artifacts import Work, artifact
from w2s.files.datafile import DataFile
from w2s.finetune.pretraining.corpus import Piece

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["END", "LEAST_VOCABULARY", "PADDING", "Splits", "corpus_tokenizer", "read_tokenizer"]

Splits = Literal["text", "smiles"]
PADDING, END = 0, 1
_MARKS = ("<pad>", "<end>")
LEAST_VOCABULARY = 256 + len(_MARKS)
_SAMPLE = 8_000_000
"""Bytes from the beginning of the corpus from which merges are learned: more would change few of them."""
_ATOMS = r"(\[[^\]]+\]|Br|Cl|%\d\d|@@|[A-Za-z0-9()=#\-+\\/:~@?>*$.])"
"""The pieces of a SMILES string of Schwaller et al. 2018 (Chem. Sci. 9, 6091)."""


@artifact(version=1, name="w2s.corpus_tokenizer")
def corpus_tokenizer(work: Work, *, corpus: DataFile, held_lines: int, vocabulary: int, splits: Splits) -> None:
    """Learn a tokenizer from the first 8 MB of a corpus, but for the lines at its end that are held out.

    Writes ``tokenizer.json``, ``tokenizer_config.json`` and ``vocabulary.json`` (``size``: tokens that it has, which may be
    fewer than were asked for).
    """
    from tokenizers import Tokenizer, decoders, models, trainers

    lines = Piece(corpus, held_lines).lines()
    sizes = accumulate(len(line) + 1 for line in lines)
    sample = [line for line, end in zip(lines, sizes, strict=True) if end <= _SAMPLE] or lines[:1]
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = _pieces(splits)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=list(_MARKS),
        initial_alphabet=_alphabet(),
        show_progress=False,
    )
    inner.train_from_iterator(sample, trainer, length=len(sample))
    inner.save(str(work.folder / "tokenizer.json"))
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": int(1e9),
        "pad_token": _MARKS[PADDING],
        "eos_token": _MARKS[END],
        "clean_up_tokenization_spaces": False,
    }
    (work.folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
    (work.folder / "vocabulary.json").write_text(json.dumps({"size": inner.get_vocab_size()}), encoding="utf-8")


def read_tokenizer(folder: Path) -> Tokenizer:
    """Read the tokenizer of a folder; what looks like a mark in a text is taken letter by letter."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(folder / "tokenizer.json"))
    found.encode_special_tokens = True
    return found


def _pieces(splits: Splits) -> Any:
    from tokenizers import Regex, pre_tokenizers

    if splits == "text":
        return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    atoms = pre_tokenizers.Split(Regex(_ATOMS), "isolated")
    return pre_tokenizers.Sequence([atoms, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def _alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())
