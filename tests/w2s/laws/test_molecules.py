"""Molecules: fingerprints and descriptors, their cache, and the gain that descriptors bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sweeper import GridError, launch, load_grid
from w2s import load
from w2s.errors import FieldError
from w2s.files.cache import _stored
from w2s.files.datafile import DataFile, data_folders
from w2s.laws import Table, load_table, molecules
from w2s.laws.feature_maps import check_features, feature_matrix
from w2s_kernels import NUMPY

pytest.importorskip("rdkit", reason="needs RDKit: pip install 'w2s-sweep[molecules]'")

CONFIG = Path(__file__).resolve().parents[3] / "configs" / "molecules.yaml"
SMILES = ["CCO", "c1ccccc1", "CC(=O)O", "CCN(CC)CC", "O=C(O)c1ccccc1O", "ClC(Cl)Cl", "C" * 60, "[Na+].[Cl-]", "C#N", "CS(C)=O"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cache folder of its own, and nothing remembered in this process."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    _stored.cache_clear()
    yield tmp_path / "cache" / "w2s-sweep" / "features"
    _stored.cache_clear()


def table(folder: Path, words: list[str] = SMILES, column: str = "smiles") -> Table:
    rows = "\n".join(f"{word},{k}.5" for k, word in enumerate(words))
    (folder / "some.csv").write_text(f"{column},y\n{rows}\n")
    return load_table(DataFile.find("some.csv", folder), None, "regression")


def features(name: str, some: Table) -> Any:
    check_features(name, some)
    return feature_matrix(name, some, width=None, role="strong", seed=0, backend=NUMPY)


def test_fingerprints_are_bits(tmp_path: Path) -> None:
    bits = features("morgan", table(tmp_path))
    assert bits.shape == (len(SMILES), molecules.BITS)
    assert set(np.unique(bits)) == {0.0, 1.0}
    assert len({row.tobytes() for row in bits}) == len(SMILES)
    assert bits[0].sum() == 6  # ethanol: three atoms, and a neighbourhood around each


def test_descriptors_are_finite_and_of_one_size(tmp_path: Path) -> None:
    values = features("descriptors", table(tmp_path, SMILES * 3))
    assert values.shape[0] == 3 * len(SMILES)
    assert values.shape[1] > 80
    assert np.isfinite(values).all()
    assert np.abs(values).max() <= molecules.LIMIT
    np.testing.assert_allclose(values.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(values.std(axis=0), 1, rtol=1e-9)


def test_one_odd_molecule_is_cut_at_the_limit(tmp_path: Path) -> None:
    values = features("descriptors", table(tmp_path, [*SMILES[:2] * 150, "OCC" * 20]))
    assert np.abs(values).max() == molecules.LIMIT
    assert np.abs(values[:-1]).max() < 2
    assert np.isfinite(values).all()


@pytest.mark.parametrize("name", ["morgan", "descriptors"])
def test_features_are_computed_once(tmp_path: Path, cache: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    some = table(tmp_path)
    first = features(name, some)
    (stored,) = cache.iterdir()
    _stored.cache_clear()
    monkeypatch.setattr(molecules, "_parsed", lambda _: pytest.fail("computed again"))
    np.testing.assert_array_equal(features(name, some), first)
    monkeypatch.undo()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for damage in (b"", b"not an array", stored.read_bytes()[:200]):
        _stored.cache_clear()
        stored.write_bytes(damage)
        np.testing.assert_array_equal(features(name, some), first)
        assert list(cache.iterdir()) == [stored]


def test_other_molecules_have_features_of_their_own(tmp_path: Path, cache: Path) -> None:
    first = features("morgan", table(tmp_path))
    second = features("morgan", table(tmp_path, SMILES[::-1]))
    np.testing.assert_array_equal(first, second[::-1])
    assert len(list(cache.iterdir())) == 2


def test_a_cache_that_cannot_be_written_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert features("morgan", table(tmp_path)).shape == (len(SMILES), molecules.BITS)


def test_smiles_are_needed_and_must_be_read(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="text column 'smiles'"):
        features("descriptors", table(tmp_path, column="molecule"))
    with pytest.raises(
        FieldError, match=r"row 3 of column 'smiles' is no molecule that RDKit can read: 'C\('; mend or remove it"
    ):
        features("morgan", table(tmp_path, ["C", "CC", "C(", "CO"]))


@pytest.mark.parametrize(
    ("word", "complaint"),
    [
        ("C(", r"row 3 of column 'smiles' is no molecule that RDKit can read: 'C\('"),
        ("CN(C)(C)(C)C", r"'CN\(C\)\(C\)\(C\)C', Explicit valence for atom # 1 N, 5, is greater than permitted"),
        ("c1cccc1", "Can't kekulize mol"),
        ("water", "is no molecule that RDKit can read: 'water'"),
        ("", "row 3 of column 'smiles' is empty"),
        ("  ", "row 3 of column 'smiles' is empty"),
    ],
)
@pytest.mark.parametrize("kind", ["morgan", "morgan:16", "descriptors"])
def test_rows_that_are_no_molecules_are_named_before_anything_runs(
    tmp_path: Path, kind: str, word: str, complaint: str
) -> None:
    words = [*["C", "CC"], word, *["CCC", "CCCC", "CCCCC", "CO", "CCO", "CCCO", "CN", "CCN", "CCCN"] * 3]
    table(tmp_path, words)
    fixed = {"data": "some.csv", "target": "y", "weak_features": kind, "strong_features": "morgan", "ridge": 0.1}
    sizes = {"ridge_weak": 0.1, "n_labeled": 8, "n_transfer": 8, "n_test": 8}
    (tmp_path / "grid.yaml").write_text(yaml.safe_dump({"study": "probe.table", "fixed": fixed | sizes}))
    with pytest.raises(GridError, match=complaint):
        load_grid(tmp_path / "grid.yaml")


def test_several_rows_that_are_no_molecules_are_counted(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match=r"row 2 of column 'smiles' .*: 'x' \(3 such rows\)"):
        features("morgan", table(tmp_path, ["C", "x", "y", "", "CC"]))


@pytest.mark.parametrize("word", ["[H][H]", "[H+]", "*", "[Na+].[Cl-]", "[He]", "C.C.C", "[2H]O[2H]"])
def test_descriptors_that_an_odd_molecule_has_not_are_left_out(tmp_path: Path, word: str) -> None:
    plain = features("descriptors", table(tmp_path, SMILES * 2))
    some = table(tmp_path, [*SMILES * 2, word])
    values = features("descriptors", some)
    assert np.isfinite(values).all()
    assert 50 < values.shape[1] <= plain.shape[1] + 20
    assert set(np.unique(features("morgan", some))) == {0.0, 1.0}


def test_a_table_without_any_descriptor_is_told(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="no descriptor is defined for every molecule and different for some; use morgan"):
        features("descriptors", table(tmp_path, ["CCO", "CCO", "OCC"]))


# ---------------------------------------------------------------- published tables

needs_data = pytest.mark.skipif(
    not any((folder / "molecules" / "esol.csv").is_file() for folder in data_folders()),
    reason="set W2S_DATA to a folder with molecules/esol.csv",
)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(("name", "rows", "least"), [("esol", 1128, 150), ("freesolv", 642, 150)])
def test_published_molecules_have_features(name: str, rows: int, least: int) -> None:
    some = load_table(DataFile.find(f"data:molecules/{name}.csv"), None, "regression")
    for kind, width in (("morgan", molecules.BITS), ("descriptors", None)):
        values = features(kind, some)
        assert values.shape == (rows, width or values.shape[1])
        assert values.shape[1] > least
        if kind == "morgan":
            assert set(np.unique(values)) == {0.0, 1.0}
        else:
            assert np.abs(values).max() <= molecules.LIMIT
            assert 0.5 < values.std(axis=0).max() <= 1 + 1e-9  # standardised, then cut
            np.testing.assert_allclose(np.median(values.mean(axis=0)), 0, atol=0.01)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """The first half of the grid in configs (where there is something to gain) on three seeds."""
    document = yaml.safe_load(CONFIG.read_text())
    document["grids"] = [document["grids"][0] | {"seeds": 3}]
    out = tmp_path_factory.mktemp("molecules")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(out / "cache"))
        _stored.cache_clear()
        assert launch(document, executor="inline", out=out / "run").exit == 0
    rows = load(out / "run")
    names = {f"{model}_rmse": np.sqrt(rows[f"{model}_error"]) for model in ("weak", "student", "ceiling")}
    return rows.assign(name=rows["data"].str.extract(r"(\w+)\.csv")[0], **names)


@pytest.mark.data
@needs_data
@pytest.mark.parametrize(
    ("name", "weak", "student", "ceiling"),
    [("esol", (1.05, 1.30), (0.85, 1.05), (0.62, 0.78)), ("freesolv", (2.0, 2.4), (1.55, 2.1), (1.0, 1.35))],
)
def test_a_regularised_student_recovers_most_of_the_gap(
    run: pd.DataFrame, name: str, weak: tuple[float, float], student: tuple[float, float], ceiling: tuple[float, float]
) -> None:
    rows = run[(run["name"] == name) & (run["ridge_weak"] == 0.003)]
    means = rows.groupby("ridge")[["weak_rmse", "student_rmse", "ceiling_rmse", "gain"]].mean()
    best = means.loc[means["student_rmse"].idxmin()]
    for value, (low, high) in zip(best[["weak_rmse", "student_rmse", "ceiling_rmse"]], (weak, student, ceiling), strict=True):
        assert low < value < high
    assert 0.05 < best.name < 2
    assert best["gain"] > 0
    # Without regularisation the student copies its teacher's errors, and adds some of its own.
    assert means["gain"].iloc[0] < 0.5 * best["gain"]


@pytest.mark.data
@needs_data
def test_the_grid_in_configs_is_whole(run: pd.DataFrame) -> None:
    grid = load_grid(CONFIG)
    assert grid.cells == 2 * 3 * 4 * 13 * 12 + 3 * 4 * 13 * 6
    assert len(run) == run["cell_id"].nunique() == 2 * 3 * 4 * 13 * 3
    assert set(run["status"]) == {"ok"}
    assert run.groupby("name")["n_evaluated"].unique().map(list).to_dict() == {"esol": [113], "freesolv": [65]}


def test_without_the_data_the_grid_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("W2S_DATA", raising=False)
    with pytest.raises(GridError, match="export W2S_DATA="):
        load_grid(CONFIG)
