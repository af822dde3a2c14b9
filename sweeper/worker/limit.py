"""A limit on the time of a block: the worker that exceeds it ends itself, and leaves a file that says where it was.

Python's own watchdog does it, in a thread that needs no interpreter: it works inside compiled code too.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from w2s.places.url import Where

__all__ = ["limited", "where_it_stood"]

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in ', re.MULTILINE)


def _place(run: Where, key: str) -> Path:
    """Return the file by which a late worker says so: in the run folder, or on this machine where the run is in a bucket."""
    if isinstance(run, Path):
        return run / f".late-{key}"
    name = hashlib.blake2b(str(run).encode(), digest_size=8).hexdigest()
    return Path(tempfile.gettempdir()) / f".w2s-late-{name}-{key}"


@contextlib.contextmanager
def limited(run: Where, key: str, seconds: float | None) -> Iterator[None]:
    """End this process when the context lasts longer than some seconds; None sets no limit."""
    if seconds is None:
        yield
        return
    place = _place(run, key)
    with place.open("wb") as stream:
        faulthandler.dump_traceback_later(seconds, exit=True, file=stream)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            place.unlink(missing_ok=True)


def where_it_stood(run: Where, key: str, home: Path | None) -> str | None:
    """Say where a block was when its time was over, as file and line below ``home``; None where it was not over.

    The text is empty where no line of that folder was at work. The file that says so is removed.
    """
    place = _place(run, key)
    try:
        text = place.read_text(encoding="utf-8", errors="backslashreplace")
        place.unlink(missing_ok=True)
    except OSError:
        return None
    if not text:
        return None
    frames = [(Path(found["file"]), found["line"]) for found in _FRAME.finditer(text)]
    inside = [f"{file.relative_to(home)}:{line}" for file, line in frames if home is not None and file.is_relative_to(home)]
    return inside[0] if inside else ""
