"""Charts of the explorer as Vega-Lite, made and checked by Altair, with the names of data sets in place of data.

The page fills in ``points``, ``levels`` and ``ticks`` and sets types, scales and titles to what a reader chooses. Fields have
names of ours (``x``, ``value``, ``low``, ...), so no name from a run is ever read as an expression.
"""

from __future__ import annotations

import os
from typing import Any

from w2s.files.cache import cache_folder, has_kept_cache

__all__ = ["chart_templates"]


def chart_templates() -> dict[str, Any]:
    """Return the Vega-Lite specifications ``lines`` (along one axis, with intervals) and ``parallel`` (all axes side by side).

    ``lines`` is a layer of an interval, a line and points for each setting; the page repeats it for each panel.
    """
    return {"lines": _lines(), "parallel": _parallel()}


def _altair() -> Any:
    """Import Altair, which looks for a home folder even where it needs none and a user has none."""
    lacking = not has_kept_cache() and "HOME" not in os.environ
    if lacking:
        os.environ["HOME"] = str(cache_folder().parent)
    try:
        import altair
    finally:
        if lacking:
            del os.environ["HOME"]
    return altair


def _lines() -> dict[str, Any]:
    alt = _altair()

    base = alt.Chart().encode(
        x=alt.X("x:Q", scale=alt.Scale(zero=False)),
        y=alt.Y("value:Q", scale=alt.Scale(zero=False)),
        color="color:N",
        detail="line:N",
    )
    hovered = alt.selection_point(name="hovered", on="pointerover", clear="pointerout", fields=["line"], empty=False)
    levels = alt.Chart(alt.NamedData("levels")).mark_rule(strokeDash=[2, 3], opacity=0.7).encode(y="level:Q")
    intervals = base.mark_rule(opacity=0.55).encode(y="low:Q", y2="high:Q")
    lines = base.mark_line(opacity=0.8).encode(
        strokeDash="color:N",
        strokeWidth=alt.condition(hovered, alt.value(3.5), alt.value(1.5)),
    )
    points = base.mark_point(filled=True, opacity=1, tooltip={"content": "data"}).encode(
        shape="color:N",
        size=alt.condition(hovered, alt.value(90), alt.value(45)),
    )
    chart = alt.layer(levels, intervals, lines, points.add_params(hovered), data=alt.NamedData("points"))
    return _plain(chart)


def _parallel() -> dict[str, Any]:
    alt = _altair()

    across = alt.X(
        "axis:N", sort=None, title=None, axis=alt.Axis(domain=False, ticks=False, grid=True, labelAngle=0, orient="top")
    )
    place = alt.Y("place:Q", scale=alt.Scale(domain=[-0.03, 1.03]), axis=None)
    hovered = alt.selection_point(name="hovered", on="pointerover", clear="pointerout", fields=["point"], empty=False)
    lines = (
        alt.Chart(alt.NamedData("points"))
        .mark_line(tooltip={"content": "data"})
        .encode(
            x=across,
            y=place,
            detail="point:N",
            color=alt.Color("value:Q", scale=alt.Scale(scheme="viridis"), legend=alt.Legend(orient="bottom")),
            opacity=alt.condition(hovered, alt.value(1), alt.value(0.55)),
            strokeWidth=alt.condition(hovered, alt.value(4), alt.value(1.5)),
        )
        .add_params(hovered)
    )
    ticks = (
        alt.Chart(alt.NamedData("ticks"))
        .mark_text(align="left", baseline="middle", dx=4, fontSize=10, tooltip=None)
        .encode(x=across, y=place, text="label:N")
    )
    return _plain(alt.layer(lines, ticks))


def _plain(chart: Any) -> dict[str, Any]:
    """Write a chart as a dictionary without Altair's own configuration, which the page's colours replace."""
    found: dict[str, Any] = chart.to_dict()
    return {name: value for name, value in found.items() if name != "config"}
