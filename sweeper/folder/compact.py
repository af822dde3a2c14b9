"""Many small parts as few files, by one exchange of two folders.

    RUN/.compact-<digits>/   the new results while they are written; after the exchange the old ones, until they are removed

The new folder is made beside the old one, flushed to the disk, and the two swap names in one step of the system
(``renameat2``). So a folder listed at any instant holds every row once, and a kill leaves one of the two states; the next
launch removes the other. Who has listed the old folder and opens a file after the exchange is told that the file is not there,
and reads again. Where the system or the file system cannot exchange, parts stay as they are.
"""

from __future__ import annotations

import contextlib
import ctypes
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from sweeper.errors import RunError
from sweeper.folder.part import BLOCK, Part, read_rows, rows_file

__all__ = ["LEFT", "are_many", "compact", "exchange"]

LEFT = ".compact-*"
"""Folders that a killed compaction has left."""
_FEW = 200
_SMALL = 4096
_ROWS = 1 << 18
_HERE = -100
_EXCHANGE = 2


def compact(results: Path, parts: Iterable[Part], *, few: int = _FEW) -> int:
    """Merge small parts without failed rows, where there are more than ``few`` parts; return how many files went away.

    Rows, their bits and their metadata stay; a merged part's footer lists the blocks that it holds. Only parts of one launch
    and one code are merged. Nothing happens where a file cannot be read or written, or folders cannot be exchanged.
    """
    listed = list(parts)
    groups = [group for group in _groups(listed) if len(group) > 1]
    if len(listed) <= few or not groups:
        return 0
    new = results.with_name(f".compact-{secrets.token_hex(6)}")
    try:
        new.mkdir()
        merged = {part.path.name for group in groups for part in group}
        for group in groups:
            _merge(group, results, new)
        for path in results.iterdir():
            if path.name not in merged and not path.name.startswith("."):
                os.link(path, new / path.name)
        _flush(new)
        if not exchange(new, results):
            return 0
        _flush(results.parent)
        return len(merged) - len(groups)
    except (OSError, RunError, pa.ArrowException):
        return 0
    finally:
        shutil.rmtree(new, ignore_errors=True)


def are_many(files: Sequence[object]) -> bool:
    """Tell whether there are so many part files that `compact` may merge some."""
    return len(files) > _FEW


def exchange(first: Path, second: Path) -> bool:
    """Give two folders each other's name in one step; return False where the system or the file system cannot."""
    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE) == 0)


def _groups(parts: Iterable[Part]) -> Iterator[list[Part]]:
    """Yield parts that may become one: small, without failed rows, of one study, version, launch and code."""
    small = [part for part in parts if part.rows < _SMALL and not part.failed and part.has_own_name]
    by_origin: dict[tuple[object, ...], list[Part]] = {}
    for part in sorted(small, key=lambda part: part.key):
        by_origin.setdefault((part.study, part.version, part.origin), []).append(part)
    for alike in by_origin.values():
        group: list[Part] = []
        rows = 0
        for part in alike:
            if rows + part.rows > _ROWS:
                yield group
                group, rows = [], 0
            group.append(part)
            rows += part.rows
        yield group


def _merge(group: list[Part], results: Path, folder: Path) -> None:
    """Write the rows of some parts as one, with the time of the oldest: what was frozen at launch is read from that."""
    tables = [read_rows(part.path) for part in group]
    blocks = {key: rows for part in group for key, rows in part.blocks.items()}
    key = hashlib.blake2b("".join(sorted(blocks)).encode(), digest_size=12).hexdigest()
    statuses: dict[str, int] = {}
    for part in group:
        for status, count in part.statuses.items():
            statuses[status] = statuses.get(status, 0) + count
    footer = {"key": key, "study": group[0].study, "version": group[0].version, "statuses": statuses}
    footer |= {"seconds": sum(part.seconds for part in group), "blocks": blocks}
    metadata = {**tables[0].schema.metadata, BLOCK: json.dumps(footer).encode()}
    table = pa.concat_tables([item.replace_schema_metadata() for item in tables]).replace_schema_metadata(metadata)
    path = folder / f"part-{key}.parquet"
    path.write_bytes(rows_file(table))
    _flush(path)
    oldest = min((results / part.path.name).stat().st_mtime_ns for part in group)
    os.utime(path, ns=(oldest, oldest))


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # not every file system flushes a folder
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
