"""Where data come from: tables in files, their rows and features, and the Gaussian geometry."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.optimize import linprog

from w2s.errors import FieldError
from w2s.files.datafile import DataFile
from w2s.laws import Geometry, Rows, Table, feature_matrix, latent_sample, load_table, split_rows
from w2s.laws.feature_maps import check_features
from w2s_kernels import NUMPY, choose, streams

Columns = dict[str, Any]
Matrix = npt.NDArray[np.float64]


def table(rows: int = 50, **words: Any) -> Table:
    inputs = np.arange(rows * 6, dtype=float).reshape(rows, 6)
    return Table("t", "0", inputs, tuple("abcdef"), inputs[:, :1], None, (), words)


# ---------------------------------------------------------------- rows


def rows_of(some: Table, **sizes: Any) -> Rows:
    defaults = {"seed": 0, "n_labeled": 10, "n_transfer": 15, "n_validation": 5, "n_test": 8, "split": None, "backend": NUMPY}
    return split_rows(some, **(defaults | sizes))


@given(st.data())
def test_samples_are_disjoint_and_nested(data: st.DataObject) -> None:
    some, seed = table(), data.draw(st.integers(0, 2**62))
    sizes = [data.draw(st.integers(0, 12)) for _ in range(4)]
    names = ("n_labeled", "n_transfer", "n_validation", "n_test")
    rows = rows_of(some, seed=seed, **dict(zip(names, sizes, strict=True)))
    parts = [rows.labeled, rows.transfer, rows.validation, rows.test]
    assert [len(part) for part in parts] == sizes
    every = np.concatenate(parts)
    assert len(set(every.tolist())) == len(every)
    assert set(every.tolist()) <= set(range(50))
    for k, name in enumerate(names[:2]):
        smaller = rows_of(some, seed=seed, **(dict(zip(names, sizes, strict=True)) | {name: sizes[k] // 2}))
        changed = [smaller.labeled, smaller.transfer, smaller.validation, smaller.test]
        for j, (part, other) in enumerate(zip(parts, changed, strict=True)):
            np.testing.assert_array_equal(part[: sizes[k] // 2] if j == k else part, other)


def test_labelled_and_test_rows_depend_on_nothing_else() -> None:
    base, other = rows_of(table()), rows_of(table(), n_transfer=3, n_validation=11)
    np.testing.assert_array_equal(base.labeled, other.labeled)
    np.testing.assert_array_equal(base.test, other.test)
    np.testing.assert_array_equal(rows_of(table(), n_validation=2).validation, base.validation[:2])


def test_seeds_shuffle() -> None:
    first, second = rows_of(table(), seed=1), rows_of(table(), seed=2)
    assert first.labeled.tolist() != second.labeled.tolist()
    counts = np.zeros(50)
    for seed in range(400):
        counts[rows_of(table(), seed=seed).labeled] += 1
    # Each row is labelled with probability 1/5: 80 times with standard deviation 8.
    assert np.abs(counts - 80).max() < 5 * 8


def test_published_rows_are_used() -> None:
    names = np.array((["train"] * 6 + ["valid"] + ["test"] * 3) * 5, dtype=object)
    rows = rows_of(table(part=names), n_validation=0, n_test=0, n_labeled=12, n_transfer=18, split="part")
    assert set(names[rows.labeled]) == set(names[rows.transfer]) == {"train"}
    np.testing.assert_array_equal(rows.validation, np.flatnonzero(names == "valid"))
    np.testing.assert_array_equal(rows.test, np.flatnonzero(names == "test"))
    assert len(set(rows.labeled) | set(rows.transfer)) == 30


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_labeled": 30}, r"n_labeled 30 \+ n_transfer 15 \+ n_validation \d+ \+ n_test \d+ = 58 rows, but there are 50 to"),
        ({"split": "prat"}, "no text column 'prat' .did you mean 'part'"),
        ({"split": "empty"}, "names no train or no test rows"),
        ({"split": "part", "n_labeled": 30}, r"n_labeled 30 \+ n_transfer 15 = 45 rows, but there are 25 to"),
    ],
)
def test_impossible_samples_are_refused(sizes: dict[str, Any], message: str) -> None:
    words = {"part": np.array(["train", "test"] * 25, dtype=object), "empty": np.array([None] * 50, dtype=object)}
    with pytest.raises(FieldError, match=message):
        rows_of(table(**words), **sizes)


# ---------------------------------------------------------------- features


def features(name: str, some: Table, width: int | None = None, **options: Any) -> npt.NDArray[np.float64]:
    return feature_matrix(name, some, width=width, **({"role": "strong", "seed": 3, "backend": NUMPY} | options))


def test_wide_features_are_nested() -> None:
    some, strong = table(), np.random.default_rng(0).standard_normal((50, 9))
    for name, options in (("relu", {}), ("of_strong", {"strong": strong, "role": "weak"})):
        wide = features(name, some, 40, **options)
        assert wide.shape == (50, 40)
        np.testing.assert_allclose(features(name, some, 17, **options), wide[:, :17], rtol=1e-13, atol=1e-12)


def test_relu_features_are_what_they_say() -> None:
    some = table()
    wide, other = features("relu", some, 2000), features("relu", some, 2000, seed=4)
    weights = streams.normals(streams.stream("features", "strong", seed=3), 2000, 6, NUMPY)
    np.testing.assert_allclose(wide, np.maximum(some.inputs @ weights.T / np.sqrt(6), 0), rtol=1e-12, atol=1e-12)
    assert not np.allclose(wide, other)
    assert not np.allclose(wide, features("relu", some, 2000, role="weak"))
    # E max(0, x'w)^2 = |x|^2 / 2p for w ~ N(0, I/p); relative standard error sqrt(5/2000).
    power = np.mean(wide**2, axis=1) / (np.sum(some.inputs**2, axis=1) / 12)
    assert np.abs(power - 1).max() < 5 * np.sqrt(5 / 2000)


def test_a_teacher_of_strong_features_is_in_their_span() -> None:
    strong = np.random.default_rng(0).standard_normal((50, 9))
    weak = features("of_strong", table(), 4, strong=strong, role="weak")
    assert np.linalg.matrix_rank(np.hstack([strong, weak])) == 9
    assert np.linalg.matrix_rank(weak) == 4


def test_plain_features() -> None:
    some = table()
    np.testing.assert_array_equal(features("inputs", some), some.inputs)
    means = np.column_stack([some.inputs[:, :3].mean(axis=1), some.inputs[:, 3:].mean(axis=1)])
    np.testing.assert_allclose(features("means:2", some), means)
    np.testing.assert_array_equal(features("columns:[ac]", some), some.inputs[:, [0, 2]])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("rellu", "unknown features 'rellu' .did you mean 'relu'"),
        ("means:4", "divisor of the 6 input columns"),
        ("means:", "divisor"),
        ("columns:z*", "no numeric column of t matches"),
        ("morgan", "text column 'smiles'"),
    ],
)
def test_features_that_cannot_be_made(name: str, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        check_features(name, table())


def test_features_of_a_table_of_text_alone() -> None:
    empty = Table("t", "0", np.empty((5, 0)), (), np.zeros((5, 1)), None, (), {})
    for name in ("inputs", "relu", "means:1"):
        with pytest.raises(FieldError, match="no numeric columns"):
            check_features(name, empty)


# ---------------------------------------------------------------- files

COLUMNS: Columns = {
    "a": [0.5, -1.5, 2.25, 4.0],
    "count": [3, 1, 4, 1],
    "flag": [True, False, True, True],
    "word": ["x", "y", "x", "z"],
    "y": [1.0, 2.0, 0.0, 1.0],
}


def write_csv(path: Path, columns: Columns) -> None:
    pyarrow.csv.write_csv(pa.table(columns), path)


def write_gz(path: Path, columns: Columns) -> None:
    plain = path.with_suffix("")
    write_csv(plain, columns)
    path.write_bytes(gzip.compress(plain.read_bytes()))


def write_parquet(path: Path, columns: Columns) -> None:
    pq.write_table(pa.table(columns), path)


WRITERS: dict[str, Callable[[Path, Columns], None]] = {".csv": write_csv, ".csv.gz": write_gz, ".parquet": write_parquet}


def load(
    folder: Path, columns: Columns, *, kind: str = ".parquet", target: str | None = None, task: str = "regression"
) -> Table:
    path = folder / f"some{kind}"
    WRITERS[kind](path, columns)
    return load_table(DataFile.find(path.name, folder), target, task)


@pytest.mark.parametrize("kind", list(WRITERS))
def test_a_file_is_read(tmp_path: Path, kind: str) -> None:
    read = load(tmp_path, COLUMNS, kind=kind)
    assert read.columns == ("a", "count", "flag")
    np.testing.assert_array_equal(read.inputs, np.array([COLUMNS["a"], COLUMNS["count"], COLUMNS["flag"]], dtype=float).T)
    np.testing.assert_array_equal(read.targets, np.array(COLUMNS["y"])[:, None])
    assert read.inputs.dtype == read.targets.dtype == np.float64
    assert read.labels is None
    assert read.words["word"].tolist() == COLUMNS["word"]
    assert len(read) == 4


@pytest.mark.parametrize("kind", list(WRITERS))
@pytest.mark.parametrize(
    ("target", "classes"),
    [("word", ("x", "y", "z")), ("count", ("1", "3", "4")), ("flag", ("false", "true")), ("y", ("0", "1", "2"))],
)
def test_classes_are_sorted_and_one_hot(tmp_path: Path, kind: str, target: str, classes: tuple[str, ...]) -> None:
    read = load(tmp_path, COLUMNS, kind=kind, target=target, task="classification")
    assert read.labels is not None
    assert read.classes == classes
    np.testing.assert_array_equal(np.argmax(read.targets, axis=1), read.labels)
    assert (read.targets.sum(axis=1) == 1).all()
    assert [classes[k] for k in read.labels] == [str(v).lower().removesuffix(".0") for v in COLUMNS[target]]


def test_npz_is_read(tmp_path: Path) -> None:
    x, y = np.arange(8.0, dtype=np.float32).reshape(4, 2), np.array([0, 1, 1, 0])
    np.savez(tmp_path / "some.npz", x=x, y=y)
    file = DataFile.find("some.npz", tmp_path)
    read = load_table(file, None, "classification")
    np.testing.assert_array_equal(read.inputs, x)
    np.testing.assert_array_equal(read.labels, y)
    assert load_table(file, "x0", "regression").columns == ("x1", "y")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.array([[1, None]], dtype=object), "y": np.zeros(1)}, "Object arrays cannot be loaded"),
        ({"x": np.zeros((2, 2)), "y": np.array([{}, {}], dtype=object)}, "Object arrays cannot be loaded"),
        ({"x": np.zeros((2, 2))}, "needs arrays 'x' and 'y', it holds x"),
        ({"x": np.zeros(2), "y": np.zeros(2)}, "must be"),
        ({"x": np.zeros((2, 2)), "y": np.zeros(3)}, "must be"),
        ({"x": np.zeros((2, 2), dtype=complex), "y": np.zeros(2)}, "must hold numbers"),
        ({"x": np.array([["a"], ["b"]]), "y": np.zeros(2)}, "must hold numbers"),
    ],
)
def test_npz_that_cannot_be_read(tmp_path: Path, arrays: dict[str, Any], message: str) -> None:
    np.savez(tmp_path / "some.npz", **arrays)
    with pytest.raises(FieldError, match=message):
        load_table(DataFile.find("some.npz", tmp_path), None, "regression")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("some.npz", b""),
        ("some.npz", b"PK\x03\x04 cut short"),
        ("some.npz", b"not an archive"),
        ("some.parquet", b"PAR1"),
        ("some.csv", b""),
        ("some.csv", b"a,y\n1,2\n3\n"),
        ("some.csv.gz", b"not gzip"),
        ("some.csv", b"a,y\n"),
        ("some.csv", b"a,a,y\n1,2,3\n"),
        ("some.csv", b"a,y\n\xff\xfe,1\n\xff,2\n"),
        ("some.xlsx", b"x"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FieldError, match=r"some\.[a-z.]+: \S"):
        load_table(DataFile.find(name, tmp_path), None, "regression")


@pytest.mark.parametrize("kind", list(WRITERS))
@pytest.mark.parametrize("column", ["a", "count", "flag", "y"])
def test_missing_values_are_named(tmp_path: Path, kind: str, column: str) -> None:
    holes = COLUMNS | {column: [COLUMNS[column][0], None, COLUMNS[column][2], None]}
    with pytest.raises(FieldError, match=rf"column '{column}' has 2 missing or non-finite values \(rows 2, 4\)"):
        check_features("inputs", load(tmp_path, holes, kind=kind))


def test_one_array_is_no_archive(tmp_path: Path) -> None:
    with (tmp_path / "some.npz").open("wb") as stream:
        np.save(stream, np.zeros((3, 2)))
    with pytest.raises(FieldError, match="not an npz archive"):
        load_table(DataFile.find("some.npz", tmp_path), None, "regression")


def test_nan_and_infinity_are_named(tmp_path: Path) -> None:
    values = np.arange(40.0)
    values[[3, 4, 5, 6, 7, 8, 30]] = [np.nan, np.inf, -np.inf, np.nan, np.nan, np.nan, np.nan]
    with pytest.raises(FieldError, match=r"column 'a' has 7 missing or non-finite values \(rows 4, 5, 6, 7, 8, \.\.\.\)"):
        check_features("inputs", load(tmp_path, {"a": values, "y": np.arange(40.0)}))


def test_an_empty_column_is_not_text(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="column 'a' has 4 missing"):
        check_features("inputs", load(tmp_path, COLUMNS | {"a": pa.nulls(4)}))


@pytest.mark.parametrize("kind", list(WRITERS))
def test_missing_labels_are_no_class(tmp_path: Path, kind: str) -> None:
    with pytest.raises(FieldError, match=r"column 'word' has 1 missing labels \(rows 2\)"):
        load(tmp_path, COLUMNS | {"word": ["x", None, "y", "x"]}, kind=kind, target="word", task="classification")


def test_dictionary_columns_are_their_values(tmp_path: Path) -> None:
    columns = COLUMNS | {"word": pa.array(COLUMNS["word"]).dictionary_encode()}
    read = load(tmp_path, columns, target="word", task="classification")
    assert read.classes == ("x", "y", "z")


def test_dates_are_text_and_lists_are_no_inputs(tmp_path: Path) -> None:
    read = load(tmp_path, COLUMNS | {"day": pa.array([1, 2, 3, 4], type=pa.date32())})
    assert read.words["day"].tolist()[0] == "1970-01-02"
    assert read.left_out["day"] == "date32[day], no numbers"
    listed = load(tmp_path, COLUMNS | {"many": [[1], [2], [3], [4]]})
    assert listed.columns == ("a", "count", "flag")
    with pytest.raises(FieldError, match=r"no numeric column of some.parquet matches; 'many': holds list<.*>, no numbers"):
        check_features("columns:many", listed)


@pytest.mark.parametrize(
    ("change", "target", "task", "message"),
    [
        (
            {},
            "yy",
            "regression",
            "no column 'yy' .did you mean 'y'..; name one of its columns with target: a, count, flag, word, y",
        ),
        ({}, "word", "regression", "the target 'word' is text; set task: classification"),
        ({"y": [1.0, 1.0, 1.0, 1.0]}, None, "classification", "one class only"),
        ({"y": [1.0, 1.5, 1.0, 2.0]}, None, "classification", "set task: regression"),
    ],
)
def test_targets_that_do_not_fit_the_task(tmp_path: Path, change: Columns, target: str | None, task: str, message: str) -> None:
    with pytest.raises(FieldError, match=message):
        load(tmp_path, COLUMNS | change, target=target, task=task)


def test_a_file_that_is_parted_by_other_marks_is_named_so(tmp_path: Path) -> None:
    file = tmp_path / "semi.csv"
    file.write_text("a;b;y\n1;2;0\n3;4;1\n")
    with pytest.raises(FieldError, match="columns seem to be separated by ';'; a CSV file separates them by ','"):
        load_table(DataFile.find(file.name, tmp_path), "y", "regression")


def test_too_many_classes_are_a_regression(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="1200 classes; is this a regression"):
        load(tmp_path, {"a": np.zeros(1200), "y": np.arange(1200)}, task="classification")


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    first = load(tmp_path, COLUMNS, kind=".csv")
    second = load(tmp_path, COLUMNS | {"a": [9.0, 9.0, 9.0, 8.0]}, kind=".csv")
    assert first.sha256 != second.sha256
    assert second.inputs[0, 0] == 9.0


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    read = load_table(DataFile.find("digits"), None, "classification")
    np.testing.assert_allclose(read.inputs, (images - images.mean(axis=0)) / 16, rtol=0, atol=1e-15)
    np.testing.assert_array_equal(read.labels, labels)
    assert read.classes == tuple("0123456789")
    np.testing.assert_array_equal(read.targets, np.eye(10)[labels])


# ---------------------------------------------------------------- geometry


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    d_weak, d_strong = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    share = draw(st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1)))
    overlap = share * min(d_weak, d_strong)
    if draw(st.booleans()):
        overlap = float(round(overlap))
    rho = [draw(st.one_of(st.sampled_from([0.0, 0.3, 1.0]), st.floats(0, 1))) for _ in range(2)]
    kind, signal = draw(st.sampled_from(["aligned", "spread"])), draw(st.sampled_from([0.0, 1.0, 2.5]))
    return Geometry(d_weak, d_strong, overlap, kind, signal, *rho)


@given(geometries())
def test_features_are_white_and_overlap_as_stated(geometry: Geometry) -> None:
    weak, strong = geometry.weak_map(), geometry.strong_map()
    np.testing.assert_allclose(weak @ weak.T, np.eye(geometry.d_weak), atol=1e-12)
    np.testing.assert_allclose(strong @ strong.T, np.eye(geometry.d_strong), atol=1e-12)
    cross = strong @ weak.T
    assert np.sum(cross**2) == pytest.approx(geometry.d_overlap, abs=1e-9)
    pairs = min(geometry.d_weak, geometry.d_strong)
    np.testing.assert_allclose(np.linalg.svd(cross, compute_uv=False), geometry.cosines, atol=1e-9)
    assert (np.diff(geometry.cosines) <= 0).all()
    assert geometry.cosines.shape == (pairs,)
    partial = np.sum((geometry.cosines > 1e-9) & (geometry.cosines < 1 - 1e-12))
    assert geometry.overlap == "spread" or partial <= 1


@given(geometries())
def test_target_has_its_power_and_its_parts(geometry: Geometry) -> None:
    if geometry.problem() is not None:
        return
    target, signal = geometry.target(), geometry.signal
    assert target.shape == (geometry.size(),)
    assert target @ target == pytest.approx(signal, abs=1e-9)
    for maps, rho in ((geometry.weak_map(), geometry.rho_weak), (geometry.strong_map(), geometry.rho_strong)):
        seen = maps @ target
        assert signal - seen @ seen == pytest.approx(rho * signal, abs=1e-9)


@pytest.mark.parametrize(
    ("shape", "rho", "fits"),
    [
        ((5, 4, 2, "aligned"), (0.2, 0.3), True),
        ((5, 4, 2, "aligned"), (0.7, 0.6), True),
        ((5, 4, 2, "aligned"), (1.0, 1.0), True),
        ((5, 4, 4, "aligned"), (0.2, 0.3), True),
        ((5, 4, 4, "aligned"), (0.3, 0.2), False),
        ((4, 5, 4, "aligned"), (0.3, 0.2), True),
        ((4, 4, 4, "aligned"), (0.2, 0.2), True),
        ((4, 4, 4, "aligned"), (0.2, 0.3), False),
        ((5, 4, 0.5, "aligned"), (0.2, 0.3), True),
        ((5, 4, 0.5, "aligned"), (0.1, 0.1), False),
        ((5, 4, 0.5, "aligned"), (0.5, 0.5), True),
        ((5, 4, 0.0, "aligned"), (0.7, 0.6), True),
        ((5, 4, 2, "spread"), (0.2, 0.3), True),
        ((5, 4, 2, "spread"), (0.1, 0.1), False),
        ((1, 1, 0.7, "aligned"), (0.3, 0.0), True),
        ((1, 1, 0.7, "aligned"), (0.0, 0.3), True),
        ((1, 1, 0.7, "aligned"), (0.2, 0.0), False),
        ((1, 1, 0.7, "aligned"), (0.4, 0.0), False),
        ((1, 2, 0.7, "aligned"), (0.4, 0.0), True),
        ((3, 3, 2.7, "aligned"), (0.2, 0.0), True),
        ((3, 3, 2.7, "aligned"), (0.31, 0.0), False),
        ((1, 1, 0.7, "aligned"), (0.69, 1.0), False),
        ((1, 1, 0.7, "aligned"), (0.7, 1.0), True),
        ((1, 1, 0.7, "aligned"), (0.9, 1.0), True),
        ((5, 4, 2, "spread"), (0.3, 1.0), True),
        ((4, 9, 2.4, "spread"), (1.0, 0.3), True),
        ((5, 4, 4, "spread"), (0.2, 0.3), True),
    ],
)
def test_which_targets_exist(shape: tuple[int, int, float, str], rho: tuple[float, float], fits: bool) -> None:
    problem = Geometry(*shape, 1.0, *rho).problem()
    assert (problem is None) == fits, problem


@given(geometries())
@example(Geometry(1, 1, 1.0, "aligned", 1.0, 0.0, 5.960464477539063e-08))
def test_a_target_is_refused_only_where_there_is_none(geometry: Geometry) -> None:
    """The parts within both feature sets are a mean of those of directions: a point of the hull of many of these, or none."""
    partly = geometry.cosines[(geometry.cosines > 1e-3) & (geometry.cosines < 1 - 1e-3)]
    if geometry.signal == 0 or geometry.cosines.size > partly.size + np.isin(geometry.cosines, (0.0, 1.0)).sum():
        return
    angles = np.linspace(0, np.pi, 400)
    points = [[np.cos(angles) ** 2, np.cos(angles - np.arccos(c)) ** 2] for c in np.unique(partly)]
    points += [[[c >= 1.0], [c >= 1.0]] for c in np.unique(geometry.cosines)]
    unpaired = geometry.cosines[-1] == 0
    points += [
        [[unpaired or geometry.d_strong > geometry.d_weak], [0.0]],
        [[0.0], [unpaired or geometry.d_weak > geometry.d_strong]],
    ]
    hull = np.hstack([np.array(part, dtype=float) for part in points])
    wanted = np.array([1 - geometry.rho_strong, 1 - geometry.rho_weak])

    def reached(point: Matrix) -> bool:
        equal = np.vstack([hull, np.ones(hull.shape[1])])
        exact = {"primal_feasibility_tolerance": 1e-10}  # by default 1e-7, and a fraction of 6e-8 would count as none
        return linprog(np.zeros(hull.shape[1]), A_eq=equal, b_eq=[*point, 1.0], method="highs", options=exact).status == 0

    problem = geometry.problem()
    if problem is None:
        assert reached(wanted) or reached(0.999 * wanted + 0.001 * hull.mean(axis=1))
    elif problem.startswith("no target") and all(rho == 0.0 or rho > 1e-9 for rho in (geometry.rho_weak, geometry.rho_strong)):
        assert not reached(wanted)


@pytest.mark.parametrize("square", [0.1, 0.5, 0.7, 0.99])
def test_a_target_of_the_student_alone_lies_along_its_partly_shared_direction(square: float) -> None:
    """With one direction each at an angle t, rho_strong = 0 leaves f* = s: the weak model sees cos^2 t of it."""
    geometry = Geometry(1, 1, square, "aligned", 1.0, 1 - square, 0.0)
    np.testing.assert_allclose(np.abs(geometry.target()), [1.0, 0.0, 0.0], atol=1e-9)
    other = Geometry(1, 1, square, "aligned", 1.0, 0.0, 1 - square)
    np.testing.assert_allclose(np.abs(other.target()), [np.sqrt(square), np.sqrt(1 - square), 0.0], atol=1e-9)


def test_partly_shared_directions_carry_what_is_needed_and_no_more() -> None:
    """Along the student's own directions: a fully shared one, and one of which the weak model sees 0.7."""
    target = Geometry(3, 3, 2.7, "aligned", 2.0, 0.12, 0.0).target()
    np.testing.assert_allclose(target[:3] ** 2 / 2.0, [0.3, 0.3, 0.4], atol=1e-12)
    plain = Geometry(4, 4, 2.7, "aligned", 1.0, 0.2, 0.1).target()  # a direction of each model's own serves
    assert plain[2] == 0.0


