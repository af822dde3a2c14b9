"""The page in a browser: whole on a desktop, a phone, in the dark and on paper; hover, sort, filter, copy; nothing obeyed."""

from __future__ import annotations

import csv
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browsers import SIZES, TOO_WIDE, axe_faults, browser, opened
from report_pages import rows_table, small_grids, small_page, write_page

import w2s
from sweeper.report.page import MOST_BYTES
from w2s.contract.study import Study

__all__ = ["browser"]

pytestmark = pytest.mark.browser
NEEDS_DATA = (
    "ladder",
    "burns2023/small/reward",
    "burns2023/small/saliency",
    "xue2025/small/features",
    "dong2025/small/features",
)
QUICK = ("aligner2024/small/edits.yaml", "burns2023/small/probes.yaml", "dong2025/small/all.yaml", "goel2025/small/all.yaml")
"""Grids whose page is made in a few seconds: an axis of numbers, one of words, panels, recorded rows of many settings."""
HOSTILE = ("</script><script>window.hit = 1</script>", "<img src=x onerror='window.hit = 2'>", "datum.x + '\\u202e", "a\nb")
NUMBERS = ["10", "20", "40"]
A4 = 688
"""Pixels between the margins of the page."""


@pytest.mark.grid
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in small_grids()]
)
def test_pages_of_small_grids_are_whole(browser: Any, name: str, tmp_path: Path) -> None:
    if "W2S_DATA" not in os.environ and any(part in name for part in NEEDS_DATA):
        pytest.skip("needs the data sets that W2S_DATA names")
    path = small_page(name, tmp_path)
    assert path.stat().st_size < MOST_BYTES
    with opened(browser, path) as (shown, said):
        assert shown.evaluate(TOO_WIDE) == [], "desktop, lines"
        assert axe_faults(shown) == []
        hover(shown)
        sort(shown)
        if shown.locator("#explorer").count():
            redraw(shown, "view", "parallel")
            assert shown.evaluate(TOO_WIDE) == [], "desktop, parallel"
        resized(shown, *SIZES["phone"])
        assert shown.evaluate(TOO_WIDE) == [], "phone, parallel"
        if shown.locator("#explorer").count():
            redraw(shown, "view", "lines")
            assert shown.evaluate(TOO_WIDE) == [], "phone, lines"
        shown.emulate_media(media="print")
        shown.set_viewport_size({"width": A4, "height": 900})
        assert shown.evaluate(TOO_WIDE) == [], "paper"
        assert said == []


def resized(shown: Any, width: int, height: int) -> None:
    """Make the window another size and wait for its chart."""
    with_chart = shown.locator("#explorer").count()
    before = int(shown.locator(".chart").get_attribute("data-drawn")) if with_chart else 0
    shown.set_viewport_size({"width": width, "height": height})
    if with_chart:
        shown.wait_for_function("before => Number(document.querySelector('.chart').dataset.drawn) > before", arg=before)


def redraw(shown: Any, label: str, value: str) -> None:
    """Choose something in the explorer and wait for its chart."""
    before = int(shown.locator(".chart").get_attribute("data-drawn"))
    shown.get_by_label(label, exact=True).select_option(value)
    shown.wait_for_function("before => Number(document.querySelector('.chart').dataset.drawn) > before", arg=before)


def hover(shown: Any) -> None:
    """A point tells its interval, seeds, status and rerun line; a click keeps them."""
    points = shown.locator(".chart svg .mark-symbol.role-mark path")
    if not points.count():
        return  # no explorer, or too many points for an SVG
    points.first.scroll_into_view_if_needed()
    place = points.first.bounding_box()
    shown.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
    text = shown.locator(".tip").inner_text()
    for word in ("status", "seeds", "w2s-sweep rerun ", "["):
        assert word in text.replace("no interval", "[")
    shown.mouse.down()
    shown.mouse.up()
    kept = shown.locator(".detail").inner_text()
    assert all(line in kept for line in text.splitlines() if "rerun " in line)


