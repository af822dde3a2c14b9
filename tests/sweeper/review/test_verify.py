"""`verify`: exit codes, frozen thresholds, several runs, and which rows are tested."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner
from workbench import STUDIES

import w2s
from sweeper import RunError, launch
from sweeper.cli import app
from sweeper.folder.run_folder import RunFolder
from sweeper.review.table import read_run
from sweeper.review.verdicts import print_verdicts
from sweeper.review.verify import Judged, exit_code, verify

GRID = {"study": "claimed.py:Claimed", "axes": {"x": [1, 2]}, "seeds": 12}
ALL = ("ratio", "coin", "wrong", "needy", "known", "broken")


class Lab:
    """A folder with the study that makes claims, runs of it, and edits of its file."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.file = folder / "claimed.py"
        shutil.copy(STUDIES / "claimed.py", self.file)
        self.claims("ratio")

    def edit(self, before: str, after: str) -> None:
        text = self.file.read_text()
        assert before in text
        self.file.write_text(text.replace(before, after))

    def claims(self, *names: str) -> None:
        line = next(line for line in self.file.read_text().splitlines() if line.startswith("MADE = "))
        self.edit(line, f"MADE = {names!r}")

    def launch(self, name: str = "run", keep: bool = False, keep_code: bool = False, **changes: Any) -> Path:
        from sweeper import load_grid

        run = self.folder / name
        options = {"executor": "inline", "backend": "numpy", "keep": keep, "keep_code": keep_code}
        launch(load_grid(GRID | changes, self.folder), out=run, **options)
        return run


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def sweep(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["verify", *map(str, arguments)])


def by_id(run: Path, **options: Any) -> dict[str, Judged]:
    (found,) = verify([run], **options)
    return {judged.claim.id: judged for judged in found.judged}


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (("ratio",), 0),
        (("ratio", "known"), 0),
        (("ratio", "coin"), 1),
        (("ratio", "wrong"), 1),
        (("broken",), 1),
        (("needy", "broken"), 1),
        (("ratio", "needy"), 4),
        (("needy",), 4),
        (("needy", "known"), 4),
        (("needy", "wrong"), 1),
    ],
)
def test_exit_codes(lab: Lab, names: tuple[str, ...], code: int) -> None:
    lab.claims(*names)
    assert sweep(lab.launch()).exit_code == code


def test_what_is_printed(lab: Lab) -> None:
    lab.claims(*ALL)
    done = sweep(lab.launch())
    assert done.exit_code == 1
    lines = done.output.splitlines()
    assert lines[0].startswith("claims of claimed, version 1, on 24 rows, 12 seeds: ")
    shown = {line.split()[0]: line for line in lines[2:8]}
    assert "holds" in shown["ratio"]
    assert "student / weak = 0.3 [0.3, 0.3] (asked: below 0.5; 12 seeds)" in shown["ratio"]
    assert shown["ratio"].rstrip().endswith("Theorem 1")
    assert "unresolved" in shown["coin"]
    assert "fails  " in shown["wrong"]
    assert shown["needy"].split()[1] == "untestable"
    assert "needs 2 or more values of n, the table has 1  " in shown["needy"]
    assert "fails as expected" in shown["known"]
    assert shown["broken"].split()[1:4] == ["test", "is", "broken"]
    assert "its test raised KeyError: 'no_such_column' (claimed.py:" in shown["broken"]
    assert '  wrong: "the gain is above ten <b>bold</b>"' in lines
    assert "  known: expected to fail: cells are small here" in lines
    assert lines[-1] == "2 of 6 claims as expected, 1 unresolved, 1 fails, 1 untestable, 1 test is broken"
    assert "\x1b" not in done.output


