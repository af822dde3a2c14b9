"""Parts by name: built-in ones, those that a file registers, and those that installed packages add by entry point."""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Generic, TypeVar

from w2s.errors import FieldError, nearest

__all__ = ["Registry", "code_of", "import_file", "load_plugin", "plugin_names"]

T = TypeVar("T")


def plugin_names(group: str) -> list[str]:
    """Names of the entry points of a group."""
    return [point.name for point in entry_points(group=group)]


def load_plugin(group: str, name: str) -> Any | None:
    """Return what an entry point names, None where there is none; :class:`FieldError` for one that cannot be loaded."""
    for point in entry_points(group=group):
        if point.name == name:
            try:
                return point.load()
            except Exception as error:
                reason = f"{type(error).__name__}: {error}"
                raise FieldError(f"entry point {name!r} of {group} ({point.value}) cannot be loaded: {reason}") from error
    return None


def import_file(path: Path, kind: str) -> ModuleType:
    """Import a file of one's own once per content, under a name of its own that begins with ``w2s_`` and the kind of part.

    Raises :class:`FieldError` for a file that is not there, cannot be read, or cannot be imported.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FieldError(f"no such file {path}") from None
    except (OSError, ValueError) as error:
        raise FieldError(f"{path} cannot be read: {error}") from None
    name = f"w2s_{kind}_{path.stem}_{hashlib.blake2b(content + str(path).encode(), digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise FieldError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module


@functools.cache
def code_of(part: Any) -> str | None:
    """Digest the source of a function or class that is not of this package: changed, it makes another training.

    None for one of this package, and for one without a source, which is known by its name alone.
    """
    if part.__module__.startswith("w2s."):
        return None
    try:
        source = inspect.getsource(part)
    except (OSError, TypeError):  # compiled, or typed in
        return None
    return hashlib.sha256(source.encode()).hexdigest()


class Registry(Generic[T]):
    """Parts of one kind by name.

    ``known`` are those that a decorator has registered; ``builtin`` maps further names to the modules that register them when
    they are imported; the entry points of ``group`` do the same, and are searched only for a name that is neither.
    """

    def __init__(self, kind: str, group: str, builtin: Mapping[str, str] | None = None) -> None:
        self.kind, self.group, self.builtin = kind, group, builtin or {}
        self.known: dict[str, T] = {}

    def find(self, name: str) -> T:
        """Return the part of that name; raise :class:`FieldError` with the nearest name where there is none."""
        if name not in self.known:
            if name in self.builtin:
                importlib.import_module(self.builtin[name])
            else:
                load_plugin(self.group, name)
        if name not in self.known:
            raise FieldError(f"unknown {self.kind} {name!r}{nearest(name, self.names())}; known: {', '.join(self.names())}")
        return self.known[name]

    def has(self, name: str) -> bool:
        """Whether there is a part of that name, loaded or not."""
        return name in self.known or name in self.builtin or name in plugin_names(self.group)

    def names(self) -> list[str]:
        """Names of all parts."""
        return sorted({*self.known, *self.builtin, *plugin_names(self.group)})
