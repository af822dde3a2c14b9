"""Chess: rows against models fitted by hand, draws of parts, refusals, claims on made tables and on recorded ones, figures."""

from __future__ import annotations

import itertools
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sabotaged import RECORDED, faults, recorded
from small_studies import CONFIGS, drawn, surprises

pytest.importorskip("chess", reason="chess positions need the package chess: pip install 'w2s-sweep[chess]'")

import w2s
from sweeper import GridError, launch, load_grid
from w2s.artifacts import Store
from w2s.claims.claim import decide
from w2s.errors import FieldError
from w2s.probes.choice import fit_choice
from w2s.studies.burns2023.chess.positions import read_puzzles, seen
from w2s.studies.burns2023.chess.solve import calls, places
from w2s.studies.burns2023.chess.study import Chess

STUDY = "burns2023.chess"
CLAIMS = {claim.id: claim for claim in Chess.claims}
real = pytest.mark.skipif("W2S_DATA" not in os.environ, reason="needs chess_puzzles in a folder of W2S_DATA")
SMALL = {"task": "chess_puzzles", "n_puzzles": 120, "n_tested": 40, "n_labeled": 40, "n_transfer": 60}


def grid(place: Path, axes: dict[str, Any], **fixed: Any) -> Any:
    return load_grid({"study": STUDY, "axes": axes, "fixed": SMALL | fixed, "seeds": 2}, place)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chess")


@pytest.mark.data
@real
def test_rows_are_those_of_models_by_hand(folder: Path) -> None:
    found = grid(folder, {"weak_sight": ["text", "rules"], "labels": ["hard", "soft"], "between": ["none", "rules"]})
    outcome = launch(found, out=folder / "runs" / "all", executor="inline", blind=True)
    assert (outcome.exit, outcome.computed) == (0, 16)
    rows, store = w2s.load(folder / "runs" / "all"), Store(folder / "runs" / ".w2s-store")
    assert set(rows["status"]) == {"ok"}
    for cell in itertools.islice(found.parts[0].block.cells(), 0, None, 3):
        train, test = (read_puzzles(store.get(call)) for call in calls(cell))
        parts = places(cell, train.ratings, test.ratings)
        assert not set(parts.labeled) & set(parts.transfer)
        labeled, transfer = train.taken(parts.labeled), train.taken(parts.transfer)

        def says(puzzles, labels, sight, ridge, others):
            values = None if sight == "text" else puzzles.features[:, :13] if sight == "rules" else puzzles.features
            scale = None if values is None else (values.mean(axis=0), values.std(axis=0))
            model = fit_choice(seen(puzzles, sight, scale), labels, ridge)
            found = []
            for other in others:
                scores = np.asarray(seen(other, sight, scale).rows @ model.weights)
                cut = zip(other.starts[:-1], other.starts[1:], strict=True)
                found.append(
                    [np.exp(scores[a:b] - scores[a:b].max()) / np.exp(scores[a:b] - scores[a:b].max()).sum() for a, b in cut]
                )
            return found

        def labelled(chances, kind=cell["labels"]):
            return np.concatenate([p if kind == "soft" else np.eye(len(p))[p.argmax()] for p in chances])

        weak, answers = says(labeled, labeled.labels, cell["weak_sight"], 0.003, [test, transfer])
        if cell["between"] != "none":
            (answers,) = says(transfer, labelled(answers), cell["between"], 0.001, [transfer])
        (student,) = says(transfer, labelled(answers), "replies", 0.001, [test])
        (ceiling,) = says(transfer, transfer.labels, "replies", 0.001, [test])
        (strong,) = says(labeled, labeled.labels, "replies", 0.001, [test])
        same = (rows["weak_sight"] == cell["weak_sight"]) & (rows["labels"] == cell["labels"]) & (rows["seed"] == cell["seed"])
        row = rows[same & (rows["between"] == cell["between"])].iloc[0]
        for name, chances in {"weak": weak, "student": student, "ceiling": ceiling, "strong": strong}.items():
            wrong = np.mean([p.argmax() != k for p, k in zip(chances, test.best, strict=True)])
            nats = np.mean([-np.log(max(p[k], 1e-12)) for p, k in zip(chances, test.best, strict=True)])
            assert row[f"{name}_error_01"] == pytest.approx(wrong, abs=1e-12), name
            assert row[f"{name}_error"] == pytest.approx(nats, rel=1e-6), name
        agree = np.mean([a.argmax() == b.argmax() for a, b in zip(weak, student, strict=True)])
        assert row["agreement"] == pytest.approx(agree, abs=1e-12)
        assert row["chance_error_01"] == pytest.approx(1 - np.mean([1 / len(p) for p in weak]), abs=1e-12)


