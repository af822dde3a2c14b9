"""Tables that have lost their metadata: what needs it raises with the remedy, and a result is never taken for a setting."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import w2s
from w2s.summary.power import seeds_needed

REMEDY = r"lost its metadata, df\.attrs\['w2s'\].*w2s\.load\(run\).*w2s\.concat\(\[\.\.\.\]\).*by=\[\.\.\.\]"


def table(ridges=(0.1, 1.0), **more):
    """Eight seeds of a study with a field (ridge), a result of its own (steps_taken) and a PGR of its own (pgr_mine)."""
    seeds = np.arange(8)
    parts = []
    for ridge in ridges:
        weak, student = 2.0 + 0.1 * seeds, 1.2 + 0.01 * seeds * ridge
        rows = pd.DataFrame({"seed": seeds, "ridge": ridge, "weak_error": weak, "student_error": student})
        rows["ceiling_error"], rows["student_mine_error"], rows["steps_taken"] = 1.0, student, 3 + seeds
        rows["pgr_mine"] = (weak - student) / (weak - 1.0)
        parts.append(rows.assign(study="mine", version=1, **more))
    rows = pd.concat(parts, ignore_index=True)
    metrics = ["weak_error", "student_error", "ceiling_error", "student_mine_error", "steps_taken", "pgr_mine"]
    rows.attrs["w2s"] = {"fields": ["ridge", "seed"], "metrics": metrics, "pgr": {"pgr_mine": "student_mine_error"}}
    return rows


def lost():
    """The same rows after ``pd.concat`` of two tables that do not say the same."""
    one, two = table((0.1,)), table((1.0,))
    two.attrs["w2s"] = two.attrs["w2s"] | {"axes": ["ridge"]}
    found = pd.concat([one, two], ignore_index=True)
    assert not found.attrs
    return found


def test_metadata_tell_fields_from_results():
    assert w2s.summarize(table()).attrs["w2s_summary"]["by"] == ["ridge"]


@pytest.mark.parametrize(
    "call",
    [
        lambda rows: w2s.summarize(rows),
        lambda rows: w2s.summarize(rows, metrics="weak_error"),
        lambda rows: w2s.best(rows, over="ridge"),
        lambda rows: w2s.contrast(rows, {"ridge": 0.1}, {"ridge": 1.0}),
        lambda rows: seeds_needed(rows, "weak_error", 0.1),
    ],
    ids=["summarize", "summarize metrics", "best", "contrast", "seeds_needed"],
)
def test_what_needs_metadata_raises_with_the_remedy(call, tmp_path):
    call(table())
    with pytest.raises(ValueError, match=REMEDY):
        call(lost())
    table().to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(ValueError, match=REMEDY):
        call(pd.read_csv(tmp_path / "rows.csv"))


def test_named_columns_need_none():
    for rows in (table(), lost()):
        assert w2s.summarize(rows, by="ridge", metrics=["weak_error", "pgr"])["pgr"].notna().all()
        assert len(w2s.best(rows, over="ridge", by=[])) == 1
        assert len(w2s.contrast(rows, {"ridge": 0.1}, {"ridge": 1.0}, by=[])) == 1


def test_a_ratio_of_the_studys_own_is_no_mean_of_ratios():
    right = w2s.summarize(table(), by="ridge", metrics="pgr_mine")["pgr_mine"]
    top, bottom = (table().groupby("ridge")[name].mean() for name in ("student_mine_error", "weak_error"))
    assert right.tolist() == pytest.approx(((bottom - top) / (bottom - 1.0)).tolist(), rel=1e-12)
    calls = (
        lambda: w2s.summarize(lost(), by="ridge", metrics="pgr_mine"),
        lambda: w2s.contrast(lost(), {"ridge": 0.1}, {"ridge": 1.0}, metric="pgr_mine", by=[]),
        lambda: w2s.best(lost(), over="ridge", by=[], metric="pgr_mine"),
    )
    for call in calls:
        with pytest.raises(ValueError, match=r"'pgr_mine' seems to be a ratio, and the table has lost the metadata"):
            call()


@pytest.mark.parametrize("name", ["weak_error", "pgr", "gain_theory"])
def test_a_result_is_no_group(name):
    rows = table().assign(pgr=0.5, gain_theory=0.1)
    for call in (lambda: w2s.summarize(rows, by=["ridge", name]), lambda: w2s.best(rows, over="ridge", by=name)):
        with pytest.raises(ValueError, match=f"cannot group by '{name}': a result of the rows is no setting"):
            call()


@pytest.mark.parametrize(("column", "word"), [("version", "versions"), ("study", "studies")])
def test_groups_of_several_studies_or_versions_are_refused(column, word):
    other = table().assign(**{column: {"version": 2, "study": "yours"}[column]})
    rows = pd.concat([table(), other], ignore_index=True)
    with pytest.raises(ValueError, match=rf"rows of several {word} .* would be averaged together; .*add '{column}' to by"):
        w2s.summarize(rows, by="ridge")
    assert len(w2s.summarize(rows, by=["ridge", column])) == 4
    assert len(w2s.summarize(rows[rows[column] == rows[column][0]], by="ridge")) == 2


def test_groups_of_several_codes_are_told_apart_or_warned_of():
    rows = pd.concat([table(code_digest="a"), table(code_digest="b")], ignore_index=True)
    with pytest.warns(UserWarning, match=r"rows that different code made are averaged together.*add 'code_digest' to by"):
        assert len(w2s.summarize(rows, by="ridge", metrics="weak_error")) == 2
    assert len(w2s.summarize(rows, by=["ridge", "code_digest"], metrics="weak_error")) == 4
    method = table().assign(code_digest=["a"] * 8 + ["b"] * 8)  # each setting has a code of its own: nothing is mixed
    assert len(w2s.summarize(method, by="ridge", metrics="weak_error")) == 2
    assert w2s.summarize(method).attrs["w2s_summary"]["by"] == ["ridge"]
    sides = rows.assign(run=rows["code_digest"])  # sides of a comparison are not averaged together
    assert len(w2s.compare(sides, over="run", baseline="a", metric="weak_error", by="ridge")) == 2
    mixed = pd.concat([sides, sides.assign(code_digest="c")], ignore_index=True)
    with pytest.warns(UserWarning, match="different code"):
        w2s.compare(mixed, over="run", baseline="a", metric="weak_error", by="ridge")
    method.attrs["w2s"] = table().attrs["w2s"] | {"code": {"mine.py": ["a", "b"]}}
    assert w2s.summarize(method).attrs["w2s_summary"]["by"] == ["ridge", "code_digest"]


def test_seeds_that_are_in_no_row_are_not_selected_in_silence():
    with pytest.raises(ValueError, match=r"seeds 8, 99 are in no row; there are 8 seeds: 0, 1, 2, 3, 4, 5, 6, 7"):
        w2s.best(table(), over="ridge", select_seeds=[0, 8, 99])
    assert len(w2s.best(table(), over="ridge", select_seeds=[0, 1], report_seeds=[2, 3])) == 1
