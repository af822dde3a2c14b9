"""Paths as a person writes them, in a grid or in an environment variable."""

from __future__ import annotations

import os
import re
from pathlib import Path

from w2s.errors import FieldError, nearest

__all__ = ["expand_path", "expand_variables", "nearest_file", "user_path"]

_BRACED_OR_PLAIN = re.compile(r"\$(?:\{([^}]*)\}|([A-Za-z_]\w*))")
_NAME = re.compile(r"[A-Za-z_]\w*")


def user_path(written: str, base: Path | None = None) -> Path:
    """Expand a path as :func:`expand_path` does and resolve it; ``base`` (default: the working folder) is above a relative one.

    Raises :class:`w2s.errors.FieldError`, also for what no path can be.
    """
    try:
        return ((base or Path()) / expand_path(written)).resolve()
    except FieldError:
        raise
    except (OSError, RuntimeError, ValueError) as error:
        raise FieldError(f"{written!r} is no path of a file: {error}") from None


def expand_path(written: str) -> Path:
    """Replace ``~``, ``$NAME`` and ``${NAME}`` in a path; a ``$`` that no name follows is a letter like any other.

    Raises :class:`w2s.errors.FieldError` for a variable that is empty or not set, for the ``${...:...}`` forms of other tools,
    and for a ``~`` whose folder the system does not know.
    """
    text = expand_variables(written)
    try:
        return Path(text).expanduser()
    except RuntimeError:
        whose = text.partition("/")[0]
        raise FieldError(
            f"{written!r} is no path of a file: no home folder is known for {whose!r}; write the folder out, or set HOME"
        ) from None


def expand_variables(written: str) -> str:
    """Replace ``$NAME`` and ``${NAME}``. Raises :class:`w2s.errors.FieldError` as :func:`expand_path` does."""
    return _BRACED_OR_PLAIN.sub(lambda match: _value(match[0], match[1] or match[2] or ""), written)


def nearest_file(path: Path) -> str:
    """Return ``" (did you mean 'reviews.csv'?)"`` for the file beside a missing one that is named most like it, or nothing."""
    try:
        return nearest(path.name, [file.name for file in path.parent.iterdir() if file.is_file()])
    except OSError:
        return ""


def _value(form: str, name: str) -> str:
    if not _NAME.fullmatch(name):
        variable = name.rpartition(":")[2]
        instead = f"; write ${variable}" if _NAME.fullmatch(variable) else ""
        raise FieldError(f"{form!r} is no environment variable{instead}")
    value = os.environ.get(name)
    if not value:
        state = "is not set" if value is None else "is empty"
        raise FieldError(f"the environment variable {name} {state}; set it, or write the folder out")
    return value
