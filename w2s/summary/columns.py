"""Which column of a table is what: cell fields, metrics, provenance; and the group of every row."""

from __future__ import annotations

import difflib
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.summary.stored import Rows, Stored

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "CODE",
    "ERRORS",
    "IDENTITY",
    "METRICS",
    "PGR",
    "PROVENANCE",
    "RATIOS",
    "SEED",
    "UNUSABLE",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Ratio",
    "as_names",
    "cell_fields",
    "check_group",
    "dense",
    "difference",
    "distinct",
    "group_codes",
    "has_null",
    "has_value",
    "is_number",
    "is_ratio",
    "metric_of_end",
    "need",
    "numbers",
    "ratio_columns",
    "ratio_parts",
    "ratios",
    "refuse_ends",
    "seed_codes",
    "usable",
    "varying",
]

SEED = "seed"
ERRORS = ("weak_error", "student_error", "strong_error", "ceiling_error")
METRICS = (
    *ERRORS,
    "gain",
    "misfit",
    "weak_distance",
    "pgr",
    "pred_gap",
    "student_validation_misfit",
    "student_validation_weak_distance",
    "weak_validation_error",
    "weak_ridge",
    "strong_ridge",
    "ceiling_ridge",
    "selection_score",
    "cross_term",
    "epsilon",
    "label_power",
    *(f"{name}_01" for name in ERRORS),
    "gain_01",
    "pgr_01",
    "disagreement",
)
IDENTITY = ("cell_id", "study", "version", SEED, "status", "message")
PROVENANCE = ("solver", "backend", "blas", "dtype", "condition", "threads", "elapsed_s", "code_digest")
UNUSABLE = ("failed", "nonfinite")
CODE = "code_digest"
"""Column of the digest of the code outside this package that made a row."""

_FEW = 1 << 12

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]
"""Whole numbers of 64 bits, or of rows on disk of fewer."""
BoolArray = npt.NDArray[np.bool_]


class Ratio(NamedTuple):
    """A metric that is a quotient of means: top / bottom, each a column or a difference of two columns."""

    top: tuple[str, ...]
    bottom: tuple[str, ...]
    bottom_name: str  # in statuses: "gap_nonpositive", "student_unresolved"
    stored_top: str | None = None  # preferred when present: solvers compute it without cancellation


PGR: Mapping[str, str] = {
    "pgr": "student_error",
    "pgr_01": "student_error_01",
    "pgr_flip_01": "student_flip_error_01",
}
"""PGR column -> the error of the student that it is about; anchors end in ``_01`` where that error does."""


def _pgr(student: str) -> Ratio:
    """Make the ratio PGR of any student: (weak_error - student) / (weak_error - ceiling_error)."""
    suffix = "_01" if student.endswith("_01") else ""
    weak, ceiling = f"weak_error{suffix}", f"ceiling_error{suffix}"
    return Ratio((weak, student), (weak, ceiling), "gap", f"gain{suffix}" if student == f"student_error{suffix}" else None)


RATIOS: Mapping[str, Ratio] = {
    **{name: _pgr(student) for name, student in PGR.items()},
    "opr": Ratio(("strong_error",), ("student_error",), "student"),
    "opr_01": Ratio(("strong_error_01",), ("student_error_01",), "student"),
}


def ratios(df: Rows) -> Mapping[str, Ratio]:
    """Return the metrics of a frame that are quotients of means: the known ones, and those its metadata declare as ``pgr``."""
    own = _metadata(df).get("pgr", {})
    return {**RATIOS, **{str(name): _pgr(str(student)) for name, student in own.items()}}


def need(df: Rows, names: Iterable[str], purpose: str) -> None:
    """Raise ValueError for the first of `names` that is no column, with the nearest ones."""
    for name in names:
        if name not in df.columns:
            known = [str(column) for column in df.columns]
            near = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
            hint = f"nearest: {', '.join(near)}" if near else f"columns: {', '.join(known[:30])}"
            raise ValueError(f"no column {name!r} ({purpose}); {hint}")


def cell_fields(df: Rows) -> list[str]:
    """List the columns that name a cell: study, version and its fields, without the seed.

    The fields come from the table's own metadata. Where rows of several sources are together (``--keep-code``), the digest of
    the source is one more. Raises ValueError for a table without metadata: which of its columns are fields cannot be guessed.
    """
    metadata = _metadata(df)
    if "fields" not in metadata:
        raise ValueError(
            "the table does not say which of its columns are cell fields: it has lost its metadata, df.attrs['w2s'], as tables "
            "do in pd.concat, pd.merge and pandas' own readers. Read runs with w2s.load(run) and put them together with "
            "w2s.concat([...]), or name the columns: by=[...] (by=[] makes one group of all rows)"
        )
    several = any(len(digests) > 1 for digests in metadata.get("code", {}).values())
    fields = ["study", "version", *metadata["fields"], *([CODE] if several else [])]
    return [name for name in dict.fromkeys(fields) if name in df.columns and name != SEED]


