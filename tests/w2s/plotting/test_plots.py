"""Figures of one's own choice: intervals always, everything held is named, no text is cut off or lies on another."""

from __future__ import annotations

import re

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text
from text_boxes import faults

import w2s
from w2s.plotting import picture_bytes
from w2s.plotting.scales import places
from w2s.plotting.style import line_style


def table(seeds: int = 6, **axes: list[object]) -> pd.DataFrame:
    """Return rows whose gain is log10(ridge / d_weak ...) plus a little noise that all settings of a seed share."""
    axes = axes or {"ridge": [1e-4, 1e-3, 1e-2, 1e-1, 1.0], "d_weak": [20, 50], "labels": ["hard", "soft"]}
    frame = pd.MultiIndex.from_product([*axes.values(), range(seeds)], names=[*axes, "seed"]).to_frame(index=False)
    rng = np.random.Generator(np.random.Philox(key=3))
    noise = 0.1 * rng.standard_normal(seeds)[frame["seed"]] + 0.02 * rng.standard_normal(len(frame))
    frame["gain"] = np.log10(frame["ridge"].to_numpy(float)) + 2.0 + noise
    if "ridge_weak" in frame:
        frame["gain"] += np.log10(frame["ridge_weak"].to_numpy(float)) + 2.0
    frame["weak_error"], frame["ceiling_error"], frame["status"] = 3.0, 1.0 + 0.1 * rng.random(len(frame)), "ok"
    frame["student_error"], frame["misfit"] = 3.0 - frame["gain"], frame["gain"] ** 2
    frame["pgr"] = frame["gain"] / (3.0 - frame["ceiling_error"])
    frame.attrs["w2s"] = {"fields": [*axes, "seed"], "axes": list(axes), "metrics": ["gain", "misfit", "pgr"]}
    return frame


ROWS = table()


def texts(figure: mpl.figure.Figure) -> str:
    return " ".join(text.get_text().replace("\n", " ") for text in figure.findobj(Text))


def test_lines_have_bands_symbols_and_what_is_held() -> None:
    figure = w2s.plot(ROWS, "ridge", "pgr", color="labels", select={"d_weak": 50})
    (ax,) = figure.axes
    assert figure.get_figwidth() == 3.25
    assert len(ax.collections) == 2, "a band for each line"
    assert len({(to_hex(line.get_color()), str(line.get_linestyle())) for line in ax.lines[:2]}) == 2
    assert (ax.get_xlabel(), ax.get_ylabel()) == (r"ridge $\lambda$", "PGR")
    assert "Held: weak width $d_w$ = 50." in texts(figure)
    assert "95 % over seeds; 6 seeds" in texts(figure)
    band = ax.collections[0].get_paths()[0].vertices
    summary = w2s.summarize(ROWS[(ROWS["d_weak"] == 50) & (ROWS["labels"] == "hard")], by=["ridge"], metrics=["pgr"])
    assert band[:, 1].min() == pytest.approx(summary["pgr_low"].min())
    assert band[:, 1].max() == pytest.approx(summary["pgr_high"].max())
    assert faults(figure) == []


def test_several_metrics_of_one_unit_share_a_panel() -> None:
    names = ["weak_error", "student_error", "ceiling_error"]
    figure = w2s.plot(ROWS, "ridge", names, panel="d_weak", select={"labels": "soft"})
    assert [len(ax.collections) for ax in figure.axes] == [2, 2], "a band for each metric; all seeds agree on the first"
    assert len({(to_hex(line.get_color()), str(line.get_linestyle())) for line in figure.axes[0].lines[:3]}) == 3
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["weak model's error", "student's error", "ceiling's error"]
    assert figure.axes[0].get_ylabel() == "error"
    assert faults(figure) == []
    held = {"d_weak": 20, "labels": "soft"}
    with pytest.raises(ValueError, match=r"need one unit, and these have several \(gain: no unit; pgr: share of the gap\)"):
        w2s.plot(ROWS, "ridge", ["gain", "pgr"], select=held)
    with pytest.raises(ValueError, match="color=labels: the 2 metrics of y take the colours; show labels as panel"):
        w2s.plot(ROWS, "ridge", names[:2], color="labels", select={"d_weak": 20})
    with pytest.raises(ValueError, match="only lines have several metrics; kind scatter has one"):
        w2s.plot(ROWS, "misfit", names[:2], select=held)
    with pytest.raises(
        ValueError,
        match=r"no metric .student_eror. .did you mean .student_error..*; metrics of this run: weak_error, student_error",
    ):
        w2s.plot(ROWS, "ridge", ["gain", "student_eror"], select=held)


def test_panels_are_wide_and_a_best_value_has_its_rule_in_the_caption() -> None:
    figure = w2s.plot(ROWS, "labels", "gain", panel="d_weak", best_over="ridge")
    assert figure.get_figwidth() == 6.75
    assert [ax.get_title() for ax in figure.axes] == ["weak width $d_w$ = 20", "weak width $d_w$ = 50"]
    assert (
        r"Best ridge $\lambda$: chosen by the least mean of student's error on the 3 even seeds, for each setting; the"
        in texts(figure)
    )
    assert (
        r"In 4 of 4 settings the best ridge $\lambda$ is the last value tried: others may be better, so extend ridge"
        in texts(figure)
    )
    assert faults(figure) == []


