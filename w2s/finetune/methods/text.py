"""Methods as values: a word, or several joined by ``+``, each with options in brackets.

    naive
    confidence(schedule=oai_code, threshold=weak_prior)
    ensemble(3) + temper(0.5) + entropy
    confidence + stop(legal)
    self_labels(threshold=0.9) + confidence
    ./mine.py:mine(strength=0.2) + stop(legal)

One word may be a method, a word of a file of one's own among them; without one, the student learns from the weak labels as they
are. One word may be a loss (``naive`` stands for ``xent``). The others say how labels are treated and when training stops.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from w2s.errors import FieldError, nearest
from w2s.finetune.methods.registry import METHODS, Builder, find_method, method_of_file
from w2s.finetune.objectives.losses import LOSSES, find_loss
from w2s.finetune.seeds import MEMBERS

__all__ = ["Method", "builder_of", "file_of", "parse_method", "unknown_words"]

_TERM = re.compile(r"\s*(?:([^()+]+\.py):)?([a-z_][a-z0-9_]*)\s*(?:\(([^()]*)\))?\s*")
_STOPS = ("end", "legal", "oracle")


@dataclass(frozen=True)
class Method:
    """What the text of a method asks for.

    ``name`` with ``settings`` builds the student: a registered method, or ``FILE.py:NAME``. ``ensemble`` weak models of
    different seeds are averaged; their probabilities are brought to ``temperature``, or to the one that suits the truth of the
    validation items (``fit``); ``loss`` with ``options`` trains the student. It stops at the ``end``, where it agrees best with
    weak validation labels (``legal``), or where it is best by the truth of the validation items (``oracle``: an upper limit,
    no method).
    """

    loss: str = "xent"
    options: Mapping[str, Any] = field(default_factory=dict)
    ensemble: int = 1
    temperature: float | Literal["fit"] = 1.0
    stop: Literal["end", "legal", "oracle"] = "end"
    name: str = "naive"
    settings: Mapping[str, Any] = field(default_factory=dict)


def file_of(text: str) -> str | None:
    """Return the file that a text names, None for registered words only. Raises :class:`FieldError` for two files."""
    found = [match.group(1).strip() for term in text.split("+") if (match := _TERM.fullmatch(term)) and match.group(1)]
    if len(found) > 1:
        raise _wrong(text, f"names two methods, {found[0]} and {found[1]}")
    return found[0] if found else None


def parse_method(text: str, file: Path | None = None) -> Method:
    """Read a method; raise :class:`FieldError` with the nearest word for what is not known.

    ``file`` is the path of the file that the text names. Without it, the options of that file's method are not checked.
    """
    method, named = Method(), set()
    for term in text.split("+"):
        match = _TERM.fullmatch(term)
        if match is None:
            raise _wrong(text, f"{term.strip()!r} is not a word with options in brackets")
        place, word, inside = match.groups()
        kind = "method" if place else _kind(word)
        if kind in named:
            raise _wrong(text, f"names a {kind} twice")
        named.add(kind)
        method = _TERMS[kind](method, f"{place.strip()}:{word}" if place else word, inside, text)
    if file is not None:
        try:
            builder_of(method, file).options.checked(f"method {method.name!r}", method.settings)
        except FieldError as error:
            raise _wrong(text, str(error)) from None
    return method


def builder_of(method: Method, file: Path | None = None) -> Builder:
    """Return the registered function of a method; ``file`` is the path of the file that it names."""
    if ":" not in method.name:
        return find_method(method.name)
    place, _, word = method.name.rpartition(":")
    return method_of_file(file if file is not None else Path(place), word)


def unknown_words(text: str) -> list[str]:
    """List the words of a text that are neither registered nor followed from a file."""
    terms = [match for term in text.split("+") if (match := _TERM.fullmatch(term))]
    words = [match.group(2) for match in terms if not match.group(1)]
    return [word for word in words if _kind(word) == "loss" and word != "naive" and not LOSSES.has(word)]


def _kind(word: str) -> str:
    """Say what kind of word it is; installed packages are searched only for one that is not known."""
    if word in _TREATMENTS:
        return word
    if word != "naive" and (word in METHODS.known or word in METHODS.builtin):
        return "method"
    if word == "naive" or LOSSES.has(word) or not METHODS.has(word):
        return "loss"
    return "method"


def _method(method: Method, word: str, inside: str | None, text: str) -> Method:
    settings = _options(word, inside, text)
    if ":" not in word:
        try:
            find_method(word).options.checked(f"method {word!r}", settings)
        except FieldError as error:
            raise _wrong(text, str(error)) from None
    return replace(method, name=word, settings=settings)


def _loss(method: Method, word: str, inside: str | None, text: str) -> Method:
    name = "xent" if word == "naive" else word
    if not LOSSES.has(name):
        known = (*LOSSES.names(), *METHODS.names(), *_TREATMENTS)
        raise _wrong(text, f"unknown word {word!r}{nearest(word, known)}; known: {', '.join(known)}")
    options = _options(word, inside, text)
    try:
        find_loss(name).with_options(options)
    except FieldError as error:
        raise _wrong(text, str(error)) from None
    return replace(method, loss=name, options=options)


def _options(word: str, inside: str | None, text: str) -> dict[str, Any]:
    options: dict[str, Any] = {}
    for item in (inside or "").split(","):
        if item.strip():
            key, equals, value = (part.strip() for part in item.partition("="))
            if not equals:
                raise _wrong(text, f"write options of {word} as name=value, not {item.strip()!r}")
            if key in options:
                raise _wrong(text, f"gives {word} its option {key} twice")
            options[key] = _value(value)
    return options


def _ensemble(method: Method, _word: str, inside: str | None, text: str) -> Method:
    if not (inside or "").strip().isdecimal() or not 1 <= int(inside or 0) <= MEMBERS:
        raise _wrong(text, f"write ensemble(M) with M from 1 to {MEMBERS}")
    return replace(method, ensemble=int(inside or 1))


def _temper(method: Method, _word: str, inside: str | None, text: str) -> Method:
    temperature = _value((inside or "").strip())
    if temperature == "fit":
        return replace(method, temperature="fit")
    if not isinstance(temperature, (int, float)) or not 0 < temperature < float("inf"):
        raise _wrong(text, "write temper(T) with a temperature above 0, or temper(fit)")
    return replace(method, temperature=float(temperature))


def _stop(method: Method, _word: str, inside: str | None, text: str) -> Method:
    when = (inside or "").strip()
    if when not in _STOPS:
        raise _wrong(text, f"write stop(WHEN) with one of {', '.join(_STOPS)}{nearest(when, _STOPS)}")
    return replace(method, stop=cast("Literal['end', 'legal', 'oracle']", when))


_TREATMENTS = {"ensemble": _ensemble, "temper": _temper, "stop": _stop}
_TERMS = {"method": _method, "loss": _loss, **_TREATMENTS}


def _wrong(text: str, reason: str) -> FieldError:
    return FieldError(f"method {text!r}: {reason}", "method")


def _value(text: str) -> Any:
    try:
        number = float(text)
    except ValueError:
        return text
    return int(number) if number.is_integer() and "." not in text and "e" not in text.lower() else number
