"""Result folders of other code bases: what is read, what is joined, what is skipped, and that no pickle is ever opened."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from typer.testing import CliRunner

import w2s
from sweeper import launch
from sweeper.cli import app
from w2s.importers import IMPORTERS, FolderError
from w2s.importers.files import SUMMARY, read_saved

SETTINGS = {"batch_size": 32, "max_ctx": 1024, "n_test_docs": 200, "lr": 5e-5, "optim": "adam", "epochs": 2}


class Trap:
    """Loading its pickle makes a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return (Path.touch, (self.mark,))


def save(folder: Path, columns: Mapping[str, Sequence[Any]], shards: int = 1) -> None:
    """Write a data set as ``datasets`` does: Arrow streams, listed in state.json."""
    folder.mkdir(parents=True)
    table = pa.table(dict(columns))
    names = [f"data-{k:05d}-of-{shards:05d}.arrow" for k in range(shards)]
    for k, name in enumerate(names):
        part = table.slice(k * table.num_rows // shards, (k + 1) * table.num_rows // shards - k * table.num_rows // shards)
        with pa.OSFile(str(folder / name), "wb") as sink, pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(part)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": name} for name in names], "_split": None}))
    (folder / "dataset_info.json").write_text("{}")


def write_run(folder: Path, config: Mapping[str, Any], accuracy: float | None) -> Path:
    """Write a run of train_simple.py, with a log, and with a pickle that must stay closed."""
    folder.mkdir(parents=True)
    (folder / "log.jsonl").write_text('{"train/loss": 0.7}\n')
    (folder / "results.pkl").write_bytes(pickle.dumps(Trap(folder.parent / "opened")))
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(folder.parent / "opened")))
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    if accuracy is not None:
        (folder / "results_summary.json").write_text(json.dumps({"accuracy": accuracy}))
    return folder


def openai_config(size: str, seed: int = 0, weak: Mapping[str, Any] | None = None, **other: Any) -> dict[str, Any]:
    config = SETTINGS | {"ds_name": "sciq", "loss": "xent", "n_docs": 20000, "model_size": size, "seed": seed} | other
    return config if weak is None else config | {"weak_model_size": weak["model_size"], "weak_model": dict(weak)}


@pytest.fixture
def openai_folder(tmp_path: Path) -> Path:
    """Two seeds of gpt2 -> gpt2-xl with two losses, and runs that are not finished."""
    sweep = tmp_path / "results" / "default"
    for seed in (0, 1):
        weak, strong = openai_config("gpt2", seed), openai_config("gpt2-xl", seed)
        place = write_run(sweep / f"ms=gpt2-s={seed}", weak, 0.6 + 0.01 * seed)
        save(place / "weak_labels", {"txt": ["a"] * 8, "acc": [True] * 5 + [False] * 3, "soft_label": [[0.5, 0.5]] * 8})
        write_run(sweep / f"ms=gpt2-xl-s={seed}", strong, 0.8)
        for loss, accuracy in (("xent", 0.7), ("logconf", 0.75)):
            student = openai_config("gpt2-xl", seed, weak, loss=loss)
            write_run(sweep / f"l={loss}-ms=gpt2-xl-s={seed}-wms=gpt2", student, accuracy)
    write_run(sweep / "half", openai_config("gpt2-large"), None)
    write_run(sweep / "lonely", openai_config("gpt2-large", 0, openai_config("gpt2")), 0.7)
    write_run(sweep / "torn", openai_config("gpt2-medium"), 0.7)
    (sweep / "torn" / "config.json").write_text('{"ds_name": "sci')
    return tmp_path / "results"


def run_import(*words: Any) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["import", *map(str, words)])
    return result.exit_code, result.output


# ---------------------------------------------------------------- openai/weak-to-strong