def test_an_axis_of_which_nothing_is_said_is_an_error() -> None:
    with pytest.raises(ValueError, match="2 axes have several values and are neither shown nor reduced"):
        w2s.plot(ROWS, "ridge", "pgr")


def test_a_phase_diagram_has_the_zero_contour_and_how_far_it_is_known() -> None:
    values = list(np.geomspace(1e-4, 1.0, 9))
    rows = table(ridge=values, ridge_weak=values)
    figure = w2s.plot(rows, "ridge_weak", "ridge", color="gain")
    ax = figure.axes[0]
    contours = [
        found for found in ax.collections if hasattr(found, "get_paths") and len(found.get_paths()) == 1 and _is_line(found)
    ]
    assert len(contours) == 3, "mean, and both ends of the interval"
    mean = rows.groupby("seed")["gain"].mean().mean()  # the same shift everywhere, since the law is linear in the logarithms
    sums = [np.log10(path.get_paths()[0].vertices).sum(axis=1).mean() for path in contours]
    assert sums[0] == pytest.approx(-4.0 - mean, abs=0.05)
    assert min(sums[1:]) < sums[0] < max(sums[1:])
    assert "Black: gain is zero; dashed: one end of its 95 % interval is zero, point by point." in texts(figure)
    assert faults(figure) == []


def _is_line(found: object) -> bool:
    return type(found).__name__ == "QuadContourSet"


def test_between_few_values_nothing_is_drawn_and_unsure_cells_are_hatched() -> None:
    values = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]
    rows = table(ridge=values, ridge_weak=values)
    figure = w2s.plot(rows, "ridge_weak", "ridge", color="gain")
    ax = figure.axes[0]
    assert not any(map(_is_line, ax.collections))
    assert len(ax.patches) == 5, "the diagonal, where the gain is about zero"
    assert {patch.get_hatch() for patch in ax.patches} == {"////"}
    assert "Hatched: the 95 % interval of gain does not exclude zero." in texts(figure)
    assert {*ax.get_yticks(), *ax.get_yticks(minor=True)} == set(values), "ticks stand at values"
    assert figure.axes[1].get_ylim()[1] == pytest.approx(np.abs(ax.collections[0].get_array()).max())
    assert faults(figure) == []
    rows.loc[(rows["ridge"] == 1e-4) & (rows["ridge_weak"] == 1e-4), "gain"] -= 200.0
    far = w2s.plot(rows, "ridge_weak", "ridge", color="gain")
    assert far.axes[1].get_ylim()[1] < 25.0, "one far value does not take all the range"
    assert "Cells beyond the colours: 1 down to -204." in texts(far)


