"""Parquet files that know whether they are as they were written: a digest of every byte, kept in the footer.

The writer puts :data:`MARKS` among the file's metadata, with zeros where the digest goes, and :func:`sealed` fills it in:
BLAKE2b, 128 bits, of the file with those zeros. So data and footer are covered alike. Two marks are there, so that damage to
the name of one does not make the file look like one that never had any: files of earlier releases have neither, and nothing is
known of them. Other writers copy the marks of a table that they have read, and add Arrow's schema, which sealed files leave
out: such marks are stale and count for nothing.
"""

from __future__ import annotations

import hashlib
import re

__all__ = ["MARKS", "seal_fault", "sealed"]

_ZEROS = b"0" * 32
MARKS = {b"w2s.digest": _ZEROS, b"w2s.sealed": b"blake2b"}
"""Metadata of a file that is to be sealed."""
# Key and value as Thrift's compact protocol writes two strings, one after the other.
_DIGEST = re.compile(rb"w2s\.digest\x18\x20([0-9a-f]{32})")
_SEALED = b"w2s.sealed\x18\x07blake2b"
_OTHER_WRITER = b"\x18\x0cARROW:schema\x18"


def sealed(content: bytes) -> bytes:
    """Fill in the digest of a Parquet file that was written with :data:`MARKS`. Raises ValueError where they are missing."""
    place = content.rfind(b"w2s.digest\x18\x20" + _ZEROS)
    if place < 0 or content.rfind(_SEALED) < 0:
        raise ValueError("the marks of the seal are missing")
    start = place + len(b"w2s.digest\x18\x20")
    return content[:start] + _digest(content) + content[start + len(_ZEROS) :]


def seal_fault(content: bytes) -> str | None:
    """Say what is wrong with a sealed file: an empty text where nothing is, None where it has no seal at all.

    Cost: one pass over the bytes, about a gigabyte a second.
    """
    if content.rfind(_OTHER_WRITER) >= 0 and _has_rows(content):
        return None
    place = content.rfind(b"w2s.digest")
    found = _DIGEST.match(content, place) if place >= 0 else None
    marked = content.rfind(_SEALED) >= 0
    if found is None or not marked:
        return "its seal is broken" if found is not None or marked else None
    start, end = found.span(1)
    blank = hashlib.blake2b(memoryview(content)[:start], digest_size=16)
    blank.update(_ZEROS)
    blank.update(memoryview(content)[end:])
    return "" if blank.hexdigest().encode() == found[1] else "its bytes are not those that were written"


def _has_rows(content: bytes) -> bool:
    """Tell whether a file has rows: the part without rows keeps Arrow's schema for its notes, and is sealed all the same."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return bool(pq.read_metadata(pa.BufferReader(content)).num_rows)
    except (pa.ArrowException, OSError):
        return False  # it cannot be read: its digest decides


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=16).hexdigest().encode()
