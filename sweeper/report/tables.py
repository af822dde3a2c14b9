"""The tables of the page as text: the digest of the rows, and the cells without usable numbers, together by what went wrong."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sweeper.report.text import clip
from w2s.places.url import Where
from w2s.summary.columns import usable
from w2s.summary.stored import Rows, Stored
from w2s.tabulate import Digest

__all__ = ["Listing", "digest_listing", "unusable_listing"]

_MOST_MESSAGES = 40
_MOST_TEXT, _MOST_MESSAGE = 120, 600


@dataclass(frozen=True)
class Listing:
    """A table of text; ``name`` is that of its download, ``remarks`` stand under it."""

    name: str
    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    remarks: tuple[str, ...] = ()


def digest_listing(found: Digest) -> Listing:
    """Return a digest for the page; its sentence is among the findings."""
    shown = [tuple(clip(value, _MOST_TEXT) for value in row) for row in found.table.itertuples(index=False)]
    same = ", ".join(f"{name} = {clip(value, _MOST_TEXT)}" for name, value in found.constants.items())
    remarks = (*([f"All lines: {same}."] if same else []), *found.notes)
    return Listing("digest", tuple(str(name) for name in found.table.columns), shown, remarks)


def unusable_listing(rows: Rows, run: Where) -> Listing | None:
    """List what went wrong, the most frequent first, with the command that solves such a cell again; None where nothing did."""
    places = np.flatnonzero(~usable(rows))
    if not len(places):
        return None
    names = ["status", "message", "cell_id"]
    wrong = rows.at(places, names) if isinstance(rows, Stored) else rows.iloc[places]
    found: dict[tuple[str, str], list[Any]] = {}
    for status, message, cell in zip(wrong["status"], wrong["message"], wrong["cell_id"], strict=True):
        entry = found.setdefault((str(status), str(message or "no message")), [0, cell])
        entry[0] += 1
    ordered = sorted(found.items(), key=lambda item: -item[1][0])
    lines = [
        (f"{count:,}", status, clip(message, _MOST_MESSAGE), f"w2s-sweep rerun {shlex.quote(str(run))} {str(cell)[:12]}")
        for (status, message), (count, cell) in ordered[:_MOST_MESSAGES]
    ]
    more = len(ordered) - len(lines)
    remarks = (f"{more:,} more messages: w2s-sweep status {shlex.quote(str(run))} --failed",) if more else ()
    return Listing("unusable", ("cells", "status", "message", "one of them again"), lines, remarks)
