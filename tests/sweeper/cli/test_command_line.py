"""What commands print: JSON, meanings, completion, the width of a terminal; in this process, on one small run."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import typer
import yaml
from typer.testing import CliRunner, Result

import sweeper
import sweeper.console
import w2s
from sweeper.cli import completing
from sweeper.cli.main import app
from w2s import glossary

ROOT = Path(__file__).parents[3]
GRID = {
    "study": "dong2025.regression",
    "axes": {"n_labeled": [15, 30], "filter": ["ridge", "flow"], "ridge": [0.01], "time": [5]},
    "fixed": {"d_weak": 8, "d_strong": 6, "d_overlap": 3, "n_transfer": 20, "noise": 0.5},
    "seeds": 8,
}
FAULTY = {
    "study": f"{ROOT}/tests/studies/faulty.py:Faulty",
    "grids": [{"fixed": {"fault": "none"}}, {"fixed": {"fault": "raises"}}],
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a grid, its finished run, one of other seeds, one whose study raised, predictions, and a store of artifacts."""
    folder = tmp_path_factory.mktemp("commands")
    (folder / "grid.yaml").write_text(yaml.safe_dump({**GRID, "out": "runs/grid"}))
    assert sweeper.launch(folder / "grid.yaml", executor="inline").exit == 0
    assert sweeper.launch({**GRID, "seeds": list(range(8, 16))}, out=folder / "runs" / "more", executor="inline").exit == 0
    assert sweeper.launch(FAULTY, out=folder / "runs" / "faulty", executor="inline", on_error="continue").exit == 3
    (folder / "predictions.csv").write_text(
        "item_id,truth,weak,student,ceiling\n"
        + "".join(f"{k},{k % 2},0.{k % 7 + 2},0.{k % 5 + 3},0.{k % 3 + 4}\n" for k in range(40))
    )
    shutil.copytree(ROOT / "tests" / "recorded" / "store", folder / "store")
    (folder / "store" / "runs").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def run(*arguments: str, code: int = 0) -> Result:
    found = CliRunner().invoke(app, list(arguments), prog_name="w2s-sweep")
    assert found.exit_code == code, (found.output, found.exception)
    return found


def document(*arguments: str, code: int = 0) -> Any:
    return json.loads(run(*arguments, "--json", code=code).stdout, parse_constant=pytest.fail)


def test_the_version_and_a_quiet_launch(place: Path) -> None:
    assert re.fullmatch(r"w2s-sweep \S+\n", run("--version").stdout)
    assert run("launch", "grid.yaml", "-q").output == ""


def test_every_look_has_a_json_document(place: Path) -> None:
    plan = document("plan", "grid.yaml")
    assert (plan["cells"], plan["study"], plan["axes"]["n_labeled"]) == (32, "dong2025.regression", [15, 30])
    status = document("status", "runs/grid")
    assert (status["done"], status["pending"], status["failed"]) == (32, 0, 0)
    report = document("report", "runs/grid")
    assert report["findings"]
    assert {"id", "outcome"} <= set(report["claims"][0])
    assert len(report["digest"]) == 4
    (study,) = document("studies", "dong2025.regression")
    (renamed,) = [field for field in study["fields"] if field["name"] == "student_filter"]
    assert renamed["formerly"] == "filter"
    assert all(column["description"] for column in study["columns"])
    assert {finding["topic"] for finding in document("doctor")} >= {"python", "numpy", "executors"}
    assert "digits" in [file["name"] for file in document("data")["files"]]
    assert document("score", "predictions.csv")["rows"][0]["n_items"] == 40
    error = run("status", "runs/nothing", code=2)
    assert error.stdout == ""
    refused = run("status", "runs/grid", "--watch", "--json", code=2)
    assert (refused.stdout, "give one of them" in refused.stderr) == ("", True)


