"""Parts by name: built-in ones, and those that installed packages add by entry point."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from w2s.errors import FieldError, nearest
from w2s.user_files import told

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

__all__ = ["Registry", "entry_points", "load_plugin", "plugin_names"]

T = TypeVar("T")


def entry_points(group: str) -> EntryPoints:
    """List the entry points of a group. What looks through installed packages is imported here: most names are built in."""
    from importlib import metadata

    return metadata.entry_points(group=group)


def plugin_names(group: str) -> list[str]:
    """List the names of the entry points of a group."""
    return [point.name for point in entry_points(group=group)]


def load_plugin(group: str, name: str) -> Any | None:
    """Return what an entry point names, None where there is none; :class:`FieldError` for one that cannot be loaded."""
    for point in entry_points(group=group):
        if point.name == name:
            try:
                return point.load()
            except Exception as error:
                reason = f"{told(error)}"
                raise FieldError(f"entry point {name!r} of {group} ({point.value}) cannot be loaded: {reason}") from error
    return None


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
        """Tell whether there is a part of that name, loaded or not."""
        return name in self.known or name in self.builtin or name in plugin_names(self.group)

    def names(self) -> list[str]:
        """List the names of all parts."""
        return sorted({*self.known, *self.builtin, *plugin_names(self.group)})
