"""Build classifiers from pretrained models, save and rebuild them."""

from __future__ import annotations

import json
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.quiet import quiet
from w2s.finetune.models.tokenizer import load_tokenizer

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Shape", "build", "reload", "save", "with_dropout"]


@dataclass(frozen=True)
class Shape:
    """How a classifier is made from a pretrained model.

    Attributes
    ----------
    classes : K.
    head : ``linear``, a new layer on the pooled last hidden state, or ``lm_tokens``, the language-model logits of one
        answer token per class.
    tuning : which weights are trained: ``full``, ``frozen_embeddings``, ``lora`` (rank ``lora_rank``, all linear layers) or
        ``head_only``.
    pooling : ``mean`` over tokens, ``cls`` (the first) or ``last``; ``auto``: ``last`` for causal models, else ``mean``.
    head_init : ``zeros`` (released code of Burns et al.) or ``normal`` (standard deviation 0.02).
    answers : the answer words of ``lm_tokens``, in class order.

    """

    classes: int
    head: Literal["linear", "lm_tokens"] = "linear"
    tuning: Literal["full", "frozen_embeddings", "lora", "head_only"] = "full"
    pooling: Literal["auto", "mean", "cls", "last"] = "auto"
    head_init: Literal["zeros", "normal"] = "zeros"
    lora_rank: int = 8
    answers: tuple[str, ...] = ()


def build(base: ModelFolder, shape: Shape, seed: int) -> nn.Module:
    """Build the classifier: ``module(input_ids, attention_mask)`` gives logits (B, K) in float32.

    The seed decides the new weights (head, LoRA). Raises :class:`FieldError` when the model has no such layers or head.
    """
    import torch

    with torch.random.fork_rng(devices=[]), quiet():
        torch.manual_seed(seed)
        return _lm_tokens(base, shape) if shape.head == "lm_tokens" else _linear(base, shape)


def save(folder: Path, module: nn.Module, base: ModelFolder, shape: Shape) -> None:
    """Write the trained weights (``weights.safetensors``, the trainable ones) and how to build the rest (``model.json``)."""
    from safetensors.torch import save_file

    trained = {name: weight.detach().cpu().contiguous() for name, weight in module.named_parameters() if weight.requires_grad}
    save_file(trained, folder / "weights.safetensors")
    content = {"base": base.name, "sha256": base.sha256, "shape": asdict(shape)}
    (folder / "model.json").write_text(json.dumps(content, indent=1), encoding="utf-8")


def reload(folder: Path, base: ModelFolder) -> nn.Module:
    """Build a saved classifier again, equal to the last bit. Raises :class:`FieldError` for another base model."""
    from safetensors.torch import load_file

    content = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    if content["sha256"] != base.sha256:
        raise FieldError(f"{folder} was trained from {content['base']}, which is not {base.name}")
    shape = Shape(**content["shape"] | {"answers": tuple(content["shape"]["answers"])})
    module = build(base, shape, seed=0)
    result = module.load_state_dict(load_file(folder / "weights.safetensors"), strict=False)
    if result.unexpected_keys:
        raise FieldError(f"{folder}: unknown weights {result.unexpected_keys[:3]}")
    return module


def _linear(base: ModelFolder, shape: Shape) -> nn.Module:
    import torch
    import transformers

    from w2s.finetune.models.classifier import LinearClassifier

    backbone = _pretrained(transformers.AutoModel, base)
    causal = bool(getattr(backbone.config, "is_decoder", False)) or _is_causal(backbone.config)
    pooling = ("last" if causal else "mean") if shape.pooling == "auto" else shape.pooling
    head = torch.nn.Linear(int(backbone.config.hidden_size), shape.classes)
    torch.nn.init.zeros_(head.bias)
    if shape.head_init == "zeros":
        torch.nn.init.zeros_(head.weight)
    else:
        torch.nn.init.normal_(head.weight, std=0.02)
    return LinearClassifier(_tuned(backbone, shape), head, pooling)