def test_a_card_is_checked_also_where_a_plan_makes_nothing_on_it(place: Path) -> None:
    for more in ((), ("--json",)):
        for asked, said in (
            (("--device", "NONSENSE"), "--device NONSENSE: no such card"),
            (("--device", "H200", "--utilisation", "-3"), "--utilisation -3: a share of the card's peak"),
            (("--utilisation", "0.5"), "--utilisation is about the card of --device"),
            (("--device", "H200"), "--device is about trainings, and dong2025.regression makes none"),
        ):
            refused = run("plan", "grid.yaml", *asked, *more, code=2)
            assert (refused.stdout, said in " ".join(refused.stderr.split())) == ("", True), refused.stderr


def test_a_failed_study_says_where_and_how(place: Path) -> None:
    (failure,) = document("status", "runs/faulty", "--failed")["failures"]
    assert re.search(r"\(faulty\.py:\d+\)", failure["message"])
    assert re.search(r"faulty\.py:\d+ in solve: raise", failure["traceback"])
    assert str(ROOT) not in failure["traceback"]
    rows = w2s.load(place / "runs" / "faulty")
    assert rows.set_index("fault")["traceback"].notna().to_dict() == {"none": False, "raises": True}
    assert "faulty.py:" in run("status", "runs/faulty", "--failed").stdout


@pytest.mark.parametrize("word", ["pgr", "misfit", "opr", "status"])
def test_words_are_explained(word: str) -> None:
    text = run("explain", word).stdout
    assert text.startswith(f"{word}: ")
    assert max(map(len, text.splitlines())) <= 80
    assert "did you mean 'misfit'" in run("explain", "misfitt", code=2).stderr
    assert run("explain", "student_ridge").stdout.startswith("student_ridge: ")


def test_without_a_word_all_words_are_listed_by_where_one_meets_them() -> None:
    text = run("explain").stdout
    assert re.findall("^(.*):$", text, re.MULTILINE)[:2] == ["terms", "columns of every table"]
    assert set(glossary.words()) <= set(text.split())
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("ridge", r"ridge: a field of a cell, so a grid can have it as an axis\n  lambda of \(X'X/n \+ lambda I\)"),
        ("lambda", r"lambda: in figures the symbol of ridge\n\nridge: a field"),
        ("n", r"n: in figures the symbol of n_labeled\n\nn_labeled: a field(.|\n)*\[rows\]"),
        ("filter", r"now called student_filter"),
        ("gain_01", r"positive: it is\s+right more often"),
        ("untestable", r"untestable: a verdict: the rows lack"),
        ("gap_unresolved", r"zero lies in the interval"),
        ("until", r"until: a key of seeds"),
        ("temper", r"temper\(fit\)"),
        ("kl", r"kl: a loss of methods: KL\(weak \|\| student\)"),
        ("self_labels", r"a method: (.|\n)*Options:\s+threshold=0.9, strength"),
        ("confidence", r"mean largest probability of the student\n\nconfidence: a loss of methods"),
    ],
)
def test_fields_symbols_verdicts_and_methods_are_explained(word: str, said: str) -> None:
    text = run("explain", word).stdout
    assert re.search(said, text), text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize(
    ("word", "near"), [("n_labeld", "n_labeled"), ("self_lables", "self_labels"), ("untestabel", "untestable")]
)
def test_a_misspelt_word_is_told_the_nearest_of_all_that_are_known(word: str, near: str) -> None:
    assert f"did you mean '{near}'" in run("explain", word, code=2).stderr


def test_every_meaning_stands_by_itself() -> None:
    meanings = [found for word in glossary.words() if (found := glossary.meaning_of(word)) is not None]
    assert [text for text, _unit in meanings if re.search(r"^(as|that|these|this|they) |\b(of|on|against) that\b", text)] == []


