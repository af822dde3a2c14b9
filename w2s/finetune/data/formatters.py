"""From a row of a data set to an example: one text or a pair, a label, and the group that must not be torn apart.

Multiple choice becomes binary as in Burns et al. 2023: the question with its right answer, or with one wrong one, drawn by the
row's own hash, so that every model and every seed sees the same items. Installed packages add formatters through the
entry-point group ``w2s_sweep.formatters``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from w2s.errors import FieldError, nearest
from w2s.plugins import load_plugin, plugin_names
from w2s.prompts.graded import Grade, chess_prompt, exact, move_grade
from w2s.prompts.registry import TASKS
from w2s.prompts.task import PromptTask

__all__ = [
    "BUILTIN",
    "OWN_FILES",
    "Example",
    "Formatter",
    "columns_formatter",
    "find_formatter",
    "formatter_names",
    "row_digest",
]

Row = Mapping[str, Any]
_GROUP = "w2s_sweep.formatters"
OWN_FILES = 2
"""Version of how files of one's own are read; 1 guessed types, so that 007 and 7 were one class."""


class Example(NamedTuple):
    """``text``, and ``pair`` where the task has a second one; equal ``group`` means related.

    ``label`` counts from 0; from a file of one's own it is the name that is written there, and is numbered later. In a task of
    pairs ``text`` is a prompt, ``pair`` and ``other`` are two replies to it, and ``label`` is 0 or 1, the better one's place.
    In a task of prompts ``label`` is 0, ``answer`` the reference and ``draft`` a careless answer, where there is one.
    """

    text: str
    pair: str | None
    label: Any
    group: str
    other: str | None = None
    answer: str | None = None
    draft: str | None = None


@dataclass(frozen=True)
class Formatter:
    """How a task's rows are read.

    Attributes
    ----------
    name : the task.
    classes : names of the classes, in label order; empty when the file decides.
    columns : columns a row must have.
    texts : those of a file of one's own that hold texts; all others hold names.
    read : row to example.
    version : raised when the same row gives another example.
    hub : name (and configuration) in the hub of ``datasets``; its splits.
    pairs : whether an example is a prompt with two replies, one of which is preferred.
    score : in a task of prompts, prompt and answer to a number in [0, 1], 1 where the check is passed; None in other tasks.
    grade : in a task of prompts whose right answers stand in its file, prompt, answer and reference to such a number.
    folder : the folder of its files, where that has not the task's name.
    made : in a task that a law makes, split (``train``, ``test``) to rows; None where the rows are in files.

    """

    name: str
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    read: Callable[[Row], Example]
    version: int = 1
    texts: tuple[str, ...] = ()
    hub: tuple[str, ...] = ()
    splits: tuple[str, str] = ("train", "test")
    pairs: bool = False
    score: Callable[[str, str], float] | None = None
    grade: Grade | None = None
    folder: str | None = None
    made: Callable[[str], list[dict[str, Any]]] | None = None

    @property
    def prompts(self) -> bool:
        """Whether an example is a prompt, whose answer is text."""
        return self.score is not None or self.grade is not None


def find_formatter(name: str) -> Formatter:
    """Return a formatter by name; raise :class:`FieldError` with the nearest name."""
    if name in BUILTIN:
        return BUILTIN[name]
    found = load_plugin(_GROUP, name)
    if isinstance(found, Formatter):
        return found
    if name in plugin_names(_GROUP):
        raise FieldError(f"entry point {name!r} of {_GROUP} is not a Formatter")
    raise FieldError(f"unknown task {name!r}{nearest(name, formatter_names())}; known: {', '.join(formatter_names())}")


def formatter_names() -> list[str]:
    """List the names of all formatters."""
    return sorted({*BUILTIN, *plugin_names(_GROUP)})


def columns_formatter(text: str, label: str, pair: str | None, group: str | None) -> Formatter:
    """Build the formatter for a file of one's own from the names of its columns; labels are numbered in sorted order."""
    names = tuple(name for name in (text, label, pair, group) if name is not None)

    def read(row: Row) -> Example:
        first, second = row[text] or "", None if pair is None else row[pair] or ""
        together = row[group] if group else None
        own = f"{first}\n{second}"  # a row without a group is a group of its own
        return Example(first, second, row[label], own if together is None else together)

    texts = tuple(name for name in (text, pair) if name is not None)
    return Formatter("columns", (), names, read, version=OWN_FILES, texts=texts)


def _sentence(row: Row) -> Example:
    text = _text(row["text"] if "text" in row else row["sentence"]).strip()
    return Example(text, None, _class(row["label"]), text.casefold())


def _boolq(row: Row) -> Example:
    label = row["label"] if "label" in row else row["answer"]
    return Example(_text(row["question"]), _text(row["passage"]), _class(label), _text(row["passage"]))


def _cosmos_qa(row: Row) -> Example:
    answers = row["answers"] if "answers" in row else [row[f"answer{k}"] for k in range(4)]
    context, question = _text(row["context"]), _text(row["question"])
    answer, right = _one_answer(list(answers), _class(row["label"]), context + question)
    return Example(f"{context}\n{question}", answer, right, context)


def _piqa(row: Row) -> Example:
    goal = _text(row["goal"])
    answer, right = _one_answer(
        [row["sol1"], row["sol2"]], _class(row["label"]), goal + _text(row["sol1"]) + _text(row["sol2"])
    )
    return Example(goal, answer, right, goal)


def _ag_news(row: Row) -> Example:
    title = str(row.get("title") or "")
    return Example(f"{title}\n{row['text']}" if title else _text(row["text"]), None, _class(row["label"]), _text(row["text"]))


