"""What a Python text says, without how it is written: its imports, and a digest that comments and layout do not change."""

from __future__ import annotations

import ast
import functools
import hashlib
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["Import", "Meaning", "meaning_of"]

_SILENT = ("ctx", "kind", "type_comment", "type_ignores")
"""Fields of a syntax tree that follow from others or do nothing."""
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


class Import(NamedTuple):
    """One imported name: ``level`` dots, the module behind them, and the name taken from it (None for a plain ``import``)."""

    level: int
    module: str
    name: str | None


class Meaning(NamedTuple):
    """Digest of a text (64 hex digits), and what it imports wherever the statement stands."""

    digest: str
    imports: tuple[Import, ...]


@functools.lru_cache(maxsize=1024)
def meaning_of(text: bytes) -> Meaning:
    """Digest a text by its syntax tree, without docstrings; a text that is no Python has the digest of its bytes.

    The tree is written node by node without empty fields, because `ast.dump` writes one tree differently in different versions
    of Python. The loop has no recursion: a digest must not depend on how deep its caller is.
    """
    try:
        with warnings.catch_warnings():  # what a compilation warns of is said when the text is imported
            warnings.simplefilter("ignore")
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return Meaning(hashlib.sha256(text).hexdigest(), ())
    hasher = hashlib.sha256()
    stack: list[Any] = [tree]
    while stack:
        item = stack.pop()
        if isinstance(item, ast.AST):
            parts = [part for name, value in _fields(item) for part in (name, value)]
            word = f"{type(item).__name__} {len(parts)}"
        elif isinstance(item, list):
            parts, word = item, f"list {len(item)}"
        else:
            parts, word = [], f"{type(item).__name__} {item:x}" if type(item) is int else f"{type(item).__name__} {item!r}"
        hasher.update(f"{word}\n".encode("utf-8", "surrogatepass"))
        stack += reversed(parts)
    return Meaning(hasher.hexdigest(), tuple(_imports(tree)))


def _fields(node: ast.AST) -> Iterator[tuple[str, Any]]:
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(node, _DOCUMENTED) and _is_text(value[:1]):
            value = value[1:]
        if name not in _SILENT and value is not None and value != []:
            yield name, value


def _is_text(statements: list[ast.stmt]) -> bool:
    """Tell whether a body begins with a docstring."""
    return any(
        isinstance(item, ast.Expr) and isinstance(item.value, ast.Constant) and isinstance(item.value.value, str)
        for item in statements
    )


def _imports(tree: ast.Module) -> Iterator[Import]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (Import(0, alias.name, None) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (Import(node.level, node.module or "", alias.name) for alias in node.names)
