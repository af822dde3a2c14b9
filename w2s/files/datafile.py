"""Files as cell parameters: a path for people, a sha256 for the identity.

A grid names a file in one of three ways: a built-in name (``digits``), ``data:folder/file`` looked up in the folders of the
environment variable ``W2S_DATA``, or a path relative to the grid file.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, ValidationInfo
from pydantic_core import core_schema

from w2s.errors import FieldError
from w2s.files.paths import nearest_file, user_path

__all__ = ["BUILTIN", "Content", "DataFile", "DataFileError", "beside", "content_sha256", "data_folders"]


class DataFileError(ValueError):
    """A data file that cannot be found or is not the file it was; the message says how to get it."""


@dataclass(frozen=True)
class Content(ABC):
    """Files whose content is part of a cell's identity.

    ``name`` is what the grid wrote, ``path`` where it was found, ``sha256`` its content (64 hex digits). Two values with the
    same content are equal, whatever they are called. A subclass says how a name is looked up and what is hashed.
    """

    name: str = field(compare=False)
    path: Path = field(compare=False)
    sha256: str

    what: ClassVar[str] = "name of a file"
    kind: ClassVar[str] = "file"
    """What a value is, in the word or two that a list of fields has room for."""

    def __str__(self) -> str:
        return self.name

    @classmethod
    @abstractmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Return the path of ``name``, relative to ``base``; raise :class:`DataFileError` when there is none."""

    @classmethod
    def digest(cls, name: str, path: Path) -> str:  # noqa: ARG003
        """Return the sha256 of the content at ``path``."""
        return content_sha256(path)

    @classmethod
    def code_file(cls, name: str) -> str | None:  # noqa: ARG003
        """Return the Python file that is run where a value of this name is used; None for data."""
        return None

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Tell whether the name means the same from any folder."""
        return name.startswith("data:")

    def seen_from(self, folder: Path) -> str:
        """Return the name by which the same content is found from another folder."""
        return self.name if self.keeps_name(self.name) else os.path.relpath(self.path.resolve(), folder.resolve())

    @property
    def absent(self) -> bool:
        """Whether the files are not here though the name was accepted: a grid with them can be planned, not launched."""
        return False

    @classmethod
    def find(cls, name: str, base: Path | None = None, sha256: str | None = None) -> Self:
        """Locate and hash a file; raise :class:`DataFileError` when it is missing or differs from ``sha256``."""
        path = cls.locate(name, base or Path.cwd())
        digest = cls.digest(name, path)
        if sha256 is not None and digest != sha256:
            raise DataFileError(f"{name}: the content of {path} is not the one this run was made with (sha256 differs)")
        return cls(name, path, digest)

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(cls._validate)

    @classmethod
    def _validate(cls, value: Any, info: ValidationInfo) -> Self:
        context = info.context or {}
        base = context.get("base")
        if isinstance(value, cls):
            return value
        if isinstance(value, str) and value:
            return cls.find(value, base)
        if isinstance(value, Mapping) and set(value) == {"path", "sha256"}:
            if context.get("stored"):
                return cls(str(value["path"]), Path(value["path"]), str(value["sha256"]))
            return cls.find(str(value["path"]), base, str(value["sha256"]))
        raise DataFileError(f"{value!r} is not a {cls.what}")


class DataFile(Content):
    """One file: a built-in name, ``data:FOLDER/FILE``, or a path beside the grid."""

    what: ClassVar[str] = "file name (a built-in name, data:FOLDER/FILE, or a path beside the grid)"

    @classmethod
    def locate(cls, name: str, base: Path) -> Path:
        """Return the path of the file."""
        return _locate(name, base)

    @classmethod
    def keeps_name(cls, name: str) -> bool:
        """Tell whether the name means the same from any folder."""
        return name in BUILTIN or super().keeps_name(name)


def _digits() -> Path:
    spec = importlib.util.find_spec("sklearn")
    places = list(spec.submodule_search_locations or []) if spec else []
    if not places:
        raise DataFileError("digits: needs scikit-learn, which carries the data (pip install scikit-learn)")
    return Path(places[0]) / "datasets" / "data" / "digits.csv.gz"


BUILTIN: Mapping[str, Any] = {"digits": _digits}


def data_folders() -> list[Path]:
    """Return the folders named in ``W2S_DATA``, in order. Raises :class:`DataFileError` for one that no path can be."""
    try:
        return [user_path(part) for part in os.environ.get("W2S_DATA", "").split(os.pathsep) if part]
    except FieldError as error:
        raise DataFileError(f"W2S_DATA: {error}") from None


def beside(name: str, base: Path) -> Path:
    """Resolve a path relative to ``base``, with ``~`` and ``$NAME`` expanded. Raises :class:`DataFileError`."""
    try:
        return user_path(name, base)
    except FieldError as error:
        raise DataFileError(str(error)) from None


def _locate(name: str, base: Path) -> Path:
    if name in BUILTIN:
        path = Path(BUILTIN[name]())
        if path.is_file():
            return path
        raise DataFileError(f"{name}: {path} is missing from the installed package")
    if name.startswith("data:"):
        return _in_data_folders(name)
    try:
        path = beside(name, base)
        if path.is_file():
            return path
    except OSError as error:
        raise DataFileError(f"{name!r} is no path of a file: {error}") from None
    raise DataFileError(f"{name}: no such file {path}{nearest_file(path)}")


def _in_data_folders(name: str) -> Path:
    inside = name.removeprefix("data:").lstrip("/")
    if ".." in Path(inside).parts:
        raise DataFileError(f"{name}: '..' is not allowed in a data: name")
    folders = data_folders()
    try:
        for folder in folders:
            if (folder / inside).is_file():
                return folder / inside
    except (OSError, ValueError) as error:
        raise DataFileError(f"{name!r} is no path of a file: {error}") from None
    recipe = "set W2S_DATA to the folder that holds it: export W2S_DATA=/path/to/data"
    if not folders:
        raise DataFileError(f"{name}: W2S_DATA is not set; {recipe}")
    searched = ", ".join(map(str, folders))
    hint = next((h for f in folders if (h := nearest_file(f / inside))), "")
    raise DataFileError(f"{name}: not found in {searched}{hint}; {recipe}")


def content_sha256(path: Path) -> str:
    """Hash a file's content; it is read again only when its time or size changed."""
    return _sha256(path, path.stat().st_mtime_ns, path.stat().st_size)


@functools.lru_cache(maxsize=1024)
def _sha256(path: Path, _mtime: int, _size: int) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