def test_a_sweep_becomes_a_table(openai_folder: Path, tmp_path: Path) -> None:
    code, text = run_import("openai-w2s", openai_folder, "--out", tmp_path / "table.csv")
    assert code == 0, text
    rows = pd.read_csv(tmp_path / "table.csv")
    assert list(rows.columns) == SUMMARY.names
    assert len(rows) == 4
    first = rows[(rows["loss"] == "xent") & (rows["seed"] == 0)].iloc[0]
    assert (first["dataset"], first["weak_size"], first["strong_size"]) == ("sciq", "gpt2", "gpt2-xl")
    assert (first["weak_accuracy"], first["student_accuracy"], first["ceiling_accuracy"]) == (0.6, 0.7, 0.8)
    assert (first["gain_01"], first["pgr_01"]) == (pytest.approx(0.1), pytest.approx(0.5))
    assert (first["label_accuracy"], first["n_labels"]) == (0.625, 8)
    assert (first["ceiling"], first["n_items_at_most"]) == ("labeled", 200)
    assert rows[["n_items", "weak_se"]].isna().all(axis=None)
    assert pd.isna(first["differs"])
    assert "not on the student's" in text
    for line in ("half: half-written", "torn: half-written", "lonely: no finished run on the truth"):
        assert line in text
    assert not list(tmp_path.rglob("opened"))
    assert not (tmp_path / "table-predictions.yaml").exists()


def test_the_table_is_one_that_summarize_reads(openai_folder: Path, tmp_path: Path) -> None:
    assert run_import("openai-w2s", openai_folder, "--out", tmp_path / "table.parquet")[0] == 0
    summary = w2s.summarize(pd.read_parquet(tmp_path / "table.parquet"), by=["dataset", "loss"], metrics=["pgr_01", "gain_01"])
    assert summary["pgr_01"].tolist() == pytest.approx([0.145 / 0.195, 0.095 / 0.195])
    assert summary["pgr_01_status"].tolist() == ["ok", "ok"]
    assert summary["seeds"].tolist() == [2, 2]


def test_the_trap_would_spring(openai_folder: Path) -> None:
    place = next(openai_folder.rglob("results.pkl"))
    pickle.loads(place.read_bytes())
    assert (place.parent.parent / "opened").exists()


def test_anchors_with_other_settings_are_named_with_their_values(openai_folder: Path) -> None:
    sweep = openai_folder / "default"
    for place in sweep.glob("ms=gpt2-xl-s=1"):
        config = json.loads((place / "config.json").read_text()) | {"epochs": 3}
        (place / "config.json").write_text(json.dumps(config))
    rows = {(row["loss"], row["seed"]): row["differs"] for row in IMPORTERS["openai-w2s"](openai_folder, ()).runs}
    free = "ceiling loss xent (student logconf)"
    assert rows == {
        ("xent", 0): None,
        ("logconf", 0): free,
        ("xent", 1): "ceiling epochs 3 (student 2)",
        ("logconf", 1): f"ceiling epochs 3 (student 2), {free}",
    }
    write_run(sweep / "another ceiling", openai_config("gpt2-xl", 1, epochs=4), 0.9)
    found = IMPORTERS["openai-w2s"](openai_folder, ())
    assert {row["seed"] for row in found.runs} == {0}
    told = "several finished runs on the truth fit its ceiling gpt2-xl, seed 1: another ceiling, ms=gpt2-xl-s=1"
    assert sum(f"{told}, which differ in epochs 4, 3" in line for line in found.skipped) == 2


@pytest.fixture
def two_losses(tmp_path: Path) -> Path:
    """A sweep whose models were trained on the truth by two losses, all else equal."""
    for loss, weak, ceiling in (("xent", 0.64, 0.73), ("logconf", 0.60, 0.70)):
        write_run(tmp_path / "two" / f"small-{loss}", openai_config("small", loss=loss), weak)
        write_run(tmp_path / "two" / f"large-{loss}", openai_config("large", loss=loss), ceiling)
    for loss, accuracy in (("xent", 0.68), ("logconf", 0.69), ("kl", 0.70)):
        write_run(tmp_path / "two" / f"student-{loss}", openai_config("large", 0, openai_config("small"), loss=loss), accuracy)
    return tmp_path / "two"


