"""Sides of a text task: who learns on which, by length and by topic, and that a task without a shift stays as it was."""

from __future__ import annotations

import pandas as pd
import pytest

from w2s.errors import FieldError
from w2s.finetune.data.items import PARTS, Columns, draw_items
from w2s.finetune.data.sides import outer_side
from w2s.finetune.data.tasks import TaskData

SIZES = {"labeled": 20, "transfer": 20, "validation": 10, "test": 20}


def topic(k: int) -> str:
    words = ("boat sail harbour wave" if k % 4 < 2 else "flour oven bread yeast").split()
    return " ".join([*words[: 2 + k % 3], f"number{k}", *["and"] * (k % 5)])


@pytest.fixture
def task(tmp_path):
    """A file of two topics, each with both labels."""
    frame = pd.DataFrame({"text": [topic(k) for k in range(240)], "label": ["ab"[k % 2] for k in range(240)]})
    frame.to_csv(tmp_path / "mine.csv", index=False)
    return TaskData.find("mine.csv", tmp_path)


def drawn(task, shift):
    parts, _, _ = draw_items(task, Columns(), SIZES, balance=True, seed=0, shift=shift)
    return {part: [item.example.text for item in parts[part]] for part in PARTS}


def test_labelled_texts_are_of_one_topic_and_all_others_of_the_other(task):
    parts = drawn(task, "topic")
    topics = {part: {"bread" if "oven" in text.split() else "boat" for text in texts} for part, texts in parts.items()}
    assert all(len(found) == 1 for found in topics.values()), topics
    assert topics["labeled"].isdisjoint(topics["transfer"])
    assert topics["transfer"] == topics["validation"] == topics["test"]


def test_labelled_texts_are_short_and_all_others_long(task):
    parts = drawn(task, "length")
    longest = max(len(text.split()) for text in parts["labeled"])
    assert all(len(text.split()) > longest for part in PARTS[1:] for text in parts[part])


def test_without_a_shift_the_parts_are_those_of_before(task):
    parts, _, _ = draw_items(task, Columns(), SIZES, balance=True, seed=0)
    assert drawn(task, "none") == {part: [item.example.text for item in parts[part]] for part in PARTS}


def test_sides_are_halves_and_depend_on_no_order():
    texts = [topic(k) for k in range(100)]
    for kind in ("length", "topic"):
        outer, again = outer_side(texts, kind), outer_side(texts[::-1], kind)
        assert [outer(text) for text in texts] == [again(text) for text in texts]
        assert 20 <= sum(map(outer, texts)) <= 50
    assert outer_side(texts, "topic")("") == outer_side(texts, "topic")("123")


def test_an_unknown_side_has_a_nearest_word():
    with pytest.raises(FieldError, match="did you mean 'topic'"):
        outer_side(["a"], "topics")
