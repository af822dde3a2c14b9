"""A file by which a worker proves that it sees the run folder of the launch, and not another folder of the same name."""

from __future__ import annotations

import contextlib
import functools
import secrets
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeper.errors import StoreError, UnseenFolderError

__all__ = ["Token", "check_token", "written_token"]

_TRIES = 4
_PAUSE_SECONDS = 0.5
"""A network file system may show a new file after a second only."""


@dataclass(frozen=True)
class Token:
    """A file in a run folder, and what is written in it."""

    path: Path
    content: str


@contextlib.contextmanager
def written_token(run: Path) -> Iterator[Token]:
    """Write a token of random content into a run folder, and remove it at the end. Raises :class:`StoreError`.

    What a killed launch has left of its own is removed: the caller holds the folder's lock.
    """
    token = Token(run / f".token-{secrets.token_hex(8)}", secrets.token_hex(16))
    try:
        for leftover in (*run.glob(".token-*"), *run.glob(".late-*")):
            leftover.unlink(missing_ok=True)
        token.path.write_text(token.content, encoding="ascii")
    except OSError as error:
        raise StoreError(f"cannot write in {run}: {error.strerror}") from None
    try:
        yield token
    finally:
        with contextlib.suppress(OSError):
            token.path.unlink(missing_ok=True)


@functools.lru_cache(maxsize=8)
def check_token(token: Token) -> None:
    """Raise :class:`sweeper.errors.UnseenFolderError` where this process does not see the token; look once in a process."""
    for last in (False,) * (_TRIES - 1) + (True,):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            if token.path.read_text(encoding="ascii") == token.content:
                return
        if not last:
            time.sleep(_PAUSE_SECONDS)
    raise UnseenFolderError(f"{socket.gethostname()} does not see the run folder {token.path.parent}")