def test_of_several_ceilings_the_one_with_the_students_loss_is_taken_else_xent(two_losses: Path) -> None:
    found = IMPORTERS["openai-w2s"](two_losses, ())
    assert not found.skipped
    rows = {row["loss"]: (row["weak_accuracy"], row["ceiling_accuracy"], row["differs"]) for row in found.runs}
    assert rows == {
        "xent": (0.64, 0.73, "ceiling loss xent of logconf, xent"),
        "logconf": (0.64, 0.70, "ceiling loss logconf of logconf, xent"),
        "kl": (0.64, 0.73, "ceiling loss xent (student kl), ceiling loss xent of logconf, xent"),
    }


def test_a_weak_model_of_which_only_the_size_is_known_is_the_one_by_xent(two_losses: Path) -> None:
    place = two_losses / "student-xent" / "config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"weak_model": None}))
    rows = {row["loss"]: row for row in IMPORTERS["openai-w2s"](two_losses, ()).runs}
    assert rows["xent"]["weak_accuracy"] == 0.64
    assert "weak loss xent of logconf, xent" in rows["xent"]["differs"]


def rate_folder(folder: Path, name: str = "rates", rates: Sequence[float] = (1e-4, 1e-5)) -> Path:
    """Two students that differ in the learning rate alone, each with its own weak model and ceiling."""
    for rate, (weak, ceiling, accuracy) in zip(rates, ((0.66, 0.78, 0.77), (0.62, 0.70, 0.64)), strict=True):
        small = openai_config("small", lr=rate)
        write_run(folder / name / f"{rate}-small", small, weak)
        write_run(folder / name / f"{rate}-large", openai_config("large", lr=rate), ceiling)
        write_run(folder / name / f"{rate}-student", openai_config("large", 0, small, lr=rate), accuracy)
    return folder / name


def test_settings_that_vary_are_columns(tmp_path: Path) -> None:
    folder = rate_folder(tmp_path)
    code, text = run_import("openai-w2s", folder, "--out", tmp_path / "table.csv")
    assert code == 0, text
    assert "settings that vary are columns, to be named in the by of a summary: lr" in text
    rows = pd.read_csv(tmp_path / "table.csv")
    assert list(rows.columns)[:7] == ["dataset", "weak_size", "strong_size", "method", "loss", "lr", "seed"]
    assert rows["differs"].isna().all()
    by = w2s.summarize(rows, by=["dataset", "weak_size", "strong_size", "loss", "lr"], metrics=["pgr_01"])
    assert by["lr"].tolist() == [1e-5, 1e-4]
    assert by["pgr_01"].tolist() == pytest.approx([0.25, 0.11 / 0.12])


def test_settings_of_the_weak_model_that_are_not_its_students_are_columns_too(tmp_path: Path) -> None:
    folder = rate_folder(tmp_path)
    other = openai_config("small", lr=1e-5)
    write_run(folder / "mixed", openai_config("large", 0, other, lr=1e-4, tricks=["a", 1]), 0.7)
    code, text = run_import("openai-w2s", folder, "--out", tmp_path / "table.parquet")
    assert code == 0, text
    rows = pd.read_parquet(tmp_path / "table.parquet").set_index("run")
    assert rows.loc["mixed", ["lr", "weak_lr", "tricks"]].tolist() == [1e-4, 1e-5, '["a", 1]']
    assert rows["tricks"].isna().sum() == 2
    assert len(rows.groupby(["lr", "weak_lr"])) == 3


