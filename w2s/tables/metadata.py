"""What a table says about itself: one JSON document in the metadata of its schema."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Self

from w2s.places.url import Where

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


def read_metadata(schema: pa.Schema, part: Where) -> dict[str, Any]:
    """Return the document in a schema's metadata; empty where there is none, ValueError where it is no JSON object."""
    metadata = schema.metadata or {}
    raw = metadata.get(METADATA_KEY)
    if raw is None:
        return {}
    content = _loaded(raw, part)
    if not isinstance(content, dict):
        raise ValueError(f"{part}: schema metadata {METADATA_KEY.decode()!r} must be a JSON object, got {raw[:60]!r}")
    if odd := next((name for name, is_right in _KINDS.items() if name in content and not is_right(content[name])), None):
        raise ValueError(f"{part}: {odd!r} in its metadata is {str(content[odd])[:60]!r}, which it cannot be")
    if _CODE_KEY in metadata:
        code = _loaded(metadata[_CODE_KEY], part)
        if not (isinstance(code, dict) and all(isinstance(kind, dict) and _are(kind, str) for kind in code.values())):
            raise ValueError(f"{part}: schema metadata {_CODE_KEY.decode()!r} is not a table of digests")
        content["code"] = {name: [digest] for kind in code.values() for name, digest in kind.items()}
    return content


def _loaded(raw: bytes, part: Where) -> Any:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError(f"{part}: its metadata is no JSON") from None


def _are(values: Any, kind: type) -> bool:
    """Tell whether this is a list or table of values of one kind."""
    found = values.values() if isinstance(values, dict) else values if isinstance(values, list) else [None]
    return all(isinstance(value, kind) for value in found)


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _are_claims(claims: Any) -> bool:
    return isinstance(claims, dict) and all(_is_claim(claim) for claim in claims.values())


def _is_claim(claim: Any) -> bool:
    if not isinstance(claim, dict) or not all(isinstance(claim.get(name, ""), str) for name in _TEXTS_OF_CLAIMS):
        return False
    thresholds = claim.get("thresholds", {})
    return isinstance(thresholds, dict) and all(
        isinstance(value, int | float) and abs(value) < math.inf for value in thresholds.values()
    )


_TEXTS_OF_CLAIMS = ("says", "where", "expected", "reason")
_KINDS: Mapping[str, Callable[[Any], bool]] = {
    "study": lambda value: isinstance(value, str),
    "version": lambda value: isinstance(value, int),
    **dict.fromkeys(_LISTS, lambda value: isinstance(value, list) and _are(value, str)),
    "pgr": lambda value: isinstance(value, dict) and _are(value, str),
    "seeds_draw": _is_text,
    "libraries": lambda value: isinstance(value, dict) and _are(value, str),
    **dict.fromkeys(("package", "python", "machine", "commit"), _is_text),
    "claims": _are_claims,
    "files": lambda value: isinstance(value, dict) and all(isinstance(d, dict) and _are(d, str) for d in value.values()),
}
"""What may stand under the names that are read; a table may come from anywhere."""


def merge_metadata(contents: Sequence[Mapping[str, Any]], parts: Sequence[Where]) -> dict[str, Any]:
    """Merge the descriptions of all parts: lists are united in order, other keys are those of the first part that has them.

    ``code`` lists by name of a file or module the digests that it had when rows were made, ``files`` has by field the digest of
    every file that rows name.
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
            elif key == "files":
                known = merged.setdefault(key, {})
                for field, digests in value.items():
                    known[field] = {**known.get(field, {}), **digests}
            elif key == "code":
                known = merged.setdefault(key, {})
                for name, digests in value.items():
                    known[name] = list(dict.fromkeys([*known.get(name, []), *digests]))
            else:
                merged.setdefault(key, value)
    return merged
