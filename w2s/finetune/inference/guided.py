"""Texts of one model that a pair of others chooses: weak-to-strong search with language models (arXiv 2405.19262).

The search itself is :func:`w2s.decoding.search.search`, which knows models as functions from tokens to log-probabilities.
Prompts of equal length go together, in batches of a fixed number of prompts, so nothing is padded and a text does not depend on
others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.decoding.search import Search, search
from w2s.errors import FieldError
from w2s.finetune.data.tables import read_table, write_table
from w2s.finetune.inference.generate import Prompt, causal, ends_of
from w2s.finetune.inference.sampling import Sampling, draws
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.models.weights import parameter_count

__all__ = ["guided_texts", "next_logs"]

Tokens = npt.NDArray[np.int64]
_PROMPTS = 16
"""Prompts of a batch; the last one of a length is filled up with its first prompt."""


def _cost(*, base: ModelFolder, sampling: Mapping[str, Any], sizes: Mapping[str, int], **_others: Any) -> float:
    """Count 2 operations per weight and token of a thousand prompts' texts, each read anew at every token: nominal."""
    length = Sampling.of(sampling).max_new_tokens
    return 2.0 * parameter_count(base) * length**2 * Search(**sizes).width * 1000.0


@artifact(version=1, name="w2s.guided_texts", cost=_cost, gpus=1)
def guided_texts(
    work: Work,
    *,
    base: ModelFolder,
    model: Path,
    weak: ModelFolder,
    tuned: Path,
    untuned: Path,
    items: Path,
    parts: Sequence[str],
    sampling: Mapping[str, Any],
    sizes: Mapping[str, int],
    seed: int,
    max_length: int,
) -> None:
    """Continue the texts of parts by ``model``, a training of ``base``, keeping what the pair of weak trainings rewards.

    ``sampling`` gives the temperature and the longest continuation, ``sizes`` beams, samples and chunk. Random numbers come
    from item id, number of the running text and seed. Writes ``generations.arrow`` as ``w2s.generate`` does, with one sample.

    Raises :class:`FieldError` where the weak models have other tokens, and for a temperature of 0 or cuts of the most probable.
    """
    asked, found = Sampling.of(sampling), Search(**sizes)
    if asked.temperature == 0.0 or asked.top_k is not None or asked.top_p < 1.0:
        raise FieldError("a search draws from all tokens at a temperature above 0", "method")
    tokenizer, other = load_tokenizer(base), load_tokenizer(weak)
    if tokenizer.get_vocab() != other.get_vocab():
        raise FieldError(f"models {base.name} and {weak.name} have other tokens: a search needs one vocabulary", "weak_model")
    ends = ends_of(base, tokenizer)
    functions = [
        next_logs(causal(base, model), asked.temperature),
        next_logs(causal(weak, tuned)),
        next_logs(causal(weak, untuned)),
    ]
    rows = [row for row in read_table(items, "items").select(["item_id", "text", "part"]).to_pylist() if row["part"] in parts]
    prompts = [
        Prompt(row["item_id"], 0, tuple(tokenizer(row["text"])["input_ids"][-max_length:]) or (int(tokenizer.pad_token_id),))
        for row in rows
    ]
    written = _texts(prompts, functions, found, asked.max_new_tokens, seed, ends)
    ended = [next((k + 1 for k, token in enumerate(text) if token in ends), len(text)) for text in written]
    texts = [text[:count] for text, count in zip(written, ended, strict=True)]
    content = {
        "item_id": pa.array([prompt.name for prompt in prompts], pa.string()),
        "sample": pa.array([0] * len(prompts), pa.int32()),
        "text": pa.array(tokenizer.batch_decode(texts, skip_special_tokens=True), pa.string()),
        "tokens": pa.array(texts, pa.list_(pa.int32())),
        "ended": pa.array([bool(text) and text[-1] in ends for text in texts], pa.bool_()),
    }
    write_table(work.folder, "generations", pa.table(content))
    account = {"prompts": len(prompts), "new_tokens": sum(map(len, texts))}
    (work.folder / "generations.json").write_text(json.dumps(account, indent=1), encoding="utf-8")


def next_logs(module: Any, temperature: float = 1.0) -> Any:
    """Return the function from tokens (m, t) to log-probabilities (m, V), float64, of the next token of a causal model."""
    import torch

    device = next(module.parameters()).device

    def logs(tokens: Tokens) -> npt.NDArray[np.float64]:
        with torch.inference_mode():
            found = module(input_ids=torch.from_numpy(np.ascontiguousarray(tokens)).to(device), logits_to_keep=1).logits[:, -1]
            scaled: npt.NDArray[np.float64] = (found.double() / temperature).log_softmax(dim=-1).cpu().numpy()
        return scaled

    return logs


def _texts(
    prompts: Sequence[Prompt], functions: Sequence[Any], sizes: Search, length: int, seed: int, ends: set[int]
) -> list[list[int]]:
    """Find a text behind every prompt, lengths apart; (n,) lists of ``length`` tokens."""
    from w2s.finetune.inference.encode import one_thread

    base, tuned, untuned = functions
    found: dict[int, list[int]] = {}
    lengths: dict[int, list[int]] = {}
    for place, prompt in enumerate(prompts):
        lengths.setdefault(len(prompt.tokens), []).append(place)
    with one_thread():
        for _, places in sorted(lengths.items()):
            for k in range(0, len(places), _PROMPTS):
                some = places[k : k + _PROMPTS]
                batch = [prompts[place] for place in (*some, *[some[0]] * (_PROMPTS - len(some)))]
                tokens = np.array([prompt.tokens for prompt in batch], dtype=np.int64)
                chances = np.array([[draws(prompt.name, j, seed, length) for j in range(sizes.width)] for prompt in batch])
                best = search(tokens, base, tuned, untuned, chances, sizes, ends=ends)
                found |= {place: row.tolist() for place, row in zip(some, best.tokens, strict=False)}
    return [found[place] for place in range(len(prompts))]
