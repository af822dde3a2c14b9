"""Tables of one's own choice in five formats, comparisons, digests: no number is cut, nothing becomes markup."""

from __future__ import annotations

import io
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import w2s
from w2s.studies.registry import find_study
from w2s.summary.contrast import equal_to
from w2s.tabulate import comparison_table, found_in_words, run_digest


def table(gain: float = 0.2, seeds: int = 8, key: int = 7, **axes: list[object]) -> pd.DataFrame:
    """Return rows of a product of axes; the student gains so much, and nothing for hard labels."""
    axes = axes or {"d_weak": [20, 50], "labels": ["hard", "soft"], "ridge": [0.1, 1.0]}
    frame = pd.MultiIndex.from_product([*axes.values(), range(seeds)], names=[*axes, "seed"]).to_frame(index=False)
    rng = np.random.Generator(np.random.Philox(key=key))
    hard = equal_to(frame["labels"], "hard") if "labels" in frame else np.zeros(len(frame), dtype=bool)
    frame["weak_error"], frame["ceiling_error"] = 0.5 + 0.02 * rng.random(len(frame)), 0.1 + 0.02 * rng.random(len(frame))
    frame["gain"] = np.where(hard, 0.0, gain) + 0.01 * rng.standard_normal(len(frame))
    frame["student_error"] = frame["weak_error"] - frame["gain"]
    frame["misfit"], frame["status"], frame["study"], frame["version"] = 0.3, "ok", "wu2024.spiked", 1
    frame["pgr"] = frame["gain"] / (frame["weak_error"] - frame["ceiling_error"])
    frame["cell_id"] = [f"{k:032x}" for k in range(len(frame))]
    metrics = ["weak_error", "student_error", "ceiling_error", "gain", "misfit", "pgr"]
    frame.attrs["w2s"] = {
        "study": "wu2024.spiked",
        "version": 1,
        "fields": [*axes, "seed"],
        "axes": list(axes),
        "metrics": metrics,
    }
    return frame


ROWS = table()


