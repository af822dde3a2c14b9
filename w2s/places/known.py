"""The place that a name is in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s.places.base import Place
from w2s.places.local import Local
from w2s.places.url import Where

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["place_of", "source_of"]

_LOCAL = Local()


def place_of(where: Where) -> Place[Any]:
    """Return the place of a name. Raises :class:`w2s.errors.FieldError` for a bucket without what a connection needs."""
    if isinstance(where, Path):
        return _LOCAL
    from w2s.places.objects import bucket_of

    return bucket_of(where)


def source_of(where: Where) -> Path | pa.NativeFile:
    """Return what Arrow can read a file from."""
    return place_of(where).source(where)
