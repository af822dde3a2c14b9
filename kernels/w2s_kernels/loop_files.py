"""Where the machine code of kept loops lies, for which processor it is, and whether a file of it may be used.

It is used where the file and its folder belong to this user, nobody else may write them, and its own digest is right. Nothing
is unpickled.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np

__all__ = ["KERNELS", "OUTSIDE", "Place", "can_keep", "place", "read", "written"]

KERNELS = ("streams", "wishart", "spectral", "eigh", "moments", "products", "risk")
"""Kernels that have a module `kept`."""
OUTSIDE = ("memset", "memcpy", "memmove", "sqrt", "fma", "floor", "ceil", "trunc", "rint")
"""Functions of the C library that loops may call: also those that LLVM takes where a processor has no such instruction."""
_SOURCES = (*KERNELS, "simd", "loops.py", "loop_code.py")
_HARMLESS = ("NUMBA_NUM_THREADS", "NUMBA_CACHE_DIR", "NUMBA_THREADING_LAYER", "NUMBA_THREADING_LAYER_PRIORITY")


@dataclass(frozen=True)
class Place:
    """File of the machine code, and the digest of all that it depends on."""

    file: Path
    key: str


def place() -> Place | None:
    """Return where the machine code for this processor and these sources lies; None where Numba is told to do otherwise."""
    told = any(name.startswith("NUMBA_") and name not in _HARMLESS for name in os.environ)
    if told or sys.platform != "linux":
        return None
    import llvmlite
    import llvmlite.binding as llvm

    room = Path(__file__).parent
    digest = hashlib.sha256()
    facts = (version("numba"), llvmlite.__version__, np.__version__, sys.implementation.cache_tag, sys.platform)
    processor = (platform.machine(), llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten())
    for fact in (*facts, *processor):
        digest.update(f"{fact}\n".encode())
    for name in _SOURCES:
        for source in sorted((room / name).glob("*.py")) if (room / name).is_dir() else [room / name]:
            digest.update(f"{name}/{source.name}\n".encode() + hashlib.sha256(source.read_bytes()).digest())
    cache = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    key = digest.hexdigest()
    return Place(cache / "w2s-sweep" / "loops" / f"{key[:32]}.code", key)


def read(where: Place) -> tuple[dict[str, str], bytes] | None:
    """Return the symbol of every loop and the object file; None where it is absent, damaged, or not this user's alone."""
    try:
        with where.file.open("rb") as stream:
            if not (_is_own(os.fstat(stream.fileno())) and _is_own(where.file.parent.stat())):
                return None
            head, code = stream.readline(), stream.read()
        facts = json.loads(head)
        symbols: dict[str, str] = facts["symbols"]
        whole = facts["key"] == where.key and facts["sha256"] == _digest(symbols, code)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (symbols, code) if whole else None


def can_keep(where: Place) -> bool:
    """Make the folder, and tell whether it is this user's alone and can be written."""
    folder = where.file.parent
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return _is_own(folder.stat()) and os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def written(where: Place, symbols: dict[str, str], code: bytes) -> tuple[dict[str, str], bytes] | None:
    """Keep an object file for later processes, whole or not at all, and return what `read` then finds."""
    facts = {"key": where.key, "sha256": _digest(symbols, code), "symbols": symbols}
    beside = where.file.with_suffix(f".{os.getpid()}")
    try:
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
            stream.write(json.dumps(facts).encode() + b"\n" + code)
        beside.replace(where.file)
    finally:
        beside.unlink(missing_ok=True)
    return read(where)


def _is_own(found: os.stat_result) -> bool:
    return found.st_uid == os.getuid() and not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _digest(symbols: Mapping[str, str], code: bytes) -> str:
    return hashlib.sha256(json.dumps(symbols, sort_keys=True).encode() + b"\n" + code).hexdigest()
