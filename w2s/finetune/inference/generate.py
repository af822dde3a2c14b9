"""Texts that a causal model writes behind its prompts: sampled with a cache of keys and values, many prompts at once.

A prompt's continuation does not depend on the others, token for token. Two things see to that. Its random numbers come from its
item id, the sample's number and the seed. And the shapes of its products do not depend on the others: a batch always has eight
rows, or as many as the call says (empty ones repeat the first), and prompts are padded on the left to a multiple of sixteen
tokens, so to a length that follows from their own. In products of one shape a row's bits do not depend on its place or on the
other rows. In products of different shapes they do, in the last place, and a draw can amplify that to another text. This is
measured, not proved: a test compares the bits. Other machines and libraries may draw another text where a number lies within
rounding of a boundary.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.errors import FieldError
from w2s.finetune.data.tables import read_table, write_table
from w2s.finetune.inference.contrast import Contrast
from w2s.finetune.inference.sampling import Prompt, Sampling, choose, draws
from w2s.finetune.inference.serve import check_serving, served
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.models.weights import model_config, parameter_count

__all__ = ["ROWS", "Prompt", "causal", "continuations", "ends_of", "generate"]

ROWS = 8
"""Rows of every batch, where a call does not say otherwise."""
_STEP = 16
"""Prompts are padded to a multiple of it."""
_SAY_SECONDS = 20.0


def _generate_cost(*, base: ModelFolder, sampling: Mapping[str, Any], samples: int, **_others: Any) -> float:
    """Count 2 operations per weight and new token of a thousand prompts: nominal, for plans."""
    return 2.0 * parameter_count(base) * Sampling.of(sampling).max_new_tokens * samples * 1000.0


_LATER = ("rows", "unaligned", "cd_lambda", "plausible", "engine")


@artifact(version=1, name="w2s.generate", cost=_generate_cost, gpus=1, later=_LATER)
def generate(
    work: Work,
    *,
    base: ModelFolder,
    items: Path,
    parts: Sequence[str],
    sampling: Mapping[str, Any],
    seed: int,
    samples: int = 1,
    max_length: int = 256,
    model: Path | None = None,
    rows: int = ROWS,
    unaligned: Path | None = None,
    cd_lambda: float = 0.0,
    plausible: float = 0.0,
    engine: Literal["transformers", "vllm"] = "transformers",
) -> None:
    """Continue the texts of some parts, ``samples`` times each, by a causal model, or by one trained from it (``model``).

    With ``cd_lambda`` or ``plausible`` tokens are drawn from the contrast of it and of another training of ``base``,
    ``unaligned`` (None: ``base`` itself): :func:`w2s.decoding.contrastive.contrastive`. Temperature and cuts come after it.

    ``sampling`` has the fields of :class:`w2s.finetune.inference.sampling.Sampling`; prompts keep their last ``max_length``
    tokens. ``rows`` go through the model at once; another number may give another text where two tokens are within rounding of
    each other. Writes ``generations.arrow`` (item_id, sample, text, tokens, ended: whether the model ended it) and
    ``generations.json`` (prompts, cut prompts, new tokens, seconds). A new attempt after a kill continues after the last whole
    batch.

    ``engine`` vllm writes them by vLLM, whose draws are others and which begins anew after a kill.

    Raises :class:`FieldError` for a model that is no causal one, for more tokens than the model has positions, and for vLLM
    where it is not installed or two models are to be contrasted.
    """
    if engine == "vllm":
        check_serving()
        if cd_lambda or plausible:
            raise FieldError("vLLM draws from one model; a contrast of two needs generation transformers", "generation")
    tokenizer, asked = load_tokenizer(base), Sampling.of(sampling)
    limit = int(tokenizer.model_max_length)
    if max_length + asked.max_new_tokens > limit:
        wanted = f"max_length {max_length} and {asked.max_new_tokens} new tokens"
        raise FieldError(f"model {base.name}: has {limit} positions, fewer than {wanted}", "max_length")
    table = read_table(items, "items")
    named = [
        (name, text)
        for name, text, part in zip(*(table[c].to_pylist() for c in ("item_id", "text", "part")), strict=True)
        if part in parts
    ]
    whole = tokenizer([text for _, text in named])["input_ids"]
    prompts = [
        Prompt(name, sample, tuple(ids[-max_length:]) or (int(tokenizer.pad_token_id),))
        for (name, _), ids in zip(named, whole, strict=True)
        for sample in range(samples)
    ]
    ends = ends_of(base, tokenizer)
    start, found = time.monotonic(), _Finished(work.scratch)
    module, contrast = causal(base, model), None
    if cd_lambda or plausible:
        contrast = Contrast(causal(base, unaligned) if cd_lambda else None, cd_lambda, plausible)
    if engine == "vllm":
        longest = max_length + asked.max_new_tokens
        found.add(range(len(prompts)), served(module, prompts, asked, seed, ends, longest, work.scratch))
    said, padding = start, int(tokenizer.pad_token_id)
    for places, tokens in continuations(module, prompts, asked, seed, ends, padding, found.places, rows, contrast):
        found.add(places, tokens)
        if time.monotonic() - said > _SAY_SECONDS:
            said = time.monotonic()
            work.note(f"generate: {len(found.places)} of {len(prompts)} continuations")
    written = [found.tokens[k] for k in range(len(prompts))]
    content = {
        "item_id": pa.array([prompt.name for prompt in prompts], pa.string()),
        "sample": pa.array([prompt.sample for prompt in prompts], pa.int32()),
        "text": pa.array(tokenizer.batch_decode(written, skip_special_tokens=True), pa.string()),
        "tokens": pa.array(written, pa.list_(pa.int32())),
        "ended": pa.array([bool(row) and row[-1] in ends for row in written], pa.bool_()),
    }
    write_table(work.folder, "generations", pa.table(content))
    account = {
        "prompts": len(named),
        "cut_prompts": sum(len(ids) > max_length for ids in whole),
        "new_tokens": sum(map(len, written)),
        "seconds": time.monotonic() - start,
    }
    (work.folder / "generations.json").write_text(json.dumps(account, indent=1), encoding="utf-8")


def continuations(
    model: Any,
    prompts: Sequence[Prompt],
    sampling: Sampling,
    seed: int,
    ends: Collection[int],
    padding: int,
    finished: frozenset[int] | set[int] = frozenset(),
    rows: int = ROWS,
    contrast: Contrast | None = None,
) -> Iterator[tuple[list[int], list[list[int]]]]:
    """Yield places of prompts and their new tokens, batch by batch; a continuation ends with one of ``ends``, or at its limit.

    ``model`` is a causal model of transformers; prompts at places in ``finished`` are left out. The batches depend on the
    prompts alone. With ``contrast`` another model is held against this one. One thread computes. Cost: 2 weights x tokens
    operations for each model, in batches of ``rows`` rows whatever their number.
    """
    from w2s.finetune.inference.encode import one_thread

    buckets: dict[int, list[int]] = {}
    for place, prompt in enumerate(prompts):
        if place not in finished:
            buckets.setdefault(-(-len(prompt.tokens) // _STEP) * _STEP, []).append(place)
    with one_thread():
        for length, members in sorted(buckets.items()):
            for k in range(0, len(members), rows):
                places = members[k : k + rows]
                some = [prompts[place] for place in places]
                yield places, _batch(model, some, length, sampling, seed, ends, padding, rows, contrast)


def _batch(
    model: Any,
    prompts: Sequence[Prompt],
    length: int,
    sampling: Sampling,
    seed: int,
    ends: Collection[int],
    padding: int,
    count: int,
    contrast: Contrast | None,
) -> list[list[int]]:
    """Compute the new tokens of at most ``count`` prompts of one padded length, in a batch of as many rows."""
    import torch

    device = next(model.parameters()).device
    rows = [*prompts, *[prompts[0]] * (count - len(prompts))]
    ids = torch.tensor([[padding] * (length - len(row.tokens)) + list(row.tokens) for row in rows], device=device)
    mask = torch.tensor([[0] * (length - len(row.tokens)) + [1] * len(row.tokens) for row in rows], device=device)
    positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
    chances = [draws(row.name, row.sample, seed, sampling.max_new_tokens) for row in prompts]
    found: list[list[int]] = [[] for _ in prompts]
    models = [model, *(contrast.others if contrast else [])]
    caches: list[Any] = [None] * len(models)
    with torch.inference_mode():
        for step in range(sampling.max_new_tokens):
            given = {"input_ids": ids, "attention_mask": mask, "position_ids": positions}
            logits: list[npt.NDArray[np.float32]] = []
            for place, one in enumerate(models):
                output = one(**given, past_key_values=caches[place], use_cache=True, logits_to_keep=1)
                caches[place] = output.past_key_values
                logits.append(output.logits[:, -1].float().cpu().numpy())
            for k, tokens in enumerate(found):
                if not tokens or tokens[-1] not in ends:
                    first, others = logits[0][k], [other[k] for other in logits[1:]]
                    values = contrast.logits(first, others) if contrast else first
                    tokens.append(choose(values, chances[k][step], sampling))
            if all(tokens[-1] in ends for tokens in found):
                break
            last = [tokens[-1] for tokens in found]
            ids = torch.tensor([[token] for token in [*last, *[last[0]] * (count - len(last))]], device=device)
            mask = torch.cat([mask, mask.new_ones(count, 1)], dim=1)
            positions = positions[:, -1:] + 1
    return found


def causal(base: ModelFolder, trained: Path | None) -> Any:
    """Load the causal model, or one trained from it, onto the device; LoRA is merged into weights that are not quantised."""
    from w2s.finetune.inference.forward import device_for
    from w2s.finetune.models.build import is_quantised, reload
    from w2s.finetune.models.pretrained import causal_model

    model: Any = causal_model(base, "generation") if trained is None else getattr(reload(trained, base), "backbone", None)
    if not hasattr(model, "generate"):
        raise FieldError(f"{trained} is no language model, but a classifier; generation needs one")
    if hasattr(model, "merge_and_unload") and trained is not None and not is_quantised(trained):
        model = model.merge_and_unload()
    return model.to(device_for()).eval()


def ends_of(base: ModelFolder, tokenizer: Any) -> set[int]:
    """Return the tokens that end a text: the tokenizer's, and those of the configuration."""
    named = model_config(base).get("eos_token_id")
    own = named if isinstance(named, list) else [named]
    return {int(token) for token in (tokenizer.eos_token_id, *own) if token is not None}


class _Finished:
    """Continuations by place, and a file in ``scratch`` with a line per batch."""

    def __init__(self, scratch: Path) -> None:
        self.path = scratch / "continuations.jsonl"
        self.tokens: dict[int, list[int]] = {}
        if self.path.exists():
            for line in self.path.read_text(encoding="utf-8").splitlines(keepends=True):
                if line.endswith("\n"):  # the last one may have been cut off by a kill
                    self.tokens |= {int(place): tokens for place, tokens in json.loads(line)}
            self.path.write_text("".join(json.dumps([item]) + "\n" for item in self.tokens.items()), encoding="utf-8")

    @property
    def places(self) -> set[int]:
        """Places that are done."""
        return set(self.tokens)

    def add(self, places: Sequence[int], tokens: Sequence[list[int]]) -> None:
        """Record a batch."""
        rows = list(zip(places, tokens, strict=True))
        self.tokens |= dict(rows)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(rows) + "\n")