def test_anchors_may_be_in_another_folder(tmp_path: Path) -> None:
    folder, anchors = rate_folder(tmp_path), tmp_path / "baseline"
    anchors.mkdir()
    for name in ("small", "large"):
        (folder / f"0.0001-{name}").rename(anchors / name)
    code, text = run_import("openai-w2s", folder, "--out", tmp_path / "alone.csv")
    assert code == 0, text
    alone = pd.read_csv(tmp_path / "alone.csv").set_index("run")
    assert "weak lr 1e-05 (recorded 0.0001)" in alone.loc["0.0001-student", "differs"]
    shutil.rmtree(folder / "1e-05-small")
    code, text = run_import("openai-w2s", folder, "--out", tmp_path / "none.csv")
    assert code == 2
    assert "for its weak model small, seed 0; where it is elsewhere, name that folder with --anchors" in text
    code, text = run_import("openai-w2s", folder, "--anchors", anchors, "--out", tmp_path / "table.csv")
    assert code == 0, text
    rows = pd.read_csv(tmp_path / "table.csv").set_index("run")
    assert rows.loc["0.0001-student", ["weak_accuracy", "ceiling_accuracy"]].tolist() == [0.66, 0.78]
    assert rows.loc["0.0001-student", "differs"] == "weak from ../baseline/small, ceiling from ../baseline/large"
    assert rows.loc["1e-05-student", "differs"] == "weak lr 0.0001 (recorded 1e-05), weak from ../baseline/small"
    code, text = run_import("openai-w2s", folder, "--anchors", tmp_path / "nowhere", "--out", tmp_path / "more.csv")
    assert (code, "nowhere is no folder" in text) == (2, True)
    (tmp_path / "empty").mkdir()
    code, text = run_import("openai-w2s", folder, "--anchors", tmp_path / "empty", "--out", tmp_path / "more.csv")
    assert (code, "holds no finished run on the truth" in text.replace("\n", " ")) == (2, True)


def test_a_ceiling_below_its_weak_model_has_a_status(tmp_path: Path) -> None:
    weak = openai_config("gpt2")
    write_run(tmp_path / "weak", weak, 0.8)
    write_run(tmp_path / "strong", openai_config("gpt2-xl"), 0.75)
    write_run(tmp_path / "student", openai_config("gpt2-xl", 0, weak), 0.7)
    write_run(tmp_path / "itself", openai_config("gpt2", 0, weak), 0.79)
    rows = IMPORTERS["openai-w2s"](tmp_path, ()).runs
    assert [(row["pgr_01"], row["pgr_01_status"]) for row in rows] == [(None, "gap_nonpositive")] * 2


def test_the_older_script(tmp_path: Path) -> None:
    for kind, name in (("weak_model_gt", "Qwen_Qwen-1_8B"), ("strong_model_gt", "Qwen_Qwen-7B")):
        (tmp_path / kind / name).mkdir(parents=True)
        (tmp_path / kind / name / "results.pkl").write_bytes(pickle.dumps(Trap(tmp_path / "opened")))
    results = {"weak_acc": 0.6, "strong_acc": 0.8, "transfer_acc_xent": 0.7, "transfer_acc_logconf": 0.8}
    (tmp_path / "Qwen_Qwen-1_8B_Qwen_Qwen-7B.results_summary.json").write_text(json.dumps(results))
    (tmp_path / "a_b_c.results_summary.json").write_text(json.dumps(results))
    found = IMPORTERS["openai-w2s"](tmp_path, ())
    assert [(row["loss"], row["pgr_01"], row["ceiling"]) for row in found.runs] == [
        ("xent", pytest.approx(0.5), "transfer"),
        ("logconf", pytest.approx(1.0), "transfer"),
    ]
    assert {(row["weak_size"], row["strong_size"], row["seed"]) for row in found.runs} == {
        ("Qwen_Qwen-1_8B", "Qwen_Qwen-7B", None)
    }
    assert any("a_b_c" in line and "does not tell" in line for line in found.skipped)
    assert not (tmp_path / "opened").exists()


