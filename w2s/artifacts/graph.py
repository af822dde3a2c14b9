"""Calls and what they are made from, as a graph without cycles (a call contains its inputs)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from w2s.artifacts.call import Call

__all__ = ["in_order"]


def in_order(calls: Iterable[Call], finished: Callable[[Call], bool] | None = None) -> list[Call]:
    """Return the calls and everything they need, each once, inputs first.

    ``finished`` calls are left out, and so is what only they need. O(calls + edges); no recursion.
    """
    found: dict[str, Call] = {}
    passed: set[str] = set()
    stack: list[tuple[Call, bool]] = [(call, False) for call in reversed(list(calls))]
    while stack:
        call, ready = stack.pop()
        if ready:
            found[call.key] = call
        elif call.key not in passed:
            passed.add(call.key)
            if finished is None or not finished(call):
                stack.append((call, True))
                stack += [(needed, False) for needed in reversed(call.inputs)]
    return list(found.values())
