"""An atlas: grids are found, launched once, verified together by study, and told on one page that follows from its JSON."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from sweeper.cli import app
from sweeper.errors import UserError
from sweeper.launching.progress import Progress
from sweeper.tools.atlas import make_atlas, small_grids
from sweeper.tools.atlas_page import atlas_page

STUDIES = Path(__file__).resolve().parents[2] / "studies"
GOOD = 'MADE = ("ratio", "known")'


def papers(folder: Path, made: str = GOOD) -> Path:
    """Write two papers' folders with a study of one's own; the second has a grid of the same name."""
    source = (STUDIES / "claimed.py").read_text()
    line = next(line for line in source.splitlines() if line.startswith("MADE = "))
    for number, paper in enumerate(("one2025", "two2025")):
        small = folder / paper / "small"
        small.mkdir(parents=True)
        (small / "claimed.py").write_text(source.replace(line, made))
        grid = {"study": "claimed.py:Claimed", "axes": {"x": [2 * number, 2 * number + 1]}, "seeds": 12}
        (small / "all.yaml").write_text(yaml.safe_dump(grid))
        (folder / paper / "large.yaml").write_text("no grid at all")
    return folder


def atlas(place: Path, out: Path, page: Path | None = None):
    return make_atlas([place], out, page, Progress.silent(), executor="inline")


def test_small_grids_are_those_in_folders_called_small(tmp_path: Path) -> None:
    found = papers(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in small_grids([found, found / "one2025" / "small" / "all.yaml"])]
    assert names == ["one2025/small/all.yaml", "two2025/small/all.yaml"]
    assert small_grids([found / "one2025" / "large.yaml"]) == [found / "one2025" / "large.yaml"]
    with pytest.raises(UserError, match="neither a grid file nor a folder"):
        small_grids([tmp_path / "nothing"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no grids in folders called small"):
        small_grids([tmp_path / "empty"])


def test_runs_of_one_study_are_tested_together_and_told_on_one_page(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "all.md"
    found = atlas(papers(tmp_path / "configs"), tmp_path / "out", page)
    assert (found.exit, found.verdicts) == (0, {"holds": 1, "fails as expected": 1})
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"claimed-all", "claimed-all-2", "papers.md", "papers.json"}
    content = json.loads((tmp_path / "out" / "papers.json").read_text())
    (study,) = content["studies"]
    assert (study["rows"], study["seeds"], [grid["cells"] for grid in study["grids"]]) == (48, 12, [24, 24])
    holds, fails = study["claims"]
    assert holds["statistic"] == pytest.approx(0.3)
    assert fails["verdict"] == "fails as expected"
    text = (tmp_path / "out" / "papers.md").read_text()
    assert "**2 claims of 1 paper: 1 holds, 1 fails as expected.**" in text
    assert "[gain](claimed-all/report/gain.png)" in text
    assert "[report](claimed-all-2/report/index.html)" in text
    other = json.loads(page.with_suffix(".json").read_text())
    assert other["studies"][0]["grids"][0]["grid"] == "../configs/one2025/small/all.yaml"
    assert page.read_text() == atlas_page(other, page.parent, "all.json")
    assert str(tmp_path) not in page.read_text() + page.with_suffix(".json").read_text()


def test_again_computes_nothing_and_says_the_same(tmp_path: Path) -> None:
    configs, out = papers(tmp_path / "configs"), tmp_path / "out"
    atlas(configs, out)
    before = {path: path.read_bytes() for path in (out / "claimed-all" / "results").iterdir()}
    said = (out / "papers.json").read_bytes()
    atlas(configs, out)
    assert {path: path.read_bytes() for path in (out / "claimed-all" / "results").iterdir()} == before
    assert (out / "papers.json").read_bytes() == said


def test_formulas_and_tags_are_shown_as_they_are(tmp_path: Path) -> None:
    found = atlas(papers(tmp_path / "configs", 'MADE = ("ratio", "wrong")'), tmp_path / "out")
    assert found.exit == 1
    text = (tmp_path / "out" / "papers.md").read_text()
    assert "the gain is above ten &lt;b>bold&lt;/b>" in text
    assert "| **fails** |" in text


def test_a_grid_that_cannot_be_launched_is_named_and_counts_as_not_tested(tmp_path: Path) -> None:
    configs = papers(tmp_path / "configs")
    (configs / "two2025" / "small" / "all.yaml").write_text("study: no_such_study\naxes: {x: [1]}\nseeds: 2\n")
    found = atlas(configs, tmp_path / "out")
    assert (found.exit, found.verdicts) == (4, {"holds": 1, "fails as expected": 1})
    assert "was not launched: " in (tmp_path / "out" / "papers.md").read_text()


def test_failed_cells_leave_a_study_untested(tmp_path: Path) -> None:
    configs = papers(tmp_path / "configs")
    shutil.rmtree(configs / "two2025")
    grid = configs / "one2025" / "small" / "all.yaml"
    grid.write_text(yaml.safe_dump({**yaml.safe_load(grid.read_text()), "fixed": {"fails": True}}))
    found = atlas(configs, tmp_path / "out")
    assert (found.exit, found.verdicts) == (4, {})
    text = (tmp_path / "out" / "papers.md").read_text()
    assert "21 pending and 3 failed of 24 cells" in text
    assert "Not tested: 2 claims." in text


def test_the_command_prints_counts_and_ends_with_the_code_of_verify(tmp_path: Path) -> None:
    configs, out = papers(tmp_path / "configs"), tmp_path / "out"
    for file in small_grids([configs]):
        file.write_text(f"{file.read_text()}compute: {{executor: inline}}\n")
    made = CliRunner().invoke(app, ["atlas", str(configs), "--out", str(out)])
    assert made.exit_code == 0, made.output
    assert "2 claims: 1 holds, 1 fails as expected" in made.output
    missing = CliRunner().invoke(app, ["atlas", str(tmp_path / "nothing")])
    assert missing.exit_code == 2