def _metadata(df: Rows) -> Mapping[str, Any]:
    found: Mapping[str, Any] = df.attrs.get("w2s") or {}
    return found


def check_group(df: Rows, keys: Sequence[str], apart: Any = None) -> None:
    """Look at group columns that a user named: none is a result, and no group mixes studies or versions.

    ``apart`` (rows,) are labels of rows that no mean joins, such as the sides of a comparison. Raises ValueError; warns of a
    mean of rows that several sources made.
    """
    if results := [name for name in keys if _is_result(df, name)]:
        raise ValueError(f"cannot group by {', '.join(map(repr, results))}: a result of the rows is no setting of theirs")
    for name in ("study", "version"):
        if name in df.columns and name not in keys and df[name].nunique(dropna=False) > 1:
            values = ", ".join(str(value) for value in df[name].drop_duplicates())
            raise ValueError(
                f"rows of several {'studies' if name == 'study' else 'versions'} ({values}) would be averaged together; take "
                f"the rows of one, or add {name!r} to by"
            )
    if CODE in df.columns and CODE not in keys and df[CODE].nunique() > 1:
        codes, _ = group_codes(df, keys)
        joined = [codes] if apart is None else [codes, np.asarray(apart)]
        if (df[CODE].groupby(joined, dropna=False).nunique() > 1).any():
            says = "rows that different code made are averaged together (a study, loss or method was edited between launches)"
            warnings.warn(f"{says}; add {CODE!r} to by to see them apart", stacklevel=4)


def _is_result(df: Rows, name: str) -> bool:
    return name in METRICS or name in ratios(df) or name in PGR.values() or name.endswith(("_theory", "_status"))


def metric_of_end(name: str, metrics: Collection[str]) -> str | None:
    """Return the metric whose interval over items has a column as its end: gain_01 of gain_01_low; None for other columns."""
    metric = name.removesuffix("_low").removesuffix("_high")
    return metric if metric != name and metric in metrics else None


def refuse_ends(metrics: Collection[str]) -> None:
    """Raise ValueError where one metric has the name of an end of another's interval: a summary has room for one of them."""
    if ends := [name for name in metrics if metric_of_end(name, metrics)]:
        raise ValueError(f"{ends[0]} is also the name of an end of {metric_of_end(ends[0], metrics)}: ask for one of them")


def is_ratio(df: Rows, name: str) -> bool:
    """Tell whether a metric is a quotient of means in this frame.

    Raises ValueError for one that seems to be, by its name, in a table that has lost the metadata which would say of what.
    """
    if name in ratios(df):
        return True
    if not _metadata(df) and name.startswith(("pgr", "opr")) and not name.endswith(("_theory", "_status")):
        raise ValueError(
            f"{name!r} seems to be a ratio, and the table has lost the metadata (df.attrs['w2s']) that says of which columns; "
            "a mean of ratios is another number. Read runs with w2s.load(run) and put them together with w2s.concat([...])"
        )
    return False


def varying(df: Rows, names: Iterable[str]) -> list[str]:
    """List those of `names` that take more than one value in `df`; null counts as a value."""
    if isinstance(df, Stored):
        return [name for name in names if df.varies(name)]
    return [name for name in names if df[name].nunique(dropna=False) > 1]


def has_value(df: Rows, name: str) -> bool:
    """Tell whether a column has a value that is not null."""
    return df.has_value(name) if isinstance(df, Stored) else bool(df[name].notna().any())


def has_null(df: Rows, name: str) -> bool:
    """Tell whether a column has a null."""
    return df.has_null(name) if isinstance(df, Stored) else bool(df[name].isna().any())


def distinct(df: Rows, name: str) -> list[Any]:
    """List the values of a column in the order in which they appear, without null."""
    return df.distinct(name) if isinstance(df, Stored) else list(df[name].dropna().unique())


def is_number(df: Rows, name: str) -> bool:
    """Tell whether a column holds numbers."""
    return df.is_number(name) if isinstance(df, Stored) else df[name].dtype.kind in "iuf"


def as_names(names: str | Sequence[str]) -> list[str]:
    """Make a list of names from one name or several."""
    return [names] if isinstance(names, str) else list(names)


def numbers(df: Rows, name: str) -> FloatArray:
    """Read a column as float64, null and infinity as NaN; ValueError for text."""
    try:
        values = df[name].to_numpy(dtype=np.float64, na_value=np.nan, copy=not isinstance(df, Stored))
    except (TypeError, ValueError) as error:
        raise ValueError(f"column {name!r} of type {df[name].dtype} is no number, so it has no mean") from error
    odd = ~np.isfinite(values)
    if odd.any():
        values = np.where(odd, np.nan, values)
    return values


