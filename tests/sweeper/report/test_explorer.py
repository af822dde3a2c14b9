"""What the page is made of: points of the explorer, how it opens, findings in words, sizes, the kept bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from report_pages import page_content, rows_table

import w2s
from sweeper.report import explorer, pictures, scripts
from sweeper.report.charts import chart_templates
from sweeper.report.explorer import explore
from sweeper.report.findings import findings
from sweeper.report.opening import MOST_LINES, favourites, opening
from sweeper.report.page import MOST_BYTES, page
from sweeper.report.pictures import draw_pictures
from sweeper.report.tables import unusable_listing
from sweeper.report.text import clip, count
from w2s.contract.study import Figure, Study


class WideCell(w2s.Cell):
    a: float = w2s.field(description="a number", unit="units")
    b: int = w2s.field(description="another")
    word: str | None = w2s.field(None, description="a word")


class Wide(Study):
    """A study of three axes."""

    name, version, Cell = "wide", 1, WideCell

    def cost(self, block: Any) -> Any: ...

    def solve(self, block: Any, backend: Any) -> Any: ...


def made(a: int = 3, b: int = 2, words: tuple[str | None, ...] = ("x", None), seeds: int = 3) -> pd.DataFrame:
    frame = pd.MultiIndex.from_product(
        [10.0 ** np.arange(a), range(b), words, range(seeds)], names=["a", "b", "word", "seed"]
    ).to_frame(index=False)
    noise = np.random.Generator(np.random.Philox(7)).normal(size=len(frame)) / 50
    frame["weak_error"], frame["ceiling_error"], frame["misfit"] = 1.0, 0.2, 0.5
    frame["student_error"] = 0.5 + 0.4 * frame["b"] * (frame["a"] == 1) + noise
    frame["gain"], frame["status"], frame["message"] = frame["weak_error"] - frame["student_error"], "ok", None
    frame["cell_id"] = [f"{k:012x}{20 * '0'}" for k in range(len(frame))]
    frame.attrs["w2s"] = {"fields": ["a", "b", "word"]}
    return frame


def explored(rows: pd.DataFrame) -> explorer.Explorer:
    found = explore(rows, w2s.summarize(rows), Path("runs") / "a b", {"a": "units"})
    assert found is not None
    return found


def test_points_are_the_settings_of_a_summary() -> None:
    rows = made()
    rows.loc[0, "status"] = "failed"
    found = explored(rows)
    data, summary = found.data, w2s.summarize(rows)
    assert (found.settings, found.shown) == (12, 12)
    assert [axis["values"] for axis in data["axes"]] == [[1.0, 10.0, 100.0], [0, 1], ["x", "-"]]
    assert [(axis["numeric"], axis["log"]) for axis in data["axes"]] == [(True, True), (True, False), (False, False)]
    gain = next(metric for metric in data["metrics"] if metric["name"] == "gain")
    np.testing.assert_allclose(gain["value"], summary["gain"], rtol=1e-4)
    np.testing.assert_allclose(gain["low"], summary["gain_low"], rtol=1e-4)
    assert data["rows"] == [3] * 12
    assert data["excluded"] == [1, *[0] * 11]
    for k, cell in enumerate(data["cells"]):
        (row,) = rows[rows["cell_id"].str.startswith(cell)].to_dict("records") if k else (rows.iloc[0].to_dict(),)
        assert [row["a"], row["b"]] == [
            axis["values"][codes[k]] for axis, codes in zip(data["axes"][:2], data["codes"], strict=False)
        ]
        assert row["seed"] == 0
    assert data["rerun"] == "w2s-sweep rerun 'runs/a b'"
    json.dumps(data, allow_nan=False)


def test_what_does_not_vary_is_said_and_nothing_to_explore_is_none() -> None:
    rows = made(a=3, b=1, words=("x",))
    assert explored(rows).same == {"b": "0", "word": "x"}
    single = rows[rows["a"] == 1.0].reset_index(drop=True)
    assert explore(single, w2s.summarize(single), Path("run"), {}) is None


def test_too_many_points_leave_out_whole_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made(a=20, b=30, words=("x", "y"), seeds=2)
    whole = explored(rows)
    monkeypatch.setattr(explorer, "MOST_BYTES", len(json.dumps(whole.data)) // 4)
    found = explored(rows)
    assert (whole.shown, found.settings) == (1200, 1200)
    assert 100 < found.shown < 400
    assert len(json.dumps(found.data)) < 1.3 * explorer.MOST_BYTES
    along = found.data["opening"]["x"]
    lines = np.delete(np.array(found.data["codes"]), along, axis=0)
    _, sizes = np.unique(lines, axis=1, return_counts=True)
    assert set(sizes) == {len(whole.data["axes"][along]["values"])}
    monkeypatch.setattr(explorer, "MOST_BYTES", 600)
    assert 0 < explored(rows).shown < 10


def test_it_opens_with_few_lines_and_says_what_it_holds() -> None:
    data = explored(made(a=8, b=9, words=tuple("abcdefghijk"), seeds=2)).data
    opened = data["opening"]
    assert data["axes"][opened["x"]]["name"] == "b"
    assert opened["color"] is None
    assert list(opened["held"]) == ["word"]
    assert data["metrics"][opened["metric"]]["name"] == "pgr"
    shown = np.array(data["codes"][2]) == opened["held"]["word"]
    assert 1 < len(np.unique(np.array(data["codes"])[[0, 2]][:, shown], axis=1).T) <= MOST_LINES
    axes = [{"name": "n", "numeric": True, "values": [1, 2]}, {"name": "w", "numeric": False, "values": ["u", "v"]}]
    metrics = [{"name": "gain", "value": [None, None, None, 1.0]}, {"name": "other", "value": [1.0, 2.0, 3.0, 4.0]}]
    codes = np.array([[0, 0, 1, 1], [0, 1, 0, 1]])
    assert opening(axes, codes, metrics, 0) == {"metric": 1, "x": 0, "color": 1, "held": {}}


def test_a_field_that_says_nothing_in_some_settings_is_an_axis_of_numbers() -> None:
    """Of two ways to train a student only one has the axis ``a``; it has twelve values, ``b`` in all settings two."""
    rows = made(a=12, b=2, words=("ridge", "flow"))
    rows.loc[rows["word"] == "flow", "a"] = float("nan")
    rows = rows.drop_duplicates(["a", "b", "word", "seed"]).reset_index(drop=True)
    rows.attrs["w2s"] = {"fields": ["a", "b", "word"]}
    data = explored(rows).data
    axis = data["axes"][0]
    assert (axis["name"], axis["numeric"], axis["log"]) == ("a", True, True)
    assert sorted(axis["values"], key=str) == sorted(["-", *10.0 ** np.arange(12)], key=str)
    assert data["axes"][data["opening"]["x"]]["name"] == "a"
    json.dumps(data, allow_nan=False)


def classified(**options: Any) -> pd.DataFrame:
    """Rows of a classification task: errors are shares of wrong answers too."""
    rows = made(**options)
    for name in ("weak_error", "student_error", "ceiling_error"):
        rows[f"{name}_01"] = rows[name] / 2
    rows["gain_01"] = rows["weak_error_01"] - rows["student_error_01"]
    rows.attrs["w2s"] = {"fields": ["a", "b", "word"]}
    return rows


def test_a_classification_task_opens_with_its_accuracy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explorer, "_MOST_METRICS", 6)  # more can be measured than has room
    rows = classified(seeds=6)
    data = explored(rows).data
    names = [metric["name"] for metric in data["metrics"]]
    assert set(names) == {"pgr_01", "gain_01", "student_error_01", "pgr", "gain", "student_error"}
    assert names[data["opening"]["metric"]] == "pgr_01"
    assert findings("In words.", w2s.summarize(rows), None)[-1].startswith("pgr_01 lies between ")
    rows["ceiling_error_01"] = rows["weak_error_01"]
    data = explored(rows).data
    assert data["metrics"][data["opening"]["metric"]]["name"] == "gain_01"
    assert favourites(["gain", "pgr", "pgr_01", "gain_01", "student_error"]) == [
        "pgr",
        "gain",
        "student_error",
        "pgr_01",
        "gain_01",
    ]


def test_findings_say_extremes_and_that_they_were_picked() -> None:
    summary = w2s.summarize(made(seeds=6))
    gain, extremes = findings("In words.", summary, None)
    assert gain == "In words."
    assert extremes.startswith("pgr lies between ")
    assert "picked by their values out of 12 settings" in extremes


def test_unusable_cells_are_listed_by_message() -> None:
    rows = made()
    rows.loc[[0, 5], "status"] = "failed"
    rows.loc[[0, 5], "message"] = "singular \x1b[31m" + "m" * 1000
    rows.loc[7, "status"] = "nonfinite"
    listing = unusable_listing(rows, Path("run"))
    assert listing is not None
    (many, one) = listing.rows
    assert many[:2] == ("2", "failed")
    assert len(many[2]) == 600
    assert "\x1b" not in many[2]
    assert many[3] == f"w2s-sweep rerun run {0:012x}"
    assert one[:3] == ("1", "nonfinite", "no message")
    assert unusable_listing(made(), Path("run")) is None


def test_a_page_of_much_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = made(a=30, b=60, words=tuple(f"{k} {'long ' * 400}" for k in range(3)), seeds=2)
    table = rows_table(Wide, rows)
    noise = np.random.Generator(np.random.Philox(3)).bytes(2_500_000)
    picture = pictures.Picture("noise", "Noise", noise, noise, 400, "noise", ())
    content = page_content(table, grid="x" * 10**7, about="y" * 10**6, provenance={"a": "z"}, pictures=(picture,))
    text = page(content)
    assert len(text.encode()) < MOST_BYTES
    assert 'href="noise.png"' in text
    assert "explorer-data" in text
    assert "of 5,400 settings, whole lines along one axis" in text


def test_large_figures_are_drawn_coarser_for_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(table: pd.DataFrame) -> Any:
        from w2s.figures.style import canvas, panels

        figure = canvas(4, 3)
        ax = panels(figure, 1, 1)[0, 0]
        ax.scatter(np.arange(3000) % 61, np.arange(3000) % 47, c=np.arange(3000), label="dots")
        ax.set_xlabel("rows"), ax.set_ylabel("error"), ax.legend()
        return figure

    class Drawn(Wide):
        figures = (Figure("dots", "Dots", draw, ("claim",)),)

    (whole, *_others), _ = draw_pictures(rows_table(Drawn, made()))
    assert whole.inline == whole.png
    assert whole.text == "error against rows. lines and points: dots"
    assert whole.claims == ("claim",)
    monkeypatch.setattr(pictures, "MOST_BYTES", len(whole.png) // 2)
    (coarse, *_others), _ = draw_pictures(rows_table(Drawn, made()))
    assert coarse.png == whole.png
    assert coarse.inline is not None
    assert len(coarse.inline) <= len(whole.png) // 2
    monkeypatch.setattr(pictures, "MOST_BYTES", 100)
    (left_out, *_others), _ = draw_pictures(rows_table(Drawn, made()))
    assert left_out.inline is None


def test_the_bundle_is_kept_and_a_damaged_one_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import vl_convert

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: "window.vegaEmbed = 1;")
    scripts.vega_bundle.cache_clear()
    assert scripts.vega_bundle() == "window.vegaEmbed = 1;"
    (kept,) = tmp_path.rglob("bundle-*.js")
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda: "other")
    scripts.vega_bundle.cache_clear()
    assert scripts.vega_bundle() == "window.vegaEmbed = 1;"
    kept.write_text(kept.read_text().replace("= 1", "= 2"))
    scripts.vega_bundle.cache_clear()
    assert scripts.vega_bundle() == "other"
    scripts.vega_bundle.cache_clear()


def test_charts_hold_no_data_and_fields_of_ours_only() -> None:
    text = json.dumps(chart_templates())
    assert "datasets" not in text
    assert "calculate" not in text
    assert json.dumps(chart_templates()) == text


def test_figures_name_claims_that_their_study_makes() -> None:
    from w2s.studies.registry import BUILTIN, find_study

    for name in BUILTIN:
        study = find_study(name)
        ids = {claim.id for claim in study.claims}
        for figure in study.figures:
            assert set(figure.claims) <= ids, f"{name}: {figure.id}"


def test_text_is_cut_and_counted() -> None:
    assert clip("a" * 5, 5) == "aaaaa"
    assert clip("a" * 6, 5) == "aaaa…"
    assert clip("\u202e", 9) == "\\u202e"
    assert (count(1, "seed"), count(1200, "seed")) == ("1 seed", "1,200 seeds")


def test_the_cell_of_a_setting_is_that_of_its_own_lowest_seed() -> None:
    rows = made(2, 2, ("x",), seeds=3)
    rows = rows[~((rows["a"] == 1.0) & (rows["seed"] == 0))].sample(frac=1.0, random_state=1)
    wanted = rows.sort_values("seed").groupby(["a", "b"])["cell_id"].first()
    assert explored(rows).data["cells"] == [cell[:12] for cell in wanted]