def change(place: Path, **settings: Any) -> None:
    (place / "config.json").write_text(json.dumps(json.loads((place / "config.json").read_text()) | settings))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"weak_model": "gpt2"}, "weak_model is 'gpt2', not the settings of a run"),
        ({"weak_model": ["gpt2"]}, "weak_model is ['gpt2'], not the settings of a run"),
        ({"weak_model": {"model_size": ["gpt2"]}}, "weak_model names no ds_name and model_size"),
        ({"weak_model": {"loss": "xent"}}, "weak_model names no ds_name and model_size"),
        ({"loss": ["a"]}, "loss is ['a'], not a text"),
        ({"weak_model_size": 5}, "weak_model_size is 5, not a text"),
        ({"seed": "zero"}, "seed is 'zero', not a whole number"),
        ({"seed": 2**63}, "seed is 9223372036854775808, not a whole number"),
        ({"n_test_docs": "many"}, "n_test_docs is 'many', not a whole number"),
        ({"n_test_docs": 1e30}, "n_test_docs is 1e+30, not a whole number"),
    ],
)
def test_a_run_with_odd_settings_is_skipped_alone(
    openai_folder: Path, tmp_path: Path, settings: Mapping[str, Any], why: str
) -> None:
    change(openai_folder / "default" / "l=xent-ms=gpt2-xl-s=0-wms=gpt2", **settings)
    code, text = run_import("openai-w2s", openai_folder, "--out", tmp_path / "table.csv")
    assert code == 0, text
    assert len(pd.read_csv(tmp_path / "table.csv")) == 3
    assert f"skipped default/l=xent-ms=gpt2-xl-s=0-wms=gpt2: half-written or no run: config.json: {why}" in text


# ---------------------------------------------------------------- EleutherAI/weak-to-strong


def eleuther_config(size: str, seed: int, weak: Mapping[str, Any] | None = None) -> dict[str, Any]:
    config = SETTINGS | {"ds_name": "boolq", "n_train_docs": 500, "n_inference_docs": 0, "model_size": size, "seed": seed}
    if weak is None:
        return config | {"loss": "xent", "weak_labels_path": None, "n_inference_docs": 500 if size == "small" else 0}
    named = {"weak_labels_path": "/elsewhere/weak_labels", "weak_model_size": weak["model_size"], "weak_model": dict(weak)}
    return config | {"loss": "kl", **named}


def save_predictions(place: Path, truth: np.ndarray, p: np.ndarray, keep: slice = slice(None), alike: int = 1) -> float:
    """Write eval_results_final, where the first ``alike`` items have one id; return the accuracy."""
    hits = (p > 0.5) == (truth == 1)
    columns = {"id": [f"{max(k, alike - 1):08x}" for k in range(len(truth))], "txt": ["?"] * len(truth), "hard_label": truth}
    columns |= {"hard_pred": (p > 0.5).astype(int), "soft_pred": np.column_stack([1 - p, p]).tolist(), "acc": hits}
    save(place / "eval_results_final", {name: list(values)[keep] for name, values in columns.items()}, shards=2)
    return float(hits.mean())


@pytest.fixture
def eleuther_folder(tmp_path: Path) -> Path:
    """Two seeds of small -> big, every test item's probabilities saved; the student's last items are missing."""
    sweep, n = tmp_path / "results" / "default", 300
    for seed in (0, 1):
        generator = np.random.default_rng(seed)
        truth = generator.integers(0, 2, n)
        weak = eleuther_config("small", seed)
        configs = {"weak": weak, "ceiling": eleuther_config("big", seed), "student": eleuther_config("big", seed, weak)}
        for k, (role, config) in enumerate(configs.items()):
            p = 1 / (1 + np.exp(-((0.5, 1.6, 1.0)[k] * (2 * truth - 1) + generator.standard_normal(n))))
            place = write_run(sweep / f"{role}-{seed}", config, None)
            accuracy = save_predictions(place, truth, p, slice(n - 4) if role == "student" else slice(None))
            (place / "results_summary.json").write_text(json.dumps({"accuracy": accuracy}))
    return tmp_path / "results"