class Cells(HTMLParser):
    """Reads the cells of a table, and whether every tag is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.feed(text)
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells.append(data)


def test_text_has_80_columns_and_says_what_it_holds() -> None:
    made = w2s.table(ROWS, by=["d_weak", "labels"], select={"ridge": 0.1})
    lines = str(made).splitlines()
    assert max(map(len, lines)) <= 80
    assert "Held: ridge = 0.1." in lines
    assert "Intervals: 95 % over seeds; 8 seeds." in lines
    assert any(line.startswith("Units: weak_error") and "share of wrong" in line for line in lines)
    assert max(map(len, made.to_text(200).splitlines())) > 80
    wide = made.to_text(30)
    assert all(cell in wide for line in made.lines for cell in line), "a number was cut"


def test_constant_columns_are_said_once() -> None:
    made = w2s.table(ROWS, by=["labels"], metrics=["misfit", "gain"], select={"ridge": 0.1, "d_weak": 20})
    assert made.headings == ("labels", "gain")
    assert made.constants == {"misfit": "0.3 (tied)"}
    assert str(made).startswith("misfit = 0.3 (tied)\n")


def test_an_axis_of_which_nothing_is_said_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"neither shown nor reduced:\n  labels: hard, soft\n  ridge: 0\.1, 1"):
        w2s.table(ROWS, by=["d_weak"], metrics=["pgr"])
    assert len(w2s.table(ROWS, metrics=["pgr"]).lines) == 8


def test_csv_has_the_numbers_and_their_ends() -> None:
    made = w2s.table(ROWS, by=["d_weak", "labels"], metrics=["pgr"], select={"ridge": 0.1})
    back = pd.read_csv(io.StringIO(made.write("csv")))
    assert {"d_weak", "labels", "pgr", "pgr_low", "pgr_high", "pgr_status", "seeds"} <= set(back.columns)
    direct = w2s.summarize(ROWS[ROWS["ridge"] == 0.1], by=["d_weak", "labels"], metrics=["pgr"])
    np.testing.assert_allclose(back["pgr_low"], direct["pgr_low"], rtol=1e-12)


def test_latex_and_html_and_markdown_escape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "jinja2", None)  # pandas' own writer needs it
    rows = table(d_weak=[20, 50], labels=["a_b & <i>50%</i>|$x$", "soft"])
    made = w2s.table(rows, by=["d_weak", "labels"], metrics=["pgr"])
    latex = made.to_latex()
    assert r"a\_b \& \textless{}i\textgreater{}50\%\textless{}/i\textgreater{}\textbar{}\$x\$" in latex
    assert r"$d_w$ & labels & PGR \\" in latex
    assert latex.count(r"\begin{") == latex.count(r"\end{") == 2
    html = made.to_html()
    assert "<i>" not in html
    assert "a_b & <i>50%</i>|$x$" in Cells(html).cells
    (line, *_) = [line for line in made.to_markdown().splitlines() if "a_b" in line]
    assert r"\|$x$" in line
    with pytest.raises(ValueError, match="did you mean 'latex'"):
        made.write("latx")


def test_a_best_value_that_is_the_last_one_is_marked_and_says_how_to_go_on() -> None:
    rows = table(ridge=[0.1, 1.0, 10.0], labels=["hard", "soft"])
    rows.loc[rows["labels"] == "soft", "student_error"] += 0.05 * np.abs(np.log10(rows["ridge"]))
    rows.loc[rows["labels"] == "hard", "student_error"] -= 0.05 * np.log10(rows["ridge"])
    made = w2s.table(rows, by=["labels"], metrics=["gain"], best_over="ridge")
    assert [line[1] for line in made.lines] == ["10†", "1"]
    assert (
        "† In 1 of 2 settings the best ridge is the last value tried: others may be better, so extend ridge above 10."
        in made.notes
    )
    rows.loc[rows["labels"] == "hard", "student_error"] += 0.2 * np.log10(rows["ridge"])
    low = w2s.table(rows, by=["labels"], metrics=["gain"], best_over="ridge")
    assert any(note.endswith("so extend ridge below 0.1.") for note in low.notes)
    assert r"10$^{\dagger}$ &" in made.to_latex()
    rows.loc[rows["labels"] == "hard", "student_error"] = rows["weak_error"] + (rows["ridge"] - 1.0).abs()
    assert not any("†" in text for text in (*w2s.table(rows, ["labels"], ["gain"], best_over="ridge").notes, made.headings[0]))


def test_every_interval_of_a_column_has_as_many_decimals_and_its_sign() -> None:
    rows = table(0.004, labels=["soft"], d_weak=[20, 50, 100])
    rows.loc[rows["d_weak"] == 50, "gain"] *= 10.0
    cells = [line[1] for line in w2s.table(rows, ["d_weak"], ["gain"]).lines]
    assert len({len(cell.partition(" ")[0].partition(".")[2]) for cell in cells}) == 1
    assert not any(end in ("0.000", "0.00", "0.0", "0") for cell in cells for end in cell[:-1].partition("[")[2].split(", "))


def test_a_latex_table_has_a_caption_in_words_a_label_and_short_numbers() -> None:
    rows = table(ridge=[10**-0.5, 1.0, 10**0.5, 1e-5], labels=["hard", "soft"], n_labeled=[250])
    made = w2s.table(rows, by=["ridge", "labels"], metrics=["pgr", "gain"], select={"n_labeled": 250})
    latex = made.to_latex(label="tab:gain")
    assert latex.startswith("% needs \\usepackage{booktabs}\n")
    assert r"\caption{PGR and gain with intervals of 95 \% over 8 seeds. Held: labelled rows $n$ = 250. Units: gain: " in latex
    assert r"\label{tab:gain}" in latex
    assert r"\begin{tabular}{rlrr}" in latex
    assert r"ridge $\lambda$ & labels & PGR & gain \\" in latex
    assert [line.split(" & ")[0] for line in latex.splitlines() if "[" in line] == [r"$10^{-5}$"] * 2 + ["0.32"] * 2 + [
        "1"
    ] * 2 + ["3.2"] * 2
    assert r"\caption{Mine $x$.}" in made.write("tex", caption="Mine $x$.")
    chosen = w2s.table(rows, by=["labels"], metrics=["gain"], best_over="ridge").to_latex()
    assert r"chosen by the least mean of student's error on the 4 even seeds" in chosen
    with pytest.raises(ValueError, match="label: only the format latex has one, and format='md'"):
        made.write("md", label="tab:x")


def test_two_runs_are_compared_by_seed() -> None:
    first, second = table(0.2), table(0.3, key=8)
    both = w2s.side_by_side({"first": first, "second": second})
    found = w2s.compare(both, over="run", baseline="first", metric="student_error")
    made = comparison_table(found, "share of wrong answers")
    assert made.headings[3:] == ("second", "first", "difference", "conclusion", "p (Holm)")
    assert made.constants == {"pairs": "8"}
    assert str(made).startswith("second against first: student_error (share of wrong answers), seed by seed;\npairs = 8\n")
    assert dict(zip(found["labels"], found["conclusion"], strict=True)) == {
        "hard": "no significant difference",
        "soft": "better",
    }
    assert made.notes[0] == (
        "In student_error, against first: second is better in 4, not significantly different in 4, of 8 settings."
    )
    assert (
        r"\caption{second against first: student's error (share of wrong answers), seed by seed; pairs = 8. In student's"
        in (made.to_latex())
    )
    same = comparison_table(w2s.compare(w2s.side_by_side({"a": first, "b": table(0.2)}), over="run", baseline="a"))
    assert same.notes[0] == "No significant difference in student_error from run = a, in 8 comparisons."
    assert max(map(len, str(made).splitlines())) <= 80


def test_runs_that_differ_in_a_field_are_paired_over_the_others() -> None:
    first = table(0.2, d_weak=[20, 50], labels=["soft"])
    second = table(0.2, key=8, d_weak=[20, 50], labels=["hard"])
    both = w2s.side_by_side({"a": first, "b": second})
    assert both.attrs["w2s"]["differ"] == {"labels": {"a": "soft", "b": "hard"}}
    found = w2s.compare(both, over="run", baseline="a")
    assert list(found["conclusion"]) == ["worse", "worse"]
    several = table(0.2, d_weak=[20, 50], labels=["hard", "medium"])
    with pytest.raises(
        ValueError, match=r"nothing to pair: the runs share no labels \(a has soft; b has hard, medium\)\. To compare"
    ):
        w2s.side_by_side({"a": first, "b": several})
    with pytest.raises(ValueError, match="two or more"):
        w2s.side_by_side({"a": first})
    lost = table()
    lost.attrs = {}
    with pytest.raises(ValueError, match="lost its metadata"):
        w2s.side_by_side({"a": first, "b": lost})


def test_a_digest_has_at_most_8_columns_and_40_lines_and_a_sentence() -> None:
    rows = table(a=list(range(5)), b=list(range(5)), c=list(range(3)), labels=["hard", "soft"])
    found = run_digest(find_study("wu2024.spiked"), rows)
    assert found.table.shape == (40, 8)
    assert len(found.whole) == 150
    assert any("40 of 150 lines" in note for note in found.notes)
    assert any(note.startswith("1 more column is in digest.csv: ") for note in found.notes)
    assert "pgr" in found.table
    assert found.table.iloc[0][["a", "b", "c"]].tolist() == ["0", "0", "0"]
    assert found.table.iloc[-1][["a", "b", "c"]].tolist() == ["4", "4", "2"]
    assert found.sentence.startswith("The student errs less than its weak model in 75 of 150 settings and more in 0; in 75")
    assert max(map(len, found.text(80).splitlines())) <= 80


def test_a_digest_names_its_lines_by_the_fields_that_tell_them_apart() -> None:
    fields = {name: [0] for name in "abcdef"} | {"g": list(range(6)), "h": list(range(5))}
    rows = table(**fields)
    for name in "abcdef":  # a field that varies a little, and that says no more than g does
        rows[name] = (rows["g"] > 2).astype(int)
    found = run_digest(find_study("wu2024.spiked"), rows)
    names = list(found.table.columns[: found.keys])
    assert {"g", "h"} <= set(names)
    assert len(names) == 6
    assert not found.table[names].duplicated().any()


def test_a_sentence_says_how_sure_it_is_and_of_what() -> None:
    rows = table()
    rows.attrs["w2s"]["seeds_draw"] = "test_part"
    assert "(95 % for all settings together, over seeds, for these test items); PGR" in found_in_words(rows)
    soft = rows[rows["labels"] == "soft"]
    soft.attrs = rows.attrs
    assert "in 4 of 4 settings and more in 0 (95 % for all settings together, over" in found_in_words(soft)


def test_a_few_seeds_with_one_share_decide_nothing() -> None:
    for seeds, said in ((3, "0 of 2 settings and more in 0"), (8, "2 of 2 settings and more in 0")):
        rows = table(seeds=seeds, labels=["hard", "soft"])
        rows["gain_01"], rows["weak_error_01"], rows["student_error_01"] = 0.02, 0.3, 0.28
        rows.attrs["w2s"]["metrics"] += ["gain_01", "weak_error_01", "student_error_01"]
        assert f"errs less than its weak model in {said}" in found_in_words(rows), seeds


def test_a_digest_that_fails_leaves_the_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    study = find_study("wu2024.spiked")

    def fail(self: object, rows: pd.DataFrame) -> pd.DataFrame:
        raise KeyError("no_such_column")

    monkeypatch.setattr(study, "digest", fail)
    found = run_digest(study, ROWS)
    assert len(found.table) == 8
    assert found.notes[0] == "the study's own digest failed: KeyError: 'no_such_column'"


def test_a_sentence_says_when_nothing_is_known() -> None:
    assert found_in_words(table(seeds=1)).startswith("One seed, so no statement")
    one = found_in_words(table(0.2, labels=["soft"]))
    assert one.startswith("The student errs less than its weak model (95 % over seeds); PGR is 0.")
    assert found_in_words(table(0.0, labels=["soft"])).startswith("No significant difference")
    bare = table().drop(columns=["gain", "pgr", "weak_error", "misfit", "ceiling_error"])
    assert found_in_words(bare).startswith("There is no weak model to compare with; student_error is from")
