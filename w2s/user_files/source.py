"""A Python file together with the modules of its folder that it imports, directly or through each other: one *source*.

The files are found by reading, not by running: an import inside a function counts too, a module that is loaded by a computed
name is not seen. What is imported from elsewhere, installed packages above all, is no part of a source.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.util
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from w2s.user_files.syntax import Import, meaning_of

__all__ = ["NEVER_OUTSIDE", "PACKAGE", "Source", "find_module", "read_source", "short_digest"]

PACKAGE = "w2s_user_"
"""What the names of packages begin with that sources become."""

NEVER_OUTSIDE = frozenset({"w2s", "w2s_kernels", "sweeper", *sys.stdlib_module_names})
"""Never taken from the folder of a user's file: a second copy of ours would be other classes, and a file that happens to have
the name of a standard module is not what ``import statistics`` means."""


@dataclass(frozen=True)
class Source:
    """Files that belong together, with their content as it was read.

    Attributes
    ----------
    folder : where they are.
    root : dotted name of the module that imports the others.
    modules : dotted names in the folder -> path from there; None for a folder without ``__init__.py``.
    texts : path -> content.
    needs : dotted name -> the modules from which it takes names.

    """

    folder: Path
    root: str
    modules: Mapping[str, str | None]
    texts: Mapping[str, bytes]
    needs: Mapping[str, frozenset[str]]

    @property
    def path(self) -> Path:
        """Place of the root's file."""
        return self.folder / str(self.modules[self.root])

    @functools.cached_property
    def files(self) -> dict[str, str]:
        """Path of every file, and the digest of what it says: comments, docstrings and layout leave it as it is."""
        return {name: meaning_of(text).digest[:16] for name, text in sorted(self.texts.items())}

    @property
    def digest(self) -> str:
        """Digest of all files together, 16 hex digits."""
        return short_digest(self.files)

    def meaning(self, module: str) -> str:
        """Digest what one of the modules does, with those that it needs, whatever its file is called: 16 hex digits."""
        found = {module}
        waiting = [module]
        while waiting:
            new = self.needs.get(waiting.pop(), frozenset()) - found
            found |= new
            waiting += new
        files = {name: file for name in found if (file := self.modules.get(name)) is not None}
        return short_digest({"" if name == module else file: self.files[file] for name, file in files.items()})

    @functools.cached_property
    def tops(self) -> frozenset[str]:
        """First words of the modules' names."""
        return frozenset(name.partition(".")[0] for name in self.modules)


def short_digest(files: Mapping[str, str]) -> str:
    """Digest named digests, whatever their order: 16 hex digits."""
    return hashlib.sha256(json.dumps(dict(files), sort_keys=True).encode()).hexdigest()[:16]


def read_source(path: Path, *, root: str | None = None, only: Collection[str] | None = None) -> Source:
    """Read a file and what it imports from its folder. Raises OSError for a file that cannot be read.

    ``root`` is the dotted name of a module inside a package, whose folder is as many levels up; ``only`` restricts the first
    words of names, to the package itself for an installed one.
    """
    up = 0 if root is None else root.count(".") + (path.name == "__init__.py")
    root = root or (path.stem if path.stem.isidentifier() else "_file_")
    folder = path.parents[up]
    modules: dict[str, str | None] = {root: path.relative_to(folder).as_posix()}
    texts: dict[str, bytes] = {}
    needs: dict[str, frozenset[str]] = {}
    waiting = [root]

    def is_there(name: str) -> bool:
        """Tell whether a name is a module of the folder; one that is new is read next."""
        top = name.partition(".")[0]
        if name not in modules and top not in NEVER_OUTSIDE and (only is None or top in only):
            found = find_module(folder, name)
            if found is not None:
                modules[name] = found or None
                waiting.append(name)
        return name in modules

    while waiting:
        name = waiting.pop()
        file = modules[name]
        if file is not None:
            texts[file] = (folder / file).read_bytes()
            package = name if file.endswith("__init__.py") else name.rpartition(".")[0]
            for parent in _prefixes(package.split(".") if package else []):
                is_there(parent)  # Python runs it first
            needs[name] = frozenset(_needed(meaning_of(texts[file]).imports, package, is_there))
    return Source(folder, root, _without_empty_folders(modules), texts, needs)


def find_module(folder: Path, name: str) -> str | None:
    """Return the file of a dotted name below a folder; "" for a folder without ``__init__.py``, None where there is nothing.

    A folder without ``__init__.py`` gives way to an installed module of its name, as it does for Python itself.
    """
    place = folder.joinpath(*name.split("."))
    for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
        if file.is_file():
            return file.relative_to(folder).as_posix()
    if place.is_dir() and ("." in name or not _is_installed(name)):
        return ""
    return None


def _is_installed(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return False
    return spec is not None and spec.origin is not None


def _needed(imports: Collection[Import], package: str, is_there: Callable[[str], bool]) -> Iterator[str]:
    """List the modules of the folder from which a module in ``package`` takes names.

    The packages on the way are read, for Python runs them, but count only where a name is taken from themselves: nearly every
    module of a package would depend on every other through its ``__init__``.
    """
    for level, module, name in imports:
        parents = package.split(".") if package else []
        base = parents[: len(parents) - level + 1] if level else []
        words = [*base, *(module.split(".") if module else [])]
        way = [prefix for prefix in _prefixes(words) if is_there(prefix)]
        if name is None:
            yield from way
        elif name != "*" and is_there(".".join([*words, name])):
            yield ".".join([*words, name])
        else:
            yield from (prefix for prefix in way if prefix == ".".join(words))


def _prefixes(words: list[str]) -> list[str]:
    return [".".join(words[:k]) for k in range(1, len(words) + 1)]


def _without_empty_folders(modules: Mapping[str, str | None]) -> dict[str, str | None]:
    """Leave out folders without ``__init__.py`` from which nothing is imported: their names mean something else."""
    files = [name for name, file in modules.items() if file is not None]
    return {name: file for name, file in modules.items() if file is not None or any(f.startswith(f"{name}.") for f in files)}
