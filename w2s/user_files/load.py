"""Importing a file of the user's own, with the modules beside it, under names that nothing else has.

A source becomes a package of its own: ``w2s_user_<file>_<digest>``, with the file and its neighbours as modules. Inside it
``import helper`` means the neighbour; everywhere else it means what it meant before, for no folder enters ``sys.path``. So two
folders may each have a ``helper.py``, and a file that was edited is imported anew. What runs is the text that was digested: no
byte code is kept, and the disk is not read a second time.
"""

from __future__ import annotations

import builtins
import hashlib
import importlib.util
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from w2s.errors import FieldError, nearest
from w2s.files.paths import nearest_file, user_path
from w2s.user_files.place import told
from w2s.user_files.source import PACKAGE, Source, find_module, read_source

__all__ = ["import_file", "is_file_reference", "load_from_file", "loaded_source", "take_source"]

_SOURCES: dict[str, Source] = {}
"""Sources by the package that they became."""
_BY_DIGEST: dict[tuple[Path, str], ModuleType] = {}
"""Imported files by place and digest of their source."""


def is_file_reference(reference: str) -> bool:
    """Tell whether a name refers to something in a file, and not to something registered."""
    return ".py:" in reference or reference.endswith(".py")


def load_from_file(
    reference: str, base: Path, *, kind: str, plural: str, fits: Callable[[object], bool], digest: str | None = None
) -> Any:
    """Return what ``file.py:Name`` names; the file is relative to ``base`` and imported once per content.

    ``kind`` and ``plural`` say what it should be, ``fits`` tells which other things in the file a misspelt name may have meant;
    ``digest`` is as in :func:`import_file`. Raises :class:`w2s.errors.FieldError` for a file that is not there or cannot be
    imported, and for a name that is not in it.
    """
    name, _, attribute = reference.rpartition(":")
    if not name.endswith(".py") or not attribute:
        article = "an" if kind[0] in "aeiou" else "a"
        raise FieldError(f"{reference!r}: write {article} {kind} of your own as file.py:Name")
    try:
        path = user_path(name, base)
        module = import_file(path, digest)
    except (OSError, RuntimeError) as error:
        raise FieldError(f"{reference!r} cannot be read: {error}") from None
    except ValueError as error:
        raise FieldError(f"{reference!r}: {error}") from error
    found = getattr(module, attribute, None)
    if found is None:
        there = [name for name, value in vars(module).items() if fits(value)]
        raise FieldError(f"{path} defines no {attribute!r}{nearest(attribute, there)}; {plural} in it: {', '.join(there)}")
    return found


def import_file(path: Path, digest: str | None = None) -> ModuleType:
    """Import a file once per content, its own and that of the modules of its folder that it imports.

    With ``digest`` only that source will do: one that this process has imported is taken without a look at the disk.

    Raises :class:`w2s.errors.FieldError` for a file that does not exist, cannot be read, cannot be imported, or has another
    digest than the one asked for.
    """
    if digest is not None and (path, digest) in _BY_DIGEST:
        return _BY_DIGEST[path, digest]
    try:
        source = read_source(path)
    except FileNotFoundError as error:
        raise FieldError(f"no such file {(missing := Path(error.filename or path))}{nearest_file(missing)}") from None
    except (OSError, ValueError) as error:
        raise FieldError(f"{path} cannot be read: {error}") from None
    if digest is not None and source.digest != digest:
        raise FieldError(
            f"{path}, or a module beside it, was edited after the launch had read it; launch again to go on with what it says"
        )
    module = _module_of(source)
    _BY_DIGEST[path, source.digest] = module
    return module


def take_source(reference: str, base: Path, source: Source, digest: str) -> None:
    """Import the file that ``reference`` names from a source that was read elsewhere, unless this machine has the file.

    Raises :class:`w2s.errors.FieldError` where the text is not the one of ``digest``: what travelled was altered on the way.
    """
    path = user_path(reference.rpartition(":")[0], base)
    if (path, digest) in _BY_DIGEST or path.exists():
        return
    received = replace(source)  # a copy, whose digest is computed from what it says and not taken along
    if received.digest != digest:
        raise FieldError(f"{path}: the source that arrived has digest {received.digest}, not {digest}; launch again")
    _BY_DIGEST[path, digest] = _module_of(received)


