"""What a table says about itself: one JSON document in the metadata of its schema."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from w2s.places.url import Where

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["METADATA_KEY", "merge_metadata", "read_metadata"]

METADATA_KEY = b"w2s"
_CODE_KEY = b"w2s.code"
_LISTS = ("fields", "axes", "metrics")


def read_metadata(schema: pa.Schema, part: Where) -> dict[str, Any]:
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


def merge_metadata(contents: Sequence[Mapping[str, Any]], parts: Sequence[Where]) -> dict[str, Any]:
    """Merge the descriptions of all parts: lists are united in order, other keys are those of the first part that has them.

    ``code`` lists by name of a file or module the digests that it had when rows were made.
    """
    merged: dict[str, Any] = {}
    origin: dict[str, Where] = {}
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