def test_a_number_whose_interval_is_unbounded_is_hollow_and_at_the_border() -> None:
    rows = table(ridge=[1e-3, 1e-2, 1e-1, 1.0], labels=["hard", "soft"])
    odd = (rows["ridge"] == 0.1) & (rows["labels"] == "soft")
    rows.loc[odd, "ceiling_error"] = 2.99 + np.tile([0.1, -0.1], int(odd.sum()) // 2)
    figure = w2s.plot(rows, "ridge", "pgr", color="labels")
    (ax,) = figure.axes
    (hollow,) = [line for line in ax.lines if to_hex(line.get_markerfacecolor()) == "#ffffff"]
    assert hollow.get_xdata().tolist() == [0.1]
    assert hollow.get_ydata()[0] == pytest.approx(ax.get_ylim()[1]), "its value lies far above"
    assert ax.get_ylim()[1] < 2.0
    assert "Hollow without a bar (1): the gap may be zero, so the interval is unbounded" in texts(figure)
    scatter = w2s.plot(rows, "gain", "pgr", color="labels")
    assert sum(len(line.get_xdata()) for line in scatter.axes[0].lines if line.get_linestyle() == "None") == 8
    parallel = w2s.plot(rows, y="pgr")
    assert "Not drawn: 1 whose gap may be zero, so that their intervals are unbounded." in texts(parallel)


def test_a_grid_with_holes_has_no_invented_cells() -> None:
    values = [0.01, 0.1, 1.0]
    rows = table(ridge=values, ridge_weak=values)
    rows = rows[~((rows["ridge"] == 0.1) & (rows["ridge_weak"] == 0.1))]
    figure = w2s.plot(rows, "ridge_weak", "ridge", color="gain")
    mesh = figure.axes[0].collections[0].get_array()
    assert np.ma.count_masked(mesh) == 1
    assert "Grey: no number." in texts(figure)


def test_every_setting_is_a_point_or_a_line() -> None:
    scatter = w2s.plot(ROWS, "misfit", "gain", color="labels")
    points = sum(len(line.get_xdata()) for line in scatter.axes[0].lines if line.get_linestyle() == "None")
    assert points == 20
    assert r"20 settings, of ridge $\lambda$ (5 values), weak width $d_w$ (2 values)." in texts(scatter)
    assert "Dotted: misfit = gain." in texts(scatter)
    parallel = w2s.plot(ROWS, y="gain")
    assert parallel.axes[0].get_xticklabels()[-1].get_text() == "gain"
    assert faults(scatter) == faults(parallel) == []


def test_a_panel_without_numbers_is_left_out_with_a_note() -> None:
    rows = ROWS.copy()
    rows.loc[rows["d_weak"] == 20, "gain"] = np.nan
    figure = w2s.plot(rows, "ridge", "gain", panel="d_weak", color="labels")
    assert len(figure.axes) == 1
    assert "Left out, without numbers: weak width $d_w$ = 20." in texts(figure)
    with pytest.raises(ValueError, match="no number of gain has an interval"):
        w2s.plot(rows[rows["d_weak"] == 20], "ridge", "gain", color="labels")


def test_one_seed_has_hollow_points_and_says_so() -> None:
    figure = w2s.plot(ROWS[ROWS["seed"] == 0], "ridge", "gain", color="labels", select={"d_weak": 20})
    assert "Hollow: no interval, since there is one seed or all seeds agree." in texts(figure)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"x": "rige", "y": "gain"}, "no axis 'rige' .did you mean 'ridge'.*; axes with several values: ridge, d_weak, labels"),
        ({"x": "ridge", "y": "gain", "kind": "pie"}, "kind='pie' is not one of: line, heatmap"),
        ({"x": "ridge", "y": "labels", "kind": "line"}, "kind line: y=labels is an axis, and must be a metric, such as gain"),
        ({"x": "ridge", "y": "gain", "color": "misfit"}, "color=misfit is a metric, and must be an axis, such as d_weak"),
        ({"x": "ridge"}, "needs x, an axis, and y, a metric"),
        ({"x": "ridge", "y": "gain", "color": "ridge"}, "one name is given twice"),
        ({"x": "ridge", "y": "gain", "style": "poster"}, "style='poster' is not one of: paper, slides"),
    ],
)
def test_words_that_do_not_fit_are_errors(words: dict[str, str], message: str) -> None:
    chosen = {"select": {"d_weak": 20, "labels": "soft"}} if words.get("color") is None else {"select": {"d_weak": 20}}
    with pytest.raises(ValueError, match=message):
        w2s.plot(ROWS, **words, **chosen)  # type: ignore[arg-type]


def test_files_have_embedded_fonts_and_the_same_bytes_each_time() -> None:
    drawn = [w2s.plot(ROWS, "ridge", "gain", color="labels", select={"d_weak": 20}) for _ in range(2)]
    first, second = (picture_bytes(figure, "pdf") for figure in drawn)
    assert first == second
    assert b"/FontFile2" in first
    assert b"/Type3" not in first
    sizes = {text.get_fontsize() for text in drawn[0].findobj(Text) if text.get_text().strip()}
    assert sizes == {8.0}
    assert re.search(rb"/MediaBox \[ 0 0 234 ", first), "3.25 inches"
    assert picture_bytes(drawn[0], "svg").startswith(b"<?xml")
    with pytest.raises(ValueError, match="did you mean 'pdf'"):
        picture_bytes(drawn[0], "pdff")


def test_lines_are_told_apart_by_colour_and_dashes() -> None:
    for count in (7, 12):
        looks = [line_style(place, count) for place in range(count)]
        assert len({(to_hex(look["color"]), str(look["linestyle"])) for look in looks}) == count
    many = table(ridge=[0.1, 1.0, 10.0], d_weak=list(range(1, 15)))
    with pytest.raises(ValueError, match="d_weak has 14 values: at most 12 lines"):
        w2s.plot(many, "ridge", "gain", color="d_weak")


def test_values_get_places() -> None:
    assert places(["a", None]).kind == "words"
    assert places([1, 2, 3]).kind == "linear"
    assert places([0.001, 0.01, 0.1]).kind == "log"
    zero = places([0.0, 0.001, 0.01, 0.1, float("inf")])
    assert zero.kind == "log"
    assert zero.at[0] < 0.001
    assert zero.at[-1] > 0.1
    assert places([1.0, 2.0]).edges().tolist() == [0.5, 1.5, 2.5]
    assert places([0.1, 1.0]).kind == "log"


def test_whole_numbers_on_ticks_keep_their_digits() -> None:
    rows = table(ridge=[120, 211, 370, 649, 1139, 2000])
    (ax,) = w2s.plot(rows, "ridge", "gain").axes
    assert [label.get_text() for label in ax.get_xticklabels()] == ["120", "370", "2000"]


def test_slides_have_large_letters_and_a_title() -> None:
    figure = w2s.plot(ROWS, "ridge", "gain", color="labels", select={"d_weak": 20}, style="slides", title="What a ridge does")
    assert figure.get_figwidth() == 10.0
    assert "What a ridge does" in texts(figure)
    assert faults(figure) == []
