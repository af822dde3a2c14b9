"""The small grids of ladders: the claim holds, it is noticed what must be, and other grids can name their models."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest
from sabotaged import faults
from small_studies import CONFIGS, drawn, launched_ok, surprises

pytest.importorskip("torch", reason="pretraining needs torch: pip install 'w2s-sweep[llm]'")

import w2s
from sweeper import GridError, launch, load_grid
from w2s.finetune.models.folder import ModelFolder
from w2s.studies.ladder.pretraining.study import Pretraining

pytestmark = pytest.mark.grid


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if "W2S_DATA" not in os.environ:
        pytest.skip("needs english_novels and molecules in a folder named in W2S_DATA")
    return tmp_path_factory.mktemp("ladder")


@pytest.fixture(scope="module")
def rows(place: Path) -> pd.DataFrame:
    return launched_ok("ladder/small/pretraining.yaml", place / "english")


def test_the_small_grid_decides_the_claim(rows: pd.DataFrame) -> None:
    assert surprises("ladder.pretraining", rows) == []
    assert faults("ladder.pretraining", Pretraining.claims, rows) == []
    assert drawn("ladder.pretraining", rows) == ["bits_per_byte"]
    assert (rows["bits_per_byte"] < 8).all()
    assert rows["weak_error"].isna().all()


@pytest.mark.slow  # the same claim, study and code on another corpus
def test_the_small_grid_of_molecules_decides_it_too(place: Path) -> None:
    rows = launched_ok("ladder/small/smiles.yaml", place / "smiles")
    assert surprises("ladder.pretraining", rows) == []
    assert faults("ladder.pretraining", Pretraining.claims, rows) == []


def test_other_grids_name_its_models(rows: pd.DataFrame, place: Path) -> None:
    """A probe of one size teaches one of another; the models are those of the rows."""
    names = [f"run:{place / 'english'}:{size},seed=3" for size in ("2x8", "2x32")]
    own: dict[str, object] = {
        "study": "ladder.tasks",
        "fixed": {
            "task": "sentence_polarity",
            "weak_model": names[0],
            "pooling": "mean",
            "encoded": "cell",
            "max_length": 32,
            "n_transfer": 200,
            "n_test": 200,
        },
        "axes": {"student_model": names, "n_labeled": [100]},
        "out": str(place / "tasks"),
    }
    assert launch(own, executor="inline").exit == 0
    found = w2s.load(place / "tasks").sort_values("student_parameters")
    sizes = rows.drop_duplicates("size").set_index("size")["parameters"]
    assert found["student_parameters"].tolist() == [sizes["2x8"], sizes["2x32"]]
    assert set(found["weak_parameters"]) == {sizes["2x8"]}
    assert found["student_error_01"].between(0.2, 0.6).all()
    assert launch(own, executor="inline").exit == 0  # nothing is left to do
    small = {
        "task": "sentence_polarity",
        "weak_model": names[0],
        "student_model": names[1],
        "n_labeled": 100,
        "n_transfer": 100,
    }
    assert load_grid({"study": "burns2023.text", "fixed": small, "seeds": 1}).cells == 1


def test_the_bits_are_those_of_another_launch(rows: pd.DataFrame, place: Path) -> None:
    small = {
        "corpus": "data:english_novels/valid.txt.gz",
        "held_lines": 200,
        "vocabulary": 512,
        "context": 32,
        "tokens": 20000,
        "batch": 8,
        "learning_rate": 1e-2,
        "hidden": 8,
        "heads": 1,
    }
    again = launched_ok(
        {"study": "ladder.pretraining", "fixed": small, "seeds": [3], "out": "", "compute": {"store": str(place / "s")}},
        place / "again",
    )
    one = rows[(rows["size"] == "2x8") & (rows["seed"] == 3)]
    assert again["cell_id"].tolist() == one["cell_id"].tolist()
    assert again["bits_per_byte"].tolist() == one["bits_per_byte"].tolist()
    both = [ModelFolder.find(f"run:{place / run}:2x8,seed=3") for run in ("english", "again")]
    assert both[0] == both[1]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"held_lines": 0}, "nothing is held out"),
        ({"held_lines": 10**6}, "fewer must be held out"),
        ({"held_out": "data:english_novels/valid.txt.gz"}, "not both"),
        ({"hidden": 6, "heads": 2}, "multiple of 2 x heads"),
        ({"vocabulary": 200}, "258"),
        ({"corpus": "data:english_novels/none.txt"}, "none.txt"),
    ],
)
def test_bad_grids_are_refused(place: Path, change: dict[str, object], says: str) -> None:
    fixed = {"corpus": "data:english_novels/valid.txt.gz", "held_lines": 200, "hidden": 8, "tokens": 5000} | change
    with pytest.raises(GridError, match=says):
        launch({"study": "ladder.pretraining", "fixed": fixed, "out": str(place / "bad")}, executor="inline")


@pytest.mark.parametrize("path", sorted((CONFIGS / "ladder").rglob("*.yaml")), ids=lambda path: path.name)
def test_every_grid_is_read(place: Path, path: Path) -> None:
    if path.name != "tasks.yaml":  # which needs the models of english_short.yaml
        assert load_grid(path).cells >= 1
