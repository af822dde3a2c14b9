"""The tables of the page as text: the digest of the rows, and the cells without usable numbers, together by what went wrong."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sweeper.report.text import clip
from w2s.contract.study import Study
from w2s.places.url import Where
from w2s.summary.columns import UNUSABLE

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Listing", "digest_listing", "digest_text", "unusable_listing"]

_MOST_DIGEST, _MOST_MESSAGES = 100, 40
_MOST_TEXT, _MOST_MESSAGE = 120, 600


@dataclass(frozen=True)
class Listing:
    """A table of text; ``name`` is that of its download, ``remarks`` stand under it."""

    name: str
    headings: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    remarks: tuple[str, ...] = ()


def digest_text(study: Study, rows: DataFrame) -> DataFrame:
    """Return the digest of a study's rows as text; ``attrs["caption"]`` says what its intervals cover."""
    digest = study.digest(rows)
    text = digest.map(_cell)
    text.attrs["caption"] = digest.attrs.get("caption", "")
    return text


def digest_listing(digest: DataFrame) -> Listing:
    """Return the first lines of a digest for the page."""
    more = len(digest) - _MOST_DIGEST
    caption = str(digest.attrs.get("caption") or "")
    shown = [tuple(clip(value, _MOST_TEXT) for value in row) for row in digest.head(_MOST_DIGEST).itertuples(index=False)]
    left_out = f"{more:,} more lines are not shown here; summary.csv beside this page has every setting." if more > 0 else ""
    return Listing("digest", tuple(str(name) for name in digest.columns), shown, tuple(filter(None, (caption, left_out))))


def unusable_listing(rows: DataFrame, run: Where) -> Listing | None:
    """List what went wrong, the most frequent first, with the command that solves such a cell again; None where nothing did."""
    wrong = rows[rows["status"].isin(UNUSABLE)]
    if not len(wrong):
        return None
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


def _cell(value: Any) -> str:
    if value is None or value != value:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
