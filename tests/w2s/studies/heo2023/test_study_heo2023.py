"""Decoys and the studies of Heo et al. 2023: laws, cuts, invariants of every row, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from digit_files import digit_files
from small_studies import check_cuts, launched
from solving import solve

from sweeper import launch
from sweeper.errors import GridError
from w2s.errors import FieldError
from w2s.studies.heo2023.decoys import dimensions, draw_items, pool_size, random_decoys
from w2s.studies.heo2023.networks import METHODS

TOY = {"law": "toy", "decoys": 8, "decoy_noise": 0.05, "spread": 0.55, "n_labeled": 50}
DIGITS = {"law": "digits", "side": "random", "decoys": None, "n_labeled": 50}
TABLE = {"law": "table", "decoys": 3, "decoy_noise": 0.05, "n_labeled": 50}
SMALL = {"n_labeled": 90, "n_test": 40, "epochs": 2, "width": 6, "batch": 32}
ERRORS = ["student_error", "weak_error", "ceiling_error", "misfit"]


@pytest.mark.parametrize("level", [TOY, DIGITS, {**DIGITS, "side": "left"}, TABLE], ids=lambda level: str(level["law"]))
def test_a_decoy_changes_what_the_mask_marks_and_nothing_else(level: dict[str, object]) -> None:
    items = draw_items(level, "labeled", 3, 40)
    d, count = dimensions(level)
    first, second = (items.shown(np.full(40, k)) for k in (0, 1))
    assert first.inputs.shape == (40, d)
    assert items.count == count
    assert set(np.unique(first.masks)) == {0.0, 1.0}
    np.testing.assert_array_equal(first.masks, second.masks)
    np.testing.assert_array_equal(first.inputs != second.inputs, first.masks == 1)
    np.testing.assert_array_equal(items.grid().reshape(count, 40, d)[1], second.inputs)
    own = items.shown(items.classes).inputs
    for k in range(count):
        np.testing.assert_array_equal(own[items.classes == k], items.shown(np.full(40, k)).inputs[items.classes == k])


@pytest.mark.parametrize("level", [TOY, DIGITS, TABLE], ids=lambda level: str(level["law"]))
def test_samples_are_nested_and_roles_have_items_of_their_own(level: dict[str, object]) -> None:
    few, many = (draw_items(level, "transfer", 1, n) for n in (20, 45))
    np.testing.assert_array_equal(many.shown(many.classes).inputs[:20], few.shown(few.classes).inputs)
    others = {role: draw_items(level, role, 1, 45) for role in ("labeled", "transfer", "test")}
    rows = {
        role: {row.tobytes() for row in part.shown(0 * part.classes).inputs * (1 - part.shown(0 * part.classes).masks)}
        for role, part in others.items()
    }
    assert not rows["labeled"] & rows["transfer"]
    assert not rows["labeled"] & rows["test"]
    decoys = random_decoys(many, "transfer", 1)
    np.testing.assert_array_equal(random_decoys(few, "transfer", 1), decoys[:20])
    assert decoys.min() >= 0
    assert decoys.max() < many.count


def test_random_decoys_say_nothing_and_sides_are_halves() -> None:
    items = draw_items({**TOY, "n_labeled": 4000}, "labeled", 0, 4000)
    pairs = np.zeros((4, 4))
    np.add.at(pairs, (items.classes, random_decoys(items, "labeled", 0)), 1)
    assert np.abs(pairs / 250 - 1).max() < 0.3
    shown = draw_items(DIGITS, "labeled", 0, 400).shown(np.ones(400, dtype=np.int64))
    right = shown.masks.reshape(400, 8, 8)[:, 0, 7]
    assert 0.4 < right.mean() < 0.6
    np.testing.assert_array_equal(shown.masks.sum(axis=1), np.full(400, 32.0))
    np.testing.assert_allclose(shown.inputs[shown.masks == 1], 25 / 255, rtol=1e-12)


@pytest.mark.parametrize("law", ["toy", "digits"])
def test_cuts_of_the_decoy_study(law: str) -> None:
    check_cuts("heo2023.decoy", {"method": ["erm", "ibp", "random_decoy", "rrr_pgd"]}, ERRORS, law=law, **SMALL)


def test_cuts_of_the_students_study() -> None:
    axes = {"teacher_reg": ["none", "ibp"], "student_reg": ["none", "rrr", "pgd"], "transfer": ["intact", "broken"]}
    rows = check_cuts(
        "heo2023.students", axes, [*ERRORS, "strong_error"], ["transfer"], n_transfer=70, teacher_width=5, **SMALL
    )
    by = rows.groupby(["teacher_reg", "seed"])["weak_error"].nunique()
    assert (by == 1).all()
    alone = rows.groupby(["student_reg", "seed"])[["strong_error"]].nunique()
    assert (alone == 1).all().all()
    best = rows.groupby(["student_reg", "transfer", "seed"])[["ceiling_error"]].nunique()
    assert (best == 1).all().all()


@pytest.fixture(scope="module")
def methods() -> pd.DataFrame:
    return solve("heo2023.decoy", axes={"method": [*METHODS, "random_decoy"]}, seeds=2, n_labeled=300, n_test=100, epochs=40)


def test_plain_training_is_the_teacher_and_random_decoys_the_ceiling(methods: pd.DataFrame) -> None:
    plain, best = methods[methods["method"] == "erm"], methods[methods["method"] == "random_decoy"]
    assert (plain["gain"] == 0).all()
    assert (plain["misfit"] == 0).all()
    for name in ("error", "worst_class", "worst_pair", "intact", "attacked", "certified", "slopes"):
        assert plain[f"student_{name}"].tolist() == plain[f"weak_{name}"].tolist()
        assert best[f"student_{name}"].tolist() == best[f"ceiling_{name}"].tolist()
        assert methods.groupby("seed")[f"weak_{name}"].nunique().eq(1).all()


def test_errors_are_ordered_in_every_row(methods: pd.DataFrame) -> None:
    for who in ("weak", "student", "ceiling"):
        average, worst, pair = (methods[f"{who}_{name}"] for name in ("error", "worst_class", "worst_pair"))
        assert (average <= worst + 1e-12).all()
        assert (worst <= pair + 1e-12).all()
        assert (methods[f"{who}_attacked"] <= methods[f"{who}_certified"]).all()


def test_what_a_method_lowers(methods: pd.DataFrame) -> None:
    by = methods.groupby("method")[["student_error", "student_slopes", "student_certified"]].mean()
    assert by.loc["rrr", "student_slopes"] < 0.1 * by.loc["erm", "student_slopes"]
    assert by.loc["ibp", "student_certified"] < by.loc["erm", "student_certified"]
    assert (by.loc[["rrr", "pgd", "ibp", "rrr_pgd", "rrr_ibp"], "student_error"] < by.loc["erm", "student_error"]).all()


def test_images_in_files(tmp_path: Path) -> None:
    files = digit_files(tmp_path)
    fixed = {**SMALL, "law": "mnist", "method": "pgd", "radius": 0.3}
    with pytest.raises(FieldError, match="must not exceed 2000"):
        solve_checked(tmp_path, **{**fixed, **files, "n_labeled": 1980})
    with pytest.raises(FieldError, match="needs images and labels"):
        solve_checked(tmp_path, **fixed)


def solve_checked(folder: Path, **fixed: object) -> None:
    """Check a grid as a launch does; a complaint of the study is one about the grid."""
    try:
        launch({"study": "heo2023.decoy", "fixed": fixed, "seeds": 1, "out": str(folder / "run")}, executor="inline")
    except GridError as error:
        raise FieldError(str(error)) from None


@pytest.mark.parametrize(
    ("fixed", "says"),
    [
        ({"law": "digits", "n_labeled": 1500, "n_test": 400}, "1797 digits"),
        ({"law": "table", "n_labeled": 500, "n_test": 100}, "569 rows"),
    ],
)
def test_samples_larger_than_the_data_are_refused(fixed: dict[str, object], says: str) -> None:
    with pytest.raises(GridError, match=says):
        solve("heo2023.decoy", **fixed)  # type: ignore[arg-type]


def test_pools() -> None:
    assert pool_size(TOY) is None
    assert pool_size(DIGITS) == 1797
    assert pool_size(TABLE) == 569


@pytest.mark.fault
def test_a_run_that_lost_half_of_its_rows_gets_them_back(tmp_path: Path) -> None:
    content = {
        "study": "heo2023.students",
        "axes": {"student_reg": ["none", "rrr"], "transfer": ["intact", "broken"]},
        "fixed": {**SMALL, "n_transfer": 60},
        "seeds": 3,
    }
    whole = launched(content, tmp_path / "run").sort_values("cell_id").reset_index(drop=True)
    parts = sorted((tmp_path / "run" / "results").rglob("*.parquet"))
    for path in parts[::2]:
        path.unlink()
    shutil.rmtree(tmp_path / "run" / "locks", ignore_errors=True)
    again = launched(content, tmp_path / "run").sort_values("cell_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(whole.drop(columns="elapsed_s"), again.drop(columns="elapsed_s"), check_exact=True)
