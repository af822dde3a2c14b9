"""The artifacts of one pretraining, and its row."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call, Store
from w2s.finetune.pretraining.packed import packed_tokens
from w2s.finetune.pretraining.pretrain import held_out_text, pretrain
from w2s.finetune.pretraining.tokenizer import corpus_tokenizer

__all__ = ["COLUMNS", "LadderGraph", "ladder_graph", "ladder_row"]

COLUMNS: Mapping[str, str] = {
    "size": "string",
    "parameters": "int64",
    "bits_per_byte": "double",
    "other_bits_per_byte": "double",
    "held_out_tokens": "int64",
    "held_out_bytes": "int64",
    "vocabulary_size": "int64",
    "tokens_seen": "int64",
    "train_steps": "int64",
    "train_seconds": "double",
    "tokens_per_second": "double",
    "model": "string",
}
"""Columns of a row; ``size`` is LAYERSxWIDTH, ``model`` the key of the model's artifact."""
_RECIPE = ("epochs", "batch", "learning_rate", "schedule", "warmup", "weight_decay", "clip")
_CORPUS_TOKENS = 10_000_000
"""What plans take for the tokens of a corpus where a cell does not say how many it uses."""


@dataclass(frozen=True)
class LadderGraph:
    """The calls of one cell."""

    tokenizer: Call
    model: Call
    held_out: Call
    other: Call | None

    @property
    def needs(self) -> list[Call]:
        """Everything that a row reads."""
        return [self.tokenizer, self.model, self.held_out, *([] if self.other is None else [self.other])]


def ladder_graph(cell: Mapping[str, Any]) -> LadderGraph:
    """Build the calls of a cell, without running anything."""
    corpus = {"corpus": cell["corpus"], "held_lines": cell["held_lines"]}
    tokenizer = corpus_tokenizer(**corpus, vocabulary=cell["vocabulary"], splits=cell["splits"])
    packed = packed_tokens(tokenizer=tokenizer, **corpus, tokens=cell["tokens"])
    model = pretrain(
        tokenizer=tokenizer,
        packed=packed,
        shape={name: cell[name] for name in ("layers", "hidden", "heads", "context", "vocabulary")},
        recipe={name: cell[name] for name in _RECIPE},
        tokens=cell["tokens"] or _CORPUS_TOKENS,
        seed=cell["seed"],
    )
    text = cell["held_out"] or cell["corpus"]
    held_out = held_out_text(model=model, text=text, held_lines=cell["held_lines"], context=cell["context"])
    other = cell["other"] and held_out_text(model=model, text=cell["other"], held_lines=0, context=cell["context"])
    return LadderGraph(tokenizer, model, held_out, other)


def ladder_row(cell: Mapping[str, Any], store: Store) -> dict[str, Any]:
    """Compute every column of one cell."""
    graph = ladder_graph(cell)
    training, held = _said(store, graph.model, "training"), _said(store, graph.held_out, "held_out")
    other = None if graph.other is None else _said(store, graph.other, "held_out")["bits_per_byte"]
    return {
        "student_error": held["bits_per_byte"] * math.log(2),
        "size": f"{cell['layers']}x{cell['hidden']}",
        "parameters": training["weights"],
        "bits_per_byte": held["bits_per_byte"],
        "other_bits_per_byte": other,
        "held_out_tokens": held["tokens"],
        "held_out_bytes": held["bytes"],
        "vocabulary_size": _said(store, graph.tokenizer, "vocabulary")["size"],
        "tokens_seen": training["tokens"],
        "train_steps": training["steps"],
        "train_seconds": training["seconds"],
        "tokens_per_second": training["tokens_per_second"],
        "model": graph.model.key,
    }


def _said(store: Store, call: Call, name: str) -> dict[str, Any]:
    return dict(json.loads((store.get(call) / f"{name}.json").read_text(encoding="utf-8")))
