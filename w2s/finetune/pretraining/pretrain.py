"""The artifacts of one pretraining: a folder as transformers reads it, and what it makes of held-out texts."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from w2s.artifacts import Work, artifact
from w2s.files.datafile import DataFile
from w2s.finetune.models.made import decoder_config, decoder_weights
from w2s.finetune.pretraining.corpus import Piece, text_bytes

__all__ = ["held_out_text", "pretrain", "weight_count"]

_BATCH_TOKENS = 8192
_LEAST_POSITIONS = 256


def weight_count(*, layers: int, hidden: int, vocabulary: int) -> int:
    """Count the weights of a decoder: V d for tokens, 13 d^2 + 2 d a layer, d for the last norm; the head is the embedding."""
    return vocabulary * hidden + layers * (13 * hidden**2 + 2 * hidden) + hidden


def _pretraining_cost(*, shape: Mapping[str, int], recipe: Mapping[str, Any], tokens: int, **_others: Any) -> float:
    """Count 6 operations a weight and token, nominal, for plans."""
    size = weight_count(layers=shape["layers"], hidden=shape["hidden"], vocabulary=shape["vocabulary"])
    return 6.0 * size * tokens * int(recipe["epochs"])


@artifact(version=1, name="w2s.pretrain", cost=_pretraining_cost)
def pretrain(
    work: Work,
    *,
    tokenizer: Path,
    packed: Path,
    shape: Mapping[str, int],
    recipe: Mapping[str, Any],
    tokens: int,  # noqa: ARG001 -- for plans
    seed: int,
) -> None:
    """Train a decoder on packed tokens, from its first weights.

    ``shape`` has ``layers``, ``hidden``, ``heads``, ``context``, and ``vocabulary``, the most tokens that the tokenizer has.
    ``tokens`` of an epoch are for plans. The seed draws the first weights and the order of the windows.

    Writes ``config.json``, ``model.safetensors``, ``tokenizer.json`` and ``tokenizer_config.json``, a model like any other;
    ``curve.arrow`` (loss and rate by step) and ``training.json`` (steps, tokens, seconds, tokens a second, weights).
    """
    import torch
    import transformers
    from safetensors.numpy import save_file

    from w2s.finetune.models.linears import with_onednn
    from w2s.finetune.pretraining.packed import Packed, read_packed
    from w2s.finetune.training.loop import Recipe, Trainer
    from w2s.finetune.training.run import write_curves

    size = json.loads((tokenizer / "vocabulary.json").read_text(encoding="utf-8"))["size"]
    layers, hidden, context = shape["layers"], shape["hidden"], shape["context"]
    config = decoder_config(
        layers=layers, width=hidden, heads=shape["heads"], vocabulary=size, positions=max(context, _LEAST_POSITIONS)
    )
    weights = decoder_weights(layers, hidden, size, ("pretrain", f"{layers}x{hidden}"), seed)
    (work.folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
    module = transformers.AutoModelForCausalLM.from_config(
        transformers.AutoConfig.from_pretrained(work.folder, local_files_only=True), dtype=torch.float32
    )
    module.load_state_dict({name: torch.from_numpy(value) for name, value in weights.items()}, strict=False)
    with_onednn(module)
    trainer = Trainer(
        module, Packed(read_packed(packed), context), Recipe(**recipe), seed, checkpoint=work.scratch, note=work.note
    )
    trainer.run()
    trained = {name: weight.detach().cpu().contiguous().numpy() for name, weight in trainer.weights.items()}
    assert set(trained) == set(weights), "a decoder with other weights than were drawn"
    save_file(trained, work.folder / "model.safetensors", {"format": "pt"})
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(tokenizer / name, work.folder / name)
    write_curves(work.folder, trainer)
    said = {
        "steps": trainer.steps,
        "tokens": trainer.tokens,
        "seconds": trainer.seconds,
        "tokens_per_second": trainer.tokens / max(trainer.seconds, 1e-9),
        "weights": sum(value.size for value in weights.values()),
        **trainer.objective.said(),
    }
    (work.folder / "training.json").write_text(json.dumps(said, indent=1), encoding="utf-8")


@artifact(version=1, name="w2s.held_out_text")
def held_out_text(work: Work, *, model: Path, text: DataFile, held_lines: int, context: int) -> None:
    """Compute what a pretrained model makes of a text: all of it, or its last ``held_lines`` lines.

    A token is predicted from at most ``context`` tokens before it, those of its window. Writes ``held_out.json`` (``nats`` of
    the whole text, ``tokens``, ``bytes``, ``bits_per_byte`` = nats / ln 2 / bytes) and ``windows.safetensors``: nats of each
    full window in turn, (m,) float64.
    """
    import numpy as np
    import torch
    import transformers
    from safetensors.numpy import save_file

    from w2s.finetune.inference.forward import device_for
    from w2s.finetune.models.linears import with_onednn
    from w2s.finetune.pretraining.packed import stream_of, window_nats, windows_of

    lines = Piece(text, held_lines, last=held_lines > 0).lines()
    tokens = stream_of(model, lines)
    windows, rest = windows_of(tokens, context)
    module = transformers.AutoModelForCausalLM.from_pretrained(
        model, local_files_only=True, use_safetensors=True, trust_remote_code=False, dtype=torch.float32
    )
    module = with_onednn(module).to(device_for()).eval()
    size = max(1, _BATCH_TOKENS // context)
    found = [window_nats(module, windows[k : k + size]) for k in range(0, len(windows), size)]
    nats = np.concatenate([np.empty(0), *found])
    total = float(nats.sum()) + (float(window_nats(module, rest[None]).sum()) if len(rest) > 1 else 0.0)
    size = text_bytes(lines)
    said = {"nats": total, "tokens": len(tokens) - 1, "bytes": size, "bits_per_byte": total / math.log(2) / size}
    (work.folder / "held_out.json").write_text(json.dumps(said, indent=1), encoding="utf-8")
    save_file({"nats": nats}, work.folder / "windows.safetensors")