def test_a_report_names_what_the_rows_cannot_test_in_one_line(lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.claims(*ALL)
    (found,) = verify([lab.launch()])
    print_verdicts(found, brief=True)
    lines = capsys.readouterr().out.splitlines()
    assert "not testable on these rows (w2s-sweep verify says why): needy" in lines
    assert [line.split()[0] for line in lines[2:7]] == [name for name in ALL if name != "needy"]
    lab.claims("needy")
    (found,) = verify([lab.launch("few", fixed={"n": 20})])
    print_verdicts(found, brief=True)
    assert capsys.readouterr().out.splitlines()[1:] == [
        "not testable on these rows (w2s-sweep verify says why): needy",
        "0 of 1 claims as expected, 1 untestable",
    ]


def test_the_json_document(lab: Lab) -> None:
    lab.claims(*ALL)
    run = lab.launch()
    done = sweep(run, "--json")
    content = json.loads(done.stdout)
    assert (done.exit_code, content["exit"], content["partial"], content["runs"]) == (1, 1, False, [str(run)])
    (study,) = content["studies"]
    assert (study["study"], study["version"], study["rows"], study["seeds"]) == ("claimed", 1, 24, 12)
    assert study["runs"] == [{"path": str(run), "cells": 24, "done": 24, "failed": 0, "pending": 0, "outside": 0, "code": []}]
    claims = {claim["id"]: claim for claim in study["claims"]}
    assert tuple(claims) == ALL
    ratio = claims["ratio"]
    assert (ratio["outcome"], ratio["expected"], ratio["as_expected"], ratio["seeds"]) == ("holds", "holds", True, 12)
    assert (ratio["threshold"], ratio["thresholds"], ratio["frozen"]) == (0.5, {"limit": 0.5}, {"limit": 0.5})
    assert ratio["statistic"] == pytest.approx(0.3)
    assert ratio["interval"] == [pytest.approx(0.3), pytest.approx(0.3)]
    assert (ratio["says"], ratio["where"]) == ("the student makes less than half of the errors", "Theorem 1")
    assert claims["needy"] | {"line": ""} == claims["needy"] | {
        "outcome": "untestable",
        "as_expected": False,
        "statistic": None,
        "interval": None,
        "threshold": None,
        "seeds": 0,
        "line": "",
    }
    assert (claims["known"]["expected"], claims["known"]["as_expected"]) == ("fails_at_this_scale", True)
    assert claims["known"]["reason"] == "cells are small here"
    assert claims["broken"]["broken"]


def test_how_many_intervals_decide_and_how_many_seeds_would(lab: Lab) -> None:
    lab.claims("ratio", "coin", "wrong")
    run = lab.launch()
    (found,) = verify([run])
    assert (found.intervals, found.family_error) == (3, pytest.approx(0.03))
    text = sweep(run).output
    assert "3 intervals of 99%: the chance that luck of the seeds decides one or more wrongly is at most 3%" in text
    (line,) = [line for line in text.splitlines() if "seeds decide it in 80% of the cases" in line]
    assert line.startswith("  coin: about ")
    assert int(line.split()[2].replace(",", "")) > 12
    (study,) = json.loads(sweep(run, "--json").stdout)["studies"]
    assert (study["intervals"], study["family_error"]) == (3, pytest.approx(0.03))
    lab.claims("needy")
    assert "no verdict rests on luck of the seeds" in sweep(lab.launch("untestable", fixed={"n": 20})).output


def test_the_least_number_of_seeds_is_frozen_like_a_threshold(lab: Lab) -> None:
    lab.claims("wrong")
    lab.edit('"Table 3", wrong)', '"Table 3", wrong, {}, {"seeds": 13})')
    run = lab.launch()
    done = sweep(run)
    assert (done.exit_code, by_id(run)["wrong"].verdict.outcome) == (1, "unresolved")
    assert "too few seeds: 12, 13 needed" in " ".join(done.output.split())
    lab.edit('{"seeds": 13}', '{"seeds": 3}')
    assert by_id(run)["wrong"].verdict.outcome == "unresolved"
    assert by_id(run)["wrong"].notes == ("threshold seeds = 13 at launch, 3 now",)
    assert by_id(lab.launch("another"))["wrong"].verdict.outcome == "fails"


def test_a_sentence_that_was_another_at_launch_is_shown(lab: Lab) -> None:
    run = lab.launch()
    lab.edit("the student makes less than half of the errors", "the student halves the errors")
    assert by_id(run)["ratio"].notes == ('sentence at launch: "the student makes less than half of the errors"',)


def test_infinite_intervals_are_null_in_json(lab: Lab) -> None:
    done = sweep(lab.launch(seeds=1), "--json")
    (claim,) = json.loads(done.stdout)["studies"][0]["claims"]
    assert (done.exit_code, claim["outcome"], claim["interval"]) == (1, "unresolved", [None, None])


def test_an_expected_failure_that_holds_is_news(lab: Lab) -> None:
    lab.edit("interval, (10.0, 20.0), seeds)", "interval, (1.0, 2.0), seeds)")
    lab.claims("known")
    done = sweep(lab.launch())
    assert done.exit_code == 1
    assert "holds, expected to fail" in done.output


def test_thresholds_are_those_of_the_launch(lab: Lab) -> None:
    run = lab.launch()
    lab.edit("LIMIT = 0.5", "LIMIT = 0.2")
    judged = by_id(run)["ratio"]
    assert (judged.verdict.outcome, judged.thresholds, judged.frozen) == ("holds", {"limit": 0.5}, {"limit": 0.5})
    assert judged.notes == ("threshold limit = 0.5 at launch, 0.2 now",)
    assert "  ratio: threshold limit = 0.5 at launch, 0.2 now" in sweep(run).output
    assert by_id(lab.launch("another"))["ratio"].verdict.outcome == "fails"


def test_an_extended_run_keeps_its_first_thresholds(lab: Lab) -> None:
    run = lab.launch()
    lab.edit("LIMIT = 0.5", "LIMIT = 0.2")
    lab.launch(seeds=14, keep_code=True)
    rows = {
        json.loads(pq.read_schema(part.path).metadata[b"w2s"])["claims"]["ratio"]["thresholds"]["limit"] for part in parts(run)
    }
    assert rows == {0.5, 0.2}
    assert by_id(run)["ratio"].thresholds == {"limit": 0.5}
    copied = run.with_name("copied")  # a copy has new file times, and other ones for every file
    shutil.copytree(run, copied, copy_function=shutil.copyfile)
    assert by_id(copied)["ratio"].thresholds == {"limit": 0.5}


def parts(run: Path) -> list[Any]:
    return RunFolder(run).parts()


def test_claims_that_came_or_went_after_launch(lab: Lab) -> None:
    lab.claims("ratio", "needy")
    run = lab.launch()
    lab.claims("ratio", "coin")
    judged = by_id(run)
    assert judged["coin"].notes == ("added after launch",)
    assert judged["coin"].frozen is None
    assert judged["needy"].verdict.outcome == "untestable"
    assert "no longer makes this claim" in judged["needy"].verdict.says
    lab.claims("ratio")
    assert exit_code(verify([run])) == 4


def test_expectation_and_threshold_names_are_frozen_too(lab: Lab) -> None:
    lab.claims("ratio", "wrong")
    run = lab.launch()
    lab.edit('"Table 3", wrong)', '"Table 3", wrong, expected="fails_at_this_scale", reason="so it came")')
    lab.edit('{"limit": LIMIT}', '{"limit": LIMIT, "other": 3.0}')
    judged = by_id(run)
    assert not judged["wrong"].as_expected
    assert judged["wrong"].notes == ("expected at launch: holds, now: fails_at_this_scale",)
    assert judged["ratio"].thresholds == {"limit": 0.5, "other": 3.0}
    assert judged["ratio"].notes == ("threshold other = 3 added after launch",)


def test_rows_from_before_claims_were_stored(lab: Lab) -> None:
    run = lab.launch()
    for path in (run / "results").glob("*.parquet"):
        table = pq.read_table(path)
        content = json.loads(table.schema.metadata[b"w2s"])
        del content["claims"]
        metadata = table.schema.metadata | {b"w2s": json.dumps(content).encode()}
        pq.write_table(table.replace_schema_metadata(metadata), path)
    judged = by_id(run)["ratio"]
    assert (judged.verdict.outcome, judged.notes) == ("holds", ("added after launch",))


def test_several_runs_are_one_table(lab: Lab) -> None:
    lab.claims("ratio", "needy")
    first, second = lab.launch(seeds=[0, 1, 2, 3]), lab.launch("second", seeds=[3, 4, 5], fixed={"n": 20})
    overlapping = lab.launch("third", seeds=[3, 9])
    (found,) = verify([first, second, overlapping, first])
    assert (found.rows, found.seeds, found.repeated, len(found.runs)) == (8 + 6 + 2, 7, 2, 3)
    assert {judged.claim.id: judged.verdict.outcome for judged in found.judged}["needy"] == "unresolved"
    assert "2 rows of cells that more than one run has; tested once" in sweep(first, overlapping).output
    assert sweep(first, second, "--json").exit_code == 1


def test_runs_of_two_studies(lab: Lab) -> None:
    other = Lab(lab.folder / "other")
    other.edit('name = "claimed"', 'name = "other"')
    assert [found.study for found in verify([lab.launch(), other.launch()])] == ["claimed", "other"]


def test_runs_that_disagree_are_refused(lab: Lab) -> None:
    first = lab.launch()
    lab.edit("LIMIT = 0.5", "LIMIT = 0.25")
    second = lab.launch("second")
    done = sweep(first, second)
    assert done.exit_code == 2
    assert f"claim 'ratio': threshold limit was 0.5 when {first} was launched and 0.25 when {second} was" in done.output


def test_runs_that_expected_something_else_are_refused(lab: Lab) -> None:
    lab.claims("wrong")
    first = lab.launch()
    lab.edit('"Table 3", wrong)', '"Table 3", wrong, expected="fails_at_this_scale", reason="so it came")')
    second = lab.launch("second", seeds=[20, 21])
    done = sweep(first, second)
    assert done.exit_code == 2
    assert f"the expected outcome was holds when {first} was launched and fails_at_this_scale when {second} was" in done.output


def test_a_failed_row_does_not_hide_the_same_cell_of_another_run(lab: Lab) -> None:
    failed = lab.launch(axes={"x": [1, 2], "fails": [True]})
    lab.edit("np.where(fails.astype(bool), 4, 0)", "np.where(fails.astype(bool), 0, 0)")
    solved = lab.launch("solved", axes={"x": [1, 2], "fails": [True]})
    for order in ([failed, solved], [solved, failed]):
        (found,) = verify(order, partial=True)
        assert found.rows == 24
        assert found.repeated > 0  # the first launch stopped: all its cells failed alike


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        ('Verdict("holds", "so it is", float("nan"))', "ValueError: the test says holds with a statistic of nan"),
        ('Verdict("perhaps", "who knows", 1.0)', "not a Verdict"),
        ("True", "TypeError: the test returned True, not a Verdict"),
    ],
)
def test_a_test_that_returns_no_verdict_is_broken(lab: Lab, returned: str, says: str) -> None:
    lab.edit('return below("student / weak", value, interval, thresholds["limit"], seeds)', f"return {returned}")
    lab.edit("import above, below, over_seeds, within", "import Verdict, above, over_seeds, within")
    run = lab.launch()
    judged = by_id(run)["ratio"]
    assert judged.broken
    assert says in judged.verdict.says
    assert sweep(run).exit_code == 1


