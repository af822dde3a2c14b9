"""Items made of items and answers: prompts that hold a first answer, copies of a share of answers.

Item ids stay, so every table of the cell's items can be joined with them.
"""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa

from w2s.artifacts import Work, artifact
from w2s.finetune.data.answers import answers_of, write_answers
from w2s.finetune.data.labels import part_ids
from w2s.finetune.data.tables import join, read_table, write_table

__all__ = ["first_answers", "stacked_prompt", "stacked_prompts"]

_FILL, _CLOSE = "_", "="


def stacked_prompt(prompt: str, answer: str, width: int) -> str:
    """Write a prompt, an answer to it filled up to ``width`` signs, and a sign behind which the correction stands.

    With a fixed width an answer's sign and its copy are always equally far apart, which small models learn quickly.
    """
    return f"{prompt}{answer}{_FILL * (width - len(answer))}{_CLOSE}"


@artifact(version=1, name="w2s.stacked_prompts")
def stacked_prompts(work: Work, *, items: Path, answers: Path, parts: tuple[str, ...], width: int) -> None:
    """Write items of some parts whose text is a prompt with its first answer (:func:`stacked_prompt`): ``items.arrow``.

    Source: Ji et al. 2024, arXiv 2402.02416; its template is for dialogues, this one for short answers.
    """
    table = read_table(items, "items")
    ids = [name for part in parts for name in part_ids(items, part)]
    rows = join(ids, table)
    answered = zip(rows["text"].to_pylist(), answers_of(answers, ids), strict=True)
    texts = [stacked_prompt(prompt, answer, width) for prompt, answer in answered]
    place = rows.column_names.index("text")
    write_table(work.folder, "items", rows.set_column(place, "text", pa.array(texts, pa.string())))


@artifact(version=1, name="w2s.first_answers")
def first_answers(work: Work, *, answers: Path, items: Path, part: str, count: int) -> None:
    """Write the answers to the first ``count`` items of a part; their order is the one in which a seed drew them."""
    ids = part_ids(items, part)[:count]
    write_answers(work.folder, ids, answers_of(answers, ids))
