"""The words of a method's text, a sentence for each: what ``w2s-sweep explain`` says of methods, losses and modifiers."""

from __future__ import annotations

import inspect
import sys

from w2s.finetune.methods.registry import METHODS
from w2s.finetune.objectives.losses import LOSSES
from w2s.finetune.objectives.options import Options

__all__ = ["method_words"]

_MODIFIERS = {
    "ensemble": "ensemble(M) trains M weak models of different seeds per weak model; the student learns from their mean",
    "temper": "temper(T) brings weak probabilities to a temperature, temper(fit) to the one that suits the truth of the "
    "validation items best",
    "stop": "stop(legal) keeps the student that agrees best with weak validation labels, stop(oracle) the one that is best by "
    "their truth, stop(end) the last one",
}


def method_words() -> dict[str, str]:
    """Say of every method, loss and modifier of this package what it does, and which options it has."""
    said = {name: f"a modifier of methods: {text}" for name, text in _MODIFIERS.items()}
    for name, loss in LOSSES.known.items():
        said[name] = f"a loss of methods: {_first(loss.function.__doc__).removeprefix('Compute ')}{_options(loss.options)}"
    for name in METHODS.builtin:
        builder = METHODS.find(name)
        said[name] = f"a method: {_first(sys.modules[builder.function.__module__].__doc__)}{_options(builder.options)}"
    return said


def _first(text: str | None) -> str:
    """Return the first paragraph of a docstring in one line, without the marks of code."""
    return " ".join(inspect.cleandoc(text or "").partition("\n\n")[0].split()).replace("``", "")


def _options(options: Options) -> str:
    named = ", ".join(f"{name}={value}" for name, value in options.defaults.items())
    return f" Options: {named}." if named else ""
