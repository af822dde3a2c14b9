"""A limit on the time of a block: the worker that exceeds it ends itself, and leaves a file that says where it was.

Python's own watchdog does it, in a thread that needs no interpreter: it works inside compiled code too. It can write into an
open file of this machine alone. For a run in a bucket another thread puts what it wrote beside the run, where the driver on
another machine finds it, and ends the worker; the watchdog waits for that, since this thread does need the interpreter.
"""

from __future__ import annotations

import contextlib
import faulthandler
import hashlib
import os
import re
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from w2s.places.known import place_of
from w2s.places.url import Url, Where

__all__ = ["limited", "where_it_stood"]

_FRAME = re.compile(r'^  File "(?P<file>.*)", line (?P<line>\d+) in ', re.MULTILINE)
_PUT_SECONDS = 30.0
"""How long the watchdog waits for the file to get into a bucket; compiled code that holds the interpreter is ended by it."""


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
    with place.open("wb") as stream, contextlib.ExitStack() as stack:
        if isinstance(run, Url):
            stack.enter_context(_told_to_bucket(run / f".late-{key}", place, seconds))
            seconds += _PUT_SECONDS
        faulthandler.dump_traceback_later(seconds, exit=True, file=stream)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
            place.unlink(missing_ok=True)


@contextlib.contextmanager
def _told_to_bucket(name: Url, place: Path, seconds: float) -> Iterator[None]:
    """Do in a thread what the watchdog does, and copy the file to a bucket."""

    def end() -> None:
        with contextlib.suppress(Exception):
            with place.open("wb") as stream:
                faulthandler.dump_traceback(stream)
            place_of(name).write(name, place.read_bytes())
        os._exit(1)

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()  # where it has begun, this block is late


def where_it_stood(run: Where, key: str, home: Path | None) -> str | None:
    """Say where a block was when its time was over, as file and line below ``home``; None where it was not over.

    The text is empty where no line of that folder was at work. The file that says so is removed.
    """
    texts = [_taken(_place(run, key)), *([_taken(run / f".late-{key}")] if isinstance(run, Url) else [])]
    text = next(filter(None, texts), None)
    if text is None:
        return None
    frames = [(Path(found["file"]), found["line"]) for found in _FRAME.finditer(text)]
    inside = [f"{file.relative_to(home)}:{line}" for file, line in frames if home is not None and file.is_relative_to(home)]
    return inside[0] if inside else ""


def _taken(name: Where) -> str | None:
    """Return the text of a file and remove it; None where there is none."""
    place = place_of(name)
    try:
        text = place.read(name).decode("utf-8", "backslashreplace")
        place.remove(name)
    except OSError:
        return None
    return text
