"""Reading the sections of a sub-grid: axes, zips, fixed fields, seeds, conditions; every complaint knows its line."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import GridError
from sweeper.grid.axes import expand_values
from sweeper.grid.conditions import Condition, condition_from_mapping, representative, restrict, show
from sweeper.grid.expressions import condition_from_text
from sweeper.grid.terms import written_digest
from sweeper.grid.until import MAX_SEEDS, read_until
from sweeper.grid.yaml import Lines
from w2s.contract.block import Axis, Block
from w2s.contract.cells import FieldSpec
from w2s.contract.study import Study
from w2s.errors import FieldError, nearest
from w2s.summary.looks import Until

__all__ = ["Sections", "given"]


class Sections:
    """Turns sections of a document into axes, values and conditions, once ``study`` and its ``fields`` are known."""

    def __init__(self, file: Path | None, lines: Lines, folder: Path, *, stored: bool = False) -> None:
        self.file, self.lines, self.folder, self.stored = file, lines, folder, stored
        self.study: type[Study]
        self.fields: Mapping[str, FieldSpec]

    def fail(self, message: str, *place: Any) -> GridError:
        """Return an error with the line of ``place``, or of the nearest enclosing section that has one."""
        while place and place not in self.lines:
            place = place[:-1]
        return GridError(message, self.file, self.lines.get(place) if place else None)

    def mapping(self, value: Any, allowed: tuple[str, ...], *place: Any) -> Mapping[str, Any]:
        """Return ``value`` if it is a mapping with ``allowed`` keys (any, where that is empty); raise an error otherwise."""
        label = ".".join(map(str, place)) or "a grid"
        if not isinstance(value, Mapping):
            raise self.fail(f"{label} must be a mapping of names to values, not {_kind(value)}", *place)
        for key in value:
            if allowed and key not in allowed:
                raise self.fail(f"unknown key {key!r}{nearest(key, allowed)}; allowed: {', '.join(allowed)}", *place, key)
        return value

    def axes(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> list[Axis]:
        """Read ``axes:``, one axis for each field."""
        written = self.mapping(given(block, "axes", {}), (), *place, "axes")
        return [self.axis(name, values, (*place, "axes", name)) for name, values in written.items()]

    def axis(self, name: str, written: Any, place: tuple[Any, ...]) -> Axis:
        """Read the values of one field: each is checked and kept once, in the order in which they are written."""
        spec = self.field(name, place)
        try:
            values = expand_values(written)
        except ValueError as error:
            raise self.fail(f"{name}: {error}", *place) from None
        parsed: dict[Any, int] = {}
        for k, value in enumerate(values):
            canonical = self.value(spec, value, (*place, k))
            if canonical in parsed:
                raise self.fail(f"{name}: the value {show(canonical)} is listed twice", *place, k)
            parsed[canonical] = k
        return Axis.single(name, list(parsed))

    def zips(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> list[Axis]:
        """Read ``zip:``, one axis for each group of fields that move together."""
        written = given(block, "zip", [])
        groups = [written] if isinstance(written, Mapping) else written
        if not isinstance(groups, list):
            raise self.fail("zip is a mapping of equally long lists, or a list of such mappings", *place, "zip")
        one = isinstance(written, Mapping)
        return [self.zip(g, (*place, "zip") if one else (*place, "zip", k)) for k, g in enumerate(groups)]

    def zip(self, written: Any, place: tuple[Any, ...]) -> Axis:
        """Read one group of equally long lists."""
        columns: dict[str, list[Any]] = {}
        for name, values in self.mapping(written, (), *place).items():
            spec = self.field(name, (*place, name))
            try:
                raw = expand_values(values)
            except ValueError as error:
                raise self.fail(f"{name}: {error}", *place, name) from None
            columns[name] = [self.value(spec, value, (*place, name, k)) for k, value in enumerate(raw)]
        lengths = {name: len(values) for name, values in columns.items()}
        if len(columns) < 2 or len(set(lengths.values())) != 1:
            shown = ", ".join(f"{name}: {count}" for name, count in lengths.items()) or "nothing"
            raise self.fail(f"zip needs two or more lists of one length; got {shown}", *place)
        values = tuple(zip(*columns.values(), strict=True))
        if len(set(values)) != len(values):
            twice, _ = Counter(values).most_common(1)[0]
            raise self.fail(f"zip: the combination {', '.join(map(show, twice))} is listed twice", *place)
        return Axis(tuple(columns), values)

    def fixed(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
        """Read ``fixed:``, one value for each field."""
        written = self.mapping(given(block, "fixed", {}), (), *place, "fixed")
        return {
            name: self.value(self.field(name, (*place, "fixed", name)), value, (*place, "fixed", name))
            for name, value in written.items()
        }

    def field(self, name: str, place: tuple[Any, ...]) -> FieldSpec:
        """Return the field of that name; raise an error with the nearest name where there is none."""
        if name == "seed":
            raise self.fail("seeds have a key of their own: write seeds: 32", *place)
        if name not in self.fields:
            names = [n for n in self.fields if n != "seed"]
            known = ", ".join(names)
            raise self.fail(f"{name!r} is not a field of {self.study.name}{nearest(name, names)}; its fields: {known}", *place)
        return self.fields[name]

    def value(self, spec: FieldSpec, value: Any, place: tuple[Any, ...]) -> Any:
        """Return a field's value in canonical form."""
        try:
            parsed = spec.parse(value, self.folder, stored=self.stored)
            hash(parsed)
        except FieldError as error:
            raise self.fail(f"{spec.name}: {error}", *place) from None
        except TypeError:
            raise self.fail(f"{spec.name}: {value!r} cannot be a cell value", *place) from None
        return parsed

    def seeds(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> list[int]:
        """Read ``seeds:``, a number of seeds, a list of them, or the most that a rule may take."""
        written = block.get("seeds", 1)
        if isinstance(written, Mapping):
            until = self.until(block, place)
            return list(range(until.max)) if until else []
        if isinstance(written, list) and written:
            seeds = [self.value(self.fields["seed"], value, (*place, "seeds", k)) for k, value in enumerate(written)]
            if len(set(seeds)) != len(seeds):
                raise self.fail("seeds: a seed is listed twice", *place, "seeds")
            return seeds
        if isinstance(written, float) and written.is_integer():
            written = int(written)
        if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= MAX_SEEDS:
            raise self.fail(f"seeds: a whole number in 1..{MAX_SEEDS} or a list of seeds, not {written!r}", *place, "seeds")
        return list(range(written))

    def until(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> Until | None:
        """Read the rule of ``seeds: {until: {...}}``; None where seeds are a number or a list."""
        written = block.get("seeds", 1)
        if not isinstance(written, Mapping):
            return None
        rule = self.mapping(written, ("until",), *place, "seeds").get("until")
        try:
            return read_until(rule, self.study)
        except FieldError as error:
            raise self.fail(f"seeds: {error}", *place, "seeds", "until", error.field) from None

    def exclude(self, block: Mapping[str, Any], place: tuple[Any, ...], whole: Block) -> tuple[Condition, ...]:
        """Read ``exclude:``, the conditions on cells to leave out."""
        written = given(block, "exclude", [])
        if not isinstance(written, list):
            raise self.fail("exclude is a list of conditions", *place, "exclude")
        some = representative(whole) if written else whole
        return tuple(self.condition(item, (*place, "exclude", k), some, whole) for k, item in enumerate(written))

    def condition(self, written: Any, place: tuple[Any, ...], some: Block, whole: Block) -> Condition:
        """Read one condition: a comparison, tried on some values, or a mapping of fields to values."""
        if isinstance(written, str):
            try:
                digest = functools.partial(self.digest, whole)
                condition = condition_from_text(written, self.fields, digest, checked=not self.stored)
                condition.test(restrict(some, condition.fields))  # words may have been compared with numbers
                return condition
            except ValueError as error:
                raise self.fail(f"exclude: {error}", *place) from None
        values: dict[str, list[Any]] = {}
        for name, value in self.mapping(written, (), *place).items():
            spec = self.fields["seed"] if name == "seed" else self.field(name, (*place, name))
            listed = value if isinstance(value, list) else [value]
            values[name] = [self.value(spec, v, (*place, name)) for v in listed]
        if not values:
            raise self.fail("exclude: an empty condition would leave out every cell", *place)
        return condition_from_mapping(values)

    def digest(self, whole: Block, spec: FieldSpec, word: str) -> str:
        """Return the written digest of the file that a condition names. Raises FieldError where there is no such file.

        Grids that earlier releases stored name files as the grid file did, from its own folder: there a word is the one value
        of the field whose path ends so, or nothing.
        """
        if not self.stored:
            return written_digest(spec.parse(word, self.folder))
        end = Path(word).parts
        found = {value for value in whole.values(spec.name) if value is not None and Path(value.name).parts[-len(end) :] == end}
        return written_digest(found.pop()) if len(found) == 1 else word


def given(block: Mapping[str, Any], key: str, empty: Any) -> Any:
    """Return the value of a key, or ``empty`` where the key has no content.

    Other false values stay as they are, for an error message.
    """
    value = block.get(key)
    return empty if value is None else value


def _kind(value: Any) -> str:
    names = {
        str: "text",
        list: "a list",
        bool: "true or false",
        int: "a number",
        float: "a number",
        type(None): "nothing",
    }
    return f"{names.get(type(value), type(value).__name__)}" + (f" ({value!r})" if isinstance(value, (str, int, float)) else "")
