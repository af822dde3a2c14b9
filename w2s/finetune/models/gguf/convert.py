"""Turn a model file in GGUF into a folder as transformers writes it, once: float32 weights, configuration, tokenizer.

Reading a file of a hundred million weights takes 10 s to a minute, most of it for the tokenizer, and a grid loads its models
hundreds of times. So the folder is kept in the user's cache folder, under the digest of the file and the versions of the
libraries that read it; it takes 4 bytes a weight. Of workers that meet a file at once one converts it, the others wait.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import json
from pathlib import Path
from typing import Any

from w2s.errors import FieldError, first_line
from w2s.files.cache import cache_folder, made_folder
from w2s.files.datafile import content_sha256
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.gguf.header import gguf_header
from w2s.finetune.models.quiet import quiet

__all__ = ["check_gguf", "files_of"]


def check_gguf(base: ModelFolder) -> None:
    """Raise :class:`FieldError` where a ``.gguf`` file cannot be converted: no package ``gguf``, or a kind that is not read."""
    _need_gguf(base)
    from transformers.modeling_gguf_pytorch_utils import GGUF_SUPPORTED_ARCHITECTURES

    kind = str(gguf_header(base.path).config["model_type"])
    if _plain(kind) not in map(_plain, GGUF_SUPPORTED_ARCHITECTURES):
        raise FieldError(f"model {base.name}: transformers does not read models of kind {kind!r} from GGUF")


def files_of(base: ModelFolder) -> Path:
    """Return the folder that transformers can load: the model's own, or the one made from its ``.gguf`` file.

    Raises :class:`FieldError` without the package ``gguf``, or for a kind of model that transformers does not read from GGUF.
    """
    if not base.is_gguf:
        return base.path
    _need_gguf(base)
    versions = [importlib.metadata.version(library) for library in ("transformers", "gguf")]
    place = cache_folder("models", "-".join([content_sha256(base.path)[:32], *versions]))
    return made_folder(place, "config.json", lambda folder: _write(base, folder))


def _need_gguf(base: ModelFolder) -> None:
    if importlib.util.find_spec("gguf") is None:
        raise FieldError(f"model {base.name}: files in GGUF need the package gguf: pip install 'w2s-sweep[gguf]'")


def _plain(kind: str) -> str:
    """Name a kind of model without the signs in which llama.cpp and transformers differ: qwen2moe, qwen2_moe."""
    return kind.replace("-", "").replace("_", "")


def _write(base: ModelFolder, folder: Path) -> None:
    import torch
    import transformers
    from safetensors.torch import save_file

    given: dict[str, Any] = {"gguf_file": base.path.name, "local_files_only": True, "trust_remote_code": False}
    try:
        with quiet(), contextlib.redirect_stderr(io.StringIO()):  # a progress bar that no setting turns off
            model = transformers.AutoModelForCausalLM.from_pretrained(base.path.parent, dtype=torch.float32, **given)
            tokenizer = transformers.AutoTokenizer.from_pretrained(base.path.parent, **given)
            tokenizer.save_pretrained(folder)
    except (ValueError, NotImplementedError, KeyError) as error:
        raise FieldError(f"model {base.name}: transformers does not read it from GGUF: {first_line(error)}") from None
    # transformers refuses to save a model of quantised files, though its weights are float32 by now.
    tied = {"lm_head.weight"} if model.config.tie_word_embeddings else set()
    weights = {name: value.contiguous() for name, value in model.state_dict().items() if name not in tied}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    config = model.config.to_dict()
    config.pop("quantization_config", None)
    config |= {"architectures": [type(model).__name__], "dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config, indent=1), encoding="utf-8")
