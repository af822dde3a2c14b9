"""Methods by name: a registered function that maps a kit and its options to the artifact calls of a student.

    @method("mine", strength=Number(0.2, high=1))
    def mine(kit, options):
        softer = temper(labels=kit.weak_labels(), temperature=1 + options["strength"])
        return kit.student(kit.train(kit.student_model, kit.labelled(softer)))

A method is found in the table of this package, among the entry points ``w2s_sweep.methods`` of installed packages, or in a file
beside the grid, ``method: ./mine.py:mine(strength=0.2)``. It says in ``uses`` what truth it looks at beyond the teacher's:
``uses=("truth:validation",)``; the kit refuses it any other, and ``launch --blind`` refuses the method.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from w2s.errors import FieldError, nearest
from w2s.finetune.objectives.options import Options
from w2s.plugins import Registry
from w2s.user_files import import_file, place_of, told

if TYPE_CHECKING:
    from w2s.finetune.kit import Kit, Student

__all__ = ["METHODS", "Builder", "find_method", "method", "method_of_file"]

Function = Callable[["Kit", Mapping[str, Any]], "Student"]
_PARTS = ("labeled", "transfer", "validation", "test")


@dataclass(frozen=True)
class Builder:
    """A method by name: its function, its options, and the truth that it uses."""

    name: str
    function: Function
    options: Options
    uses: tuple[str, ...] = ()

    def __call__(self, kit: Kit, given: Mapping[str, Any]) -> Student:
        """Build the calls of a student, without running anything.

        Raises :class:`FieldError` for options that the method does not have, and with its line for an error in a user's file.
        """
        checked = self.options.checked(f"method {self.name!r}", given)
        try:
            student = self.function(kit, checked)
        except Exception as error:
            if (place := place_of(error)) is None:
                raise
            said, field = (f"{error} ({place})", error.field) if isinstance(error, FieldError) else (told(error), None)
            raise FieldError(said, field or "method") from error
        return self._checked(student)

    def _checked(self, student: Any) -> Student:
        from w2s.finetune.kit import Student

        if isinstance(student, Student):
            return student
        given = "None" if student is None else f"a {type(student).__name__}"
        code = getattr(self.function, "__code__", None)  # a partial call has none
        place = f" ({Path(code.co_filename).name}:{code.co_firstlineno})" if code is not None else ""
        raise FieldError(f"method {self.name!r} returned {given}; it returns what kit.student(...) returns{place}", "method")


METHODS: Registry[Builder] = Registry(
    "method",
    "w2s_sweep.methods",
    {
        "aligner": "w2s.finetune.methods.generation.aligner",
        "bayesian": "w2s.finetune.methods.supervisors.bayesian",
        "boosted": "w2s.finetune.methods.supervisors.boosted",
        "co_supervised": "w2s.finetune.methods.supervisors.co_supervised",
        "confident_only": "w2s.finetune.methods.selection.confident_only",
        "conflicting": "w2s.finetune.methods.robust.conflicting",
        "cong": "w2s.finetune.methods.generation.cong",
        "consistent": "w2s.finetune.methods.selection.consistent",
        "critic": "w2s.finetune.methods.selection.critic",
        "dpo": "w2s.finetune.methods.dpo",
        "dpo_learned": "w2s.finetune.methods.supervisors.dpo_learned",
        "ensemble_learned": "w2s.finetune.methods.supervisors.ensemble_learned",
        "generative": "w2s.finetune.methods.generation.generative",
        "naive": "w2s.finetune.methods.naive",
        "overlap": "w2s.finetune.methods.selection.overlap",
        "planted": "w2s.finetune.methods.planted",
        "reliable": "w2s.finetune.methods.selection.reliable",
        "robust": "w2s.finetune.methods.robust.robust",
        "search": "w2s.finetune.methods.generation.search",
        "selective": "w2s.finetune.methods.selection.selective",
        "self_labels": "w2s.finetune.methods.selection.self_labels",
        "wspo": "w2s.finetune.methods.generation.wspo",
    },
)
"""All methods by name."""


def method(name: str, *, uses: tuple[str, ...] = (), **options: Any) -> Callable[[Function], Builder]:
    """Register a method under a name, with its options: defaults, or a ``OneOf`` or ``Number`` that has one.

    ``uses`` names the truth that the method reads, such as ``"truth:validation"``. Raises ValueError for an unknown part, and
    TypeError for a function that does not take a kit and options.
    """
    for use in uses:
        if use not in (known := [f"truth:{part}" for part in _PARTS]):
            raise ValueError(f"method {name!r}: uses {use!r}, which is not one of {', '.join(known)}{nearest(use, known)}")

    def register(function: Function) -> Builder:
        try:
            (taken := inspect.signature(function)).bind("kit", "options")
        except TypeError:
            raise TypeError(f"method {name!r} takes {taken}; write def {function.__name__}(kit, options)") from None
        METHODS.known[name] = Builder(name, function, Options(options), uses)
        return METHODS.known[name]

    return register


def find_method(name: str) -> Builder:
    """Return a method by name; raise :class:`FieldError` with the nearest name."""
    return METHODS.find(name)


def method_of_file(path: Path, name: str) -> Builder:
    """Return the method that a file registers under a name; raise :class:`FieldError` when it does not.

    The file is imported once per content. Its losses and objectives are known by their names afterwards. Its methods are not,
    so that a grid either works in every process or in none.
    """
    before = dict(METHODS.known)
    module = import_file(path)
    found = {item.name: item for item in vars(module).values() if isinstance(item, Builder)}
    for own in [item for item in found.values() if METHODS.known.get(item.name) is item and item is not before.get(item.name)]:
        if own.function.__module__ == module.__name__:
            METHODS.known.pop(own.name)
            METHODS.known |= {own.name: before[own.name]} if own.name in before else {}
    if name not in found:
        raise FieldError(
            f"{path} registers no method {name!r}{nearest(name, found)}; methods in it: {', '.join(found) or 'none'}"
        )
    return found[name]
