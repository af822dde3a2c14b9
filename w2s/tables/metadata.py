"""What a table says about itself: one JSON document in the metadata of its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, Self

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["METADATA_KEY", "TableMetadata", "merge_metadata", "read_metadata"]

METADATA_KEY = b"w2s"
_CODE_KEY = b"w2s.code"
_LISTS = ("fields", "axes", "metrics")


class TableMetadata(dict[str, Any]):
    """The metadata of a frame: a dictionary that is read, not written; ``dict(metadata)`` is one to change.

    Pandas copies the attributes of a frame, deeply, with every selection. This holds a whole grid, so its copy is itself:
    a selection from a table of a large grid would otherwise take a hundred times as long.
    """

    def __deepcopy__(self, _memo: object) -> Self:
        """Return the same object."""
        return self

    def __copy__(self) -> Self:
        """Return the same object."""
        return self

    def __reduce__(self) -> tuple[type[Self], tuple[dict[str, Any]]]:
        """Describe the object to pickle, which would otherwise fill it item by item."""
        return type(self), (dict(self),)

    def _refuse(self, *_given: object, **_named: object) -> NoReturn:
        """Refuse a change: every frame that was selected from this one would have it too."""
        raise TypeError("the metadata of a table is read-only; frame.attrs['w2s'] = {**frame.attrs['w2s'], ...} replaces it")

    __setitem__ = __delitem__ = __ior__ = update = pop = popitem = setdefault = clear = _refuse


def read_metadata(schema: pa.Schema, part: Path) -> dict[str, Any]:
    """Return the document in a schema's metadata; empty where there is none, ValueError where it is no JSON object."""
    metadata = schema.metadata or {}
    raw = metadata.get(METADATA_KEY)
    if raw is None:
        return {}
    content = json.loads(raw)
    if not isinstance(content, dict):
        raise ValueError(f"{part}: schema metadata {METADATA_KEY.decode()!r} must be a JSON object, got {raw[:60]!r}")
    if _CODE_KEY in metadata:
        code = json.loads(metadata[_CODE_KEY])
        content["code"] = {name: [digest] for kind in code.values() for name, digest in kind.items()}
    return content


def merge_metadata(contents: Sequence[Mapping[str, Any]], parts: Sequence[Path]) -> dict[str, Any]:
    """Merge the descriptions of all parts: lists are united in order, other keys are those of the first part that has them.

    ``code`` lists by name of a file or module the digests that it had when rows were made.
    """
    merged: dict[str, Any] = {}
    origin: dict[str, Path] = {}
    for content, part in zip(contents, parts, strict=True):
        for key in ("study", "version"):
            if key in merged and key in content and merged[key] != content[key]:
                raise ValueError(
                    f"mixed tables: {key} is {merged[key]!r} in {origin[key]} and {content[key]!r} in {part}; load them "
                    "one by one"
                )
        for key, value in content.items():
            origin.setdefault(key, part)
            if key in _LISTS:
                merged[key] = list(dict.fromkeys([*merged.get(key, []), *value]))
            elif key == "code":
                known = merged.setdefault(key, {})
                for name, digests in value.items():
                    known[name] = list(dict.fromkeys([*known.get(name, []), *digests]))
            else:
                merged.setdefault(key, value)
    return merged
