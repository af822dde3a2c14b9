"""Python files of the user's own: a study, an executor or a method that a grid names as ``file.py:Name``."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from w2s.errors import FieldError, nearest
from w2s.files.paths import user_path

__all__ = ["import_file", "is_file_reference", "load_from_file"]


def is_file_reference(reference: str) -> bool:
    """Whether a name means something in a file and not something registered."""
    return ".py:" in reference or reference.endswith(".py")


def load_from_file(reference: str, base: Path, *, kind: str, plural: str, fits: Callable[[object], bool]) -> Any:
    """Return what ``file.py:Name`` names; the file is relative to ``base`` and imported once per content.

    ``kind`` and ``plural`` say what it should be, ``fits`` tells which other things in the file a misspelt name may have meant.
    Raises :class:`w2s.errors.FieldError` for a file that is not there or cannot be imported, and for a name that is not in it.
    """
    name, _, attribute = reference.rpartition(":")
    if not name.endswith(".py") or not attribute:
        article = "an" if kind[0] in "aeiou" else "a"
        raise FieldError(f"{reference!r}: write {article} {kind} of your own as file.py:Name")
    try:
        path = user_path(name, base)
        module = import_file(path)
    except (OSError, RuntimeError) as error:
        raise FieldError(f"{reference!r} cannot be read: {error}") from None
    except ValueError as error:
        raise FieldError(f"{reference!r}: {error}") from error
    found = getattr(module, attribute, None)
    if found is None:
        there = [name for name, value in vars(module).items() if fits(value)]
        raise FieldError(f"{path} defines no {attribute!r}{nearest(attribute, there)}; {plural} in it: {', '.join(there)}")
    return found


def import_file(path: Path) -> ModuleType:
    """Import a file once per content, under a name of its own.

    Raises :class:`w2s.errors.FieldError` for a file that does not exist, cannot be read, or cannot be imported.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise FieldError(f"no such file {path}") from None
    except (OSError, ValueError) as error:
        raise FieldError(f"{path} cannot be read: {error}") from None
    name = f"w2s_user_{path.stem}_{hashlib.blake2b(content + str(path).encode(), digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        raise FieldError(f"{path} cannot be imported: {type(error).__name__}: {error}") from error
    return module