def test_a_file_is_written_as_its_name_ends(place: Path) -> None:
    part = {"a.tex": "% needs", "a.csv": "gain_low,", "a.md": "| --:", "a.html": "<table>", "a.txt": "-----"}
    for name, some in part.items():
        run("table", "runs/grid", "--metrics", "gain", "--out", name)
        text = (place / name).read_text()
        assert [other for other, word in part.items() if word in text] == [name]
        assert some in text
    assert (
        run("table", "runs/grid", "--metrics", "gain", "--format", "tex", "--label", "tab:x").stdout.count(r"\label{tab:x}")
        == 1
    )
    words = ("--x", "n_labeled", "--y", "gain", "--color", "student_filter")
    for name, start in (("b.pdf", b"%PDF"), ("b.svg", b"<?xml"), ("b.png", b"\x89PNG")):
        run("plot", "runs/grid", *words, "--out", name)
        assert (place / name).read_bytes().startswith(start), name
    wrong = run("plot", "runs/grid", *words, "--format", "png", "--out", "b.pdf", code=2).stderr
    assert " ".join(wrong.split()).endswith("--format png does not fit --out b.pdf, which ends as pdf; allowed for png: .png")
    assert "what .xlsx holds is not known" in run("table", "runs/grid", "--out", "a.xlsx", code=2).stderr
    assert "allowed for csv: .csv" in run("table", "runs/grid", "--format", "csv", "--out", "a.tex", code=2).stderr
    assert "--caption: only the format latex has one" in run("table", "runs/grid", "--caption", "x", code=2).stderr


def test_errors_list_what_there_is(place: Path) -> None:
    said = " ".join(run("plot", "runs/gird", "--x", "ridge", "--y", "gain", code=2).stderr.split())
    assert said.startswith("error: runs/gird: no such folder; runs here: runs/grid, ")
    assert "runs/faulty" in said
    said = run("plot", "runs/grid", "--x", "n_labeled", "--y", "gian", code=2).stderr
    assert "no metric 'gian' (did you mean 'gain'?); metrics of this run: weak_error, student_error" in " ".join(said.split())
    said = run("table", "runs/grid", "--by", "n_labelled", "--metrics", "gain", code=2).stderr
    assert "did you mean 'n_labeled'?); axes with several values: student_filter, " in " ".join(said.split())
    assert (
        "no row left has n_labeled=16; n_labeled has 15, 30"
        in run("table", "runs/grid", "--select", "n_labeled=16", code=2).stderr
    )
    said = run("schema", "dong2025.regresion", code=2).stderr
    assert "(did you mean 'dong2025.regression'?); w2s-sweep studies lists all" in " ".join(said.split())
    assert "medvedev" not in said


def test_runs_are_compared_in_words(place: Path, tmp_path: Path) -> None:
    more, apart = tmp_path / "more", tmp_path / "apart"
    grid = {**GRID, "fixed": {**GRID["fixed"], "n_transfer": 40}}
    assert sweeper.launch(grid, out=more, executor="inline").exit == 0
    moved = {**GRID, "axes": {**GRID["axes"], "n_labeled": [20, 40]}}
    assert sweeper.launch(moved, out=apart, executor="inline").exit == 0
    text = " ".join(run("compare", "runs/grid", str(more), "--select", "student_filter=ridge").stdout.split())
    assert text.startswith("more against grid: student_error")
    assert "The runs differ in n_transfer: grid: 20; more: 40." in text
    said = " ".join(run("compare", str(more), str(apart), code=2).stderr.split())
    assert (
        "nothing to pair: the runs share no n_labeled (more has 15, 30; apart has 20, 40); they differ in n_transfer, too"
        in said
    )
    chosen = run("compare", str(more), str(apart), "--select", "n_labeled=30,40").stdout
    assert "The runs differ in n_labeled: more: 30; apart: 40." in " ".join(chosen.split())


def test_every_column_of_every_study_means_something() -> None:
    from w2s.contract.described import column_notes
    from w2s.studies.registry import find_study, study_names

    silent = {note.name for name in study_names() for note in column_notes(find_study(name)) if not note.description}
    assert silent == set()


