"""Losses and formatters that installed packages add, by entry point."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from w2s.errors import FieldError

__all__ = ["load_plugin", "plugin_names"]


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
