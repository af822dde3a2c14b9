"""Answers graded by references: classes as words on the items of the head's task, best moves of chess, what is refused."""

from __future__ import annotations

import csv
import gzip

import pytest
from tiny_models import letter_task

import w2s
from sweeper import launch, load_grid
from sweeper.errors import GridError
from w2s.artifacts import Store
from w2s.errors import FieldError
from w2s.finetune.data.items import items, truth
from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tasks import TaskData, check_of

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}
FENS = [f"6k1/5ppp/8/8/8/8/{rank}/R3K3 w - - 0 {n}" for n, rank in enumerate(("8", "3P4", "1P6", "2P5", "7P", "6P1"), 1)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A task of letters, and a few puzzles with a mate on the back rank."""
    folder = tmp_path_factory.mktemp("graded")
    letter_task(folder / "data", train=120, test=40)
    chess = folder / "data" / "chess_puzzles"
    chess.mkdir()
    for split, fens in (("train", FENS[:4]), ("test", FENS[4:])):
        with gzip.open(chess / f"{split}.csv.gz", "wt", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["fen", "best_uci", "rating"])
            writer.writerows([fen, "a1a8", 700] for fen in fens)
    return folder


@pytest.fixture(autouse=True)
def data(place, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(place / "data"))


def test_words_are_asked_of_the_same_items(place):
    store, drawn = Store(place / "store"), {}
    sizes = {"labeled": 20, "transfer": 20, "validation": 0, "test": 10}
    for name in ("sentence_polarity", "sentence_polarity_words"):
        given = {"task": TaskData.find(name), "columns": COLUMNS, "sizes": sizes, "balance": True, "seed": 1}
        drawn[name] = [
            read_table(store.ensure(call), kind) for kind, call in (("items", items(**given)), ("truth", truth(**given)))
        ]
    (heads, classes), (words, answers) = drawn.values()
    assert heads["item_id"].to_pylist() == words["item_id"].to_pylist()
    assert heads["part"].to_pylist() == words["part"].to_pylist()
    assert [f"{text}\n>" for text in heads["text"].to_pylist()] == words["text"].to_pylist()
    assert answers["answer"].to_pylist() == [("negative", "positive")[k] for k in classes["truth"].to_pylist()]
    assert TaskData.find("sentence_polarity").sha256 != TaskData.find("sentence_polarity_words").sha256
    with pytest.raises(FieldError, match="whose answers a program checks"):
        check_of(TaskData.find("sentence_polarity_words"), COLUMNS)


def grid(place, task, **changed):
    fixed = {
        "task": task, "weak_model": "made:decoder-1x16", "student_model": "made:decoder-1x32", "n_labeled": 40, "n_transfer": 40,
        "n_test": 20, "epochs": 3, "batch": 8, "max_length": 64, "answer_length": 9, "learning_rate": 1e-2,
        "learning_rate_labeled": 1e-2,
    } | changed  # fmt: skip
    return load_grid({"study": "burns2023.text", "fixed": fixed, "seeds": 1}, place)


def test_errors_are_shares_of_answers_that_are_not_the_reference(place):
    found = grid(place, "sentence_polarity_words")
    outcome = launch(found, out=place / "runs" / "words", executor="inline", blind=True)
    assert (outcome.exit, outcome.computed) == (0, 1)
    (row,), store = w2s.load(place / "runs" / "words").to_dict("records"), Store(place / "runs" / ".w2s-store")
    assert row["status"] == "ok"
    (cell,) = found.parts[0].block.cells()
    study = w2s.studies.registry.find_study("burns2023.text")(store)
    graph = study._graph(cell)
    known = {r["item_id"]: r["answer"] for r in read_table(store.get(graph.truth), "truth").to_pylist()}
    test = {r["item_id"] for r in read_table(store.get(graph.items), "items").to_pylist() if r["part"] == "test"}
    for name, call in {"weak": graph.weak[0], "student": graph.student, "ceiling": graph.ceiling}.items():
        said = {r["item_id"]: r["text"] for r in read_table(store.get(call), "generations").to_pylist()}
        wrong = sum(said[k] != known[k] for k in test) / len(test)
        assert (row[f"{name}_error_01"], row[f"{name}_reward"]) == (pytest.approx(wrong), pytest.approx(1 - wrong))


def test_chess_moves_have_half_a_grade_where_they_are_legal(place):
    pytest.importorskip("chess", reason="chess positions need the package chess: pip install 'w2s-sweep[chess]'")
    sizes = {"n_labeled": 2, "n_transfer": 2, "n_test": 2, "epochs": 8, "batch": 2, "answer_length": 5}
    outcome = launch(grid(place, "chess_puzzles", **sizes), out=place / "runs" / "chess", executor="inline")
    assert outcome.exit == 0, outcome
    (row,) = w2s.load(place / "runs" / "chess").to_dict("records")
    assert row["status"] == "ok"
    for name in ("weak", "student", "strong", "ceiling"):
        right, reward = 1.0 - row[f"{name}_error_01"], row[f"{name}_reward"]
        assert 0.0 <= right <= 2.0 * reward - right <= 1.0  # a right move is legal


@pytest.mark.parametrize(("changed", "message"), [
    ({"method": "cong"}, "whose answers a program checks"),
    ({"labels": "hard"}, "class probabilities"),
    ({"method": "confidence"}, "class probabilities"),
])  # fmt: skip
def test_what_needs_a_check_or_probabilities_is_refused(place, changed, message):
    with pytest.raises(GridError, match=message):
        launch(grid(place, "sentence_polarity_words", **changed), out=place / "runs" / "refused", executor="inline")
