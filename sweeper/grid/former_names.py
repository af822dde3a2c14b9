"""Fields by the names that they had in earlier releases: a grid may use them, and reads as if it had today's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sweeper.grid.yaml import Lines

__all__ = ["lines_of_today", "names_of_today"]

_SECTIONS = ("axes", "fixed", "zip", "exclude")

Fail = Callable[..., Exception]


def names_of_today(document: Mapping[str, Any], former: Mapping[str, str], fail: Fail) -> dict[str, Any]:
    """Return a grid in which fields have the names of today; ``former`` maps the earlier ones to them.

    Texts of conditions stay as they are written. Raises what ``fail(message, *place)`` returns where a section has a field
    under both names.
    """
    if not former:
        return dict(document)

    def renamed(section: Any, place: tuple[Any, ...]) -> Any:
        if isinstance(section, list):
            return [renamed(item, (*place, k)) for k, item in enumerate(section)]
        if not isinstance(section, Mapping):
            return section
        for name in section:
            if name in former and former[name] in section:
                raise fail(f"{name!r} is an earlier name of {former[name]!r}: name the field once", *place, name)
        return {former.get(name, name): values for name, values in section.items()}

    def block(written: Mapping[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
        return {key: renamed(part, (*place, key)) if key in _SECTIONS else part for key, part in written.items()}

    found = block(document, ())
    if isinstance(found.get("grids"), list):
        parts = enumerate(found["grids"])
        found["grids"] = [block(part, ("grids", k)) if isinstance(part, Mapping) else part for k, part in parts]
    return found


def lines_of_today(lines: Lines, former: Mapping[str, str]) -> Lines:
    """Return the lines of a document with those of renamed fields under both names."""
    again = {tuple(former.get(step, step) for step in place): line for place, line in lines.items()} if former else {}
    return {**again, **lines}
