"""Charikar et al. 2024 with pretrained networks: the fitted line, identities by content, and a ladder of made decoders."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr
from solving import solve

from sweeper import load_grid
from sweeper.errors import GridError
from w2s.contract.block import Block
from w2s.contract.identity import cell_ids, hex_ids
from w2s.finetune.models.folder import ModelFolder
from w2s.studies.charikar2024.molecules.study import Molecules
from w2s.studies.charikar2024.over_tables import correlation, distance, excess, fitted_line, order
from w2s.studies.charikar2024.transformers.study import Transformers

STUDY = "charikar2024.transformers"
CELL: dict[str, Any] = {"data": "digits", "strong_features": "inputs", "ridge": 0.01, "ridge_weak": 0.01}
CELL |= {"n_labeled": 200, "n_transfer": 400, "n_validation": 150, "n_test": 300}
LADDER = [f"means:{k}" for k in (1, 2, 4, 8, 16, 32, 64)] + ["columns:pixel_2*"]
MADE = [f"made:decoder-2x{width}" for width in (16, 32)]
ATOMS = ["C", "N", "O", "CC", "CO", "c1ccccc1", "C#N", "F"]


@pytest.fixture(scope="module")
def ladder() -> pd.DataFrame:
    return solve(STUDY, axes={"weak_features": LADDER}, seeds=3, **CELL)


NUMBERS = st.lists(st.tuples(st.floats(-3, 3), st.floats(-3, 3)), min_size=3, max_size=20)


@given(NUMBERS)
def test_the_line_is_that_of_least_squares(points: list[tuple[float, float]]) -> None:
    misfit, gain = np.array(points).T
    line = fitted_line(misfit, gain)
    if np.ptp(misfit) < 1e-6:
        return
    design = np.stack([np.ones_like(misfit), misfit], axis=1)
    (intercept, slope), *_ = np.linalg.lstsq(design, gain, rcond=None)
    left = gain - design @ np.array([intercept, slope])
    scale = 1.0 + abs(slope)
    assert line.slope == pytest.approx(slope, rel=1e-6, abs=1e-6 * scale)
    assert line.intercept == pytest.approx(intercept, rel=1e-6, abs=1e-6 * scale)
    if np.ptp(gain) > 1e-3:
        assert line.r2 == pytest.approx(1 - left.var() / gain.var(), abs=1e-6)
        assert -1e-9 <= line.r2 <= 1 + 1e-9


def test_a_line_of_points_on_it_and_of_none() -> None:
    misfit = np.array([0.1, 0.4, 1.0])
    assert fitted_line(misfit, 0.3 + 0.7 * misfit) == pytest.approx((0.7, 0.3, 1.0))
    assert np.isnan(fitted_line([0.1, 0.1, 0.1], misfit)).all()
    assert np.isnan(fitted_line(misfit, [0.2, 0.2, 0.2]).r2)


def test_statistics_are_those_of_table_1() -> None:
    """The paper's eight rows: weak_error - misfit and student_error; weak errors cancel, so they may be any."""
    score = np.array([0.8969, 0.9731, 1.0331, 1.0619, 1.0624, 1.1456, 1.1499, 1.1958])
    student = np.array([1.0713, 1.1293, 1.1204, 1.1436, 1.1302, 1.1950, 1.1869, 1.2396])
    weak = np.linspace(1.5, 1.9, 8)
    means = {"weak_error": weak, "misfit": weak - score, "gain": weak - student, "student_error": student}
    assert order(means) == pytest.approx(spearmanr(score, student).statistic)
    assert round(order(means), 3) == 0.929
    assert excess(means) == pytest.approx(np.mean((student - score) / student))
    assert distance(means) == pytest.approx(excess(means))  # all rows lie on one side
    assert correlation(means) == pytest.approx(np.corrcoef(means["gain"], means["misfit"])[0, 1])


def test_digest_says_the_line_and_the_pictures_are_drawn(ladder: pd.DataFrame) -> None:
    points = ladder.groupby("weak_features")[["gain", "misfit"]].mean()
    slope, intercept = np.polyfit(points["misfit"], points["gain"], 1)
    caption = Transformers().digest(ladder).attrs["caption"]
    assert f"gain = {intercept:.3g} + {slope:.3f} misfit" in caption
    assert {figure.id for figure in Transformers.figures if figure.draw(ladder) is not None} == {"gain_misfit", "order"}
    few = ladder[ladder["weak_features"].isin(LADDER[:2])]
    assert not [figure.id for figure in Transformers.figures if figure.draw(few) is not None]


