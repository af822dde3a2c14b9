"""What a results folder holds: parts under their own names, parts under other names, and files that cannot be read."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from sweeper.folder.part import DamagedPartError, Part, read_part
from w2s.places.url import Where

__all__ = ["Contents", "look_at"]

_READERS = 4


@dataclass(frozen=True)
class Contents:
    """The part files of a folder, each in one of three lists.

    Attributes
    ----------
    parts : each block once; a part under another name counts where none has the right one.
    copies : parts whose blocks others hold, such as the "conflicted copy" of a tool that synchronises folders, or what a late
        worker wrote after its part was merged with others. Their rows count for nothing.
    damaged : files that cannot be read, with the reason.

    """

    parts: Sequence[Part]
    copies: Sequence[Part]
    damaged: Sequence[DamagedPartError]


def look_at(files: Iterable[Where], *, whole: bool = False) -> Contents:
    """Read the footers of some part files, or with ``whole`` every byte, which shows any damage at about a second a gigabyte.

    Raises :class:`sweeper.errors.RunError` for a file that is no part, or that may not be read.
    """
    with ThreadPoolExecutor(_READERS) as pool:  # digests are taken without Python's lock
        found = list(pool.map(functools.partial(_read, whole=whole), files))
    read = [part for part in found if isinstance(part, Part)]
    known: set[str] = set()
    copies: set[Where] = set()
    for part in sorted(read, key=lambda part: (not part.has_own_name, -len(part.blocks))):
        if known.issuperset(part.blocks):
            copies.add(part.path)
        known.update(part.blocks)
    return Contents(
        [part for part in read if part.path not in copies],
        [part for part in read if part.path in copies],
        [error for error in found if isinstance(error, DamagedPartError)],
    )


def _read(path: Where, whole: bool) -> Part | DamagedPartError:
    try:
        return read_part(path, whole=whole)
    except DamagedPartError as error:
        return error