def _text(value: Any) -> str:
    """Return the text of a known task's cell; a list or an object is none."""
    if isinstance(value, (list, dict)):
        raise TypeError(f"{value!r} is no text")
    return str(value)


def _class(value: Any) -> int:
    """Return the number of a known task's class; 0.7 is none."""
    if isinstance(value, float) and not value.is_integer():
        raise ValueError(f"{value!r} is no class")
    return int(value)


_ASSISTANT = "\n\nAssistant:"


def _preferred_reply(row: Row) -> Example:
    """Make an example of two dialogues that differ in the last reply; a hash of their texts says which reply comes first."""
    chosen, rejected = _text(row["chosen"]), _text(row["rejected"])
    same = next((k for k, (a, b) in enumerate(zip(chosen, rejected, strict=False)) if a != b), min(len(chosen), len(rejected)))
    shared = chosen[:same].rfind(_ASSISTANT)
    if shared < 0 or chosen == rejected:
        raise ValueError("no two replies to one prompt")
    start = shared + len(_ASSISTANT)
    replies, label = (chosen[start:], rejected[start:]), _coin("\n".join(sorted([chosen, rejected]))) % 2
    return Example(chosen[:start], replies[label], label, chosen[:start], replies[1 - label])


_MADE = {"train": 12_000, "test": 2_000}
"""Prompts that a law makes by split, repeated ones included."""


def _made_task(task: PromptTask) -> Formatter:
    """Return the formatter of a task of prompts that a law makes; what a row is follows from its prompt."""

    def read(row: Row) -> Example:
        prompt = _text(row["prompt"])
        return Example(prompt, None, 0, prompt, answer=task.answer(prompt), draft=task.draft(prompt))

    def made(split: str) -> list[dict[str, Any]]:
        return [{"task": task.name, "prompt": prompt} for prompt in dict.fromkeys(task.prompts(split, _MADE[split]))]

    return Formatter(task.name, ("answer",), ("prompt",), read, score=task.score, made=made)


def _words_task(task: str, classes: tuple[str, ...]) -> Formatter:
    """Return the formatter of a task of sentences whose classes are answered as words: the same items, as prompts."""

    def read(row: Row) -> Example:
        own = _sentence(row)
        return own._replace(text=f"{own.text}\n>", answer=classes[own.label])

    return Formatter(f"{task}_words", classes, ("label",), read, grade=exact, folder=task)


def _chess_puzzle(row: Row) -> Example:
    position = _text(row["fen"])
    return Example(chess_prompt(position), None, 0, position, answer=_text(row["best_uci"]))


def _coin(text: str) -> int:
    """Return a number of 64 bits that depends on a text alone."""
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8, person=b"w2s-choice").digest(), "little")


def _one_answer(answers: list[Any], right: int, question: str) -> tuple[str, int]:
    """Choose the right answer (label 1) or a wrong one (label 0), by a coin from the question's hash."""
    coin = _coin(question)
    if coin % 2:
        return str(answers[right]), 1
    wrong = [answer for k, answer in enumerate(answers) if k != right]
    return str(wrong[(coin // 2) % len(wrong)]), 0


def row_digest(row: Row) -> str:
    """Hash a row's content to 128 bits, in hex."""
    text = json.dumps(row, sort_keys=True, default=str, ensure_ascii=True)
    return hashlib.blake2b(text.encode(), digest_size=16, person=b"w2s-item").hexdigest()


_SENTIMENT = ("negative", "positive")
_SUBJECTIVE, _PROS = ("objective", "subjective"), ("con", "pro")
_NEWS = ("World", "Sports", "Business", "Sci/Tech")
_OFFICIAL = ("train", "validation")
BUILTIN: Mapping[str, Formatter] = {
    formatter.name: formatter
    for formatter in (
        Formatter("sentence_polarity", _SENTIMENT, ("text", "label"), _sentence, hub=("rotten_tomatoes",)),
        Formatter("sst2", _SENTIMENT, ("label",), _sentence, hub=("stanfordnlp/sst2",), splits=_OFFICIAL),
        Formatter("subjectivity", _SUBJECTIVE, ("text", "label"), _sentence, hub=("SetFit/subj",)),
        Formatter("pros_cons", _PROS, ("text", "label"), _sentence),
        Formatter("boolq", ("no", "yes"), ("question", "passage"), _boolq, hub=("google/boolq",), splits=_OFFICIAL),
        Formatter(
            "cosmos_qa",
            ("wrong", "right"),
            ("context", "question", "label"),
            _cosmos_qa,
            hub=("allenai/cosmos_qa",),
            splits=_OFFICIAL,
        ),
        Formatter(
            "piqa",
            ("wrong", "right"),
            ("goal", "sol1", "sol2", "label"),
            _piqa,
            hub=("ybisk/piqa",),
            splits=_OFFICIAL,
        ),
        Formatter("ag_news", _NEWS, ("text", "label"), _ag_news, hub=("fancyzhx/ag_news",)),
        Formatter("hh_harmless", ("first", "second"), ("chosen", "rejected"), _preferred_reply, pairs=True),
        *(_words_task(task, _SENTIMENT) for task in ("sentence_polarity", "sst2")),
        _words_task("subjectivity", _SUBJECTIVE),
        _words_task("pros_cons", _PROS),
        Formatter("chess_puzzles", ("answer",), ("fen", "best_uci"), _chess_puzzle, grade=move_grade),
        *map(_made_task, TASKS.values()),
    )
}
