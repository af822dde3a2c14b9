"""The language of a written condition, such as ``"d_weak > n_labeled and noise == 0"``: small, closed, never run as code.

    condition    comparison | not condition | condition and condition | condition or condition | ( condition )
    comparison   term < term <= term ... | name in [value, ...] | name not in [value, ...]
    term         name | number | 'word' | term + - * / term | - term | ( term )

Terms are numbers, or one name or word alone: there is no arithmetic on words. Every number is a double, so that nothing grows.
"""

from __future__ import annotations

import ast
import operator
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from sweeper.grid.conditions import Condition
from sweeper.grid.terms import check_terms, name_contents, short, written_digest
from w2s.contract.block import Block
from w2s.contract.cells import FieldSpec, former_names
from w2s.errors import nearest
from w2s.files.datafile import Content

__all__ = ["condition_from_text"]

_COMPARE: Mapping[type[ast.cmpop], tuple[Callable[[Any, Any], Any], bool]] = {
    ast.Lt: (operator.lt, False),
    ast.LtE: (operator.le, True),
    ast.Gt: (operator.gt, False),
    ast.GtE: (operator.ge, True),
    ast.Eq: (operator.eq, True),
    ast.NotEq: (operator.ne, False),
}
"""Comparisons, with what holds of numbers that are equal but for rounding."""
_ROUNDING = 1e-11
"""Relative difference up to which decimal numbers are equal, as where rows are compared."""
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}
_MAX_DEPTH = 40
"""Nesting of a written condition: far above what a person writes, far below what recursion can stand."""
_ALLOWED = "only fields, numbers, words, comparisons, + - * /, in, and, or, not are allowed"
_MAX_TEXT = 10_000
"""Characters of a condition; a long list of values is a mapping of a field to its values."""


def condition_from_text(
    text: str, known: Iterable[str], digest: Callable[[FieldSpec, str], str] | None = None, *, checked: bool = True
) -> Condition:
    """Compile ``"d_weak > n_labeled and noise == 0"``: comparisons of fields, numbers and words, with + - * / in and or not.

    The text is parsed, never evaluated as code. A comparison with a field that is inactive in a cell does not hold there.
    ``known`` are the field names, or their specifications, which are then ``checked`` against what they are compared with.
    ``digest`` says which content a word names that is compared with a file field. Raises ValueError with the reason.
    """
    tree = _parse(text)
    former = former_names(known) if isinstance(known, Mapping) else {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            node.id = former.get(node.id, node.id)
    names = tuple(dict.fromkeys(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)))
    for name in names:
        if name not in known:
            raise ValueError(f"{name!r} is not a field{nearest(name, known)}")
    if not isinstance(tree, (ast.Compare, ast.BoolOp)) and not (isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not)):
        raise ValueError(f"{short(text)} compares nothing; write for example 'd_weak > n_labeled'")
    if isinstance(known, Mapping):
        if checked:
            check_terms(tree, known, text)
        if digest is not None and name_contents(tree, known, digest):
            text = ast.unparse(tree)
            _check_length(text)
    evaluate = _compile(tree, text)
    if not names:
        raise ValueError(f"{short(text)} names no field")

    def test(block: Block) -> npt.NDArray[np.bool_]:
        try:
            with np.errstate(all="ignore"):
                return np.asarray(evaluate(block), dtype=bool)
        except (TypeError, ArithmeticError):
            raise _mixed(text) from None

    return Condition(names, test, text)


def _parse(text: str) -> ast.expr:
    _check_length(text)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise ValueError(f"{short(text)} is not a condition such as 'd_weak > n_labeled'") from None
    level: list[ast.AST] = [tree]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise ValueError(f"{short(text)} is nested too deeply for a condition")
    return tree


def _check_length(text: str) -> None:
    """Refuse a long condition; one that names files has their digests in place of the names."""
    if len(text) > _MAX_TEXT:
        most = f"longer than {_MAX_TEXT:,} characters"
        raise ValueError(f"{short(text)} is {most}; a mapping of a field to values takes any number of them")


def _compile(node: ast.expr, text: str) -> Callable[[Block], Any]:
    if isinstance(node, ast.Name):
        name = node.id
        return lambda block: _plain(block.column(name))
    if isinstance(node, ast.Constant):
        value = _constant(node, text)
        return lambda _block: value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _compile(node.operand, text)
        return lambda block: np.logical_not(inner(block))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        number = _compile_number(node.operand, text)
        return lambda block: operator.neg(number(block))
    if isinstance(node, ast.BinOp) and type(node.op) in _ARITHMETIC:
        left, right = _compile_number(node.left, text), _compile_number(node.right, text)
        combine = _ARITHMETIC[type(node.op)]
        return lambda block: combine(left(block), right(block))
    if isinstance(node, ast.BoolOp):
        if any(isinstance(part, (ast.Name, ast.Constant, ast.BinOp)) for part in node.values):
            raise ValueError(f"{short(text)}: 'and' and 'or' join comparisons, such as 'd_weak > 10 and noise == 0'")
        parts = [_compile(part, text) for part in node.values]
        join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
        return lambda block: _fold(join, [part(block) for part in parts])
    if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
        return _compile_in(node, text)
    if isinstance(node, ast.Compare) and all(type(op) in _COMPARE for op in node.ops):
        terms = [_compile(part, text) for part in (node.left, *node.comparators)]
        tests = [_compared(*_COMPARE[type(op)]) for op in node.ops]
        return lambda block: _chain(tests, [term(block) for term in terms])
    raise ValueError(f"{short(text)}: {_ALLOWED}")