def test_rows_are_those_of_the_molecules_study(ladder: pd.DataFrame) -> None:
    other = solve(Molecules.name, axes={"weak_features": LADDER}, seeds=3, **CELL)
    for name in ("gain", "misfit", "weak_error", "student_error", "selection_score"):
        np.testing.assert_array_equal(ladder[name], other[name])


def molecules(folder: Path) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    lines = ["smiles,y"]
    for _ in range(60):
        word = "".join(rng.choice(ATOMS, size=4))
        lines.append(f"{word},{len(word) + word.count('O')}")
    (folder / "some.csv").write_text("\n".join(lines) + "\n")
    sizes = {"n_labeled": 15, "n_transfer": 25, "n_validation": 8, "n_test": 12}
    return {"data": "some.csv", "ridge": 0.1, "ridge_weak": 0.1, "strong_features": "encoder:decoder-2x32:2", **sizes}


def test_encoders_beside_the_table_are_in_the_identity_by_content(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'w2s-sweep[llm]'")
    cell = molecules(tmp_path) | {"weak_features": "encoder:decoder-2x16:1"}

    def identity(encoders: list[str] | None, **more: Any) -> str:
        fixed = cell | {"encoders": encoders} | more
        grid = load_grid({"study": STUDY, "fixed": fixed, "seeds": 1}, tmp_path)
        return str(hex_ids(cell_ids(grid.study, grid.parts[0].block))[0].decode())

    plain = identity(MADE)
    for name, model in zip(("first", "second"), MADE, strict=True):
        shutil.copytree(ModelFolder.find(model).path, tmp_path / name / model.removeprefix("made:"))
    copies = [f"./{name}/{model.removeprefix('made:')}" for name, model in zip(("first", "second"), MADE, strict=True)]
    copied = identity(copies)
    assert copied != plain  # a made model is known by its recipe, a folder by its files
    (tmp_path / "first").rename(tmp_path / "third")
    moved = ["./third/decoder-2x16", copies[1]]
    assert identity(moved) == copied
    weights = tmp_path / "third" / "decoder-2x16" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\x00\x00\x00\x01")
    assert identity(moved) != copied
    # Without encoders the field is outside the identity, as it was before the field existed.
    block = load_grid({"study": STUDY, "fixed": CELL | {"weak_features": "means:8"}, "seeds": 1}).parts[0].block
    before = Block({name: value for name, value in block.fixed.items() if name != "encoders"}, block.axes)
    assert (cell_ids(Transformers, block) == cell_ids(Transformers, before)).all()


def test_a_ladder_of_models_beside_the_table_is_solved(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'w2s-sweep[llm]'")
    cell = molecules(tmp_path)
    names = ["encoder:decoder-2x16:0", "encoder:decoder-2x16:2/5"]
    rows = solve(STUDY, axes={"weak_features": names}, folder=tmp_path, seeds=2, encoders=MADE, **cell)
    full = [name.replace("encoder:", "encoder:made:") for name in names]
    cell["strong_features"] = "encoder:made:decoder-2x32:2"
    plain = solve(STUDY, axes={"weak_features": full}, folder=tmp_path, seeds=2, **cell)
    for name in ("gain", "misfit", "weak_error", "student_error", "selection_score"):
        np.testing.assert_array_equal(rows[name], plain[name])
    assert set(rows["encoders"]) == {" | ".join(MADE)}
    assert rows["weak_rank"].max() <= 15


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"encoders": MADE[0]}, "one model"),
        ({"encoders": ["./nowhere", MADE[0]]}, "nowhere"),
        ({"encoders": MADE, "weak_features": "encoder:decoder-2x64:1"}, "one of encoders"),
        ({"encoders": MADE, "weak_features": "encoder:decoder-2x16:7"}, "layers 0..2"),
    ],
)
def test_bad_encoders_are_refused_before_anything_runs(tmp_path: Path, change: dict[str, Any], problem: str) -> None:
    pytest.importorskip("torch", reason="needs PyTorch: pip install 'w2s-sweep[llm]'")
    cell = molecules(tmp_path) | {"weak_features": "encoder:decoder-2x16:1"} | change
    with pytest.raises(GridError, match=problem):
        load_grid({"study": STUDY, "fixed": cell, "seeds": 1}, tmp_path)