def sort(shown: Any) -> None:
    """A click on a heading orders the rows, a second one turns them."""
    table = shown.locator("#digest table")
    if not table.count():
        return
    last = table.locator("thead th").count() - 1
    button = table.locator("thead button").nth(last)
    button.click()
    values = (
        "t => [...t.tBodies[0].rows].map(r => leading(r.cells[r.cells.length - 1].textContent)).filter(v => !Number.isNaN(v))"
    )
    leading = "const leading = (s) => parseFloat(s.replaceAll(',', ''));"
    ordered = table.evaluate(f"t => {{ {leading} return ({values})(t); }}")
    assert ordered == sorted(ordered)
    button.click()
    assert table.locator("thead th").nth(last).get_attribute("aria-sort") == "descending"


def made_rows(
    words: tuple[str, ...] = ("ridge", "flow"), counts: tuple[int, ...] = (10, 20, 40), seeds: int = 4
) -> pd.DataFrame:
    """Rows of a study with an axis of words and one of numbers; one cell has failed."""
    rows = pd.DataFrame(
        [
            {"filter": word, "n_labeled": n, "seed": seed, "weak_error": 1.0 + k / 9, "student_error": 0.5 + 1 / n + seed / 50}
            for k, word in enumerate(words)
            for n in counts
            for seed in range(seeds)
        ]
    )
    rows["ceiling_error"], rows["gain"], rows["misfit"], rows["status"] = (
        0.1,
        rows["weak_error"] - rows["student_error"],
        0.2,
        "ok",
    )
    rows["message"] = None
    rows.loc[0, ["status", "message"]] = ["failed", f"no luck {HOSTILE[0]} {HOSTILE[1]}"]
    rows.attrs["w2s"] = {"fields": ["filter", "n_labeled"]}
    return rows


@pytest.fixture
def made(tmp_path: Path) -> Path:
    return write_page(rows_table(Plain, made_rows(), failed=1), tmp_path / "index.html")


class PlainCell(w2s.Cell):
    filter: str = w2s.field(description="a word")
    n_labeled: int = w2s.field(description="rows", unit="rows")


class Plain(Study):
    """A study without claims and figures."""

    name, version, Cell = "plain", 1, PlainCell

    def cost(self, block: Any) -> Any: ...

    def solve(self, block: Any, backend: Any) -> Any: ...


def test_nothing_in_a_run_is_obeyed(browser: Any, tmp_path: Path) -> None:
    table = rows_table(Plain, made_rows(HOSTILE), failed=1, first_error=HOSTILE[0])
    path = write_page(
        table, tmp_path / "index.html", grid="\n".join(HOSTILE), about=HOSTILE[1], provenance=dict.fromkeys(HOSTILE, HOSTILE[0])
    )
    with opened(browser, path) as (shown, said):
        hover(shown)
        for label, value in (("view", "parallel"), ("view", "lines"), ("panels", "0"), ("along", "0"), ("metric", "1")):
            redraw(shown, label, value)
        assert shown.evaluate("window.hit") is None
        assert shown.locator("img:not([src^='data:image/png'])").count() == 0
        assert HOSTILE[1] in shown.locator("#digest").inner_text()
        assert said == []


def test_the_dark_on_a_phone(browser: Any, made: Path) -> None:
    with opened(browser, made, "phone", color_scheme="dark") as (shown, said):
        assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 20, 25)"
        assert shown.evaluate(TOO_WIDE) == []
        assert axe_faults(shown) == []
        shown.emulate_media(color_scheme="light")
        shown.wait_for_selector('.chart:not([data-drawn="1"])')
        assert said == []


def test_what_a_page_lets_run(browser: Any, made: Path) -> None:
    with opened(browser, made) as (shown, said):
        shown.evaluate("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.hit = 1'}))")
        shown.evaluate("document.body.setAttribute('onclick', 'window.hit = 2')")
        shown.locator("h1").click()
        assert shown.evaluate("window.hit") is None
        assert len([line for line in said if "Content Security Policy" in line]) == 2


