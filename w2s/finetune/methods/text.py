"""Methods as values: a word, or several joined by ``+``, each with options in brackets.

    naive
    confidence(schedule=oai_code, threshold=weak_prior)
    ensemble(3) + temper(0.5) + entropy
    confidence + stop(legal)

One word may be a loss (``naive`` stands for ``xent``); the others say how labels are treated and when training stops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, cast

from w2s.errors import FieldError, nearest
from w2s.finetune.objectives.losses import find_loss, is_loss, loss_names

__all__ = ["Method", "parse_method"]

_TERM = re.compile(r"\s*([a-z_][a-z0-9_]*)\s*(?:\(([^()]*)\))?\s*")
_TREATMENTS = ("ensemble", "temper", "stop")
_STOPS = ("end", "legal", "oracle")


@dataclass(frozen=True)
class Method:
    """What a method asks for.

    ``ensemble`` weak models of different seeds are averaged; their probabilities are brought to ``temperature``; ``loss`` with
    ``options`` trains the student. It stops at the ``end``, where it agrees best with weak validation labels (``legal``), or
    where it is best by the truth of the validation items (``oracle``: an upper limit, no method).
    """

    loss: str = "xent"
    options: Mapping[str, Any] = field(default_factory=dict)
    ensemble: int = 1
    temperature: float = 1.0
    stop: Literal["end", "legal", "oracle"] = "end"


def parse_method(text: str) -> Method:
    """Read a method; raise :class:`FieldError` with the nearest word for what is not known."""
    method, named = Method(), set()
    for term in text.split("+"):
        match = _TERM.fullmatch(term)
        if match is None:
            raise _wrong(text, f"{term.strip()!r} is not a word with options in brackets")
        word, inside = match.group(1), match.group(2)
        kind = word if word in _TREATMENTS else "loss"
        if kind in named:
            raise _wrong(text, f"names a {kind} twice")
        named.add(kind)
        method = _TERMS[kind](method, word, inside, text)
    return method


def _loss(method: Method, word: str, inside: str | None, text: str) -> Method:
    name = "xent" if word == "naive" else word
    if not is_loss(name):
        known = (*loss_names(), "naive", *_TREATMENTS)
        raise _wrong(text, f"unknown word {word!r}{nearest(word, known)}; known: {', '.join(known)}")
    options: dict[str, Any] = {}
    for item in (inside or "").split(","):
        if item.strip():
            key, equals, value = (part.strip() for part in item.partition("="))
            if not equals:
                raise _wrong(text, f"write options of {word} as name=value, not {item.strip()!r}")
            if key in options:
                raise _wrong(text, f"gives {word} its option {key} twice")
            options[key] = _value(value)
    try:
        find_loss(name).with_options(options)
    except FieldError as error:
        raise _wrong(text, str(error)) from None
    return replace(method, loss=name, options=options)


def _ensemble(method: Method, _word: str, inside: str | None, text: str) -> Method:
    if not (inside or "").strip().isdecimal() or not 1 <= int(inside or 0) <= 1000:
        raise _wrong(text, "write ensemble(M) with M from 1 to 1000")
    return replace(method, ensemble=int(inside or 1))


def _temper(method: Method, _word: str, inside: str | None, text: str) -> Method:
    temperature = _value((inside or "").strip())
    if not isinstance(temperature, (int, float)) or not 0 < temperature < float("inf"):
        raise _wrong(text, "write temper(T) with a temperature above 0")
    return replace(method, temperature=float(temperature))


def _stop(method: Method, _word: str, inside: str | None, text: str) -> Method:
    when = (inside or "").strip()
    if when not in _STOPS:
        raise _wrong(text, f"write stop(WHEN) with one of {', '.join(_STOPS)}{nearest(when, _STOPS)}")
    return replace(method, stop=cast("Literal['end', 'legal', 'oracle']", when))


_TERMS = {"loss": _loss, "ensemble": _ensemble, "temper": _temper, "stop": _stop}


def _wrong(text: str, reason: str) -> FieldError:
    return FieldError(f"method {text!r}: {reason}", "method")


def _value(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number
