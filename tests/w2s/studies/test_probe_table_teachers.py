"""The picture of the teacher: drawn where its ridge varies, with what the bars cover in its heading."""

from __future__ import annotations

import numpy as np

import w2s
from sweeper import launch
from w2s.studies.probe.table.accuracies import draw_accuracies
from w2s.studies.probe.table.study import ProbeTable

SHAPE = {"data": "digits", "task": "classification", "d_strong": 60, "d_weak": 20, "n_labeled": 60, "n_transfer": 120}
HELD_OUT = {"n_validation": 60, "n_test": 100}
RIDGES = [1e-4, 1e-3, 1e-2, 1e-1, 1.0]


def drawn(place, **axes):
    grid = {"study": "probe.table", "axes": {"ridge": RIDGES, **axes}, "fixed": SHAPE | HELD_OUT, "seeds": 4}
    assert launch(grid, executor="inline", out=place).exit == 0
    rows = w2s.load(place)
    figure = next(figure for figure in ProbeTable.figures if figure.id == "teachers")
    return rows, figure.draw(rows)


def test_three_teachers_are_drawn_in_order_the_tuned_one_last(tmp_path):
    rows, canvas = drawn(
        tmp_path / "run", weak_tuning=["fixed", "best_on_validation"], ridge_weak=[1e-2, 0.0], labels=["soft", "hard"]
    )
    assert set(rows["weak_tuning"]) == {"fixed", "best_on_validation"}
    errors, shares = canvas.axes
    assert [label.get_text() for label in shares.get_xticklabels()] == ["0", "0.01", "chosen on\nvalidation"]
    heading = canvas.get_suptitle().replace("\n", " ")
    assert "at least 95 % over data sets of this size" in heading
    assert "least true error on even seeds, shown on odd ones, of 4 seeds" in heading
    teacher = next(line for line in errors.get_lines() if line.get_color() == "#000000" and len(line.get_xdata()) == 2)
    odd = rows[rows["seed"] % 2 == 1]
    means = odd[odd["weak_tuning"] == "fixed"].groupby("ridge_weak")["weak_error_01"].mean()
    assert np.allclose(teacher.get_ydata(), means.to_numpy())


def test_two_teachers_are_no_picture(tmp_path):
    assert drawn(tmp_path / "run", ridge_weak=[1e-2, 0.0])[1] is None


def test_accuracies_show_the_tuned_teacher_and_what_is_held(tmp_path):
    rows, _ = drawn(
        tmp_path / "run",
        weak_tuning=["fixed", "best_on_validation"],
        ceiling_tuning=["same", "best_on_validation"],
        labels=["soft", "hard"],
    )
    canvas = draw_accuracies(rows)
    assert "ceiling tuning = best_on_validation" in canvas.get_suptitle().replace("\n", " ")
    names = [text.get_text() for text in canvas.axes[0].get_legend().get_texts()]
    assert "teacher, its ridge tuned" in names
    assert len(names) == 4
    assert draw_accuracies(rows[rows["ridge"] < 1.0]) is None
    assert draw_accuracies(rows[rows["seed"] == 0]) is None


def test_students_of_a_regression_have_no_soft_labels(tmp_path):
    fixed = {name: value for name, value in (SHAPE | HELD_OUT).items() if name != "d_weak"} | {"task": "regression"}
    grid = {"study": "probe.table", "axes": {"ridge": RIDGES, "d_weak": [5, 20]}, "fixed": fixed, "seeds": 4}
    assert launch(grid, executor="inline", out=tmp_path / "run").exit == 0
    rows = w2s.load(tmp_path / "run")
    said = {}
    for figure in ProbeTable.figures:
        canvas = figure.draw(rows)
        if canvas is not None:
            said[figure.id] = [text.get_text() for ax in canvas.axes if ax.get_legend() for text in ax.get_legend().get_texts()]
    assert said["accuracies"] == ["ceiling: true labels", "teacher", "student"]
    assert said["regularisation"] == ["student", "gain", "distance to weak model"]
    assert said["weak_models"] == ["least regularised", "best"]


def test_a_report_needs_no_even_seed(tmp_path):
    grid = {"study": "probe.table", "axes": {"ridge": RIDGES, "labels": ["soft", "hard"]}, "fixed": SHAPE | HELD_OUT}
    for name, seeds in (("odd", [1, 3, 5]), ("one", 1)):
        assert launch(grid | {"seeds": seeds}, executor="inline", out=tmp_path / name).exit == 0
        found, figures = ProbeTable().digest(w2s.load(tmp_path / name)), {figure.id: figure for figure in ProbeTable.figures}
        assert len(found) == 10, "every setting has a line"
        assert found.attrs["sentence"] == ""
        assert "best" not in found.attrs["caption"]
        assert figures["weak_models"].draw(w2s.load(tmp_path / name)) is None


def test_what_has_no_seed_to_report_on_is_not_chosen_from(tmp_path):
    grid = {
        "study": "probe.table",
        "axes": {"ridge": RIDGES, "labels": ["soft", "hard"]},
        "fixed": SHAPE | HELD_OUT,
        "seeds": 4,
    }
    assert launch(grid, executor="inline", out=tmp_path / "run").exit == 0
    rows = w2s.load(tmp_path / "run")
    part = rows[(rows["labels"] == "soft") | (rows["seed"] % 2 == 0)]  # as a launch may have left it
    part.attrs = rows.attrs
    found = ProbeTable().digest(part)
    assert found["regularisation"].str.startswith("best").tolist() == [True] + 5 * [False]
