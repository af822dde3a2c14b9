"""States of an unfinished training: one folder per saved step, tensors as safetensors and the rest as JSON; nothing pickled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from w2s.files.durable import publish

__all__ = ["latest_step", "write_step"]

_TENSORS, _CONTENT = "state.safetensors", "state.json"


def write_step(folder: Path, step: int, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Write the state of a step to a folder; a rename makes it valid, and older steps are then removed."""
    place, partial = folder / f"step-{step}", folder / f".step-{step}"
    partial.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial / _TENSORS)
    (partial / _CONTENT).write_text(json.dumps({"step": step, **content}), encoding="utf-8")
    publish(partial, place)  # where there is one already it could not be read, or this step would not have been done again
    for old in folder.glob("step-*"):
        if old != place:
            shutil.rmtree(old)


def latest_step(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Return tensor file and content of the last step that can be read; None when there is none."""
    for place in sorted(folder.glob("step-*"), key=lambda item: int(item.name.removeprefix("step-")), reverse=True):
        try:
            content = json.loads((place / _CONTENT).read_text(encoding="utf-8"))
            with safe_open(place / _TENSORS, framework="pt"):
                return place / _TENSORS, content
        except (OSError, ValueError, SafetensorError):
            continue
    return None