def usable(df: Rows) -> BoolArray:
    """Mark the rows whose numbers may be used: all but those of status "failed" and "nonfinite".

    Without a status column, all rows may be used.
    """
    if "status" not in df.columns:
        return np.ones(len(df), dtype=np.bool_)
    return np.asarray(~df["status"].isin(UNUSABLE), dtype=np.bool_)


def ratio_columns(df: Rows, name: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Name the columns behind the top and the bottom of a ratio metric in this frame."""
    ratio = ratios(df)[name]
    stored = ratio.stored_top is not None and ratio.stored_top in df.columns
    return ((ratio.stored_top,) if stored and ratio.stored_top else ratio.top), ratio.bottom


def ratio_parts(df: Rows, name: str) -> tuple[FloatArray, FloatArray]:
    """Compute top and bottom of a ratio metric for every row; for PGR the gain and the gap weak_error - ceiling_error."""
    top, bottom = ratio_columns(df, name)
    need(df, [*top, *bottom], f"for {name}")
    return difference(df, top), difference(df, bottom)


def difference(df: Rows, names: Sequence[str]) -> FloatArray:
    """Read a column, or the difference of two, as :func:`numbers` does."""
    first, *rest = (numbers(df, name) for name in names)
    return first - rest[0] if rest else first


def group_codes(df: Rows, by: Sequence[str]) -> tuple[IntArray, pd.DataFrame]:
    """Number the group of every row, and return the table of group keys.

    Keys are sorted, null last; null is a key of its own. Those of rows on disk are kept with them.
    """
    if isinstance(df, Stored):
        return df.kept(("codes", *by), lambda: _group_codes(df, by))
    return _group_codes(df, by)


def _group_codes(df: Rows, by: Sequence[str]) -> tuple[IntArray, pd.DataFrame]:
    codes: IntArray = np.zeros(len(df), dtype=np.int64)
    width = 1
    for name in by:
        column, size = _value_codes(df, name)
        if width * size > 2**62:  # numbers of groups, not of rows: compress before the product overflows
            used, codes = np.unique(codes, return_inverse=True)
            width = len(used)
        codes *= size
        codes += column
        width *= size
    first, _, codes = dense(codes, width)
    if isinstance(df, Stored):
        return codes.astype(np.int32), df.at(first, list(by))  # numbers of half the size
    return codes, df.iloc[first][list(by)].reset_index(drop=True)


def dense(codes: IntArray, width: int) -> tuple[IntArray, IntArray, IntArray]:
    """Number anew, in their order, those of the codes 0 .. width - 1 that occur: (n,) in, (n,) out.

    Returns the first row of each, the codes that occur, and the new numbers. Without a sort where most codes occur.
    """
    if width > 4 * len(codes) + _FEW:
        used, first, numbers = np.unique(codes, return_index=True, return_inverse=True)
        return np.asarray(first, dtype=np.int64), used, np.asarray(numbers, dtype=np.int64)
    used = np.flatnonzero(np.bincount(codes, minlength=width))
    place = np.empty(width, dtype=np.int64)
    place[codes[::-1]] = np.arange(len(codes))[::-1]  # of several rows the first is written last
    first = place[used]
    place[used] = np.arange(len(used))
    return first, used, place[codes]


def _value_codes(df: Rows, name: str) -> tuple[npt.NDArray[np.integer[Any]], int]:
    """Rank every value among the distinct ones, null last, and return the number of ranks.

    The ranks are computed here because pandas cannot sort group keys that mix tuples, or types, with nulls.
    """
    import pandas as pd

    codes, uniques = df.numbered(name) if isinstance(df, Stored) else pd.factorize(df[name])
    values = list(uniques)
    try:
        order = sorted(range(len(values)), key=values.__getitem__)
    except TypeError:
        order = sorted(range(len(values)), key=lambda i: (type(values[i]).__name__, repr(values[i])))
    rank = np.empty(len(values) + 1, dtype=np.int32)
    rank[order], rank[-1] = np.arange(len(values)), len(values)
    return np.asarray(rank[codes], dtype=np.int32), len(values) + 1  # code -1, a null, takes the last entry


def seed_codes(df: Rows, column: str = SEED) -> IntArray:
    """Number every row's seed, in sorted order, of rows on disk with 32 bits; ValueError when a row has none."""
    import pandas as pd

    need(df, [column], "the unit of the intervals")
    codes: IntArray
    if isinstance(df, Stored):
        numbers, values = df.numbered(column)
        codes = np.append(np.argsort(np.argsort(values)), -1).astype(np.int32)[numbers]
    else:
        codes, _ = pd.factorize(df[column], sort=True)
    if len(codes) and int(codes.min()) < 0:
        raise ValueError(f"column {column!r} has nulls in {int((codes < 0).sum())} rows; every row needs its {column}")
    return codes if isinstance(df, Stored) else np.asarray(codes, dtype=np.int64)