def _constant(node: ast.expr, text: str) -> float | str | bool:
    """Return a word, or a number as a double; raise ValueError for anything else."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub) and isinstance(node.operand, ast.Constant):
        return -float(_number(_constant(node.operand, text), text))
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, (int, float)):
        try:
            return float(value)
        except OverflowError:
            raise _mixed(text) from None
    raise ValueError(f"{short(text)}: {_ALLOWED}")


def _number(value: Any, text: str) -> Any:
    """Return a number or an array of numbers; raise ValueError for words."""
    if isinstance(value, float) or (isinstance(value, np.ndarray) and value.dtype.kind == "f"):
        return value
    raise _mixed(text)


def _mixed(text: str) -> ValueError:
    return ValueError(f"{short(text)} compares or combines what cannot be, such as words with numbers")


def _compile_number(node: ast.expr, text: str) -> Callable[[Block], Any]:
    """Compile an operand of + - * /: words are refused where they are written, or where a field turns out to hold some."""
    term = _compile(node, text)
    if isinstance(node, ast.Constant):
        _number(_constant(node, text), text)
    if isinstance(node, (ast.Compare, ast.BoolOp)):
        raise ValueError(f"{short(text)}: {_ALLOWED}")
    return lambda block: _number(term(block), text)


def _compile_in(node: ast.Compare, text: str) -> Callable[[Block], Any]:
    """Compile ``name in [1, 2]``: a field, and a list of numbers or words. Null is in no list and in no complement of one."""
    listed = node.comparators[0]
    if len(node.ops) > 1 or not isinstance(node.left, ast.Name) or not isinstance(listed, (ast.List, ast.Tuple)):
        raise ValueError(f"{short(text)}: 'in' takes a field and a list, such as 'd_weak in [8, 16]'")
    values, term = [_constant(item, text) for item in listed.elts], _compile(node.left, text)
    words = {type(value) for value in values}
    if not values or len(words) > 1:
        raise ValueError(f"{short(text)}: a list after 'in' holds numbers, or words, and not none")
    wanted, equal = isinstance(node.ops[0], ast.In), _compared(*_COMPARE[ast.Eq])

    def test(block: Block) -> Any:
        column = np.asarray(term(block))
        known = np.equal(column, column) if column.dtype.kind == "f" else column != np.array(None)
        if (column.dtype.kind == "f") != (words == {float}) and known.any():
            raise _mixed(text)
        hits = _fold(np.logical_or, [equal(column, value) for value in values])
        return (hits if wanted else ~hits) & known

    return test


def _plain(column: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return integers as floats, which do not overflow when multiplied, and files as the words of their digests."""
    if column.dtype.kind in "iu":
        return column.astype(np.float64)
    if column.dtype.kind == "O":
        named = [written_digest(value) if isinstance(value, Content) else value for value in column.reshape(-1)]
        plain = np.empty(len(named), dtype=object)
        plain[:] = named
        return plain.reshape(column.shape)
    return column


def _near(a: Any, b: Any) -> Any:
    """Tell which numbers are equal but for rounding, to 11 digits: 0.1 + 0.2 and 0.3. Whole numbers are equal or not."""
    if np.asarray(a).dtype.kind != "f" or np.asarray(b).dtype.kind != "f":
        return False
    return np.isclose(a, b, rtol=_ROUNDING, atol=0.0) & ~((np.floor(a) == a) & (np.floor(b) == b))


def _compared(test: Callable[[Any, Any], Any], when_near: bool) -> Callable[[Any, Any], Any]:
    """Make a comparison that does not see rounding: 0.3 / 0.1 < 3 does not hold, and 0.1 + 0.2 == 0.3 does."""

    def compare(a: Any, b: Any) -> Any:
        near = _near(a, b)
        return test(a, b) if near is False else np.where(near, when_near, test(a, b))

    return compare


def _chain(tests: list[Callable[[Any, Any], Any]], values: list[Any]) -> Any:
    """Evaluate a < b < c; a comparison with null (NaN among numbers, None among words) does not hold."""
    known = [np.equal(value, value) if np.asarray(value).dtype.kind == "f" else value != np.array(None) for value in values]
    parts = [test(a, b) for test, a, b in zip(tests, values, values[1:], strict=False)]
    return _fold(np.logical_and, [*parts, *known])


def _fold(join: Callable[[Any, Any], Any], parts: list[Any]) -> Any:
    result = parts[0]
    for part in parts[1:]:
        result = join(result, part)
    return result
