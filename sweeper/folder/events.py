"""Lines of ``events.jsonl``, read as data from anywhere: what is no event, or no value of its kind, is left out."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["parse_event"]

_LAST = 253_402_300_799.0
"""The last second of the year 9999: what people can be shown."""
_NUMBERS = {"time": _LAST, "seconds": 1e12}
_WORDS = ("key", "store", "executor", "function", "part")


def parse_event(line: str) -> dict[str, Any] | None:
    """Read one event; None for a line that is none, cut short by a kill, say. Fields with an impossible value are left out."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not isinstance(event.get("event"), str):
        return None
    odd = [name for name, most in _NUMBERS.items() if name in event and not _is_number(event[name], most)]
    odd += [name for name in _WORDS if name in event and not (isinstance(event[name], str) and "\0" not in event[name])]
    return {name: value for name, value in event.items() if name not in odd}


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most
