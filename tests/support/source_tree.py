"""The source as a tree of modules and imports, read from the text: no module is imported to be judged.

Imports inside functions and under ``TYPE_CHECKING`` count like any other. A *room* is what stands directly below a package: a
module or a folder.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One imported name: the importing module, what it names (dotted, absolute) and the place."""

    source: str
    target: str
    place: str


@dataclass(frozen=True)
class Module:
    """A source file: dotted name (that of the package for ``__init__``), path and syntax tree."""

    name: str
    path: Path
    tree: ast.Module
    is_package: bool

    @functools.cached_property
    def imports(self) -> tuple[Import, ...]:
        """List everything the module imports, wherever the statement stands."""
        return tuple(self._imports())

    def _imports(self) -> Iterator[Import]:
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    yield Import(self.name, alias.name, f"{self.path}:{node.lineno}")
            elif isinstance(node, ast.ImportFrom):
                base = absolute(self, node)
                for alias in node.names:
                    yield Import(self.name, f"{base}.{alias.name}", f"{self.path}:{node.lineno}")


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """Name of the module that a ``from`` statement takes names from."""
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    parents = parts[: len(parts) - node.level + (1 if module.is_package else 0)]
    return ".".join([*parents, *([node.module] if node.module else [])])


def read_tree(*roots: Path) -> dict[str, Module]:
    """Read all modules below some package folders, by dotted name from the folder's own name on."""
    found = {}
    for root in roots:
        for path in sorted(root.rglob("*.py")):
            parts = [root.name, *path.relative_to(root).with_suffix("").parts]
            package = parts[-1] == "__init__"
            name = ".".join(parts[:-1] if package else parts)
            found[name] = Module(name, path, ast.parse(path.read_text(encoding="utf-8")), package)
    return found


def home(target: str, modules: Mapping[str, Module]) -> str | None:
    """Name of the module of the tree that an imported name belongs to; None for a name from outside."""
    while target:
        if target in modules:
            return target
        target = target.rpartition(".")[0]
    return None


def upward_imports(modules: Mapping[str, Module], package: str, order: Sequence[Sequence[str]]) -> list[str]:
    """Imports between rooms of a package that do not go to a lower room, and rooms that the order does not name.

    ``order`` lists rooms from low to high; those of one group must not import each other.
    """
    level = {room: k for k, group in enumerate(order) for room in group}
    found = [f"{package}.{room} has no place in the order" for room in _rooms(modules, package) if room not in level]
    for module in modules.values():
        source = _room(module.name, package)
        for item in module.imports:
            target = _room(home(item.target, modules) or "", package)
            if source is None or target is None or source == target or not {source, target} <= set(level):
                continue
            if level[target] >= level[source]:
                found.append(f"{item.place}: {source} imports {item.target}, which is not below it")
    return found


def _room(name: str, package: str) -> str | None:
    return name.removeprefix(f"{package}.").partition(".")[0] if name.startswith(f"{package}.") else None


def _rooms(modules: Mapping[str, Module], package: str) -> list[str]:
    return sorted({room for name in modules if (room := _room(name, package)) is not None})


def circles(modules: Mapping[str, Module]) -> list[str]:
    """Circles among what stands in one folder: modules, folders, and its ``__init__``.

    A circle of modules anywhere is a circle in the folder that holds all of them, so none of these means no circle at all.
    """
    arrows: dict[str, dict[str, set[str]]] = {}
    for module in modules.values():
        for item in module.imports:
            target = home(item.target, modules)
            if target is not None and target != module.name:
                folder, first, second = _siblings(_place(module), _place(modules[target]))
                arrows.setdefault(folder, {}).setdefault(first, set()).add(second)
    return [f"{folder or 'top'}: {' -> '.join(circle)}" for folder, graph in arrows.items() if (circle := _circle(graph))]


def _place(module: Module) -> list[str]:
    return [*module.name.split("."), *(["__init__"] if module.is_package else [])]


def _siblings(source: Sequence[str], target: Sequence[str]) -> tuple[str, str, str]:
    """Deepest folder that holds both places, and what they are in it."""
    depth = next(k for k, (one, other) in enumerate(zip(source, target, strict=False)) if one != other)
    return ".".join(source[:depth]), source[depth], target[depth]


def _circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of a graph; empty where there is none."""
    done: set[str] = set()

    def search(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        done.add(node)
        for follower in sorted(graph.get(node, ())):
            if found := search(follower, [*path, node]):
                return found
        return []

    return next((found for node in sorted(graph) if (found := search(node, []))), [])


def imports_of(modules: Mapping[str, Module], names: Iterable[str], allowed: Sequence[str]) -> list[str]:
    """Imports of some outside packages (or of modules of the tree below a prefix) by modules that are not below ``allowed``."""
    prefixes = tuple(names)
    return [
        f"{item.place}: {item.target}"
        for module in modules.values()
        if not any(_below(module.name, prefix) for prefix in allowed)
        for item in module.imports
        if any(_below(item.target, prefix) for prefix in prefixes)
    ]


def _below(name: str, prefix: str) -> bool:
    return name == prefix or name.startswith(f"{prefix}.")


def dynamic_imports(modules: Mapping[str, Module]) -> dict[str, str]:
    """Modules that import by a computed name, with the place of the first such call."""
    found: dict[str, str] = {}
    for module in modules.values():
        for node in ast.walk(module.tree):
            called = node.func if isinstance(node, ast.Call) else None
            name = called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""
            if name in ("import_module", "__import__"):
                found.setdefault(module.name, f"{module.path}:{node.lineno}")  # type: ignore[attr-defined]
    return found


def crowded(modules: Mapping[str, Module], most: int) -> list[str]:
    """Folders with more than ``most`` modules, ``__init__`` not counted."""
    counts: dict[Path, int] = {}
    for module in modules.values():
        if not module.is_package:
            counts[module.path.parent] = counts.get(module.path.parent, 0) + 1
    return [f"{folder}: {count} modules" for folder, count in sorted(counts.items()) if count > most]


def long_files(modules: Mapping[str, Module], most: int) -> list[str]:
    """Modules of more than ``most`` lines."""
    lengths = {str(module.path): module.path.read_text(encoding="utf-8").count("\n") for module in modules.values()}
    return [f"{path}: {lines} lines" for path, lines in sorted(lengths.items()) if lines > most]
