"""Exit codes and the errors a user meets."""

from __future__ import annotations

from enum import IntEnum
from pathlib import Path

__all__ = ["ClusterError", "Exit", "GridError", "RunError", "StoreError", "UnseenFolderError", "UserError"]

_MAX_MESSAGE = 2000
"""Characters of a complaint about a grid: a value in it may be a text of any length."""


class Exit(IntEnum):
    """Exit codes of the command line. FAILED: what was asked could not be done, or what was checked does not hold."""

    DONE = 0
    FAILED = 1
    BAD_INPUT = 2
    FAILED_CELLS = 3
    INTERRUPTED = 130


class UserError(Exception):
    """A problem that the user can fix. Shown as one message, without a traceback; ``code`` is the exit code."""

    code = Exit.BAD_INPUT


class GridError(UserError):
    """A grid file that cannot be run: says file, line, field, value and what is allowed."""

    def __init__(self, message: str, file: Path | None = None, line: int | None = None) -> None:
        place = "" if file is None else f"{file}:{line}: " if line else f"{file}: "
        if len(message) > _MAX_MESSAGE:
            message = f"{message[: _MAX_MESSAGE // 2]} ... {message[-_MAX_MESSAGE // 4 :]}"
        super().__init__(place + message)
        self.line = line


class RunError(UserError):
    """A run folder that cannot be used as asked."""


class StoreError(UserError):
    """The run folder cannot be written (disk full, permission). What is there stays valid; launch again to resume."""

    code = Exit.FAILED


class UnseenFolderError(StoreError):
    """A worker that does not see the run folder: rows that it wrote would be lost."""


class ClusterError(UserError):
    """A cluster that has gone. What is computed stays valid, and cells that waited stay pending; launch again to resume."""

    code = Exit.FAILED
