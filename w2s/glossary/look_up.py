"""Look a word up: an answer of ``explain``, a column by name, a name made of known ones, a word of verdicts or grids."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping

from w2s.errors import FieldError, nearest
from w2s.glossary.answers import ANSWERS
from w2s.glossary.finetunes import FINETUNES
from w2s.glossary.rows import ENDS, MODELS, OF_MODELS, ROWS
from w2s.glossary.studies import STUDIES
from w2s.glossary.words import GRIDS, STATUSES, VERDICTS

__all__ = ["explain_word", "meaning_of", "words", "words_by_place"]

_KNOWN: Mapping[str, str] = {**FINETUNES, **STUDIES, **ROWS}
_WORDS: Mapping[str, str] = {**VERDICTS, **STATUSES, **GRIDS}


@functools.cache
def meaning_of(column: str) -> tuple[str, str] | None:
    """Return meaning and unit of a column of a built-in study; None for a name that is not known. The unit may be empty."""
    text = _text_of(column)
    if text is None:
        return None
    meaning, bracket, unit = text.rpartition(" [")
    return (meaning, unit.rstrip("]")) if bracket and text.endswith("]") else (text, "")


def explain_word(word: str, others: Iterable[str] = ()) -> str:
    """Explain a word: a term such as ``pgr`` at length, any other in one line.

    Raises :class:`FieldError` for an unknown one, with the nearest of these words and of ``others``.
    """
    if word in ANSWERS:
        return ANSWERS[word]
    if word in _WORDS:
        return f"{word}: {_WORDS[word]}"
    found = meaning_of(word)
    if found is None:
        near = nearest(word, [*words(), *others])
        raise FieldError(f"nothing is called {word!r}{near}; terms: {', '.join(ANSWERS)}, and every column")
    meaning, unit = found
    return f"{word}: {meaning}{f' [{unit}]' if unit else ''}"


def words() -> list[str]:
    """List every word that has a meaning of its own: terms, verdicts, statuses and keys of grids, then columns."""
    return list(dict.fromkeys([*ANSWERS, *_WORDS, *sorted(_KNOWN)]))


def words_by_place() -> dict[str, list[str]]:
    """List the words by where one meets them: terms, grids, columns of every table, of theory studies and of finetunes."""
    own = {"columns of every table": ROWS, "columns of studies of theory": STUDIES, "columns of finetunes": FINETUNES}
    others = {"verdicts of claims": list(VERDICTS), "statuses": list(STATUSES), "keys of a grid": list(GRIDS)}
    return {"terms": list(ANSWERS)} | {place: sorted(set(known) - set(ANSWERS)) for place, known in own.items()} | others


def _text_of(column: str) -> str | None:
    if column in _KNOWN:
        return _KNOWN[column]
    model, _, rest = column.partition("_")
    if model in MODELS and rest in OF_MODELS:
        return f"{MODELS[model]}: {OF_MODELS[rest]}"
    for end, pattern in ENDS.items():
        if column.endswith(end) and (inner := _text_of(column.removesuffix(end))) is not None:
            return pattern.format(inner) if not inner.endswith("]") else _unit_last(pattern, inner)
    return None


def _unit_last(pattern: str, inner: str) -> str:
    meaning, _, unit = inner.rpartition(" [")
    return f"{pattern.format(meaning)} [{unit}"
