"""Where an error arose in files of the user's own, and what it says in one sentence."""

from __future__ import annotations

import traceback
from pathlib import Path

from w2s.errors import nearest
from w2s.user_files.source import PACKAGE

__all__ = ["in_package", "place_of", "plain_name", "told"]


def plain_name(module: str) -> str:
    """Return a module's name as its file has it, wherever that file lies and whatever it says."""
    return module.partition(".")[2] if module.startswith(PACKAGE) else module


def in_package(file: Path, module: str) -> Path:
    """Return a file from the folder of its top package on; its name alone where the module has none."""
    depth = plain_name(module).count(".") + (file.stem == "__init__")
    return Path(*file.parts[-1 - depth :])


def place_of(error: BaseException) -> str | None:
    """Return ``mine.py:13``, the innermost call of an error that lies in a file of the user's own; None where there is none."""
    found = None
    for frame, line in traceback.walk_tb(error.__traceback__):
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith(PACKAGE):
            found = f"{in_package(Path(frame.f_code.co_filename), module)}:{line}"
    return found


def told(error: BaseException) -> str:
    """Write an error with its type, the nearest name where one is misspelt, and its place in the user's files."""
    place = place_of(error)
    return f"{type(error).__name__}: {error}{_meant(error)}{f' ({place})' if place else ''}"


def _meant(error: BaseException) -> str:
    if isinstance(error, AttributeError) and error.name and error.obj is not None:
        return nearest(error.name, [name for name in dir(error.obj) if not name.startswith("_")])
    if isinstance(error, NameError) and error.name:
        frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
        return nearest(error.name, {**frames[-1].f_globals, **frames[-1].f_locals}) if frames else ""
    return ""
