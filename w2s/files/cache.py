"""Arrays that are expensive to compute and depend on contents alone, kept in the user's cache folder and in this process.

A folder that cannot be written costs time, never a result; nothing is ever unpickled.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.files.durable import publish, whole
from w2s.files.lock import hold

__all__ = ["cache_folder", "cached", "has_kept_cache", "made_folder", "made_once"]

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class _Recipe:
    """How an array is made; two with one place are the same array."""

    path: Path
    compute: Callable[[], Array] = field(compare=False)


def cached(key: str, compute: Callable[[], Array]) -> Array:
    """Return the array stored under a key, or compute and store it. The key must name everything the array depends on.

    The stored array is mapped into memory, so that a part of it can be used without reading the rest: do not write into it.
    The process keeps the eight arrays that it used last.
    """
    name = hashlib.blake2b(key.encode(), digest_size=16).hexdigest()
    return _stored(_Recipe(cache_folder("features") / f"{name}.npy", compute))


@functools.lru_cache(maxsize=8)
def _stored(recipe: _Recipe) -> Array:
    path = recipe.path
    try:
        return np.asarray(np.load(path, allow_pickle=False, mmap_mode="r"))
    except (OSError, ValueError, EOFError):
        values = recipe.compute()
    try:
        with whole(path) as temporary:
            np.save(temporary, values, allow_pickle=False)
    except OSError:
        return values
    return values


def cache_folder(*parts: str) -> Path:
    """Return a place in ``w2s-sweep`` of the user's cache folder: ``XDG_CACHE_HOME``, or ``~/.cache`` where it is not set.

    For a user without a home folder it is a folder of this process, which is removed when the process ends.
    """
    return Path(_kept_folder() or _own_folder(), "w2s-sweep", *parts)


def has_kept_cache() -> bool:
    """Tell whether the cache folder outlives this process: not for a user id without an account or a named folder."""
    return _kept_folder() is not None


def _kept_folder() -> Path | None:
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base)
    try:
        return Path.home() / ".cache"
    except RuntimeError:
        return None


@functools.cache
def _own_folder() -> str:
    folder = tempfile.mkdtemp(prefix="w2s-cache-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def made_once(place: Path, made: Path, make: Callable[[], object]) -> Path:
    """Return ``place``; where the file ``made`` is not there yet, one process calls ``make`` and others wait for it.

    What ``make`` writes has to appear whole: on a file system without locks several processes may make it.
    """
    if made.is_file():
        return place
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            stack.enter_context(hold(place.with_name(f".{place.name}.lock")))
        if not made.is_file():
            make()
    return place


def made_folder(place: Path, mark: str, write: Callable[[Path], object]) -> Path:
    """Return the folder ``place``; where its file ``mark`` is not there yet, one process lets ``write`` fill a folder for it.

    The folder is filled beside its place and renamed, so that it is there whole or not at all.
    """
    return made_once(place, place / mark, lambda: _publish_written(place, mark, write))


def _publish_written(place: Path, mark: str, write: Callable[[Path], object]) -> None:
    partial = place.with_name(f".tmp-{secrets.token_hex(6)}-{place.name}")
    partial.mkdir(parents=True)
    try:
        write(partial)
        if not (place / mark).is_file():  # without locks another process may have made it: the same content
            publish(partial, place)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
