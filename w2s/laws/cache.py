"""Arrays that are dear to compute and depend on contents alone, kept in the user's cache folder.

A folder that cannot be written costs time, never a result; nothing is ever unpickled.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["cache_folder", "cached"]


def cached(key: str, compute: Callable[[], npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the array stored under a key, or compute and store it. The key must name everything the array depends on.

    What is stored is mapped into memory, so that a part of it can be used without reading the rest.
    """
    path = cache_folder() / f"{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}.npy"
    try:
        return np.asarray(np.load(path, allow_pickle=False, mmap_mode="r"))
    except (OSError, ValueError, EOFError):
        values = compute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{os.getpid()}-{path.name}")
        np.save(temporary, values, allow_pickle=False)
        temporary.replace(path)
    except OSError:
        return values
    return values


def cache_folder() -> Path:
    """``w2s-sweep/features`` in ``XDG_CACHE_HOME``, which is ``~/.cache`` where it is not set."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "w2s-sweep" / "features"
