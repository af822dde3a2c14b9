"""The page of jobs: each is one command, or at most five lines of Python, and does what the page says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

import sweeper.cli.main  # noqa: F401  (registers the commands)
from sweeper import launch
from sweeper.cli.app import app

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "howto.md").read_text()
GRIDS = re.findall(r"```yaml\n# (\w+\.yaml)\n(.*?)```", PAGE, flags=re.DOTALL)
SCRIPTS = re.findall(r"```python\n(?!# sharpen.py)(.*?)```", PAGE, flags=re.DOTALL)
COMMANDS = re.findall(r"^    w2s-sweep (.*)$", PAGE, flags=re.MULTILINE)

pytestmark = [pytest.mark.grid, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs and the predictions of the page."""
    folder = tmp_path_factory.mktemp("howto")
    for name, text in GRIDS:
        (folder / name).write_text(text)
        assert launch(folder / name, executor="inline").exit == 0
    exec(SCRIPTS[2].replace('"mine.csv"', repr(str(folder / "mine.csv"))), {})
    return folder


def run(command: str) -> str:
    """Run a command of the page and return what it prints."""
    done = CliRunner().invoke(app, shlex.split(command))
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_of_the_page_does_its_job(command: str, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    said = run(command)
    match command.split()[0]:
        case "plot" if "heatmap" in command or "--color gain" in command:
            assert "Black: gain is zero; dashed: one end of its 95 % interval is" in said
            assert (place / "runs/diagram/report/plot-ridge_weak-ridge-gain.png").stat().st_size > 10_000
        case "plot" if "student_error" in command:
            assert "weak model's error, student's error, ceiling's error against ridge lambda" in " ".join(said.split())
            assert len(list((place / "runs/few_rows/report").glob("plot-ridge-weak_error-student_error-*.png"))) == 1
        case "plot":
            assert (place / "gain.pdf").read_bytes().startswith(b"%PDF")
            assert "Intervals: 95 % over seeds, each with data of its own; 30 seeds." in said
        case "table" if "csv" in command:
            found = pd.read_csv(place / "gain.csv")
            assert {"gain", "gain_low", "gain_high", "student_error_low"} <= set(found.columns)
            assert (found["gain_low"] <= found["gain"]).all()
        case "table":
            text = (place / "table.tex").read_text()
            assert r"\toprule" in text
            assert "chosen by the least mean of student's error on the 15 even seeds" in text
            assert r"\label{tab:gain}" in text
        case "compare":
            assert "n_transfer" in said
            assert re.search(r"In student_error, against few_rows: more_rows is better in \d", " ".join(said.split()))
            assert ("Each at its best ridge" in said) == ("best-over" in command)
        case "score":
            assert "gain" in said
            assert "pgr" not in said
        case "index":
            page = (place / "runs" / "index.html").read_text()
            assert "<h2>diagram</h2>" in page
            assert "The student errs less than its weak model in" in page
        case other:
            raise AssertionError(other)


def test_scripts_of_the_page_are_short_and_run(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(place)
    for script in SCRIPTS:
        lines = [line for line in script.splitlines() if line.strip() and not line.startswith("#")]
        assert len(lines) <= 5
        exec(script, {})
    assert (place / "heatmap.png").stat().st_size > 10_000
    assert "conclusion" in capsys.readouterr().out
