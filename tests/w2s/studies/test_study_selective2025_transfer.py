"""Judges from task to task: rows against fits by hand, what is refused, claims on made tables and on recorded ones."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sabotaged import RECORDED, faults, recorded
from small_studies import surprises
from tiny_models import letter_task, tiny_bert

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

import w2s
from sweeper import GridError, launch, load_grid
from w2s.artifacts import Store
from w2s.claims.claim import decide
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.inference.hidden_states import read_features
from w2s.labels import fit_judge
from w2s.measure.ranking import auroc
from w2s.studies.selective2025.transfer.solve import watched
from w2s.studies.selective2025.transfer.study import Transfer

STUDY = "selective2025.transfer"
CLAIMS = {claim.id: claim for claim in Transfer.claims}
TASKS = ["sentence_polarity", "subjectivity"]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small encoder and two tasks of letters."""
    place = tmp_path_factory.mktemp("transfer")
    for name, sizes in zip(TASKS, ({"train": 300, "test": 100}, {"train": 250, "test": 120}), strict=True):
        letter_task(place / "data", name=name, **sizes)
    tiny_bert(place / "bert", layers=2, width=8)
    return place


@pytest.fixture(autouse=True)
def data(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("W2S_DATA", str(place / "data"))


def grid(place: Path, **fixed: Any) -> Any:
    axes = {"task": TASKS, "asked_task": TASKS, "sees": ["certainty", "states", "both"]}
    given = {"model": "./bert", "n_labeled": 100, "n_test": 60, **fixed}
    return load_grid({"study": STUDY, "axes": axes, "fixed": given, "seeds": 2}, place)


def test_rows_are_those_of_fits_by_hand(place: Path) -> None:
    found = grid(place)
    run = place / "runs" / "all"
    outcome = launch(found, out=run, executor="inline")
    assert (outcome.exit, outcome.computed) == (0, 24)
    rows, store = w2s.load(run), Store(run.parent / ".w2s-store")
    assert set(rows["status"]) == {"ok"}
    for cell in itertools.islice(found.parts[0].block.cells(), 0, None, 5):
        seen, right = {}, {}
        for name, part in itertools.product(("task", "asked_task"), ("labeled", "test")):
            task = watched(cell, cell[name])
            ids = part_ids(store.get(task.items), part)
            call = task.labelled if part == "labeled" else task.tested
            answers = probabilities(join(ids, read_table(store.get(call), "predictions")))
            states = read_features(store.get(task.states), 2, ids)
            sure = np.column_stack([answers.max(axis=1), np.abs(answers[:, 0] - answers[:, 1])])
            kinds = {"states": states, "certainty": sure, "both": np.hstack([states, sure])}
            seen[name, part] = kinds[cell["sees"]]
            right[name, part] = answers.argmax(axis=1) == truth_of(store.get(task.truth), ids)
            if part == "test":
                confidence = answers.max(axis=1)
        asked = right["asked_task", "test"]
        scores = {}
        for error, name in (("student_error", "task"), ("ceiling_error", "asked_task")):
            judge = fit_judge(seen[name, "labeled"][None], 1.0 * right[name, "labeled"][None], 0.01)
            scores[error] = judge.at(seen["asked_task", "test"][None])[0]
        same = (rows["task"] == cell["task"].name) & (rows["asked_task"] == cell["asked_task"].name)
        row = rows[same & (rows["sees"] == cell["sees"]) & (rows["seed"] == cell["seed"])].iloc[0]
        for error, values in {**scores, "weak_error": confidence}.items():
            assert row[error] == pytest.approx(1 - auroc(values, asked), abs=1e-12)
        assert row["misfit"] == pytest.approx(np.mean((scores["student_error"] - scores["ceiling_error"]) ** 2), abs=1e-12)
        assert row["own_accuracy"] == asked.mean()
        assert row["own_accuracy_labeled"] == right["task", "labeled"].mean()
    home = rows[rows["task"] == rows["asked_task"]]
    assert (home["student_error"] == home["ceiling_error"]).all()


@pytest.mark.parametrize(("change", "message"), [
    ({"layer": 7}, "has layers 0..2, not 7"),
    ({"n_labeled": 5}, "greater than or equal to 20"),
    ({"model": "./none"}, "none"),
])  # fmt: skip
def test_impossible_cells_are_refused(place: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        grid(place, **change)


def table(home: float, away: float, confidence: float) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = []
    for task, asked, sees, seed in itertools.product("ab", "ab", ("certainty", "states", "both"), range(12)):
        error = 1 - (home if task == asked else away) + 0.01 * rng.standard_normal()
        rows.append({"task": task, "asked_task": asked, "sees": sees, "seed": seed, "student_error": error,
                     "weak_error": 1 - confidence + 0.01 * rng.standard_normal(), "own_accuracy": 0.8, "status": "ok"})  # fmt: skip
    return pd.DataFrame(rows)


CASES = {
    "judge_knows_its_task": (table(0.7, 0.6, 0.6), table(0.5, 0.6, 0.6)),
    "certainty_knows_other_tasks": (table(0.7, 0.6, 0.6), table(0.7, 0.5, 0.6)),
    "states_know_other_tasks": (table(0.7, 0.6, 0.6), table(0.7, 0.5, 0.6)),
    "judge_beyond_confidence": (table(0.7, 0.6, 0.6), table(0.7, 0.6, 0.8)),
}


@pytest.mark.parametrize("name", CASES)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(name: str) -> None:
    assert set(CASES) == set(CLAIMS)
    true, false = CASES[name]
    assert decide(CLAIMS[name], true).outcome == "holds"
    assert decide(CLAIMS[name], false).outcome == "fails"
    none = (
        true[true["task"] == true["asked_task"]] if name.endswith("other_tasks") else true[true["task"] != true["asked_task"]]
    )
    assert decide(CLAIMS[name], none).outcome == "untestable"
    assert decide(CLAIMS[name], true.assign(own_accuracy=0.5)).outcome == "untestable"  # a model that guesses


def test_claims_on_recorded_rows() -> None:
    rows = recorded(STUDY)
    assert (RECORDED / f"{STUDY}.parquet").stat().st_size < 100_000
    assert surprises(STUDY, rows) == []
    assert faults(STUDY, Transfer.claims, rows) == []
