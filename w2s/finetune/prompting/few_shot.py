"""Few-shot answers of a causal model as class probabilities: one pass for each text, no sampling, nothing trained.

The examples of a prompt are the same for all texts, so their keys and values are computed once. Texts of equal length go
through the model together, without padding: what a text gets does not depend on how long the others are.
"""

from __future__ import annotations

import copy
import functools
import json
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.labels import labelled_ids
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_table
from w2s.finetune.inference.generate import causal
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.models.weights import multiplied_weights
from w2s.finetune.prompting.examples import answer_tokens, chosen, cut_to_words, written

__all__ = ["WITHOUT_CONTENT", "class_logits", "few_shot", "few_shot_cost", "of_parts"]

Tokens = tuple[int, ...]
WITHOUT_CONTENT = "N/A"
"""A text that says nothing: what a model answers to it is its bias (Zhao et al. 2021, arXiv 2102.09690)."""
_ROWS = 16
_SAY_SECONDS = 20.0


def few_shot_cost(*, base: ModelFolder, max_words: int, **_others: Any) -> float:
    """Count 2 operations per weight and token of some hundred texts of the longest length: nominal, for plans."""
    return 2.0 * multiplied_weights(base) * 200.0 * max_words


@artifact(version=1, name="w2s.few_shot", cost=few_shot_cost, gpus=1)
def few_shot(
    work: Work,
    *,
    base: ModelFolder,
    items: Path,
    labels: Path | None,
    part: str,
    shots: int,
    balanced: bool,
    seed: int,
    template: str,
    words: Sequence[str],
    max_words: int,
) -> None:
    """Predict the test items behind a prompt of ``shots`` labelled items of a part: ``predictions.arrow`` (item_id, p_0, ...).

    The probability of a class is the softmax, over the classes, of the logits of the first token by which their ``words``
    differ. A label counts as its most probable class. Texts are cut to ``max_words`` words. ``few_shot.json`` holds the
    examples (``shown``: item ids, ``classes``), the probabilities behind a text that says nothing (``without_content``), tokens
    of the prompt and of all passes, seconds, and how many test items were cut.

    Raises :class:`FieldError` for a model that is no causal one, or has fewer positions than a prompt and a text take.
    """
    table = read_table(items, "items")
    texts = dict(zip(table["item_id"].to_pylist(), _joined(table["text"].to_pylist(), table["pair"].to_pylist()), strict=True))
    asked = [
        name for name, where in zip(table["item_id"].to_pylist(), table["part"].to_pylist(), strict=True) if where == "test"
    ]
    shown, classes = _shown(items, labels, part, shots, len(words), balanced, seed)
    tokenizer, start = load_tokenizer(base), time.monotonic()
    lines = [
        written(template, cut_to_words(texts[name], max_words)[0], words[k]) for name, k in zip(shown, classes, strict=True)
    ]
    shared, answers = answer_tokens(tokenizer, words, base.name)
    prefix = (*_beginning(tokenizer), *_tokens(tokenizer, "".join(lines)))
    cut = [cut_to_words(texts[name], max_words) for name in asked]
    suffixes = [
        (*_tokens(tokenizer, written(template, text)), *shared) for text in [*(text for text, _ in cut), WITHOUT_CONTENT]
    ]
    longest = len(prefix) + max(map(len, suffixes))
    if longest > int(tokenizer.model_max_length):
        limit = int(tokenizer.model_max_length)
        raise FieldError(
            f"model {base.name}: has {limit} positions, fewer than the {longest} tokens of {shots} examples and a text"
        )
    logits, said = np.empty((len(suffixes), len(words))), start
    for rows, values in class_logits(_model(base), prefix, suffixes, answers):
        logits[rows] = values
        if time.monotonic() - said > _SAY_SECONDS:
            said = time.monotonic()
            work.note(f"few-shot answers: texts of {len(suffixes[rows[0]])} tokens")
    values = np.exp(logits - logits.max(axis=1, keepdims=True))
    values /= values.sum(axis=1, keepdims=True)
    write_table(work.folder, "predictions", probability_table(asked, values[:-1]))
    account = {
        "shown": shown,
        "classes": classes,
        "without_content": values[-1].tolist(),
        "prompt_tokens": len(prefix),
        "tokens": len(prefix) + sum(map(len, suffixes)),
        "seconds": time.monotonic() - start,
        "cut_items": sum(was for _, was in cut),
        "items": len(asked),
    }
    (work.folder / "few_shot.json").write_text(json.dumps(account, indent=1), encoding="utf-8")


@artifact(version=1, name="w2s.items_of_parts")
def of_parts(work: Work, *, items: Path, parts: Sequence[str]) -> None:
    """Write the items of some parts alone: what a slow model has to read of a draw. Columns and order stay."""
    table = read_table(items, "items")
    write_table(work.folder, "items", table.filter(pc.is_in(table["part"], pa.array(list(parts)))))


def class_logits(
    model: Any, prefix: Tokens, suffixes: Sequence[Tokens], answers: Tokens
) -> Iterator[tuple[list[int], npt.NDArray[np.float64]]]:
    """Yield places of suffixes and the logits (rows, classes) of the answers' tokens behind prefix and suffix.

    The keys and values of the prefix are computed once. A batch holds at most 16 suffixes of one length, so nothing is padded.
    One thread computes. Cost: 2 weights x tokens of the prefix and of all suffixes.
    """
    import torch

    from w2s.finetune.inference.encode import one_thread

    device = next(model.parameters()).device
    buckets: dict[int, list[int]] = {}
    for place, suffix in enumerate(suffixes):
        buckets.setdefault(len(suffix), []).append(place)
    with one_thread(), torch.inference_mode():
        ahead = None
        if prefix:
            given = torch.tensor([prefix], device=device)
            ahead = model(input_ids=given, use_cache=True, logits_to_keep=1).past_key_values
        for _, members in sorted(buckets.items()):
            for k in range(0, len(members), _ROWS):
                places = members[k : k + _ROWS]
                cache = copy.deepcopy(ahead)
                if cache is not None:
                    cache.batch_repeat_interleave(len(places))
                rows = torch.tensor([suffixes[place] for place in places], device=device)
                found = model(input_ids=rows, past_key_values=cache, use_cache=cache is not None, logits_to_keep=1)
                yield places, found.logits[:, -1, list(answers)].double().cpu().numpy()


def _shown(
    items: Path, labels: Path | None, part: str, shots: int, count: int, balanced: bool, seed: int
) -> tuple[list[str], list[int]]:
    """Choose the examples: their item ids, and the classes that their labels show."""
    if labels is None or not shots:
        return [], []
    table = read_table(labels, "labels")
    ids = labelled_ids(table, items, part)
    classes = probabilities(join(ids, table)).argmax(axis=1)
    places = chosen(classes, count, shots, balanced, seed)
    return [ids[k] for k in places], [int(classes[k]) for k in places]


def _joined(texts: Sequence[str], pairs: Sequence[str | None]) -> list[str]:
    return [text if pair is None else f"{text} {pair}" for text, pair in zip(texts, pairs, strict=True)]


def _tokens(tokenizer: Any, text: str) -> Tokens:
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()


def _beginning(tokenizer: Any) -> Tokens:
    """Return the token that the tokenizer puts in front of every text, if it does."""
    first = tuple(tokenizer("")["input_ids"])[:1]
    return first if first == (tokenizer.bos_token_id,) else ()


@functools.lru_cache(maxsize=1)
def _model(base: ModelFolder) -> Any:
    """Load the model; a process that answers several prompts loads it once."""
    return causal(base, None)
