"""Finetune grids small enough for tests: a task of one's own, tiny models, launches in this process, and launches that are killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
import yaml
from tiny_models import letter_rows, tiny_bert, tiny_distilbert
from workbench import wait_until

import w2s
from sweeper import launch

BASE = {
    "task": "mine.csv",
    "text_column": "letters",
    "label_column": "kind",
    "n_labeled": 120,
    "n_transfer": 120,
    "n_test": 100,
    "batch": 20,
    "learning_rate": 3e-3,
    "learning_rate_labeled": 3e-3,
    "max_length": 16,
}
TIMES = ("elapsed_s", "train_seconds", "peak_bytes")
"""Columns of a row that say what it took."""

_SLOWLY = """
import sys, time
from sweeper import launch
from w2s.finetune.training.loop import Trainer

run, step = Trainer.run, Trainer._step

def slow_step(self, batch):
    time.sleep(float(sys.argv[3]))
    step(self, batch)

Trainer.run = lambda self, checkpoint_seconds=60.0: run(self, 0.0)  # a checkpoint after every step
Trainer._step = slow_step
launch(sys.argv[1], out=sys.argv[2])
"""


def finetune_place(folder: Path) -> Path:
    """Fill a folder with a task of one's own (``mine.csv``) and tiny models of two architectures (``bert``, ``distil``)."""
    rows = pd.DataFrame(letter_rows(700, 1))
    rows["kind"] = rows.pop("label").map({0: "late", 1: "early"})
    rows.rename(columns={"text": "letters"}).to_csv(folder / "mine.csv", index=False)
    tiny_bert(folder / "bert", layers=3)
    tiny_distilbert(folder / "distil")
    return folder


def grid(place: Path, name: str, axes: dict[str, Any] | None = None, seeds: Any = 1, **fixed: Any) -> Path:
    """Write a grid of ``burns2023.text``: BERT's first layer teaches BERT, unless ``fixed`` or ``axes`` say otherwise."""
    content = {
        "study": "burns2023.text",
        "axes": axes or {},
        "fixed": {"weak_model": "bert:1", "student_model": "bert", **BASE, **fixed},
        "seeds": seeds,
        "compute": {"executor": "inline", "backend": "numpy"},
    }
    for key in content["axes"]:
        content["fixed"].pop(key, None)
    if "weak_models" in {**content["fixed"], **content["axes"]}:
        content["fixed"].pop("weak_model", None)
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def run(place: Path, name: str, **arguments: Any) -> tuple[Any, pd.DataFrame]:
    """Launch a grid into ``place``/runs/``name``; return the outcome and the rows."""
    outcome = launch(grid(place, name, **arguments), out=place / "runs" / name)
    return outcome, w2s.load(place / "runs" / name)


def same_rows(one: Path, other: Path) -> None:
    """Assert that two runs have the same rows, to the last bit, but for what they took."""
    ours, theirs = (w2s.load(run).sort_values("cell_id").drop(columns=list(TIMES)) for run in (one, other))
    pd.testing.assert_frame_equal(ours.reset_index(drop=True), theirs.reset_index(drop=True), check_exact=True)


def kill_in_training(path: Path, out: Path, wanted: Callable[[Path], bool], *, step: int = 2, seconds: float = 0.1) -> Path:
    """Launch a grid in a process and kill it when a training that is ``wanted`` has a checkpoint of ``step`` or later.

    ``wanted`` gets the scratch folder of a training. Every step waits some ``seconds``, so that the kill lands in the middle.
    Returns the scratch folder. Fails where the training was finished before the kill.
    """
    scratch = out.parent / ".w2s-store" / "scratch"
    found: list[Path] = []
    command = [sys.executable, "-c", _SLOWLY, str(path), str(out), str(seconds)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def far_enough() -> bool:
        if process.poll() is not None:
            pytest.fail("the launch ended before it was killed")
        with contextlib.suppress(FileNotFoundError):  # a training was finished meanwhile
            places = [place.parent for place in scratch.glob("*/step-*") if int(place.name.removeprefix("step-")) >= step]
            found[:] = [place for place in places if wanted(place)]
        return bool(found)

    try:
        wait_until(far_enough, 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    time.sleep(0.05)
    key = found[0].name
    assert list(found[0].glob("step-*")), "the training was finished before the kill"
    assert not (scratch.parent / key[:2] / key / "artifact.json").exists()
    return found[0]


def curve_bits(run: Path) -> list[dict[str, Any]]:
    """Curves of a run, in order, as Python values."""
    tables = [pa.parquet.read_table(path) for path in sorted((run / "curves").glob("part-*.parquet"))]
    return (
        pa.concat_tables(tables, promote_options="default")
        .sort_by([("cell_id", "ascending"), ("step", "ascending")])
        .to_pylist()
    )
