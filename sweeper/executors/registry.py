"""Executors by name: the built-in ones, those of installed packages, and a file of the user's own.

A package offers an executor through the entry-point group ``w2s_sweep.executors``; a grid may also name one in a file,
``executor: ./mine.py:Mine``. Which of the built-in ones ``auto`` takes is decided at launch, by :func:`choose`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweeper.cpus import usable_cpus
from sweeper.executors.base import Executor, Options, Setup
from sweeper.executors.inline import InlineExecutor
from sweeper.executors.options import ProcessesOptions, RayOptions
from sweeper.executors.ray import open_ray
from sweeper.executors.ray.environment import has_ray
from sweeper.executors.ray.surroundings import cluster_address
from w2s.errors import FieldError, nearest
from w2s.plugins import load_plugin, plugin_names
from w2s.user_files import is_file_reference, load_from_file

__all__ = [
    "AUTO",
    "FEW_SECONDS",
    "RAY_SECONDS",
    "Choice",
    "Kind",
    "check_options",
    "choose",
    "executor_names",
    "find_executor",
    "in_processes",
    "own_options",
]

GROUP = "w2s_sweep.executors"
AUTO = "auto"
FEW_SECONDS = 10.0
"""Predicted core seconds below which ``auto`` solves in this process: two cores would save half of it."""
RAY_SECONDS = 300.0
"""Predicted core seconds from which ``auto`` starts a local Ray cluster, which takes five to ten seconds, for its dashboard."""


@dataclass(frozen=True)
class Kind:
    """An executor before it is made: its name, the options that it knows, and the call that makes one.

    ``cpus`` says how many CPUs it would use here, None where that is not known.
    """

    name: str
    options: type[Options]
    make: Callable[[Any, Setup], Executor]
    cpus: Callable[[Any], int | None] = lambda _options: None


def _open_processes(options: Any, setup: Setup) -> Executor:
    from sweeper.executors.processes import ProcessesExecutor

    return ProcessesExecutor(options, setup)


_BUILTIN = {
    "inline": Kind("inline", InlineExecutor.options_model, InlineExecutor, lambda _: 1),
    "processes": Kind("processes", ProcessesOptions, _open_processes, lambda options: options.cpus or usable_cpus()),
    "ray": Kind(
        "ray", RayOptions, open_ray, lambda options: None if cluster_address(options.address) else options.cpus or usable_cpus()
    ),
}


def executor_names() -> list[str]:
    """Return the names that a grid can give as ``compute.executor``, besides files."""
    return [AUTO, *sorted({*_BUILTIN, *plugin_names(GROUP)})]


def find_executor(reference: str, base: Path) -> Kind:
    """Return the executor of a name, or of ``file.py:Name`` relative to ``base``; nothing is started.

    Raises :class:`w2s.errors.FieldError`, with the nearest name, where there is none or it is not an executor.
    """
    if reference in _BUILTIN:
        return _BUILTIN[reference]
    if is_file_reference(reference):
        found = load_from_file(reference, base, kind="executor", plural="executors", fits=_is_executor)
    else:
        found = load_plugin(GROUP, reference)
        if found is None:
            names = executor_names()
            raise FieldError(
                f"{reference!r} is not allowed{nearest(reference, names)}; known: {', '.join(names)}, file.py:Name"
            )
    if not _is_executor(found):
        raise FieldError(f"{reference!r} is not a subclass of sweeper.executors.base.Executor")
    if missing := getattr(found, "__abstractmethods__", None):
        raise FieldError(f"{reference!r} must define {', '.join(sorted(missing))}")
    return Kind(reference, found.options_model, found)


def _is_executor(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Executor) and value is not Executor


def check_options(reference: str, written: Mapping[str, Any], base: Path, *, known: tuple[str, ...] = ()) -> None:
    """Check an executor and the options written for it; ``known`` are further keys that are allowed.

    Every grid may name options of the built-in executors: one that the chosen executor does not know has no effect, so
    that ``--executor inline`` works on a grid made for Ray. Raises :class:`w2s.errors.FieldError` whose ``field`` is the key.
    """
    try:
        kinds = [] if reference == AUTO else [find_executor(reference, base)]
    except FieldError as error:
        raise FieldError(str(error), "executor") from error.__cause__
    kinds += _BUILTIN.values()
    allowed = list(dict.fromkeys([*known, *(name for kind in kinds for name in kind.options.model_fields)]))
    for name in written:
        if name not in allowed:
            raise FieldError(f"unknown key {name!r}{nearest(name, allowed)}; allowed: {', '.join(allowed)}", name)
    for kind in kinds:
        _options_of(kind, written)


def _options_of(kind: Kind, written: Mapping[str, Any]) -> Options:
    """Return those of the written options that an executor knows. Raises :class:`w2s.errors.FieldError`."""
    own = {name: value for name, value in written.items() if name in kind.options.model_fields}
    try:
        return kind.options.model_validate(own)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "executor"
        raise FieldError(f"{first['input']!r} is not allowed: {first['msg']}", name) from None


def own_options(kind: Kind) -> set[str]:
    """Return the names of the options of an executor that no built-in executor knows."""
    return set(kind.options.model_fields).difference(*(builtin.options.model_fields for builtin in _BUILTIN.values()))


@dataclass(frozen=True)
class Choice:
    """Which executor a launch takes, with its options, and why."""

    kind: Kind
    options: Options
    reason: str = ""

    def unused(self, names: Collection[str]) -> list[str]:
        """Return those of some options that built-in executors have and this one has not."""
        others = {name for kind in _BUILTIN.values() for name in kind.options.model_fields}
        return sorted(others.intersection(names).difference(self.options.__class__.model_fields))

    def make(self, setup: Setup) -> Executor:
        """Make the executor; it starts when its context is entered."""
        return self.kind.make(self.options, setup)


def choose(reference: str, written: Mapping[str, Any], base: Path, seconds: Callable[[], float | None]) -> Choice:
    """Choose the executor that a grid names; for ``auto``, from the predicted core seconds.

    ``seconds`` gives those, or None where they are not known. ``auto`` takes ray where an address is given, inline below
    :data:`FEW_SECONDS`, processes below :data:`RAY_SECONDS` or where Ray is not installed, else ray. Rows do not depend on the
    executor.
    """
    if reference != AUTO:
        kind = find_executor(reference, base)
        return Choice(kind, _options_of(kind, written))
    name, reason = _automatic(written, seconds)
    return Choice(_BUILTIN[name], _options_of(_BUILTIN[name], written), reason)


def in_processes(written: Mapping[str, Any]) -> Choice:
    """Return the choice of worker processes, for a launch whose own process must not be the one that solves."""
    kind = _BUILTIN["processes"]
    return Choice(kind, _options_of(kind, written))


def _automatic(written: Mapping[str, Any], seconds: Callable[[], float | None]) -> tuple[str, str]:
    if written.get("address") not in (None, "local"):
        return "ray", "an address is given"
    predicted = seconds()
    if predicted is not None and predicted < FEW_SECONDS:
        return "inline", f"predicted {predicted:,.1f} core seconds are fewer than {FEW_SECONDS:.0f}"
    work = "the time is not predicted" if predicted is None else f"predicted {predicted:,.1f} core seconds"
    if predicted is not None and predicted < RAY_SECONDS:
        return "processes", f"{work}, fewer than the {RAY_SECONDS:.0f} from which a Ray cluster is started"
    if not has_ray():
        return "processes", f"{work}, and Ray is not installed"
    return "ray", work