def ratings(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(500, 2500, count)


def test_parts_have_the_ratings_that_are_asked_for() -> None:
    cell = {
        "seed": 3,
        "rating": 1200,
        "n_labeled": 30,
        "n_transfer": 50,
        "labeled_ratings": "easy",
        "transfer_ratings": "hard",
        "test_ratings": "hard",
    }
    train, test = ratings(400), ratings(100, 1)
    parts = places(cell, train, test)
    assert (train[parts.labeled] < 1200).all()
    assert (train[parts.transfer] >= 1200).all()
    assert (len(parts.labeled), len(parts.transfer)) == (30, 50)
    assert parts.test.tolist() == np.flatnonzero(test >= 1200).tolist()
    both = places(
        cell | {"labeled_ratings": "all", "transfer_ratings": "all", "n_labeled": 200, "n_transfer": 200}, train, test
    )
    assert set(both.labeled) | set(both.transfer) == set(range(400))
    assert places(cell | {"seed": 4}, train, test).labeled.tolist() != parts.labeled.tolist()
    with pytest.raises(FieldError, match="raise n_puzzles"):
        places(cell | {"n_transfer": 390}, train, test)
    with pytest.raises(FieldError, match="no test puzzle"):
        places(cell | {"rating": 3000}, train, test)


@pytest.mark.data
@real
@pytest.mark.parametrize(("change", "message"), [
    ({"task": "sst2"}, "takes chess_puzzles"),
    ({"n_labeled": 100}, "more than n_puzzles"),
    ({"n_tested": 10_000_000}, "are asked for, it has"),
    ({"ridge": 0}, "greater than 0"),
])  # fmt: skip
def test_impossible_cells_are_refused(folder: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        launch(grid(folder, {"labels": ["hard"]}, **change), out=folder / "runs" / "refused", executor="inline")


@pytest.mark.parametrize("path", ["chess.yaml", "small/chess.yaml"])
@pytest.mark.data
@real
def test_grids_are_read(path: str) -> None:
    assert load_grid(CONFIGS / "burns2023" / path).cells >= 64


def test_claims_on_recorded_rows() -> None:
    rows = recorded(STUDY)
    assert (RECORDED / f"{STUDY}.parquet").stat().st_size < 100_000
    assert surprises(STUDY, rows) == []
    assert faults(STUDY, Chess.claims, rows) == []


def test_claims_are_untestable_without_their_settings() -> None:
    rows = recorded(STUDY)
    plain = rows[(rows["weak_sight"] == "text") & (rows["between"] == "none") & (rows["test_ratings"] == "all")]
    plain.attrs = rows.attrs
    found = {name: decide(claim, plain).outcome for name, claim in CLAIMS.items()}
    assert {name for name, outcome in found.items() if outcome == "untestable"} == {
        "small_gaps", "nested_views", "bootstrapping", "easy_truth", "easy_weak_labels",
    }  # fmt: skip
    few = rows[rows["seed"] < 5]
    few.attrs = rows.attrs
    assert {decide(claim, few).outcome for claim in CLAIMS.values()} == {"unresolved"}


def test_figures() -> None:
    rows = recorded(STUDY).assign(status="ok")
    rows.attrs = recorded(STUDY).attrs
    assert drawn(STUDY, rows) == ["pairs", "ratings"]
    assert isinstance(rows, pd.DataFrame)
