"""Feature maps over a table: what the weak and the strong model see of it.

A map is named in a cell by a word, with an argument behind a colon where it takes one.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError, nearest
from w2s.laws.table import Table
from w2s_kernels import Backend, streams

__all__ = ["FEATURES", "WIDE", "check_features", "feature_matrix"]

Matrix = npt.NDArray[np.float64]


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
        ``encoder:MODEL:LAYER`` (``/K`` behind it: the first K coordinates).
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
    if kind in ("inputs", "relu", "means") and table.inputs.shape[1] == 0:
        raise FieldError(f"features {name!r}: {table.name} has no numeric columns besides the target")
    if kind == "means":
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


def _inputs(request: _Request) -> Matrix:
    return request.table.inputs


def _relu(request: _Request) -> Matrix:
    """max(0, x'w), w ~ N(0, I/p)."""
    inputs = request.table.inputs
    width = _width(request)
    stream = streams.stream("features", request.role, seed=request.seed)
    weights = request.backend.to_numpy(streams.normals(stream, width, inputs.shape[1], request.backend))
    return np.asarray(np.maximum(inputs @ (weights.T / np.sqrt(inputs.shape[1])), 0.0))


def _of_strong(request: _Request) -> Matrix:
    """Random linear map of the strong features: a teacher inside the student's span."""
    if request.strong is None:
        raise FieldError("features 'of_strong' are for the weak model only")
    stream = streams.stream("features", request.role, "map", seed=request.seed)
    weights = request.backend.to_numpy(streams.normals(stream, _width(request), request.strong.shape[1], request.backend))
    return np.asarray(request.strong @ (weights.T / np.sqrt(request.strong.shape[1])))


def _means(request: _Request) -> Matrix:
    """Means of K equal groups of consecutive inputs (8 for digits: the rows of an image)."""
    inputs = request.table.inputs
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
    columns = table.inputs.shape[1]
    if not argument.isdecimal() or not 1 <= int(argument) <= columns or columns % int(argument):
        raise FieldError(f"features 'means:{argument}': write means:K with K a divisor of the {columns} input columns")
    return int(argument)


def _fold_count(argument: str) -> int:
    from w2s.laws import molecules

    if not argument.isdecimal() or not 1 <= int(argument) <= molecules.BITS:
        raise FieldError(f"features 'morgan:{argument}': write morgan:K with K of the {molecules.BITS} bits, or morgan for all")
    return int(argument)


def _matching(pattern: str, table: Table) -> list[int]:
    found = [k for k, column in enumerate(table.columns) if fnmatch.fnmatchcase(column, pattern)]
    if not found:
        raise FieldError(f"features 'columns:{pattern}': no column of {table.name} matches{nearest(pattern, table.columns)}")
    return found


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
