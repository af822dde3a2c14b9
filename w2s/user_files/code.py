"""What code outside this package a number depends on: digests of the files behind a study, a loss, a method."""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import Any

from w2s.user_files.load import loaded_source
from w2s.user_files.place import plain_name
from w2s.user_files.source import NEVER_OUTSIDE, Source, read_source

__all__ = ["code_files", "code_of", "is_outside", "source_path"]

_READ: dict[str, tuple[Any, Source | None]] = {}
"""Sources of installed modules, with the import that they belong to."""


def is_outside(module: str) -> bool:
    """Tell whether a module is neither Python's nor this package's own; the latter's studies carry a ``version``."""
    return module.partition(".")[0] not in NEVER_OUTSIDE


def code_files(part: Any) -> dict[str, str]:
    """Digest the code behind a function, a class, or a module by name, not of this package: names -> 16 hex digits each.

    A file of the user's and the modules of its folder have an entry each, by path; an installed module one entry, by its own
    name, for itself and what it imports of its package. Empty for our own modules, and where no Python file is found (compiled
    code, a notebook).
    """
    module = part if isinstance(part, str) else _function(part).__module__
    if not is_outside(module):
        return {}
    source = loaded_source(module)
    if source is not None:
        return dict(source.files)
    installed = _installed(module)
    return {} if installed is None else {module: installed.meaning(module)}


def code_of(part: Any) -> str | None:
    """Digest the source of a function or class that is not of this package: changed, it makes another training.

    The whole file that it stands in counts, with the modules beside it that this one imports: a helper that is edited changes
    what calls it. None for a part of this package, and for one without a file or a text, which is known by its name alone.
    """
    part = _function(part)
    if not is_outside(part.__module__):
        return None
    source = loaded_source(part.__module__) or _installed(part.__module__)
    return _own_text(part) if source is None else source.meaning(plain_name(part.__module__))


def source_path(part: Any) -> Path | None:
    """Return the file that has to be imported for a function or class to be there; None where there is none."""
    source = loaded_source(part.__module__)
    if source is not None:
        return source.path
    try:
        found = inspect.getsourcefile(part)
    except TypeError:
        return None
    return Path(found) if found else None


def _function(part: Any) -> Any:
    """Return the function behind a partial call of it."""
    while isinstance(part, functools.partial):
        part = part.func
    return part


def _installed(module: str) -> Source | None:
    """Read the source of a module of an installed package; None where there is no Python file. Nothing is imported for it.

    A module that this process has imported is read once, for the process goes on with what it has.
    """
    loaded = getattr(sys.modules.get(module), "__spec__", None)
    if loaded is not None and module in _READ and _READ[module][0] is loaded:
        return _READ[module][1]
    source = _read_installed(module)
    _READ[module] = loaded, source
    return source


def _read_installed(module: str) -> Source | None:
    top, *rest = module.split(".")
    try:
        spec = None if top == "__main__" else importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    for folder in [Path(place).parent for place in spec.submodule_search_locations or [spec.origin or ""]]:
        place = folder.joinpath(top, *rest)
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                return read_source(file, root=module, only=(top,))
    return None


@functools.cache
def _own_text(part: Any) -> str | None:
    try:
        return hashlib.sha256(inspect.getsource(part).encode()).hexdigest()
    except (OSError, TypeError):  # compiled, or typed in
        return None