def _lm_tokens(base: ModelFolder, shape: Shape) -> nn.Module:
    import transformers

    from w2s.finetune.models.classifier import TokenClassifier

    if len(shape.answers) != shape.classes:
        raise FieldError(f"head lm_tokens needs one answer word per class: {shape.classes} classes, answers {shape.answers}")
    config = transformers.AutoConfig.from_pretrained(base.path, local_files_only=True, trust_remote_code=False)
    if not _is_causal(config):
        raise FieldError(f"model {base.name} is no causal language model; head lm_tokens needs one")
    backbone = _pretrained(transformers.AutoModelForCausalLM, base)
    tokenizer = load_tokenizer(base)
    tokens = [tokenizer(word, add_special_tokens=False)["input_ids"] for word in shape.answers]
    if len({ids[0] for ids in tokens if ids}) != shape.classes:
        raise FieldError(f"the answers {shape.answers} do not begin with different tokens of {base.name}")
    if shape.tuning == "head_only":
        raise FieldError("head lm_tokens has no head of its own to train; choose tuning full, frozen_embeddings or lora")
    return TokenClassifier(_tuned(backbone, shape), [ids[0] for ids in tokens])


def _is_causal(config: Any) -> bool:
    import transformers

    mapping = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = transformers.models.auto.modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return config.model_type in mapping and config.model_type not in masked


def _pretrained(auto: Any, base: ModelFolder) -> Any:
    import torch

    model, report = auto.from_pretrained(
        base.path,
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32,
        output_loading_info=True,
    )
    # transformers fills what a file lacks with random numbers; a pooler is never used here.
    if absent := sorted(name for name in report["missing_keys"] if "pooler" not in name):
        raise FieldError(f"model {base.name}: its files lack {len(absent)} weights, the first is {absent[0]}")
    if base.layers is not None:
        _truncate(model, base)
    model.eval()
    return model


def _truncate(model: Any, base: ModelFolder) -> None:
    """Keep the first layers: of the longest list of modules, which is a transformer's stack."""
    import torch

    stacks = [(name, module) for name, module in model.named_modules() if isinstance(module, torch.nn.ModuleList)]
    if not stacks:
        raise FieldError(f"model {base.name}: has no stack of layers to cut")
    name, stack = max(stacks, key=lambda pair: len(pair[1]))
    keep = base.layers or 0
    if keep > len(stack):
        raise FieldError(f"model {base.name}: has {len(stack)} layers, not {keep}")
    parent = model.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], torch.nn.ModuleList(list(stack)[:keep]))
    for key in ("num_hidden_layers", "n_layer", "num_layers"):
        if hasattr(model.config, key):
            setattr(model.config, key, keep)


def _tuned(backbone: Any, shape: Shape) -> nn.Module:
    """Say which weights are trained."""
    if shape.tuning == "lora":
        import peft

        config = peft.LoraConfig(
            r=shape.lora_rank, lora_alpha=2 * shape.lora_rank, target_modules="all-linear", lora_dropout=0.0
        )
        with warnings.catch_warnings():
            # peft asks transformers by a name of before 5.0, and says so when it corrects itself for GPT-2's transposed layers.
            warnings.simplefilter("ignore")
            adapted: nn.Module = peft.get_peft_model(backbone, config)
        return adapted
    if shape.tuning == "head_only":
        backbone.requires_grad_(requires_grad=False)
    elif shape.tuning == "frozen_embeddings":
        backbone.get_input_embeddings().requires_grad_(requires_grad=False)
    for name, weight in backbone.named_parameters():
        if "pooler" in name:
            weight.requires_grad_(requires_grad=False)  # never used here: it would take part in decay and norms only
    return backbone  # type: ignore[no-any-return]


def with_dropout(module: nn.Module, rate: float) -> nn.Module:
    """Give all dropout layers of a module, and its attentions' dropout, one rate; the module is changed in place."""
    import torch

    for part in module.modules():
        names = ("p",) if isinstance(part, torch.nn.Dropout) else ("attention_dropout", "dropout_p")
        for name in names:
            if isinstance(getattr(part, name, None), float):
                setattr(part, name, rate)
    return module
