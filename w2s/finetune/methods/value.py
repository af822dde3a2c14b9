"""The text of a method as the value of a cell: a plain text, or one with a file, whose content is part of the identity."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationInfo

from w2s.errors import FieldError
from w2s.files.datafile import Content, DataFileError, beside
from w2s.files.paths import nearest_file
from w2s.finetune.methods.text import Method, file_of, parse_method, unknown_words
from w2s.user_files import read_source

__all__ = ["MethodText", "read_method"]


class MethodText(Content):
    """A method. A text of registered words stays a ``str``; one with ``FILE.py:NAME`` is looked up beside the grid."""

    kind: ClassVar[str] = "words or FILE.py:NAME"
    what: ClassVar[str] = "method, such as confidence + stop(legal) or ./mine.py:mine(strength=0.2)"

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Return the file that the text names."""
        path = beside(file_of(name) or "", base)
        if not path.is_file():
            raise DataFileError(f"method {name!r}: no such file {path}{nearest_file(path)}")
        return path

    @classmethod
    def digest(cls, name: str, path: Path) -> str:
        """Hash the text without the file's place, and by content the file and the modules of its folder that it imports."""
        words = name.replace(f"{file_of(name)}:", "", 1)
        texts = dict(read_source(path).texts)
        own = hashlib.sha256(texts.pop(path.name)).hexdigest()
        others = "".join(f"\n{file} {hashlib.sha256(text).hexdigest()}" for file, text in sorted(texts.items()))
        return hashlib.sha256(f"{words}\n{own}{others}".encode()).hexdigest()

    @classmethod
    def code_file(cls, name: str) -> str | None:
        """Return the file that the text names."""
        return file_of(name)

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Tell whether the text means the same from any folder."""
        return file_of(name) is None

    def seen_from(self, folder: Path) -> str:
        """Write the text with the place of its file relative to another folder."""
        place = os.path.relpath(self.path, folder)
        return self.name.replace(f"{file_of(self.name)}:", f"{place}:", 1)

    @classmethod
    def _validate(cls, value: Any, info: ValidationInfo) -> Any:
        try:
            if not isinstance(value, str) or not value or file_of(value) is not None:
                return super()._validate(value, info)
        except FieldError as error:
            raise DataFileError(str(error)) from None
        context = info.context or {}
        for word in unknown_words(value) if context.get("base") and not context.get("stored") else ():
            if (file := _registered_in(word, context["base"])) is not None:
                raise DataFileError(f"unknown word {word!r}, which {file.name} registers: write ./{file.name}:{word}")
        return value


def _registered_in(word: str, folder: Path) -> Path | None:
    """Return the Python file of a folder that seems to register a method of this name; None where none does."""
    registers = re.compile(rf"""@method\(\s*["']{word}["']""".encode())
    return next((file for file in sorted(folder.glob("*.py")) if registers.search(file.read_bytes())), None)


def read_method(value: str | MethodText) -> tuple[Method, Path | None]:
    """Parse a cell's method; return it with the place of its file, None where it has none.

    Raises :class:`FieldError` for a file that is not the one whose content the cell was named by.
    """
    if isinstance(value, MethodText):
        if value.digest(value.name, value.path) != value.sha256:
            changed = f"{value.path}, or a module beside it, was edited after the grid had been read; launch again"
            raise FieldError(f"method {value.name!r}: {changed}", "method")
        return parse_method(value.name, value.path), value.path
    return parse_method(value), None
