"""The tutorial word for word: its table, its grid, its commands and its Python, and what it says about them."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import sweeper.cli.main  # noqa: F401  (registers the commands)
from sweeper.cli.app import app

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "tutorial.md").read_text()
GRID = re.findall(r"```yaml\n(.*?)```", PAGE, flags=re.DOTALL)
SCRIPTS = re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL)
TABLE = re.findall(r"<<'PY'\n(.*?)PY\n", PAGE, flags=re.DOTALL)
COMMANDS = re.findall(r"^w2s-sweep (.*)$", PAGE, flags=re.MULTILINE)
SHOWN = re.findall(r"```text\n(.*?)```", PAGE, flags=re.DOTALL)
LATEX = re.findall(r"```latex\n(.*?)```", PAGE, flags=re.DOTALL)

pytestmark = [pytest.mark.grid, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A folder in which all commands of the page ran in their order, and what each printed."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "mine").mkdir()
    subprocess.run([sys.executable, "-c", TABLE[0]], cwd=folder, check=True)
    (folder / "mine" / "grid.yaml").write_text(GRID[0])
    printed = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("COLUMNS", "80")
        for command in COMMANDS:
            done = CliRunner().invoke(app, shlex.split(command))
            assert done.exit_code == 0, f"{command}\n{done.output}"
            printed[command.split()[0] + (" tex" if "pgr.tex" in command else "")] = done.output
    return folder, printed


def test_the_page_has_all_its_parts() -> None:
    assert [len(part) for part in (GRID, SCRIPTS, TABLE, SHOWN, LATEX)] == [1] * 5
    assert [command.split()[0] for command in COMMANDS] == ["plan", "launch", "report", "table", "plot", "table"]


def test_what_is_printed_is_what_the_page_shows(said: tuple[Path, dict[str, str]]) -> None:
    folder, printed = said
    assert "3,120 cells" in printed["plan"]
    assert printed["report"].startswith(SHOWN[0])
    assert (folder / "mine" / "pgr.tex").read_text() == LATEX[0]
    assert (folder / "mine" / "errors.pdf").read_bytes().startswith(b"%PDF")


def test_its_python_finds_what_the_page_says(
    said: tuple[Path, dict[str, str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(said[0])
    names: dict[str, object] = {}
    exec(SCRIPTS[0], names)
    best = names["best"]
    hard = best[(best["labels"] == "hard") & (best["n_labeled"] == 250)].sort_values("d_weak")  # type: ignore[index]
    first, second, third = (f"{value:.2f}"[1:] for value in hard["pgr_01"])
    assert f"recovers {first}, {second} and {third} of the gap" in PAGE
    assert "pgr_01_low" in capsys.readouterr().out
