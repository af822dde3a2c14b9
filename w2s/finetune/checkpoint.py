"""States of an unfinished training: one folder per saved step, tensors as safetensors and the rest as JSON; nothing pickled."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

__all__ = ["latest_step", "write_step"]

_TENSORS, _CONTENT = "state.safetensors", "state.json"


def write_step(folder: Path, step: int, tensors: Mapping[str, Tensor], content: Mapping[str, Any]) -> None:
    """Write the state of a step; a rename makes it count, and then older ones go."""
    place, partial = folder / f"step-{step}", folder / f".step-{step}"
    partial.mkdir(parents=True, exist_ok=True)
    save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial / _TENSORS)
    (partial / _CONTENT).write_text(json.dumps({"step": step, **content}), encoding="utf-8")
    partial.replace(place)
    for old in folder.glob("step-*"):
        if old != place:
            shutil.rmtree(old)


def latest_step(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """Tensor file and content of the last step that was written whole; None when there is none."""
    found = list(folder.glob("step-*"))
    if not found:
        return None
    place = max(found, key=lambda item: int(item.name.removeprefix("step-")))
    return place / _TENSORS, json.loads((place / _CONTENT).read_text(encoding="utf-8"))
