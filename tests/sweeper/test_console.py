"""What is shown on a terminal: escape sequences of a study, a grid, a file or a folder are shown, never obeyed."""

from __future__ import annotations

import io

import pytest
from rich.table import Table
from workbench import table

from sweeper.console import console, printable
from sweeper.launching.progress import Progress


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, ä, 漢, →\ttab\nline", "plain, ä, 漢, →\ttab\nline"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m\x7f\r\x00", r"\x9b31m\x7f\r\x00"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


def test_everything_a_console_prints(capsys):
    grid = Table("na\x1b[31mme")
    grid.add_row("val\x9bue")
    console().print("text \x1b[31m", grid)
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "\x9b" not in out
    assert r"text \x1b[31m" in out


def test_notes_on_a_stream():
    stream = io.StringIO()
    Progress(stream).note("first failure: \x1b[2J")
    assert stream.getvalue() == "first failure: \\x1b[2J\n"


HOSTILE = 'study: toy.py:Toy\naxes:\n  x: [1]\n  label: ["a\\e[31mb"]\nseeds: 2\n'


def test_commands_on_a_hostile_grid_and_folder(bench):
    """The escape is in a value of an axis, then in the name of a folder, then in a message of the study."""
    study = bench.folder / "toy.py"
    raises = '        raise ValueError("red \\x1b[31m and \\x9b31m")\n        misbehave(block)\n'
    study.write_text(study.read_text().replace("        misbehave(block)\n", raises))
    grid = bench.grid(HOSTILE)
    run = bench.folder / "run-\x1b[32m"
    said = []
    for arguments in (
        ["plan", grid],
        ["launch", grid, "--executor", "inline", "--out", run],
        ["status", run, "--failed"],
        ["launch", bench.grid('study: toy.py:Toy\naxes: {x: [1]}\n"\\e[33m": 1\n', "odd.yaml")],
        ["status", bench.folder / "none-\x1b[34m"],
    ):
        done = bench.sweep(*arguments)
        said.append(done.stdout + done.stderr)
    assert [index for index, text in enumerate(said) if "\x1b" in text or "\x9b" in text] == []
    assert r"label=a\x1b[31mb: ValueError: red \x1b[31m and \x9b31m" in said[1]
    assert r"run-\x1b[32m" in said[1]
    assert r"2 failed: ValueError: red \x1b[31m" in said[2]
    assert r"\x1b[33m" in said[3]
    assert r"none-\x1b[34m" in said[4]
    assert "red \x1b[31m" in table(run)["message"][0].as_py(), "the table has what the study said"
