"""`report`: what it writes, and that its page is whole, self-contained and cannot be written into by a study."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from workbench import STUDIES

from sweeper import RunError, launch, load_grid
from sweeper.report.make import make_report, report_content
from sweeper.report.page import page
from sweeper.report.scripts import csp_hash
from sweeper.report.tables import unusable_listing
from sweeper.review.verify import verify
from sweeper.showing.pictures import draw_picture, run_rows_table
from w2s.tables.scan import StoredRows, scan

VOID = {"meta", "img", "br", "wbr"}


class Outline(HTMLParser):
    """Reads a page; asserts that every tag is closed where it must be."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append((self.open[-1] if self.open else "", data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def text(self, tag: str = "") -> str:
        return " ".join(text for inside, text in self.texts if not tag or inside == tag)


def headings(page: Outline) -> list[str]:
    return [text for inside, text in page.texts if inside == "h2"]


def make_run(folder: Path) -> Path:
    shutil.copy(STUDIES / "claimed.py", folder)
    grid = {"study": "claimed.py:Claimed", "zip": [{"x": [1, 2, 3], "fails": [False, False, True]}], "seeds": 8}
    launch(load_grid(grid, folder), out=folder / "run <1>", executor="inline", backend="numpy")
    return folder / "run <1>"


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_run(tmp_path)


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with its report; nobody writes in it."""
    run = make_run(tmp_path_factory.mktemp("reported"))
    make_report(run)
    return run


@pytest.fixture
def text(reported: Path) -> str:
    return (reported / "report" / "index.html").read_text(encoding="utf-8")


def test_what_is_written_and_printed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = make_report(run)
    own = ["axis-line.png", "axis-scatter.png"]
    assert [path.name for path in written] == ["summary.csv", "digest.csv", "gain.png", *own, "index.html"]
    assert all(path.parent == run / "report" and path.stat().st_size for path in written)
    assert set(pd.read_csv(written[0])["x"]) == {1.0, 2.0, 3.0}
    printed = capsys.readouterr().out
    assert "of 24 cells 0 are pending and 8 failed: a partial report" in printed
    assert "claims of claimed, version 1, on 16 rows, 8 seeds" in printed
    assert "2 of 6 claims as expected" in printed
    assert printed.splitlines()[-1] == f"open {written[-1]}"


def test_the_page_is_whole_and_says_everything(text: str, reported: Path) -> None:
    page = Outline(text)
    assert page.text("h1").startswith("claimed")
    assert headings(page) == [
        "Findings",
        "Claims",
        "Explorer",
        "Figures",
        "Digest",
        "Unusable cells",
        "Grid",
        "Provenance",
    ]
    whole = page.text()
    for said in (
        "Half of the teacher's errors & <i>luck</i>.",
        "16 of 24 cells done, 8 failed, 0 pending",
        "the gain is above ten <b>bold</b>",
        "the student makes less than half of the errors",
        "student / weak = 0.3",
        "thresholds: limit = 0.5",
        "expected to fail: cells are small here",
        "its test raised KeyError: 'no_such_column'",
        "Theorem 1",
        "study: ../claimed.py:Claimed",
        "w2s-sweep 0.",
        str(reported),
    ):
        assert said in whole
    badges = [attributes["class"] for attributes in page.all("span")]
    assert badges == ["badge good", "badge open", "badge bad", "badge good", "badge open"]
    assert page.text("summary") == "Not testable on these rows (1): needy"
    assert "needs 2 or more values of n, the table has 1" in page.text("dd")


def test_nothing_from_a_study_becomes_markup(text: str) -> None:
    page = Outline(text)
    assert not {tag for tag, _ in page.tags} & {"b", "i", "iframe", "object", "link"}
    assert [attributes["type"] for attributes in page.all("script")] == ["application/json"] * 2 + ["module"] * 2
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in page.text("pre")  # the first error, as text
    assert page.text("title") == "claimed: run <1>"
    assert page.all("figure")[0]["id"] == "figure-gain"
    assert page.text("figcaption").startswith("Gain & <b>errors</b>")


def test_the_page_needs_nothing_from_elsewhere(text: str, reported: Path) -> None:
    page = Outline(text)
    image, *_ = page.all("img")
    source = image["src"] or ""
    assert source.startswith("data:image/png;base64,")
    assert base64.b64decode(source.partition(",")[2]) == (reported / "report" / "gain.png").read_bytes()
    links = [str(value) for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    assert "url(" not in page.text("style")
    assert "@import" not in page.text("style")


def test_only_what_the_page_carries_may_run(text: str) -> None:
    (policy,) = (a["content"] or "" for a in Outline(text).all("meta") if a.get("http-equiv") == "Content-Security-Policy")
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert "unsafe" not in policy
    for kind, tag in (("style-src", "<style>"), ("script-src", '<script type="module">')):
        carried = [part.partition(f"</{tag[1:].split()[0].strip('>')}>")[0] for part in text.split(tag)[1:]]
        assert rules[kind].split() == [csp_hash(part) for part in carried]


def test_tables_and_pictures_can_be_read_aloud(text: str) -> None:
    page = Outline(text)
    assert page.all("html")[0]["lang"] == "en"
    assert all(attributes.get("scope") in ("col", "row") for attributes in page.all("th"))
    assert len(page.all("table")) == len(page.all("thead")) == 4
    assert all(attributes["alt"] for attributes in page.all("img"))
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


@pytest.mark.parametrize("scheme", ["light", "dark", "print"])
def test_text_stands_out_from_its_background(text: str, scheme: str) -> None:
    """Contrast of 4.5 to 1 or more (WCAG 2.2, success criterion 1.4.3) for every colour of text on every background."""
    blocks = re.findall(r":root \{(.*?)\}", text, flags=re.DOTALL)
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[["light", "dark", "print"].index(scheme)]))
    assert set(colours) >= {"text", "quiet", "line", "back", "shade", "good", "bad", "open", "none", "link"}
    for name in ("text", "quiet", "good", "bad", "open", "none", "link"):
        for back in ("back", "shade"):
            light, dark = sorted((luminance(colours[name]), luminance(colours[back])), reverse=True)
            assert (light + 0.05) / (dark + 0.05) >= 4.5


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_a_figure_that_raises_leaves_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_run(tmp_path)
    file = tmp_path / "claimed.py"
    file.write_text(
        file.read_text().replace('Figure("never", "Never", lambda table: None)', 'Figure("bad", "Bad", lambda table: 1 / 0)')
    )
    written = [path.name for path in make_report(run)]
    own = ["axis-line.png", "axis-scatter.png"]
    assert written == ["summary.csv", "digest.csv", "gain.png", *own, "index.html"]
    said = "figure bad could not be drawn: ZeroDivisionError: division by zero"
    assert said in capsys.readouterr().out
    page = Outline((run / "report" / "index.html").read_text())
    assert said in page.text("p")
    assert [figure["id"] for figure in page.all("figure")] == ["figure-gain", "figure-axis-line", "figure-axis-scatter"]


def test_figures_are_drawn_from_rows_with_numbers(tmp_path: Path) -> None:
    """Claimed draws what it gets: a null among the values would be a point at nowhere, or an axis without an end."""
    run = make_run(tmp_path)
    file = tmp_path / "claimed.py"
    file.write_text(file.read_text().replace("def draw(table):", 'def draw(table):\n    assert set(table["status"]) == {"ok"}'))
    assert "gain.png" in [path.name for path in make_report(run)]


def test_a_study_without_claims_has_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(STUDIES / "toy.py", tmp_path)
    grid = {"study": "toy.py:Toy", "axes": {"x": [1, 2], "n": [10, 20]}, "seeds": 3}
    launch(load_grid(grid, tmp_path), out=tmp_path / "run", executor="inline", backend="numpy")
    make_report(tmp_path / "run")
    page = Outline((tmp_path / "run" / "report" / "index.html").read_text())
    assert headings(page) == ["Findings", "Explorer", "Figures", "Digest", "Grid", "Provenance"]
    assert "claims of" not in capsys.readouterr().out


def test_rows_outside_the_grid_are_left_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(STUDIES / "toy.py", tmp_path)
    for xs in ([1, 2, 3], [2, 4]):
        grid = {"study": "toy.py:Toy", "axes": {"x": xs}, "seeds": 2}
        launch(load_grid(grid, tmp_path), out=tmp_path / "run", executor="inline", backend="numpy", keep=True)
    make_report(tmp_path / "run")
    assert "4 rows in the folder are not in its grid; they are left out" in capsys.readouterr().out
    assert set(pd.read_csv(tmp_path / "run" / "report" / "summary.csv")["x"]) == {2.0, 4.0}
    page = Outline((tmp_path / "run" / "report" / "index.html").read_text())
    assert "4 rows in the folder are not in this grid and are left out." in page.text("p")


def test_a_run_without_rows_has_no_report(run: Path) -> None:
    for path in (run / "results").glob("part-*.parquet"):
        if "schema" not in path.name:
            path.unlink()
    with pytest.raises(RunError, match="has no rows yet"):
        make_report(run)


def test_claims_stand_in_the_metadata_of_every_part(reported: Path) -> None:
    import pyarrow.parquet as pq

    for path in (reported / "results").glob("part-*.parquet"):
        claims = json.loads(pq.read_schema(path).metadata[b"w2s"])["claims"]
        assert claims["ratio"] == {
            "says": "the student makes less than half of the errors",
            "where": "Theorem 1",
            "expected": "holds",
            "reason": "",
            "thresholds": {"limit": 0.5},
        }


def test_a_run_too_large_for_memory_says_what_is_of_some_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_run(tmp_path)
    make_report(run)
    whole = (run / "report" / "summary.csv").read_text()
    capsys.readouterr()
    monkeypatch.setattr("sweeper.report.make.MOST_ROWS", 10)
    monkeypatch.setattr("sweeper.review.table.IN_MEMORY", 12)
    make_report(run)
    said = "figures and claims are those of the first 4 seeds, 12 of 24 rows; w2s-sweep verify tests the claims on all"
    assert said in capsys.readouterr().out
    assert said in (run / "report" / "index.html").read_text()
    summary, before = pd.read_csv(run / "report" / "summary.csv"), pd.read_csv(io.StringIO(whole))
    pd.testing.assert_frame_equal(summary, before, rtol=1e-12)


def test_what_a_large_run_shows_is_of_all_its_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = make_run(tmp_path)
    before, _ = report_content(run)
    pages = [page(before)]
    monkeypatch.setattr("sweeper.report.make.MOST_ROWS", 10)
    monkeypatch.setattr("sweeper.review.table.IN_MEMORY", 3)
    content, _ = report_content(run)
    assert (content.run.seeds, len(content.run.rows)) == (1, 3)
    pages.append(page(content))
    own = {figure.id for figure in content.run.grid.study.figures}
    first, second = ({p.id: p.png for p in found.pictures if p.id not in own} for found in (before, content))
    assert first == second
    assert first
    cells = [re.search(r'"cells": ?\[[^]]*\]', text) for text in pages]
    assert cells[0] is not None
    assert cells[1] is not None
    assert cells[0][0] == cells[1][0]
    listings = [unusable_listing(found.run.every, run) for found in (before, content)]
    assert listings[0] is not None
    assert listings[0] == listings[1]
    assert listings[0].rows[0][0] == "8"


def test_tables_figures_and_verdicts_of_a_large_run_are_those_of_a_small_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path)

    def shown() -> tuple[object, ...]:
        drawn = draw_picture(str(run), {"x": "x", "y": "gain"}, [], None, "png", tmp_path / "plot.png")
        (found,) = verify([run], partial=True)
        verdicts = [(judged.claim.id, judged.verdict) for judged in found.judged]
        return str(run_rows_table(str(run), "x", None, [], None)), drawn, (tmp_path / "plot.png").read_bytes(), verdicts

    small = shown()
    scanned = []
    monkeypatch.setattr("sweeper.showing.pictures.MOST_ROWS", 10)
    monkeypatch.setattr("sweeper.review.table.MOST_ROWS", 10)
    monkeypatch.setattr("w2s.scan", lambda *given, **named: scanned.append(scan(*given, **named)) or scanned[-1])
    assert repr(shown()) == repr(small)
    assert [type(rows) for rows in scanned] == [StoredRows] * 3
