"""Feature maps over a table: what the weak and the strong model see of it.

A map is named in a cell by a word, with an argument behind a colon where it takes one.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError, nearest
from w2s.laws.table import Table
from w2s_kernels import Backend, gemm, streams

__all__ = ["FEATURES", "WIDE", "check_features", "feature_matrix", "input_remarks", "used_columns"]

Matrix = npt.NDArray[np.float64]

_OF_INPUTS = {"inputs", "relu", "means", "columns"}


class _Request(NamedTuple):
    table: Table
    argument: str
    width: int | None
    role: str
    seed: int
    strong: Matrix | None
    backend: Backend


def feature_matrix(
    name: str, table: Table, *, width: int | None, role: str, seed: int, backend: Backend, strong: Matrix | None = None
) -> Matrix:
    """Compute the features of every row of a table: (rows, d) float64.

    Parameters
    ----------
    name : ``inputs``, ``relu``, ``of_strong``, ``means:K``, ``columns:PATTERN``, ``morgan``, ``morgan:K``, ``descriptors`` or
        ``encoder:MODEL:LAYER`` (``/K`` behind it: the first K coordinates). Several patterns are joined by ``|``; one that
        begins with ``!`` takes columns away.
    width : d, for the maps in :data:`WIDE`; a narrower map is a prefix of a wider one with the same role and seed.
    role : ``weak`` or ``strong``: names the random stream.
    strong : the strong features, needed by ``of_strong``.

    """
    kind, _, argument = name.partition(":")
    return FEATURES[kind](_Request(table, argument, width, role, seed, strong, backend))


def check_features(name: str, table: Table) -> None:
    """Raise :class:`FieldError` when the map does not exist or cannot be made from this table."""
    kind, _, argument = name.partition(":")
    if kind not in FEATURES:
        raise FieldError(f"unknown features {name!r}{nearest(kind, FEATURES)}; known: {', '.join(FEATURES)}")
    if kind in ("inputs", "relu"):
        _all_inputs(table)
    elif kind == "means":
        _group_count(argument, table)
    elif kind == "columns":
        _matching(argument, table)
    elif kind in ("morgan", "descriptors"):
        from w2s.laws import molecules

        molecules.check(table)
        if kind == "morgan" and argument:
            _fold_count(argument)
    elif kind == "encoder":
        from w2s.laws import text_features as text

        text.check(table, argument)


def used_columns(name: str, table: Table) -> tuple[str, ...]:
    """Name the columns of a table that a feature map sees, in order."""
    kind, _, argument = name.partition(":")
    if kind == "columns":
        return tuple(table.columns[k] for k in _matching(argument, table))
    if kind in _OF_INPUTS:
        return table.columns
    if kind == "encoder":
        from w2s.laws import text_features as text

        return (text.text_column(table),)
    return {"morgan": ("smiles",), "descriptors": ("smiles",)}.get(kind, ())


def input_remarks(names: Iterable[str], table: Table) -> list[str]:
    """Say which columns some feature maps leave out as an index, and which inputs only count the rows of the file."""
    names = list(names)
    kinds = {name.partition(":")[0] for name in names}
    used = dict.fromkeys(column for name in names for column in used_columns(name, table))
    index = [column for column, reason in table.left_out.items() if reason.startswith("an index column")]
    found = [f"column {column!r} is no feature: {table.left_out[column]}" for column in index if kinds & _OF_INPUTS]
    return found + [
        f"input {column!r} counts the rows of the file: is it a feature?" for column in used if column in table.counters
    ]


def _inputs(request: _Request) -> Matrix:
    return _all_inputs(request.table)


def _all_inputs(table: Table) -> Matrix:
    """Return every numeric column, (rows, p) with p at least 1; raise for a column that would be one but for some cells."""
    for problem in table.odd.values():
        raise FieldError(f"{problem}; {_ways_out(table)}")
    if not table.columns:
        raise FieldError(f"{table.name} has no numeric columns besides the target{_others(table)}")
    return table.inputs


def _ways_out(table: Table) -> str:
    without = "".join(f"|!{column}" for column in table.odd)
    return f"correct the file, or take other columns alone, with features 'columns:*{without}' for instance"


def _others(table: Table) -> str:
    """Say what else a table holds, and why it is no input."""
    return "".join(f"; {column!r}: {reason}" for column, reason in [*table.left_out.items()][:5])


def _relu(request: _Request) -> Matrix:
    """Compute max(0, x'w) with w ~ N(0, I/p)."""
    inputs = _all_inputs(request.table)
    width = _width(request)
    stream = streams.stream("features", request.role, seed=request.seed)
    weights = request.backend.to_numpy(streams.normals(stream, width, inputs.shape[1], request.backend))
    heights = gemm(inputs, weights.T / np.sqrt(inputs.shape[1]), request.backend)
    return np.asarray(np.maximum(heights, 0.0, out=heights))


def _of_strong(request: _Request) -> Matrix:
    """Map the strong features linearly at random: a teacher inside the student's span."""
    if request.strong is None:
        raise FieldError("features 'of_strong' are for the weak model only")
    stream = streams.stream("features", request.role, "map", seed=request.seed)
    weights = request.backend.to_numpy(streams.normals(stream, _width(request), request.strong.shape[1], request.backend))
    return np.asarray(gemm(request.strong, weights.T / np.sqrt(request.strong.shape[1]), request.backend))


def _means(request: _Request) -> Matrix:
    """Average K equal groups of consecutive inputs (8 for digits: the rows of an image)."""
    inputs = _all_inputs(request.table)
    groups = _group_count(request.argument, request.table)
    return np.asarray(inputs.reshape(len(inputs), groups, -1).mean(axis=2))


def _columns(request: _Request) -> Matrix:
    return request.table.inputs[:, _matching(request.argument, request.table)]


def _morgan(request: _Request) -> Matrix:
    from w2s.laws import molecules

    bits = molecules.morgan(request.table)
    return molecules.folded(bits, _fold_count(request.argument)) if request.argument else bits


def _descriptors(request: _Request) -> Matrix:
    from w2s.laws import molecules

    return molecules.descriptors(request.table)


def _encoder(request: _Request) -> Matrix:
    from w2s.laws import text_features as text

    return text.encoded(request.table, request.argument)


def _width(request: _Request) -> int:
    if request.width is None:
        raise FieldError(f"d_{request.role} is needed for these features")
    return request.width


def _group_count(argument: str, table: Table) -> int:
    columns = _all_inputs(table).shape[1]
    if not argument.isdecimal() or not 1 <= int(argument) <= columns or columns % int(argument):
        raise FieldError(f"features 'means:{argument}': write means:K with K a divisor of the {columns} input columns")
    return int(argument)


def _fold_count(argument: str) -> int:
    from w2s.laws import molecules

    if not argument.isdecimal() or not 1 <= int(argument) <= molecules.BITS:
        raise FieldError(f"features 'morgan:{argument}': write morgan:K with K of the {molecules.BITS} bits, or morgan for all")
    return int(argument)


def _matching(pattern: str, table: Table) -> list[int]:
    """Return places of the inputs that a pattern names; raise where it names none, or one with cells that are no numbers."""
    if asked := [column for column in table.odd if _matches(pattern, column)]:
        raise FieldError(f"{table.odd[asked[0]]}; {_ways_out(table)}")
    found = [k for k, column in enumerate(table.columns) if _matches(pattern, column)]
    if not found:
        reasons = [f"{column!r}: {reason}" for column, reason in table.left_out.items() if _matches(pattern, column)]
        why = f"; {reasons[0]}" if reasons else nearest(pattern, table.columns)
        raise FieldError(f"features 'columns:{pattern}': no numeric column of {table.name} matches{why}")
    return found


def _matches(pattern: str, column: str) -> bool:
    """Tell whether one of the patterns between ``|`` matches, and none behind a ``!`` does."""
    parts = pattern.split("|")
    wanted, unwanted = [p for p in parts if not p.startswith("!")], [p[1:] for p in parts if p.startswith("!")]
    return any(fnmatch.fnmatchcase(column, p) for p in wanted) and not any(fnmatch.fnmatchcase(column, p) for p in unwanted)


FEATURES: Mapping[str, Callable[[_Request], Matrix]] = {
    "inputs": _inputs,
    "relu": _relu,
    "of_strong": _of_strong,
    "means": _means,
    "columns": _columns,
    "morgan": _morgan,
    "descriptors": _descriptors,
    "encoder": _encoder,
}

WIDE = ("relu", "of_strong")
"""Maps whose width is a cell field."""
