"""The terms of a written condition against the fields of a study: what can be compared, and which files the words name.

A file is compared by its content, as cells are: a word that names one is replaced by its digest, ``'sha256:...'``, which means
the same wherever the condition is stored.
"""

from __future__ import annotations

import ast
import math
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from w2s.contract.cells import FieldSpec
from w2s.errors import nearest
from w2s.files.datafile import Content

__all__ = ["check_terms", "name_contents", "short", "written_digest"]

_KINDS: Mapping[type, str] = {bool: "booleans", int: "numbers", float: "numbers", str: "words"}
_SAID = {"booleans": "true or false", "numbers": "a number", "words": "a word", "files": "a file"}
_ANY = frozenset(_SAID)
_BY_ORDER = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)
_DIGEST = "sha256:"


def check_terms(tree: ast.expr, fields: Mapping[str, FieldSpec], text: str) -> None:
    """Raise ValueError where a condition compares what is never equal: words with numbers, or a word that a field cannot be.

    Fields that may be a number or a word can be compared with either.
    """
    for left, op, right in _pairs(tree):
        one, two = _kinds_of(left, fields), _kinds_of(right, fields)
        if not _comparable(one, two):
            kinds = _name(one), _name(two)
            says = f"{ast.unparse(left)} is {_SAID[kinds[0]]}, {ast.unparse(right)} is {_SAID[kinds[1]]}"
            raise ValueError(f"{short(text)} compares {kinds[0]} with {kinds[1]}: {says}{_instead(left, right, one, two)}")
        if isinstance(op, _BY_ORDER) and {"files"} in (one, two):
            raise ValueError(f"{short(text)}: files are compared by ==, != and in; they have no order")
        for term, other in ((left, right), (right, left)):
            choices = fields[term.id].choices if isinstance(term, ast.Name) else ()
            if choices and isinstance(other, ast.Constant) and other.value not in choices:
                allowed = ", ".join(map(str, choices))
                raise ValueError(f"{other.value!r} is not one of: {allowed}{nearest(other.value, choices)}")


def name_contents(tree: ast.expr, fields: Mapping[str, FieldSpec], digest: Callable[[FieldSpec, str], str]) -> bool:
    """Replace, in place, words that name the content of a file field by its digest; return whether there were any.

    ``digest(field, word)`` returns the written digest of a word, or the word itself where it knows none.
    """
    changed = False
    for left, _op, right in list(_pairs(tree)):
        for term, word in ((left, right), (right, left)):
            if not isinstance(term, ast.Name) or not fields[term.id].is_file or not isinstance(word, ast.Constant):
                continue
            if isinstance(word.value, str) and not word.value.startswith(_DIGEST):
                before, word.value = word.value, digest(fields[term.id], word.value)
                changed = changed or word.value != before
    return changed


def written_digest(content: Content) -> str:
    """Return the word by which a condition names a content: ``'sha256:'`` and 64 hex digits."""
    return f"{_DIGEST}{content.sha256}"


def short(text: str) -> str:
    """Return a condition in quotes, at most 80 characters of it."""
    return repr(text if len(text) <= 80 else text[:77] + "...")


def _pairs(tree: ast.expr) -> Iterator[tuple[ast.expr, ast.cmpop, ast.expr]]:
    """Yield what is compared with what; of a list after ``in``, every item."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Compare):
            for left, op, right in zip([node.left, *node.comparators], node.ops, node.comparators, strict=False):
                items = right.elts if isinstance(right, (ast.List, ast.Tuple)) else [right]
                yield from ((left, op, item) for item in items)


def _kinds_of(term: ast.expr, fields: Mapping[str, FieldSpec]) -> frozenset[str]:
    """Return what a term can be; everything, where that cannot be told."""
    if isinstance(term, ast.Name):
        return _kinds(fields[term.id].annotation) or _ANY
    if isinstance(term, ast.Constant):
        kind = _KINDS.get(type(term.value))
        return _ANY if kind is None else frozenset({kind, "files"} if kind == "words" else {kind})
    arithmetic = isinstance(term, ast.BinOp) or (isinstance(term, ast.UnaryOp) and isinstance(term.op, ast.USub))
    return frozenset({"numbers"}) if arithmetic else _ANY


def _kinds(annotation: Any) -> frozenset[str]:
    """Return what values of a type are; nothing for a null, everything for lists and what else is not plain."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if annotation is type(None):
        return frozenset()
    if origin is typing.Annotated:
        return _kinds(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return frozenset().union(*map(_kinds, arguments))
    if origin is typing.Literal:
        return frozenset(_KINDS.get(type(value), "words") for value in arguments if value is not None)
    if isinstance(annotation, type) and issubclass(annotation, Content):
        return frozenset({"files"})
    return frozenset({_KINDS[annotation]}) if annotation in _KINDS else _ANY


def _comparable(one: frozenset[str], two: frozenset[str]) -> bool:
    """Tell whether values of two terms can be equal. True is 1, as in Python."""
    return bool(one & two) or (one | two) <= {"booleans", "numbers"}


def _name(kinds: frozenset[str]) -> str:
    return next(kind for kind in _SAID if kind in kinds)


def _instead(left: ast.expr, right: ast.expr, one: frozenset[str], two: frozenset[str]) -> str:
    """Say what to write in place of a constant; nothing where both terms are fields."""
    constants = [(term.value, kinds) for term, kinds in ((left, two), (right, one)) if isinstance(term, ast.Constant)]
    if len(constants) != 1:
        return ""
    value, wanted = constants[0]
    if "numbers" in wanted:
        return f"; write {value!s} without quotes" if _is_number(str(value)) else "; write a number"
    if "words" in wanted:
        return "; write a word in quotes" if isinstance(value, bool) else f"; write {str(value)!r}"
    return "; write the name of a file in quotes" if "files" in wanted else "; write True or False"


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
