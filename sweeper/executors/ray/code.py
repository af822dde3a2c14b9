"""The code of this package on the nodes of a cluster: sent there if asked, and compared with that of the launch in any case.

Rows of two versions would look alike, so a node with other code does nothing.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
from pathlib import Path

from sweeper.errors import RunError

__all__ = ["compare_own_code", "lacking_code", "own_code", "shipped_code"]

_PACKAGES = ("sweeper", "w2s", "w2s_kernels")
_REMEDY = "install the same version there, or send it with compute: {ship: true}"


def shipped_code() -> list[str]:
    """Return the folders of the packages, for ``py_modules`` of a runtime environment: nodes can import each of them then."""
    return [str(folder) for folder in _folders()]


@functools.cache
def own_code() -> str:
    """Return a digest of the package's sources as this process finds them first: 16 hex digits."""
    content = hashlib.sha256()
    for folder in _folders():
        for file in sorted([*folder.rglob("*.py"), *folder.rglob("*.cu")]):
            content.update(f"{folder.name}/{file.relative_to(folder).as_posix()}\0".encode())
            content.update(hashlib.sha256(file.read_bytes()).digest())
    return content.hexdigest()[:16]


def compare_own_code(launched: str) -> None:
    """Raise :class:`RunError` where the sources here are not those of the launch, given by their digest."""
    if own_code() != launched:
        raise RunError(f"a node has other code of w2s-sweep ({own_code()}) than this launch ({launched}): {_REMEDY}")


def lacking_code(problem: str) -> RunError:
    """Return the error for a node that cannot even read what it is sent, for want of a module."""
    return RunError(f"a node lacks code of this launch ({problem}): {_REMEDY}")


def _folders() -> list[Path]:
    found = [importlib.util.find_spec(name) for name in _PACKAGES]
    return [Path(spec.origin).parent for spec in found if spec is not None and spec.origin is not None]