def test_saved_predictions_become_a_file_and_a_grid(eleuther_folder: Path, tmp_path: Path) -> None:
    code, text = run_import("eleuther", eleuther_folder, "--out", tmp_path / "mine.csv")
    assert code == 0, text
    assert "4 of 300 test items are left out: listed twice, or not by all three models" in text
    items = pd.read_parquet(tmp_path / "mine-predictions.parquet")
    assert list(items.columns) == ["item_id", "truth", "weak", "student", "ceiling", "seed", "group"]
    assert len(items) == 2 * 296
    outcome = launch(tmp_path / "mine-predictions.yaml", executor="inline")
    assert (outcome.exit, outcome.computed) == (0, 2)
    rows = w2s.load(outcome.run).sort_values("seed")
    summary = pd.read_csv(tmp_path / "mine.csv")
    assert (1 - rows["weak_error_01"]).tolist() == pytest.approx(summary["weak_accuracy"].tolist(), abs=0.02)
    assert set(rows["n_items"]) == {296} == set(summary["n_items"])
    expected = np.sqrt(summary["weak_accuracy"] * summary["weak_error_01"] / 296)
    assert summary["weak_se"].tolist() == pytest.approx(expected.tolist())
    assert set(summary["ceiling"]) == {"mixed"}
    assert not list(tmp_path.rglob("opened"))


def test_items_that_are_listed_twice_count_for_accuracies_and_are_said(eleuther_folder: Path) -> None:
    for place in (eleuther_folder / "default").iterdir():
        shutil.rmtree(place / "eval_results_final")
        p = np.linspace(0.1, 0.9, 300)
        save_predictions(place, (p > 0.4).astype(int), p, alike=6)
    found = IMPORTERS["eleuther"](eleuther_folder, ())
    assert found.predictions is not None
    assert found.predictions.num_rows == 2 * 294
    assert [row["n_items"] for row in found.runs] == [300, 300]
    assert sum("6 of 300 test items are left out: listed twice" in line for line in found.skipped) == 2


def test_a_student_whose_anchors_disagree_about_the_truth_has_no_predictions(eleuther_folder: Path) -> None:
    place = eleuther_folder / "default" / "ceiling-1"
    shutil.rmtree(place / "eval_results_final")
    save_predictions(place, np.ones(300, dtype=int), np.full(300, 0.9))
    found = IMPORTERS["eleuther"](eleuther_folder, ())
    assert any("disagree about the truth" in line for line in found.skipped)
    assert found.predictions is not None
    assert set(found.predictions["seed"].to_pylist()) == {0}
    assert [row["n_items"] for row in found.runs] == [296, None]


# ---------------------------------------------------------------- EleutherAI/w2s


def write_nested(place: Path, accuracy: float | None, auroc: float = 0.9, **config: Any) -> None:
    place.mkdir(parents=True)
    names = {"dataset": "boolq", "weak_model_name": "Qwen/Qwen1.5-0.5B", "strong_model_name": "meta-llama/Meta-Llama-3-8B"}
    common = {"shared_folder": "shared", "loss_name": "logconf", "n_test": 5000, "train_args": {"seed": 42}}
    (place / "config.json").write_text(json.dumps(names | common | config))
    if accuracy is not None:
        results = {"eval_loss": 0.5, "eval_accuracy": accuracy, "eval_auroc": auroc, "epoch": 3.0}
        (place / "results.json").write_text(json.dumps(results))


@pytest.fixture
def nested_folder(tmp_path: Path) -> Path:
    root = tmp_path / "results"
    write_nested(root / "shared" / "boolq" / "weak", 0.6, 0.65)
    labels = {"txt": list("abcd"), "gt_labels": [0, 1, 1, 0], "soft_pred": np.array([0.2, 0.9, 0.4, 0.1], dtype=np.float32)}
    save(root / "shared" / "boolq" / "weak" / "predictions" / "train", labels)
    write_nested(root / "shared" / "boolq" / "strong", 0.9, 0.95)
    write_nested(root / "my_run" / "boolq" / "w2s", 0.75, 0.86)
    write_nested(root / "my_run" / "boolq" / "s2s-0", 0.78, 0.8)
    write_nested(root / "topo" / "boolq" / "w2s", 0.7, 0.7, probe_filter=True, probe_name="topo")
    write_nested(root / "unfinished" / "boolq" / "w2s", None)
    write_nested(root / "other" / "boolq" / "w2s", 0.7, weak_model_name="gpt2")
    (root / "shared" / "boolq" / "w2s" / "activations").mkdir(parents=True)
    (root / "shared" / "boolq" / "w2s" / "activations" / "train.pt").write_bytes(pickle.dumps(Trap(tmp_path / "opened")))
    return root