def test_versions_are_not_mixed(lab: Lab) -> None:
    newer = Lab(lab.folder / "newer")
    newer.edit("version = 1", "version = 2")
    first, second = lab.launch(), newer.launch()
    done = sweep(first, second)
    assert done.exit_code == 2
    assert f"{first} is of version 1, {second} of version 2" in done.output
    lab.edit("version = 1", "version = 2")
    done = sweep(first)
    assert done.exit_code == 2
    assert "holds rows of version 1 of claimed, which is at version 2 here" in done.output


def test_bad_usage(lab: Lab) -> None:
    assert sweep().exit_code == 2
    done = sweep(lab.folder)
    assert done.exit_code == 2
    assert "is not a run folder" in done.output
    lab.claims()
    done = sweep(lab.launch())
    assert done.exit_code == 2
    assert "claimed makes no claims" in done.output
    assert sweep(lab.folder / "run", "--json").stdout == ""


def test_an_unfinished_run_is_refused_unless_partial(lab: Lab) -> None:
    lab.claims("ratio", "needy", "known")
    run = lab.launch(fixed={"n": 10}, axes={"x": [1, 2], "fails": [False, True]})
    done = sweep(run)
    assert done.exit_code == 2
    assert "is not finished: of 48 cells 24 failed" in done.output
    done = sweep(run, "--partial")
    assert done.exit_code == 4
    assert f"PARTIAL: of 48 cells of {run} 24 failed; tested without them" in done.output
    assert " on 24 rows" in done.output
    min(part.path for part in parts(run)).unlink()
    with pytest.raises(RunError, match=r"pending and .* failed; launch the grid again, or test what is there with --partial"):
        verify([run])
    assert by_id(run, partial=True)["ratio"].verdict.outcome == "holds"
    for part in parts(run):
        part.path.unlink()
    empty = by_id(run, partial=True)
    assert {judged.verdict.says for judged in empty.values()} == {"the table has no rows"}