def loaded_source(module: str) -> Source | None:
    """Return the source that a module of this process came from; None for one that was imported in the usual way."""
    return _SOURCES.get(module.partition(".")[0])


def _module_of(source: Source) -> ModuleType:
    """Return the root of a source as a module, imported unless it is."""
    content = hashlib.blake2b(str(source.path).encode("utf-8", "surrogateescape"), digest_size=6)
    for name, text in sorted(source.texts.items()):
        content.update(name.encode("utf-8", "surrogateescape") + hashlib.blake2b(text).digest())
    package = f"{PACKAGE}{source.root}_{content.hexdigest()}"
    name = f"{package}.{source.root}"
    if name in sys.modules:
        return sys.modules[name]
    if not any(isinstance(finder, _Neighbours) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Neighbours())
    _SOURCES[package] = source
    before = set(sys.modules)
    try:
        module = importlib.import_module(name)
        _refuse_strays(source, before)
    except Exception as error:
        for loaded in [known for known in sys.modules if known == package or known.startswith(f"{package}.")]:
            del sys.modules[loaded]
        if isinstance(error, FieldError):
            raise
        raise FieldError(f"{source.path} cannot be imported: {told(error)}") from error
    return module


def _refuse_strays(source: Source, before: set[str]) -> None:
    """Raise :class:`FieldError` for a module of the folder that came in around the source, and so around its digest."""
    for name in set(sys.modules) - before:
        place = getattr(sys.modules.get(name), "__file__", None)
        if name.startswith(PACKAGE) or not place:
            continue
        found = find_module(source.folder, name)
        if found and Path(place) == source.folder / found and found not in source.texts:
            raise FieldError(
                f"{source.path} loads {name}, a module beside it, by a computed name, so that an edit of it would go unseen; "
                f"write `import {name}` in it"
            )


class _Neighbours(MetaPathFinder):
    """Finds the modules of sources; all other names are left to the finders behind it."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,  # noqa: ARG002
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        package, _, name = fullname.partition(".")
        source = _SOURCES.get(package)
        if source is None or (name and name not in source.modules):
            return None
        file = source.modules[name] if name else None
        if file is None:
            return ModuleSpec(fullname, None, is_package=True)
        inside: list[str] | None = [] if file.endswith("__init__.py") else None
        loader = _TextLoader(source, file)
        return importlib.util.spec_from_file_location(
            fullname, source.folder / file, loader=loader, submodule_search_locations=inside
        )


class _TextLoader(Loader):
    """Runs the text of a source in a module that sees its neighbours."""

    def __init__(self, source: Source, file: str) -> None:
        self.source, self.file = source, file

    def exec_module(self, module: ModuleType) -> None:
        """Run the module. Its own ``__import__`` stays with its functions, so that they see neighbours later, too."""
        code = compile(self.source.texts[self.file], str(self.source.folder / self.file), "exec", dont_inherit=True)
        package = module.__name__.partition(".")[0]
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": _importer(package, self.source.tops)}
        exec(code, module.__dict__)


def _importer(package: str, tops: frozenset[str]) -> Callable[..., ModuleType]:
    """Return an ``__import__`` for which the first words in ``tops`` are modules of ``package``."""

    def find(
        name: str,
        globals: Mapping[str, Any] | None = None,
        locals: Mapping[str, Any] | None = None,
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        top = name.partition(".")[0]
        if level or top not in tops:
            return builtins.__import__(name, globals, locals, fromlist or (), level)
        found = builtins.__import__(f"{package}.{name}", globals, locals, fromlist or (), 0)
        return found if fromlist else sys.modules[f"{package}.{top}"]  # `import a.b` binds a

    return find
