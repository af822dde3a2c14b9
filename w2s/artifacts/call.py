"""A call of an artifact function that is still to be made, and the key that names its value.

    @artifact(version=1)
    def train(work: Work, *, base: Model, labels: Path, seed: int) -> None: ...

    model = train(base=..., labels=labels_of(...), seed=3)     # a Call; nothing runs

The key is a hash of the function's name and version and of all arguments; an argument that is itself a call enters by its key,
a file by its content. The source of a function that is not of this package enters too. So equal keys mean equal values, whoever
computes them, and a model that ten students share is one call.
"""

from __future__ import annotations

import functools
import hashlib
import inspect
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s.files.canonical import canonical
from w2s.user_files import code_of, plain_name

__all__ = ["Artifact", "Call", "Need", "artifact"]


Share = float | Callable[..., float]
"""How much of a machine a call occupies: a number, or a function of the call's keyword arguments."""


@dataclass(frozen=True)
class Need:
    """Memory that making a value takes on each of its devices, in bytes: as asked for, and at the least.

    ``says`` names what it is made of, by the words of a grid, for the line that refuses it.
    """

    usual: float
    least: float
    says: str


@dataclass(frozen=True, eq=False)
class Artifact:
    """A function whose results are kept. Calling it with keywords makes a :class:`Call`."""

    function: Callable[..., None]
    name: str
    version: int
    cost: Callable[..., float] | None
    cpus: Share
    gpus: Share
    later: frozenset[str] = frozenset()
    memory: Callable[..., Need] | None = None

    @functools.cached_property
    def code(self) -> str | None:
        """Digest of the function's source; None in this package, where ``version`` says what has changed."""
        return code_of(self.function)

    @functools.cached_property
    def signature(self) -> inspect.Signature:
        """The function's own arguments and defaults."""
        return inspect.signature(self.function)

    def __call__(self, **arguments: Any) -> Call:
        """Make a call, with defaults filled in, but for those of arguments that came later.

        Raises TypeError for arguments that the function does not have.
        """
        signature = self.signature
        bound = signature.bind(None, **arguments)
        bound.apply_defaults()
        first = next(iter(bound.arguments))
        idle = {name for name in self.later if bound.arguments[name] == signature.parameters[name].default}
        return Call(self, {name: value for name, value in bound.arguments.items() if name != first and name not in idle})


def artifact(
    *,
    version: int,
    name: str | None = None,
    cost: Callable[..., float] | None = None,
    cpus: Share = 1,
    gpus: Share = 0,
    later: tuple[str, ...] = (),
    memory: Callable[..., Need] | None = None,
) -> Callable[[Callable[..., None]], Artifact]:
    """Declare an artifact function.

    Parameters
    ----------
    version : raise it when the function's results change; the source of a function in a file of one's own is looked at too.
    name : its identity, by default module and name.
    cost : nominal floating-point operations from the same keyword arguments, for ``plan`` and for the order of work.
    cpus, gpus : what one call occupies on a cluster, or functions of the same keyword arguments that say so; ``gpus`` may be
        a fraction, and counts only where there are any.
    later : arguments with defaults that the function got after values of it had been stored. At its default such an argument
        is no part of a call, so that the keys of those values stay.
    memory : what a call needs, from the same keyword arguments, for ``plan`` and for a launch that would not fit.

    The function takes a :class:`w2s.artifacts.Work` first, then keyword-only arguments; calls among them arrive as the folders
    of their finished values. It writes safetensors, Arrow or JSON files into ``work.folder`` and returns nothing.
    """

    def declare(function: Callable[..., None]) -> Artifact:
        label = name or f"{plain_name(function.__module__)}.{function.__qualname__}"
        return Artifact(function, label, version, cost, cpus, gpus, frozenset(later), memory)

    return declare


@dataclass(frozen=True, eq=False)
class Call:
    """An artifact function with its arguments. Two calls are equal when their keys are."""

    artifact: Artifact
    arguments: Mapping[str, Any]

    @functools.cached_property
    def key(self) -> str:
        """128 bits, in hex, of everything that determines the value."""
        code = [] if self.artifact.code is None else [self.artifact.code]
        content = [self.artifact.name, self.artifact.version, self.described, *code]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(text.encode(), digest_size=16, person=b"w2s-artifact").hexdigest()

    @functools.cached_property
    def described(self) -> dict[str, Any]:
        """The arguments as JSON values: calls by key, files by content."""
        return {name: _described(value) for name, value in self.arguments.items()}

    @property
    def inputs(self) -> list[Call]:
        """Calls among the arguments, each once."""
        return list({call.key: call for value in self.arguments.values() for call in _calls(value)}.values())

    @property
    def flops(self) -> float:
        """Nominal operations of this call alone; zero where its function names no cost."""
        return float(self.artifact.cost(**self.arguments)) if self.artifact.cost else 0.0

    @property
    def memory(self) -> Need | None:
        """Memory that making the value takes; None where its function says nothing of it."""
        return self.artifact.memory(**self.arguments) if self.artifact.memory else None

    @property
    def cpus(self) -> float:
        """Processor cores that the call occupies."""
        return self._share(self.artifact.cpus)

    @property
    def gpus(self) -> float:
        """GPUs that the call occupies, where there are any."""
        return self._share(self.artifact.gpus)

    def _share(self, share: Share) -> float:
        return float(share(**self.arguments) if callable(share) else share)

    def with_folders(self, place: Callable[[Call], Path]) -> dict[str, Any]:
        """Return the arguments with every call replaced by the folder of its value."""
        return {name: _placed(value, place) for name, value in self.arguments.items()}

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Call) and self.key == other.key

    def __repr__(self) -> str:
        return f"{self.artifact.name}({self.key[:8]})"


def _described(value: Any) -> Any:
    if isinstance(value, Call):
        return {"artifact": value.key}
    if isinstance(value, Mapping):
        return {str(name): _described(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    return canonical(value)


def _calls(value: Any) -> Iterator[Call]:
    if isinstance(value, Call):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _calls(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _calls(item)


def _placed(value: Any, place: Callable[[Call], Path]) -> Any:
    if isinstance(value, Call):
        return place(value)
    if isinstance(value, Mapping):
        return {name: _placed(item, place) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return tuple(_placed(item, place) for item in value)
    return value
