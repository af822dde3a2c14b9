"""What was asked of a figure, and what every kind of figure does alike: panels, bounded numbers, notes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.figures.symbols import metric_name, name_in_words, setting_in_words, short_value
from w2s.plotting.scales import limits
from w2s.plotting.style import MOST_LINES
from w2s.summary.population import SeedsDraw
from w2s.views.axes import AxesError, View, field_values
from w2s.views.units import metric_unit

if TYPE_CHECKING:
    from pandas import DataFrame

    from w2s.summary.stored import Rows

__all__ = [
    "MOST_PANELS",
    "Asked",
    "Bounded",
    "at_border",
    "bounded",
    "colors_of",
    "limits_of",
    "notes_of",
    "panels_of",
    "rows_at",
    "shared_unit",
    "with_unit",
]

MOST_PANELS = 12
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Asked:
    """The words of :func:`w2s.plotting.plot`; of several metrics ``y`` is the first, and ``more`` are the others."""

    x: str | None
    y: str | None
    panel: str | None
    color: str | None
    select: Mapping[str, Any]
    best_over: tuple[str, ...]
    style: str
    level: float
    population: bool | SeedsDraw
    title: str | None
    more: tuple[str, ...] = ()


class Bounded(NamedTuple):
    """Numbers of a metric with their bounds; ``drawn`` marks those that are.

    ``alone`` are those without an interval, ``open`` those whose interval is unbounded: both are drawn hollow, without bars.
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray
    drawn: npt.NDArray[np.bool_]
    alone: npt.NDArray[np.bool_]
    open: npt.NDArray[np.bool_]

    @property
    def sure(self) -> npt.NDArray[np.bool_]:
        """Numbers whose interval is not unbounded."""
        return self.drawn & ~self.open

    @property
    def hollow(self) -> npt.NDArray[np.bool_]:
        """Numbers that are drawn without an interval."""
        return self.alone | self.open


def bounded(summary: DataFrame, metric: str) -> Bounded:
    """Read a metric of a summary; a number of a single seed, and one whose interval is unbounded, has no ends."""
    value, low, high = (summary[f"{metric}{end}"].to_numpy(float) for end in ("", "_low", "_high"))
    status = summary[f"{metric}_status"]
    alone = status.isin(["one_seed", "tied", "no_item_noise"]).to_numpy() & np.isfinite(value)
    unbounded = ~alone & np.isfinite(value) & status.str.endswith("_unresolved").to_numpy()
    whole = np.isfinite(value) & np.isfinite(low) & np.isfinite(high) & ~unbounded
    low, high = np.where(whole, low, np.nan), np.where(whole, high, np.nan)
    return Bounded(value, low, high, whole | alone | unbounded, alone, unbounded)


def limits_of(found: Sequence[Bounded]) -> tuple[float, float] | None:
    """Choose limits of an axis; numbers whose interval is unbounded count where there are no others."""
    some = any(one.sure.any() for one in found)
    kept = [one.sure if some else one.drawn for one in found]
    value, low, high = (
        np.concatenate([ends[mask] for ends, mask in zip(column, kept, strict=True)])
        for column in ([one.value for one in found], [one.low for one in found], [one.high for one in found])
    )
    return limits(value, low, high)


def at_border(found: Bounded, ends: tuple[float, float]) -> FloatArray:
    """Return where numbers stand: those whose interval is unbounded not beyond the limits of their axis."""
    return np.where(found.open, np.clip(found.value, *ends), found.value)


def panels_of(
    summary: DataFrame, panel: str | None, metrics: Sequence[str], notes: list[str], *, with_open: bool = False
) -> list[tuple[Any, DataFrame]]:
    """Cut a summary into panels; one without a single number that can be drawn is left out, and a note says so.

    ``with_open``: numbers whose intervals are unbounded are drawn hollow; elsewhere the note says that they are not drawn.

    Raises :class:`AxesError` for more panels than a page holds, and where nothing can be drawn at all.
    """
    cuts = [(None, summary)] if panel is None else list(_cut(summary, panel))
    if len(cuts) > MOST_PANELS:
        raise AxesError(f"{panel} has {len(cuts)} values: at most {MOST_PANELS} panels fit; select some of them")
    read = [[bounded(part, metric) for metric in metrics] for _, part in cuts]
    shown = [[one.drawn if with_open else one.sure for one in found] for found in read]
    places = [k for k, drawn in enumerate(shown) if all(one.any() for one in drawn)]
    full = [cuts[k] for k in places]
    if not full:
        status = ", ".join(sorted({str(s) for metric in metrics for s in summary[f"{metric}_status"]}))
        raise AxesError(f"no number of {' or '.join(metrics)} has an interval to be drawn (status: {status})")
    kept = {id(part) for _, part in full}
    empty = [setting_in_words(str(panel), value) for value, part in cuts if id(part) not in kept]
    notes += [f"Left out, without numbers: {', '.join(empty)}."] if empty else []
    found = [one for k in places for one in read[k]]
    unbounded, single = sum(int(one.open.sum()) for one in found), any(one.alone.any() for one in found)
    without = sum(int((~one.drawn).sum()) for one in found)
    if unbounded and not with_open:
        notes.append(f"Not drawn: {unbounded} whose gap may be zero, so that their intervals are unbounded.")
    elif unbounded:
        notes.append(
            f"Hollow without a bar ({unbounded}): the gap may be zero, so the interval is unbounded; beyond the panel it "
            "stands at the border."
        )
    notes += [f"Not drawn: {without} without a number."] if without else []
    notes += ["Hollow: no interval, since there is one seed or all seeds agree."] if single else []
    return full


def _cut(summary: DataFrame, name: str) -> Iterator[tuple[Any, DataFrame]]:
    for value in field_values(summary[name]):
        yield value, rows_at(summary, name, value)


def rows_at(summary: DataFrame, name: str | None, value: Any) -> DataFrame:
    """Return the rows of a summary with a value of a field, where None stands for null; without a field all of them."""
    if name is None:
        return summary
    return summary[summary[name].isna() if value is None else summary[name] == value]


def colors_of(summary: DataFrame, color: str | None) -> list[Any]:
    """List the values that lines are coloured by; raises :class:`AxesError` for more than can be told apart."""
    values = [None] if color is None else field_values(summary[color])
    if len(values) > MOST_LINES:
        raise AxesError(
            f"{color} has {len(values)} values: at most {MOST_LINES} lines can be told apart; select some of them, "
            f"show {color} as panel, or use kind heatmap with {color} as y"
        )
    return values


def with_unit(rows: Rows, metric: str) -> str:
    """Write a metric with its unit, where it is known and says more than the name."""
    unit, name = metric_unit(rows, metric), metric_name(metric)
    return f"{name} ({unit})" if unit and not (metric.startswith(("pgr", "opr")) or metric.endswith("_01")) else name


def shared_unit(rows: Rows, metrics: Sequence[str]) -> str:
    """Write what the numbers of several metrics of one unit are: errors, or the unit alone."""
    unit = metric_unit(rows, metrics[0])
    kind = "error" if all(metric.removesuffix("_theory").removesuffix("_01").endswith("_error") for metric in metrics) else ""
    return f"{kind} ({unit})" if kind and unit else unit or kind or ", ".join(map(metric_name, metrics))


def notes_of(shown: View, summary: DataFrame) -> list[str]:
    """Return the sentences of a view, with words and symbols in place of names."""
    short = replace(shown, held={name: short_value(value) for name, value in shown.held.items()})
    return short.says(summary, name_in_words)
