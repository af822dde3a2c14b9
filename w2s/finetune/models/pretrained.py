"""Load pretrained models: weights in float32, cut to their first layers, and which of them are trained."""

from __future__ import annotations

import importlib.util
import warnings
from typing import TYPE_CHECKING, Any, Literal

from w2s.errors import FieldError
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.gguf.convert import files_of
from w2s.finetune.models.small_pass import unused_linears

if TYPE_CHECKING:
    from torch import nn

__all__ = ["Adapted", "Precision", "Tuning", "causal_model", "is_causal", "model_settings", "pretrained", "tuned"]

Tuning = Literal["full", "frozen_embeddings", "lora", "head_only", "frozen", "top_layers"]
"""Which weights are trained; with ``frozen`` a head on features that were computed once, without the model, with
``top_layers`` the last layers and a head on states that were computed once."""
Adapted = Literal["all", "used"]
"""Which linear layers LoRA adapts: all, or those that have a part in the output."""
Precision = Literal["float32", "bfloat16", "int8"]
"""How a model's weights are held; int8 are weights of linear layers, the others are bfloat16 then."""


def model_settings(base: ModelFolder) -> Any:
    """Return the configuration object that transformers makes of a model's files; it raises what transformers raises."""
    import transformers

    return transformers.AutoConfig.from_pretrained(files_of(base), local_files_only=True, trust_remote_code=False)


def is_causal(config: Any) -> bool:
    """Tell whether a configuration is that of a causal language model."""
    import transformers

    mapping = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = transformers.models.auto.modeling_auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    return config.model_type in mapping and config.model_type not in masked


def pretrained(auto: Any, base: ModelFolder, precision: Precision = "float32", *, without_weights: bool = False) -> Any:
    """Load a model's weights by one of the automatic classes of transformers, cut to the layers asked for.

    With ``precision`` int8 every linear layer holds int8 weights with a scale for each output (torchao), and multiplies in
    bfloat16. ``without_weights`` leaves them on Torch's meta device, where a pass tells shapes alone.
    Raises :class:`FieldError` for files that lack weights, for more layers than there are, and for int8 without torchao.
    """
    import torch

    from w2s.finetune.models.linears import with_onednn

    model, report = auto.from_pretrained(
        files_of(base),
        use_safetensors=True,
        trust_remote_code=False,
        local_files_only=True,
        dtype=torch.float32 if precision == "float32" else torch.bfloat16,
        output_loading_info=True,
        **({"device_map": {"": "meta"}} if without_weights else {}),
    )
    # transformers fills what a file lacks with random numbers; a pooler is never used here.
    if absent := sorted(name for name in report["missing_keys"] if "pooler" not in name):
        raise FieldError(f"model {base.name}: its files lack {len(absent)} weights, the first is {absent[0]}")
    if base.layers is not None:
        _truncate(model, base)
    if precision == "int8":
        _quantise(model)
    model.eval()
    return with_onednn(model)


def _quantise(model: Any) -> None:
    """Hold the weights of linear layers in int8, but for a language model's head; they are multiplied in bfloat16."""
    import torch

    if importlib.util.find_spec("torchao") is None:
        raise FieldError("precision int8 needs torchao: pip install 'w2s-sweep[quant]'", "precision")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torchao.quantization import Int8WeightOnlyConfig, quantize_

        head = model.get_output_embeddings()
        quantize_(model, Int8WeightOnlyConfig(), lambda part, _name: isinstance(part, torch.nn.Linear) and part is not head)


def causal_model(base: ModelFolder, purpose: str, precision: Precision = "float32") -> Any:
    """Load a causal language model with its logits; raise :class:`FieldError` for a model of another kind."""
    import transformers

    if not is_causal(model_settings(base)):
        raise FieldError(f"model {base.name} is no causal language model; {purpose} needs one")
    return pretrained(transformers.AutoModelForCausalLM, base, precision)


def _truncate(model: Any, base: ModelFolder) -> None:
    """Keep the first layers: of the list of modules that has as many as the configuration says, or of layers that are one."""
    import torch

    config, keep = model.config, base.layers or 0
    depth = int(config.num_hidden_layers)
    if keep > depth:
        raise FieldError(f"model {base.name}: has {depth} layers, not {keep}")
    lists = {name: part for name, part in model.named_modules() if isinstance(part, torch.nn.ModuleList)}
    name = next((name for name, part in lists.items() if len(part) == depth), None)
    if name is not None:
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], torch.nn.ModuleList(list(lists[name])[:keep]))
    elif getattr(config, "num_hidden_groups", None) != 1:  # ALBERT passes one layer many times
        raise FieldError(f"model {base.name}: has no stack of {depth} layers to cut")
    config.num_hidden_layers = keep


def tuned(backbone: Any, tuning: Tuning, lora_rank: int, adapted: Adapted = "used") -> nn.Module:
    """Say which weights are trained: all, all but the embeddings, LoRA of a rank beside linear layers, or none.

    ``adapted`` says beside which: those that have a part in the output, or all. The head of a language model is never one.
    """
    if tuning == "lora":
        import peft

        idle = unused_linears(backbone) if adapted == "used" else []
        config = peft.LoraConfig(
            r=lora_rank,
            lora_alpha=2 * lora_rank,
            target_modules="all-linear",
            exclude_modules=idle or None,
            lora_dropout=0.0,
        )
        with warnings.catch_warnings():
            # peft asks transformers by a name of before 5.0, and says so when it corrects itself for GPT-2's transposed layers.
            warnings.simplefilter("ignore")
            result: nn.Module = peft.get_peft_model(backbone, config)
        return result
    if tuning == "head_only":
        backbone.requires_grad_(requires_grad=False)
    elif tuning == "frozen_embeddings":
        backbone.get_input_embeddings().requires_grad_(requires_grad=False)
    for name, weight in backbone.named_parameters():
        if "pooler" in name:
            weight.requires_grad_(requires_grad=False)  # never used here: it would take part in decay and norms only
    return backbone  # type: ignore[no-any-return]
