"""A corpus of plain text: its lines are its documents, and some lines at its end may be held out.

A line with the mark of its end is what a model learns. Nothing is stripped, so the bytes of the lines, each with its newline,
are the bytes of the text.
"""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass

from w2s.errors import FieldError
from w2s.files.datafile import DataFile, content_sha256

__all__ = ["Piece", "read_lines", "text_bytes"]


@dataclass(frozen=True)
class Piece:
    """Lines of a corpus: all, or all but the last ``held_lines``; with ``last`` those last ones alone."""

    file: DataFile
    held_lines: int = 0
    last: bool = False

    def lines(self) -> list[str]:
        """Read the lines, without their newlines. Raises :class:`FieldError` for a text that is too short."""
        lines = read_lines(self.file)
        if self.held_lines >= len(lines):
            raise FieldError(
                f"{self.file.name}: has {len(lines):,} lines, {self.held_lines:,} cannot be held out", "held_lines"
            )
        if self.last:
            return lines[len(lines) - self.held_lines :]
        return lines[: len(lines) - self.held_lines]


def read_lines(file: DataFile) -> list[str]:
    """Read a text, UTF-8, in gzip or not, as lines without their newlines.

    Raises :class:`FieldError` for a file that cannot be read, is not UTF-8, is empty, or has changed since it was named.
    """
    try:
        if content_sha256(file.path) != file.sha256:
            raise FieldError(f"{file.name}: the file at {file.path} changed since the grid was read; launch again")
        content = file.path.read_bytes()
        text = (gzip.decompress(content) if file.path.suffix == ".gz" else content).decode("utf-8")
    except UnicodeDecodeError as error:
        raise FieldError(f"{file.name}: is no text in UTF-8: {error.reason} at byte {error.start}") from None
    except (OSError, EOFError, zlib.error) as error:
        raise FieldError(f"{file.name}: cannot be read: {error}") from None
    lines = text.split("\n")  # not splitlines, which also cuts at characters that are no newline
    if lines[-1] == "":
        del lines[-1]
    if not lines:
        raise FieldError(f"{file.name}: the text is empty")
    return lines


def text_bytes(lines: list[str]) -> int:
    """Count the bytes of lines in UTF-8, each with its newline."""
    return sum(len(line.encode("utf-8")) + 1 for line in lines)
