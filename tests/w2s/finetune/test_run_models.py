"""run:FOLDER:SIZE: the right model by content, and one clear line for every way to ask for one that is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from w2s.artifacts.manifest import write_manifest
from w2s.files.datafile import DataFileError
from w2s.finetune.models.folder import ModelFolder

KEYS = {(size, seed): f"{k:032x}" for k, (size, seed) in enumerate((s, n) for s in ("2x8", "2x16", "4x32") for n in (0, 1))}


def value(store: Path, key: str, content: str) -> Path:
    folder = store / key[:2] / key
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"num_hidden_layers": 2, "called": content}))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(content.encode())
    write_manifest(folder, {"function": "w2s.pretrain"})
    return folder


def run(place: Path, rows: list[dict[str, object]], store: Path | None = None) -> Path:
    (place / "results").mkdir(parents=True)
    (place / "grid.yaml").write_text("study: ladder.pretraining\n")
    pq.write_table(pa.Table.from_pylist(rows), place / "results" / "part-1.parquet")
    events = [
        {"event": "launch", "store": "/not/this"},
        {"event": "launch", **({"store": str(store)} if store else {})},
        {"event": "end"},
    ]
    (place / "events.jsonl").write_text("\n".join(map(json.dumps, events)) + "\n{cut")
    return place


def row(size: str, seed: int, status: str = "ok") -> dict[str, object]:
    fields = {"cell_id": "a", "study": "ladder.pretraining", "version": 1, "hidden": int(size.partition("x")[2]), "rate": 0.5}
    model = KEYS[size, seed] if status == "ok" else None
    return {**fields, "seed": seed, "status": status, "size": size, "model": model, "bits_per_byte": 2.0}


@pytest.fixture
def ladder(tmp_path: Path) -> Path:
    """A run of one seed for size 2x8, of two for 2x16, and one failed row of size 4x32; its store lies elsewhere."""
    store = tmp_path / "store"
    for (size, seed), key in KEYS.items():
        value(store, key, f"{size} {seed}")
    rows = [row("2x8", 0), row("2x16", 0), row("2x16", 1), row("4x32", 0, "failed")]
    run(tmp_path / "runs" / "ladder", rows, store)
    return tmp_path / "grids"


def test_a_size_is_found_from_the_folder_of_the_grid(ladder: Path) -> None:
    model = ModelFolder.find("run:../runs/ladder:2x8", ladder)
    assert (model.path / "model.safetensors").read_bytes() == b"2x8 0"
    seed = ModelFolder.find("run:../runs/ladder:2x16,seed=1", ladder)
    assert (seed.path / "model.safetensors").read_bytes() == b"2x16 1"
    assert seed == ModelFolder.find("run:../runs/ladder:2x16, seed=1, rate=0.5", ladder)
    assert seed.sha256 != model.sha256


def test_it_is_the_model_of_its_folder(ladder: Path, tmp_path: Path) -> None:
    """By content, and by the name that a stored grid has."""
    model = ModelFolder.find("run:../runs/ladder:2x8", ladder)
    assert model == ModelFolder.find(str(model.path))
    elsewhere = tmp_path / "runs" / "other"
    assert ModelFolder.find(model.seen_from(elsewhere), elsewhere, model.sha256) == model
    assert not ModelFolder.keeps_name(model.name)


def test_first_layers_of_one(ladder: Path, tmp_path: Path) -> None:
    model, whole = (ModelFolder.find(f"run:../runs/ladder:2x8{cut}", ladder) for cut in (":1", ""))
    assert model.layers == 1
    assert model.sha256 != whole.sha256
    assert ModelFolder.find(model.seen_from(tmp_path), tmp_path) == model


def test_the_default_store_lies_beside_the_run(tmp_path: Path) -> None:
    value(tmp_path / ".w2s-store", KEYS["2x8", 0], "mine")
    run(tmp_path / "ladder", [row("2x8", 0)])
    assert ModelFolder.find("run:ladder:2x8", tmp_path).path.parent.parent == tmp_path / ".w2s-store"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("run:../runs/ladder", "write run:FOLDER:SIZE"),
        ("run::2x8", "write run:FOLDER:SIZE"),
        ("run:../runs/ladder:", "write run:FOLDER:SIZE"),
        ("run:../runs/none:2x8", "no run folder; launch the grid that makes it (configs/ladder"),
        ("run:../runs/ladder:2x9", "no finished row of size '2x9' (did you mean '2x8'?); there are 2x16, 2x8"),
        ("run:../runs/ladder:4x32", "no finished row of size '4x32'"),
        ("run:../runs/ladder:2x16", "differ in seed; choose one, as in run:FOLDER:2x16,seed=0; seed is 0, 1"),
        ("run:../runs/ladder:2x16,seed=7", "no finished row with seed=7; seed is 0, 1"),
        ("run:../runs/ladder:2x16,sed=1", "'sed=1' is no FIELD=VALUE of the run (did you mean 'seed'?)"),
        ("run:../runs/ladder:2x16,seed", "'seed' is no FIELD=VALUE"),
    ],
)
def test_what_is_not_there(ladder: Path, name: str, says: str) -> None:
    with pytest.raises(DataFileError) as error:
        ModelFolder.find(name, ladder)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_unfinished_and_foreign_runs(tmp_path: Path) -> None:
    run(tmp_path / "begun", [row("4x32", 0, "failed")])
    with pytest.raises(DataFileError, match="no finished row yet; launch its grid again to finish it"):
        ModelFolder.find("run:begun:4x32", tmp_path)
    run(tmp_path / "other", [{"study": "dong2025.regression", "seed": 0}])
    with pytest.raises(DataFileError, match="makes no models"):
        ModelFolder.find("run:other:2x8", tmp_path)
    run(tmp_path / "odd", [{**row("2x8", 0), "model": "../../etc"}])
    with pytest.raises(DataFileError, match="names no artifact"):
        ModelFolder.find("run:odd:2x8", tmp_path)
    (tmp_path / "begun" / "results" / "part-2.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(DataFileError, match="cannot be read"):
        ModelFolder.find("run:begun:2x8", tmp_path)


def test_models_that_are_gone_or_damaged(ladder: Path, tmp_path: Path) -> None:
    place = ModelFolder.find("run:../runs/ladder:2x8", ladder).path
    (place / "model.safetensors").write_bytes(b"2x8 X")
    with pytest.raises(DataFileError, match="is damaged"):
        ModelFolder.find("run:../runs/ladder:2x8", ladder)
    for item in place.iterdir():
        item.unlink()
    with pytest.raises(DataFileError, match=r"is not in .*store.*; launch the grid of .* again"):
        ModelFolder.find("run:../runs/ladder:2x8", ladder)
    (tmp_path / "runs" / "ladder" / "events.jsonl").write_text(json.dumps({"event": "launch", "store": "s3://bucket/store"}))
    with pytest.raises(DataFileError, match=r"is not in .*\.w2s-store"):
        ModelFolder.find("run:../runs/ladder:2x8", ladder)