def test_a_schema_accepts_grids_and_refuses_typing_errors() -> None:
    schema = json.loads(run("schema", "dong2025.regression").stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    check = jsonschema.Draft202012Validator(schema)
    today = {**GRID, "axes": {("student_filter" if k == "filter" else k): v for k, v in GRID["axes"].items()}}
    check.validate(today)
    text = run("new", "dong2025.regression").stdout
    assert text.splitlines()[0] == "# yaml-language-server: $schema=dong2025.regression.schema.json"
    check.validate(yaml.safe_load(text))
    for wrong in (
        {**today, "fixd": {}},
        {**today, "fixed": {"noise": "much"}},
        {**today, "axes": {"student_filter": ["rigde"]}},
    ):
        assert not check.is_valid(wrong)
    for path in sorted((ROOT / "configs").rglob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        if content["study"] == "dong2025.regression":
            check.validate(_with_numbers(content))


def _with_numbers(value: Any) -> Any:
    """Numbers such as 1e-3, which YAML 1.1 reads as text, as a grid reads them."""
    if isinstance(value, dict):
        return {key: _with_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_numbers(item) for item in value]
    return float(value) if isinstance(value, str) and re.fullmatch(r"[-+\d.]+e[-+]?\d+|\.inf", value) else value


def test_the_shell_is_offered_what_is_there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    assert completing.complete_study("dong2025.r") == ["dong2025.regression"]
    assert completing.complete_run("") == ["runs/", "runs/faulty", "runs/grid", "runs/more", "store/"]
    assert completing.complete_run("runs/g") == ["runs/grid"]
    assert "misfit" in completing.complete_word("mis")
    cell = w2s.load("runs/grid")["cell_id"].iloc[0]
    context = typer.Context(typer.main.get_command(app))
    assert completing.complete_cell(context, "") == []
    context.params = {"run": "runs/grid"}
    assert completing.complete_cell(context, cell[:12]) == [cell]
    context.params["run"] = "runs/nothing"
    assert completing.complete_cell(context, cell[:12]) == []
    with monkeypatch.context() as patch:
        patch.setattr(completing, "_runs_in", None)
        assert completing.complete_run("runs/") == []
    words = {"COMP_WORDS": "w2s-sweep new dong2025.r", "COMP_CWORD": "2", "_W2S_SWEEP_COMPLETE": "complete_bash"}
    found = CliRunner().invoke(app, [], prog_name="w2s-sweep", env=words)
    assert "dong2025.regression" in found.output


COMMANDS = [
    ["plan", "grid.yaml"],
    ["status", "runs/grid"],
    ["status", "runs/faulty", "--failed"],
    ["verify", "runs/grid"],
    ["report", "runs/grid"],
    ["studies", "dong2025.regression"],
    ["describe", "runs/grid"],
    ["migrate", "runs/grid"],
    ["explain"],
    ["data"],
    ["doctor"],
    ["score", "predictions.csv"],
    ["rerun", "runs/grid", "CELL"],
    ["plot", "runs/grid", "--x", "n_labeled", "--y", "gain", "--color", "student_filter", "--select", "ridge=0.01"],
    ["compare", "runs/grid", "--over", "n_labeled", "--baseline", "15"],
    ["merge", "runs/grid", "runs/more", "--out", "OUT/both"],
    ["bundle", "runs/grid", "--out", "OUT/bundle.zip"],
    ["export", "runs/grid", "--to", "csv", "--out", "OUT/rows.csv"],
    ["index", "runs", "--out", "OUT/index.html"],
    ["atlas", "grid.yaml", "--out", "OUT/atlas"],
    ["launch", "grid.yaml", "--out", "OUT/run"],
    ["store", "list", "store"],
    ["store", "gc", "store", "--dry-run"],
    ["dashboard", "OUT/dashboard"],
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_80_columns_break_no_number(arguments: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every number of the wide output stands whole in the narrow one, and only what has no space is wider."""
    monkeypatch.chdir(place)
    wide, narrow = _twice(arguments, monkeypatch)
    assert wide
    assert narrow
    number = r"(?<![\w.…])-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?![\w…])"
    lost = set(re.findall(number, wide)) - set(re.findall(number, narrow))
    assert not [found for found in lost if len(found) > 2 and arguments[0] not in ("doctor", "status")], lost
    assert "…" not in narrow
    assert _too_wide(narrow) == []


def test_every_help_fits_80_columns() -> None:
    group = typer.main.get_command(app)
    names = [[], *([name] for name in group.commands), ["store", "list"], ["store", "gc"]]
    for words in names:
        text = CliRunner().invoke(app, [*words, "--help"], prog_name="w2s-sweep", env={"COLUMNS": "80"}).output
        assert text.startswith("Usage: w2s-sweep")
        assert [line for line in text.splitlines() if len(line.rstrip()) > 80] == [], words


@pytest.mark.parametrize(("count", "said"), [(31, "none"), (30, "16")])
def test_a_plan_says_how_many_cells_exclude_leaves_out(place: Path, count: int, said: str) -> None:
    (place / "some.yaml").write_text(yaml.safe_dump({**GRID, "exclude": [{"n_labeled": count}]}))
    assert f"= 32 cells, {said} left out by exclude" in run("plan", "some.yaml").output


MISTAKES = [
    ["status", "runs/nothing"],
    ["plan", "nothing.yaml"],
    ["plan", "mistaken.yaml"],
    ["table", "runs/grid", "--by", "nothing"],
    ["plot", "runs/grid", "--x", "nothing", "--y", "gain"],
    ["plot", "runs/grid", "--x", "n_labeled", "--y", "gain"],
    ["merge", "runs/grid", "--out", "OUT/one"],
    ["explain", "nothing"],
    ["score", "mistaken.yaml"],
    ["store", "list", "runs/grid"],
    ["schema", "nothing"],
    ["stop", "runs/grid"],
    ["stop", "runs/nothing"],
    ["export", "runs/nothing", "--to", "csv"],
    ["bundle", "runs/nothing"],
    ["atlas", "nothing.yaml", "--out", "OUT/atlas"],
    ["launch", "grid.yaml", "--executor", "nothing"],
]


@pytest.mark.parametrize("arguments", MISTAKES, ids=" ".join)
def test_80_columns_cut_no_word_of_an_error(arguments: list[str], place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)
    (place / "mistaken.yaml").write_text(
        yaml.safe_dump({**GRID, "axes": {**GRID["axes"], "n_labled": [15, 30], "n_tranfer": [1]}})
    )
    wide, narrow = _twice(arguments, monkeypatch, error=True)
    assert wide.split() == narrow.split()
    assert narrow
    assert _too_wide(narrow) == []


def _twice(arguments: list[str], monkeypatch: pytest.MonkeyPatch, *, error: bool = False) -> tuple[str, str]:
    """What a command prints into a pipe, and what to a terminal of 80 columns; folders that it writes are new each time."""
    said = []
    for out in ("wide", "tall"):
        Path(out).mkdir(exist_ok=True)
        cell = w2s.load("runs/grid")["cell_id"].iloc[0]
        given = [cell if word == "CELL" else word.replace("OUT/", f"{out}/") for word in arguments]
        found = CliRunner().invoke(app, given, prog_name="w2s-sweep")
        assert (found.exit_code in (1, 2)) == error, found.output
        said.append(found.stderr if error else re.sub(r"\S+ \S+ free", "", found.stdout))
        for module in ("console", "cli.show.plan", "review.verdicts", "launching.progress"):
            monkeypatch.setattr(f"sweeper.{module}.terminal_width", lambda *_: 80)
    return said[0].replace("wide/", "tall/"), said[1]


def _too_wide(text: str) -> list[str]:
    return [line for line in text.splitlines() if len(line.rstrip()) > 80 and " " in line.strip()]
