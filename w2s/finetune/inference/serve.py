"""Texts that vLLM writes behind prompts: the same models, many times as fast on a card, with random numbers of its own.

Greedy texts are those of the other way up to rounding; drawn ones are other draws from the same law. Which way is taken is
part of what names the texts, never of what happens to be installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from w2s.errors import FieldError
from w2s.finetune.inference.sampling import Prompt, Sampling
from w2s_kernels import stream

__all__ = ["check_serving", "served"]


def check_serving() -> None:
    """Raise :class:`FieldError` where vLLM is not installed."""
    if importlib.util.find_spec("vllm") is None:
        raise FieldError("generation vllm needs vLLM: pip install 'w2s-sweep[serve]'", "generation")


def served(
    model: Any, prompts: Sequence[Prompt], sampling: Sampling, seed: int, ends: Collection[int], length: int, scratch: Path
) -> list[list[int]]:
    """Return the new tokens of each prompt, written by vLLM with a causal model of transformers.

    The model is saved to ``scratch`` and loaded from there; no code that comes with a model is run. A prompt and its
    continuation have at most ``length`` tokens. The seed of a continuation is hashed from item id, sample and seed. Raises
    :class:`FieldError` for LoRA over quantised weights.
    """
    import vllm

    if hasattr(model, "merge_and_unload"):
        raise FieldError(
            "LoRA over int8 weights is not merged, and vLLM reads whole models; use generation transformers", "generation"
        )
    place = scratch / "served"
    model.to("cpu").save_pretrained(place)  # vLLM takes the card for itself
    name = str(next(model.parameters()).dtype).removeprefix("torch.")
    engine = vllm.LLM(
        model=str(place), skip_tokenizer_init=True, trust_remote_code=False, dtype=name, max_model_len=length, seed=0
    )
    asked = [_parameters(vllm, prompt, sampling, seed, ends) for prompt in prompts]
    given = [{"prompt_token_ids": list(prompt.tokens)} for prompt in prompts]
    return [_tokens(answer.outputs[0], ends) for answer in engine.generate(given, asked, use_tqdm=False)]


def _parameters(vllm: Any, prompt: Prompt, sampling: Sampling, seed: int, ends: Collection[int]) -> Any:
    own = stream("vllm", prompt.name, str(prompt.sample), seed=seed).key[0] >> 1  # it takes 63 bits
    return vllm.SamplingParams(
        temperature=sampling.temperature,
        top_k=sampling.top_k or 0,
        top_p=sampling.top_p,
        max_tokens=sampling.max_new_tokens,
        seed=int(own),
        stop_token_ids=sorted(ends),
        detokenize=False,
    )


def _tokens(found: Any, ends: Collection[int]) -> list[int]:
    """Return the tokens of a continuation with the one that ended it, which may come apart."""
    tokens = [int(token) for token in found.token_ids]
    if found.finish_reason == "stop" and (not tokens or tokens[-1] not in ends):
        tokens.append(int(found.stop_reason) if isinstance(found.stop_reason, int) else min(ends))
    return tokens