def test_a_table_is_filtered_copied_and_downloaded(browser: Any, made: Path) -> None:
    with opened(browser, made) as (shown, said):
        shown.context.grant_permissions(["clipboard-read", "clipboard-write"])
        part = shown.locator("#digest")
        part.get_by_label("filter").fill("ridge .")
        assert part.get_by_role("status").inner_text() == "3 of 6 rows"
        part.get_by_text("copy").click()
        copied = shown.evaluate("navigator.clipboard.readText()")
        assert [line.split("\t")[:2] for line in copied.splitlines()] == [
            ["filter", "n_labeled"],
            *(["ridge", n] for n in NUMBERS),
        ]
        with shown.expect_download() as waiting:
            part.get_by_text("download as CSV").click()
        assert waiting.value.suggested_filename == "digest.csv"
        rows = list(csv.DictReader(Path(waiting.value.path()).read_text().splitlines()))
        assert [(row["filter"], row["n_labeled"]) for row in rows] == [("ridge", n) for n in NUMBERS]
        assert said == []


def test_the_explorer_by_keyboard_and_its_download(browser: Any, made: Path) -> None:
    with opened(browser, made) as (shown, said):
        assert "6 of 6 settings" in shown.locator(".says").inner_text()
        shown.get_by_text("next", exact=True).focus()
        shown.keyboard.press("Enter")
        assert "point 2 of 6" in shown.locator(".detail").inner_text()
        assert shown.evaluate("document.activeElement.textContent") == "next"
        redraw(shown, "view", "parallel")
        shown.get_by_label("filter =").select_option("0")
        assert "3 of 6 settings" in shown.locator(".says").inner_text()
        with shown.expect_download() as waiting:
            shown.get_by_text("download these settings").click()
        rows = list(csv.DictReader(Path(waiting.value.path()).read_text().splitlines()))
        assert {row["filter"] for row in rows} == {"flow"}
        assert [row["n_labeled"] for row in rows] == NUMBERS
        assert all(float(row["gain_low"]) < float(row["gain"]) < float(row["gain_high"]) for row in rows)
        assert said == []


def test_settings_without_a_number_have_no_place_along_its_axis(browser: Any, tmp_path: Path) -> None:
    rows = made_rows(counts=(10, 20, 40, 80))
    rows.loc[rows["filter"] == "flow", "n_labeled"] = None
    rows = rows.drop_duplicates(["filter", "n_labeled", "seed"]).reset_index(drop=True)
    rows.attrs["w2s"] = {"fields": ["filter", "n_labeled"]}
    path = write_page(rows_table(Plain, rows, failed=1), tmp_path / "index.html")
    with opened(browser, path) as (shown, said):
        text = shown.locator(".says").inner_text()
        assert "4 of 5 settings" in text
        assert text.endswith("; 1 more have no n_labeled.")
        redraw(shown, "view", "parallel")
        assert "5 of 5 settings" in shown.locator(".says").inner_text()
        redraw(shown, "colour", "1")
        assert said == []


def test_numbers_have_the_digits_that_their_interval_leaves(browser: Any, made: Path) -> None:
    with opened(browser, made) as (shown, said):
        value, low, high = re.findall(r"-?\d+\.\d+", shown.locator(".detail dd").first.inner_text())
        (places,) = {len(number.partition(".")[2]) for number in (value, low, high)}
        assert 9 <= (float(high) - float(low)) / 2 * 10**places <= 101, "two digits of the half width"
        assert said == []


def test_without_scripts_everything_is_there(browser: Any, made: Path) -> None:
    with opened(browser, made, java_script_enabled=False) as (shown, said):
        text = shown.locator("main").inner_text()
        for word in (
            "Findings",
            "Explorer",
            "figures and tables below",
            "Digest",
            "Unusable cells",
            "Grid",
            "Provenance",
            "flow",
        ):
            assert word in text
        assert not shown.locator("button, select, input").count()
        assert said == []
