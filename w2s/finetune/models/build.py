"""Build classifiers from pretrained models, save and rebuild them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.pretrained import Adapted, Precision, Tuning, causal_model, is_causal, pretrained, tuned
from w2s.finetune.models.quiet import quiet
from w2s.finetune.models.small_pass import output_width
from w2s.finetune.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Shape", "build", "is_quantised", "load_weights", "reload", "save", "with_dropout"]


_LATER: Mapping[str, Any] = {"adapted": "all", "width": None, "top": None, "precision": "float32"}
"""Fields of a shape that came later, with the value that files of before stand for: it is not written."""


@dataclass(frozen=True)
class Shape:
    """How a classifier is made from a pretrained model.

    Attributes
    ----------
    classes : K.
    head : ``linear``, a new layer on the pooled last hidden state; ``lm_tokens``, the language-model logits of one answer
        token per class; ``lm``, a language model itself, which gives log-probabilities of tokens.
    tuning : which weights are trained: ``full``, ``frozen_embeddings``, ``lora`` (rank ``lora_rank``, beside linear layers),
        ``head_only``, ``frozen``: the head alone, on features that were computed once, or ``top_layers``: the head and the last
        ``top`` layers, on states of tokens that were computed once.
    pooling : ``mean`` over tokens, ``cls`` (the first) or ``last``; ``auto``: ``last`` for causal models, else ``mean``.
    head_init : ``zeros`` (released code of Burns et al.) or ``normal`` (standard deviation 0.02).
    answers : the answer words of ``lm_tokens``, in class order.
    adapted : linear layers that LoRA adapts: ``used``, those that have a part in the output; ``all``, as in models that were
        trained before there was a choice, a pooler that nothing uses among them.
    width : of the features that a ``frozen`` model sees.
    top : layers that are trained with ``top_layers``.
    precision : how the model's weights are held: ``float32``; ``bfloat16``, while steps are taken on float32 copies of those
        that are trained; ``int8``, quantised, where LoRA alone is trained. A new head and LoRA are float32 always.

    """

    classes: int
    head: Literal["linear", "lm_tokens", "lm"] = "linear"
    tuning: Tuning = "full"
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    head_init: Literal["zeros", "normal"] = "zeros"
    lora_rank: int = 8
    answers: tuple[str, ...] = ()
    adapted: Adapted = "all"
    width: int | None = None
    top: int | None = None
    precision: Precision = "float32"


def build(base: ModelFolder, shape: Shape, seed: int) -> nn.Module:
    """Build the module: ``module(input_ids, attention_mask)`` gives logits (B, K), with head ``lm`` log-probabilities (B, T).

    A ``frozen`` one takes features (B, width) in place of the tokens, and does not load the base model; one of ``top_layers``
    takes states (B, T, d).

    The seed decides the new weights (head, LoRA). Raises :class:`FieldError` when the model lacks such layers or such a head.
    """
    import torch

    if shape.precision == "int8" and shape.tuning != "lora":
        raise FieldError(f"precision int8 is for tuning lora, which leaves the model's weights as they are; not {shape.tuning}")
    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        module = _BUILDERS[shape.head](base, shape)
    config: Any = getattr(getattr(module, "backbone", None), "config", None)
    if config is not None:
        config.use_cache = False  # keys and values are for further tokens, which a generation asks for by itself
    return module


def save(folder: Path, trained: nn.Module | Mapping[str, Tensor], base: ModelFolder, shape: Shape) -> None:
    """Write the trained weights (``weights.safetensors``) and how to build the rest (``model.json``).

    ``trained`` is the module, or its trained weights by name where those are held in another precision than the module's.
    """
    from safetensors.torch import save_file

    if not isinstance(trained, Mapping):
        trained = {name: weight for name, weight in trained.named_parameters() if weight.requires_grad}
    save_file({name: weight.detach().cpu().contiguous() for name, weight in trained.items()}, folder / "weights.safetensors")
    stored = {name: value for name, value in asdict(shape).items() if name not in _LATER or value != _LATER[name]}
    content = {"base": base.name, "sha256": base.sha256, "shape": stored}
    (folder / "model.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def reload(folder: Path, base: ModelFolder) -> nn.Module:
    """Build a saved classifier again, equal to the last bit. Raises :class:`FieldError` for another base model."""
    content = _content(folder, base)
    module = build(base, Shape(**content["shape"] | {"answers": tuple(content["shape"]["answers"])}), seed=0)
    load_weights(module, folder, base)
    return module


def load_weights(module: nn.Module, folder: Path, base: ModelFolder) -> None:
    """Replace the trained weights of a module by those of a saved classifier of the same shape, to the last bit.

    A classifier with a linear head also takes the weights of a language model of its base: its head stays as it is, and what
    only makes the logits of tokens is left out. Raises :class:`FieldError` for another base model, and for weights that the
    module has not.
    """
    from safetensors.torch import load_file

    shape, weights = _content(folder, base)["shape"], load_file(folder / "weights.safetensors")
    if shape["head"] == "lm" and hasattr(module, "head"):
        backbone: Any = module.backbone
        inner = f"backbone.{backbone.base_model_prefix}."
        weights = {f"backbone.{name.removeprefix(inner)}": w for name, w in weights.items() if name.startswith(inner)}
        if not weights:
            raise FieldError(f"{folder}: a language model with adapted layers is no start of a classifier; use another tuning")
    result = module.load_state_dict(weights, strict=False)
    if result.unexpected_keys:
        raise FieldError(f"{folder}: unknown weights {result.unexpected_keys[:3]}")


def is_quantised(folder: Path) -> bool:
    """Tell whether a saved classifier has quantised weights, into which LoRA is not merged."""
    shape = json.loads((folder / "model.json").read_text(encoding="utf-8"))["shape"]
    return bool(shape.get("precision") == "int8")


def _content(folder: Path, base: ModelFolder) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if content["sha256"] != base.sha256:
        raise FieldError(f"{folder} was trained from {content['base']}, which is not {base.name}")
    return content


def _linear(base: ModelFolder, shape: Shape) -> nn.Module:
    import transformers

    from w2s.finetune.models.classifier import FeatureClassifier, LinearClassifier

    if shape.tuning == "frozen":
        if shape.width is None:
            raise FieldError(f"tuning frozen needs the width of the features of {base.name}")
        return FeatureClassifier(_head(shape.width, shape))
    backbone = pretrained(transformers.AutoModel, base, shape.precision)
    causal = bool(getattr(backbone.config, "is_decoder", False)) or is_causal(backbone.config)
    pooling = ("last" if causal else "mean") if shape.pooling == "auto" else shape.pooling
    head = _head(output_width(backbone), shape)  # drawn before LoRA's weights
    if shape.tuning == "top_layers":
        from w2s.finetune.models.upper import UpperClassifier, keep_last_layers

        return UpperClassifier(backbone, keep_last_layers(backbone, shape.top or 1, base.name), head, pooling)
    return LinearClassifier(_tuned(backbone, shape), head, pooling)


def _head(width: int, shape: Shape) -> nn.Linear:
    import torch

    head = torch.nn.Linear(width, shape.classes)
    torch.nn.init.zeros_(head.bias)
    if shape.head_init == "zeros":
        torch.nn.init.zeros_(head.weight)
    else:
        torch.nn.init.normal_(head.weight, std=0.02)
    return head


def _lm_tokens(base: ModelFolder, shape: Shape) -> nn.Module:
    from w2s.finetune.models.classifier import TokenClassifier

    if len(shape.answers) != shape.classes:
        raise FieldError(f"head lm_tokens needs one answer word per class: {shape.classes} classes, answers {shape.answers}")
    backbone = causal_model(base, "head lm_tokens", shape.precision)
    tokenizer = load_tokenizer(base)
    tokens = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in shape.answers]
    if len({ids[0] for ids in tokens if ids}) != shape.classes:
        raise FieldError(f"the answers {shape.answers} do not begin with different tokens of {base.name}")
    _check_tuning(shape)
    return TokenClassifier(_tuned(backbone, shape), [ids[0] for ids in tokens])


def _lm(base: ModelFolder, shape: Shape) -> nn.Module:
    from w2s.finetune.models.classifier import LanguageModel

    backbone = causal_model(base, "head lm", shape.precision)
    _check_tuning(shape)
    return LanguageModel(_tuned(backbone, shape))


def _tuned(backbone: nn.Module, shape: Shape) -> nn.Module:
    return tuned(backbone, shape.tuning, shape.lora_rank, shape.adapted)


def _check_tuning(shape: Shape) -> None:
    if shape.tuning in ("head_only", "frozen", "top_layers"):
        raise FieldError(f"head {shape.head} has no head of its own to train; choose tuning full, frozen_embeddings or lora")


_BUILDERS = {"linear": _linear, "lm_tokens": _lm_tokens, "lm": _lm}


def with_dropout(module: nn.Module, rate: float) -> nn.Module:
    """Give all dropout layers of a module, and its attentions' dropout, one rate; the module is changed in place."""
    import torch

    for part in module.modules():
        names = ("p",) if isinstance(part, torch.nn.Dropout) else ("attention_dropout", "dropout_p")
        for name in names:
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, rate)
    return module