def test_other_problems_are_named() -> None:
    assert "exceeds min(d_weak, d_strong) = 4" in str(Geometry(5, 4, 4.5, "aligned", 1.0, 0.0, 0.0).problem())
    assert "need a signal" in str(Geometry(5, 4, 2, "aligned", 0.0, 0.1, 0.0).problem())
    assert Geometry(5, 4, 2, "spread", 0.0, 0.0, 0.0).problem() is None


def test_latent_samples_are_nested_in_rows_and_widths() -> None:
    wide, narrow = latent_sample("labeled", 7, 30, 8, 6, NUMPY), latent_sample("labeled", 7, 12, 5, 4, NUMPY)
    index = [*range(5), *range(8, 12), 14, 15]
    np.testing.assert_array_equal(narrow, wide[:12, index])
    assert not np.array_equal(wide, latent_sample("transfer", 7, 30, 8, 6, NUMPY))
    np.testing.assert_array_equal(wide, choose("numba").to_numpy(latent_sample("labeled", 7, 30, 8, 6, choose("numba"))))


def test_latent_samples_are_independent_standard_normals() -> None:
    sample = latent_sample("labeled", 0, 40_000, 4, 3, NUMPY)
    second = sample.T @ sample / len(sample)
    assert np.abs(second - np.eye(9)).max() < 5 * np.sqrt(2 / 40_000)
    assert np.abs(sample.mean(axis=0)).max() < 5 / np.sqrt(40_000)


def test_a_file_that_changes_after_the_grid_was_read(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("a,y\n1,2\n3,4\n")
    file = DataFile.find(str(path))
    path.write_text("a,y\n1,2\n3,5.5\n")
    with pytest.raises(FieldError, match="changed since the grid was read"):
        load_table(file, None, "regression")