def test_nested_results(nested_folder: Path, tmp_path: Path) -> None:
    code, text = run_import("eleuther", nested_folder, "--out", tmp_path / "table.csv")
    assert code == 0, text
    rows = pd.read_csv(tmp_path / "table.csv").set_index("run")
    assert rows["method"].to_dict() == {
        "my_run/boolq/w2s": "w2s",
        "my_run/boolq/s2s-0": "s2s-0",
        "topo/boolq/w2s": "w2s filtered by topo",
    }
    first = rows.loc["my_run/boolq/w2s"]
    assert (first["pgr_01"], first["pgr_auroc"]) == (pytest.approx(0.5), pytest.approx(0.7))
    assert (first["seed"], first["n_items_at_most"], first["ceiling"], first["loss"]) == (42, 5000, "transfer", "logconf")
    assert (first["label_accuracy"], first["n_labels"]) == (0.75, 4)
    assert "unfinished/boolq/w2s: half-written" in text
    assert "other/boolq/w2s: the shared folder holds another weak model" in text
    assert not (tmp_path / "opened").exists()
    alone = IMPORTERS["eleuther"](nested_folder / "my_run" / "boolq", ())
    assert len(alone.runs) == 2


def test_nested_students_with_other_settings_or_other_anchors(nested_folder: Path, tmp_path: Path) -> None:
    change(nested_folder / "topo" / "boolq" / "w2s", train_args={"seed": 42, "learning_rate": 1e-5, "output_dir": "/topo"})
    code, text = run_import("eleuther", nested_folder, "--out", tmp_path / "table.csv")
    assert code == 0, text
    rows = pd.read_csv(tmp_path / "table.csv").set_index("run")
    assert rows["train_args.learning_rate"].to_dict()["topo/boolq/w2s"] == 1e-5
    assert rows["train_args.learning_rate"].isna().sum() == 2
    assert not [name for name in rows.columns if "output_dir" in name]
    (nested_folder / "shared").rename(tmp_path / "anchors")
    code, text = run_import("eleuther", nested_folder, "--out", tmp_path / "none.csv")
    assert (code, "name that folder with --anchors" in text.replace("\n", " ")) == (2, True)
    code, text = run_import("eleuther", nested_folder, "--anchors", tmp_path / "anchors", "--out", tmp_path / "again.csv")
    assert code == 0, text
    again = pd.read_csv(tmp_path / "again.csv").set_index("run")
    assert again["pgr_01"].to_dict() == rows["pgr_01"].to_dict()
    assert set(again["differs"]) == {"anchors from ../anchors/boolq"}


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"dataset": 5}, "w2s/config.json: dataset is 5, not a text"),
        ({"strong_model_name": None}, "w2s/config.json names no strong_model_name"),
        ({"train_args": [1]}, "config.json: train_args is [1], not settings"),
        ({"train_args": {"seed": "a"}}, "config.json: train_args: seed is 'a', not a whole number"),
        ({"n_test": 1e30}, "config.json: n_test is 1e+30, not a whole number"),
        ({"loss_name": {}}, "config.json: loss_name is {}, not a text"),
    ],
)
def test_nested_results_with_odd_settings_are_skipped_alone(
    nested_folder: Path, tmp_path: Path, settings: Mapping[str, Any], why: str
) -> None:
    change(nested_folder / "my_run" / "boolq" / "w2s", **settings)
    code, text = run_import("eleuther", nested_folder, "--out", tmp_path / "table.csv")
    assert code == 0, text
    assert len(pd.read_csv(tmp_path / "table.csv")) == 2
    assert f"skipped my_run/boolq/w2s: {why}" in text


