"""Modifiers: what changes the kit of a method before the method gets it, whichever it is.

``ensemble(M)``, ``temper(T)``, ``temper(fit)`` and ``stop(WHEN)`` are words of a method's text; hard labels and the flip
control are fields of a cell. A chain of models is part of the kit's setup: weak labels pass through it, model by model.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

from w2s.artifacts import Call
from w2s.finetune.choices.calibrated import temper_fit
from w2s.finetune.data.labels import temper, truth_labels
from w2s.finetune.kit import Kit
from w2s.finetune.methods.text import Method, builder_of
from w2s.finetune.setup import Setup
from w2s.user_files import code_of

__all__ = ["flipped", "kit_for", "truth_used"]

_STOPS = {"oracle": ("truth:validation",)}
"""Truth that a stop looks at."""
_FITTED = "truth:validation"
"""Truth on which a temperature is fitted."""


def kit_for(setup: Setup, method: Method, file: Path | None = None) -> Kit:
    """Make the kit of a cell's method: its modifiers, its loss, and the truth that it declares."""
    builder = builder_of(method, file)
    treatments = [] if method.temperature == 1.0 else [_temperature(setup, method)]
    if setup.hard:
        treatments.append(functools.partial(_tempered, temperature=0.0))
    return Kit(
        setup,
        uses=builder.uses,
        loss=method.loss,
        options=method.options,
        stop=method.stop,
        members=method.ensemble,
        treatments=tuple(treatments),
        code=code_of(builder.function),
    )


def flipped(kit: Kit) -> Kit:
    """Return the kit of the flip control: labels with the same errors at random items, by the truth of the transfer items."""
    return kit.changed(flipped=True)


def truth_used(method: Method, file: Path | None = None) -> Iterator[tuple[str, str]]:
    """Yield the words of a method that read truth beyond the teacher's, each with the part that it reads."""
    uses = [(method.name, use) for use in builder_of(method, file).uses]
    uses += [(f"stop({method.stop})", use) for use in _STOPS.get(method.stop, ())]
    uses += [("temper(fit)", _FITTED)] if method.temperature == "fit" else []
    yield from ((word, use.partition(":")[2]) for word, use in uses if use != "truth:labeled")


def _temperature(setup: Setup, method: Method) -> Callable[[Call], Call]:
    """Return what brings labels to the method's temperature: a number, or the one that suits the validation items' truth."""
    if method.temperature != "fit":
        return functools.partial(_tempered, temperature=method.temperature)
    part = _FITTED.partition(":")[2]
    true = truth_labels(items=setup.items, truth=setup.truth, part=part, classes=setup.classes)
    return lambda labels: temper_fit(labels=labels, truth=true)


def _tempered(labels: Call, temperature: float) -> Call:
    return temper(labels=labels, temperature=temperature)
