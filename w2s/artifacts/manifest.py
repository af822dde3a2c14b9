"""The record of a finished value, ``artifact.json``: what it is, its files with size and digest, and a seal of all that.

Whoever uses a value compares its files with the digests: once in a process, and again where a file's size or time has changed.
Records of earlier releases have no digests; there sizes count. A record is data from anywhere: no name in it leads out of its
folder.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from w2s.files.regular import read_regular

__all__ = ["MANIFEST", "ManifestError", "check_value", "is_key", "parse_manifest", "read_manifest", "write_manifest"]

MANIFEST = "artifact.json"
_MOST = 1 << 26
_PIECE = 1 << 20
_KEY = re.compile("[0-9a-f]{32}")
_checked: dict[Path, tuple[Any, ...]] = {}


class ManifestError(ValueError):
    """A value that is not as it was written; the message says what is wrong."""


def is_key(name: str) -> bool:
    """Tell whether a name can be the key of a call."""
    return _KEY.fullmatch(name) is not None


def write_manifest(folder: Path, content: Mapping[str, Any]) -> None:
    """Add sizes and digests of all files of a folder to a record, seal it, and write it. Cost: one pass over the files."""
    files = {str(item.relative_to(folder)): item for item in sorted(folder.rglob("*")) if item.is_file()}
    record = {
        **content,
        "files": {name: item.stat().st_size for name, item in files.items()},
        "digests": {name: _digest(item) for name, item in files.items()},
    }
    record["seal"] = _seal(record)
    (folder / MANIFEST).write_text(json.dumps(record, indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read a record. Raises OSError where there is none, and :class:`ManifestError` for one that is damaged or odd."""
    return parse_manifest(read_regular(folder / MANIFEST, _MOST))


def parse_manifest(content: bytes) -> dict[str, Any]:
    """Check a record. Raises :class:`ManifestError` for one that is damaged or odd."""
    try:
        record = json.loads(content)
    except (ValueError, RecursionError):
        raise ManifestError(f"its {MANIFEST} is damaged") from None
    if not isinstance(record, dict) or not isinstance(record.get("function"), str) or not _are_files(record.get("files")):
        raise ManifestError(f"its {MANIFEST} is not the record of an artifact")
    if ("seal" in record or "digests" in record) and record.get("seal") != _seal(record):
        raise ManifestError(f"its {MANIFEST} is not as it was written")
    return record


def check_value(folder: Path) -> None:
    """Compare the files of a value with its record.

    Raises OSError where there is no record or a file is missing, :class:`ManifestError` where something is damaged.
    """
    record = read_manifest(folder)
    state = tuple(_states(folder, record))
    if _checked.get(folder) == state:
        return
    for name, size in record["files"].items():
        if (folder / name).stat().st_size != size:
            raise ManifestError(f"{name} has another size than it was written with")
        if "digests" in record and record["digests"].get(name) != _digest(folder / name):
            raise ManifestError(f"{name} is not as it was written")
    _checked[folder] = state


def _states(folder: Path, record: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for name in (MANIFEST, *record["files"]):
        stat = (folder / name).stat()
        yield name, stat.st_size, stat.st_mtime_ns, stat.st_ino


def _are_files(files: Any) -> bool:
    """Tell whether this is a table of sizes by names that stay inside their folder."""
    if not isinstance(files, dict):
        return False
    sizes = all(isinstance(size, int) and not isinstance(size, bool) and size >= 0 for size in files.values())
    paths = [PurePosixPath(name) for name in files]
    return sizes and not any(path.is_absolute() or ".." in path.parts or "\0" in str(path) or not path.parts for path in paths)


def _seal(record: Mapping[str, Any]) -> str:
    text = json.dumps({name: value for name, value in record.items() if name != "seal"}, sort_keys=True)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=b"w2s-manifest").hexdigest()


def _digest(path: Path) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as stream:
        while piece := stream.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
