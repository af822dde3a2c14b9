"""The stored grid of a run: ``grid.yaml``, and the copy of it that every part carries."""

from __future__ import annotations

import json
from typing import Any

import yaml

from sweeper.errors import RunError
from sweeper.folder.part import read_metadata
from sweeper.grid.yaml import load_plain
from w2s.places.url import Where

__all__ = ["grid_of_part", "parse_grid"]


def parse_grid(content: bytes) -> dict[str, Any]:
    """Read a resolved grid. Raises ValueError, in one line, for anything else."""
    try:
        stored = load_plain(content.decode("utf-8"))
    except UnicodeDecodeError:
        raise ValueError("it is not UTF-8 text") from None
    except yaml.YAMLError as error:
        raise ValueError(f"bad YAML: {(str(error).splitlines() or [''])[0]}") from None
    if not _is_grid(stored):
        raise ValueError("it is not a resolved grid")
    return dict(stored)


def grid_of_part(path: Where) -> dict[str, Any] | None:
    """Return the grid that a part was made for; None where it cannot be read from it."""
    try:
        stored = json.loads(read_metadata(path)[b"w2s"]).get("grid")
    except (RunError, KeyError, ValueError, AttributeError, RecursionError):
        return None
    return dict(stored) if _is_grid(stored) else None


def _is_grid(stored: Any) -> bool:
    return isinstance(stored, dict) and isinstance(stored.get("grids"), list)