# ---------------------------------------------------------------- folders that are none of these


def test_other_folders_are_refused(tmp_path: Path, eleuther_folder: Path, openai_folder: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in IMPORTERS:
        code, text = run_import(source, tmp_path / "empty")
        assert code == 2
        assert "holds no weak-to-strong result" in text
        assert run_import(source, tmp_path / "none")[0] == 2
    assert run_import("gpt", tmp_path / "empty")[0] == 2


def test_a_code_base_that_is_none_is_said_with_the_nearest(openai_folder: Path) -> None:
    result = CliRunner().invoke(app, ["import", "openai-w2", str(openai_folder)])
    assert result.exit_code == 2
    assert result.stderr == "error: 'openai-w2' is not a code base (did you mean 'openai-w2s'?); known: openai-w2s, eleuther\n"


def test_the_other_code_base_is_recognised(eleuther_folder: Path) -> None:
    with pytest.raises(FolderError, match="read it as eleuther"):
        IMPORTERS["openai-w2s"](eleuther_folder, ())


def test_nothing_is_overwritten_unasked(openai_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.csv"
    out.write_text("mine")
    assert run_import("openai-w2s", openai_folder, "--out", out)[0] == 2
    assert out.read_text() == "mine"
    assert run_import("openai-w2s", openai_folder, "--out", out, "--overwrite")[0] == 0
    assert run_import("openai-w2s", openai_folder, "--out", tmp_path / "table.txt")[0] == 2


def test_a_table_that_cannot_be_written_leaves_the_old_one(
    openai_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pyarrow.csv

    def full_disk(table: pa.Table, place: Path) -> None:
        Path(place).write_text("half")
        raise OSError(28, "No space left on device")

    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "table.csv").write_text("mine")
    monkeypatch.setattr(pyarrow.csv, "write_csv", full_disk)
    code, text = run_import("openai-w2s", openai_folder, "--out", tmp_path / "out" / "table.csv", "--overwrite")
    assert code == 1
    assert "cannot be written" in text
    assert {path.name: path.read_text() for path in (tmp_path / "out").iterdir()} == {"table.csv": "mine"}


def test_saved_data_sets(tmp_path: Path) -> None:
    save(tmp_path / "own", {"id": list("abc"), "x": [1, 2, 3]}, shards=2)
    assert read_saved(tmp_path / "own", ["x"])["x"].to_pylist() == [1, 2, 3]
    with pytest.raises(FolderError, match="cannot be read"):
        read_saved(tmp_path / "own", ["y"])
    (tmp_path / "own" / "state.json").write_text(json.dumps({"_data_files": [{"filename": "../secret.arrow"}]}))
    with pytest.raises(FolderError, match="no data files of its own"):
        read_saved(tmp_path / "own", ["x"])
    for listed in (5, ["data.arrow"], None):
        (tmp_path / "own" / "state.json").write_text(json.dumps({"_data_files": listed}))
        with pytest.raises(FolderError, match="no data files of its own"):
            read_saved(tmp_path / "own", ["x"])
    (tmp_path / "own" / "state.json").write_text(json.dumps({"_indices_data_files": [{}], "_data_files": [{}]}))
    with pytest.raises(FolderError, match="index of rows"):
        read_saved(tmp_path / "own", ["x"])


def test_what_the_library_saves_is_read(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    datasets.disable_progress_bars()
    rows = [{"id": str(k), "acc": k % 2 == 0, "soft_pred": [0.25, 0.75]} for k in range(6)]
    datasets.Dataset.from_list(rows).select([5, 0, 3]).save_to_disk(str(tmp_path / "saved"))
    table = read_saved(tmp_path / "saved", ["id", "soft_pred", "acc"])
    assert table["id"].to_pylist() == ["5", "0", "3"]
    assert table["soft_pred"].to_pylist() == [[0.25, 0.75]] * 3