def test_rows_outside_the_grid_are_left_out(lab: Lab) -> None:
    run = lab.launch(axes={"x": [1, 2, 3]})
    lab.launch(axes={"x": [2, 4]}, keep=True)
    table = read_run(run)
    assert sorted(table.rows["x"].unique()) == [2.0, 4.0]
    assert (len(table.rows), table.status.outside, len(w2s.load(run))) == (24, 24, 48)
    (found,) = verify([run])
    assert found.rows == 24
    assert f"24 rows in {run} are not in its grid; tested without them" in sweep(run).output


def test_fields_younger_than_the_rows_have_their_default(lab: Lab) -> None:
    lab.claims("needy")
    run = lab.launch()
    lab.edit(
        '    fails: bool = field(False, description="whether the cell has status failed")\n',
        '    fails: bool = field(False, description="whether the cell has status failed")\n'
        '    mood: str = field("calm", description="new", since=1)\n'
        '    storm: float | None = field(2.0, description="new", since=1, when={"mood": ["wild"]})\n'
        '    level: int = field(3, description="new", since=1, when={"x": [2]})\n',
    )
    rows = read_run(run).rows
    assert set(rows["mood"]) == {"calm"}
    assert rows["storm"].isna().all()
    assert rows.groupby("x")["level"].apply(list).map(set).to_dict()[2.0] == {3}
    assert rows.loc[rows["x"] == 1, "level"].isna().all()
    assert set(rows.attrs["w2s"]["fields"]) >= {"mood", "storm", "level"}
    assert "mood" not in w2s.load(run)  # a study in a file cannot be found by its name
    extended = lab.launch(zip=[{"x": [1, 2, 2], "mood": ["calm", "calm", "wild"]}], axes={}, keep_code=True)
    assert extended == run
    rows = read_run(run).rows
    assert rows.groupby("mood").size().to_dict() == {"calm": 24, "wild": 12}
    assert set(rows.loc[rows["mood"] == "wild", "storm"]) == {2.0}
