"""Reading a grid: every key, value and combination is checked, and every complaint knows its line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import GridError
from sweeper.grid.axes import expand_values, join_conditional
from sweeper.grid.compute import Compute, read_compute
from sweeper.grid.conditions import Condition, condition_from_mapping, condition_from_text, first_violation, restrict, show
from sweeper.grid.model import Grid, SubGrid, common_cells
from sweeper.grid.yaml import Lines, read_yaml
from w2s.contract.block import Axis, Block
from w2s.contract.cells import FieldSpec, cell_fields, null_inactive
from w2s.contract.study import Study
from w2s.errors import FieldError, nearest
from w2s.studies.registry import StudyError, find_study

__all__ = ["load_grid"]

TOP_KEYS = ("study", "axes", "fixed", "seeds", "zip", "exclude", "out", "compute", "grids")
SUB_KEYS = ("axes", "fixed", "seeds", "zip", "exclude")
_MAX_SEEDS = 1_000_000


def load_grid(source: Path | str | Mapping[str, Any], folder: Path | None = None, *, stored: bool = False) -> Grid:
    """Read and check a grid file, or a mapping with the same keys (paths in it are relative to ``folder``).

    ``stored`` reads the resolved grid of a run for comparison: data files are not opened. Raises :class:`GridError`.
    Cost: one check per axis value; cells are never expanded.
    """
    if isinstance(source, Mapping):
        return _GridReader(None, {}, folder or Path.cwd(), stored=stored).grid(source)
    path = Path(source)
    document, lines = read_yaml(path)
    return _GridReader(path, lines, folder or path.resolve().parent, stored=stored).grid(document)


class _GridReader:
    """Turns a document into a grid; knows the line of everything it complains about."""

    def __init__(self, file: Path | None, lines: Lines, folder: Path, *, stored: bool = False) -> None:
        self.file, self.lines, self.folder, self.stored = file, lines, folder, stored
        self.study: type[Study]
        self.fields: Mapping[str, FieldSpec]

    def fail(self, message: str, *place: Any) -> GridError:
        while place and place not in self.lines:
            place = place[:-1]
        return GridError(message, self.file, self.lines.get(place) if place else None)

    def place_of(self, name: str, place: tuple[Any, ...]) -> tuple[Any, ...]:
        """Where a sub-grid, or else the whole grid, names a field."""
        sections = [("axes",), ("fixed",), ("zip",), *(("zip", k) for k in range(len(self.fields)))]
        places = ((*base, *section, name) for base in (place, ()) for section in sections)
        return next((found for found in places if found in self.lines), place)

    def mapping(self, value: Any, allowed: tuple[str, ...], *place: Any) -> Mapping[str, Any]:
        label = ".".join(map(str, place)) or "a grid"
        if not isinstance(value, Mapping):
            raise self.fail(f"{label} must be a mapping of names to values, not {_kind(value)}", *place)
        for key in value:
            if allowed and key not in allowed:
                raise self.fail(f"unknown key {key!r}{nearest(key, allowed)}; allowed: {', '.join(allowed)}", *place, key)
        return value

    def grid(self, document: Any) -> Grid:
        top = self.mapping(document, TOP_KEYS)
        self.study, reference = self.find_study(top)
        self.fields = cell_fields(self.study.Cell)
        if "grids" in top:
            if not isinstance(top["grids"], list) or not top["grids"]:
                raise self.fail("grids must be a list of one or more blocks of axes", "grids")
            parts = [self.part(block, top, ("grids", k)) for k, block in enumerate(top["grids"])]
        else:
            parts = [self.part({k: v for k, v in top.items() if k in SUB_KEYS}, {}, ())]
        self.check_overlap(parts)
        for k, part in enumerate(parts if not self.stored else []):
            place = ("grids", k) if "grids" in top else ()
            try:
                self.study().check(part.asked())
            except FieldError as error:
                line = self.lines.get(self.place_of(error.field, place)) if error.field else None
                raise GridError(str(error), self.file, line or part.line) from None
            except Exception as error:
                message = f"{self.study.name}.check raised {type(error).__name__}: {error}"
                raise GridError(message, self.file, part.line) from error
        return Grid(self.study, reference, tuple(parts), self.compute(top), self.out(top), self.file, self.folder)

    def find_study(self, top: Mapping[str, Any]) -> tuple[type[Study], str]:
        reference = top.get("study")
        if not isinstance(reference, str) or not reference:
            raise self.fail("study: name the study to run (w2s-sweep studies lists them)", "study")
        try:
            return find_study(reference, self.folder), reference
        except StudyError as error:
            raise self.fail(str(error), "study") from None

    def compute(self, top: Mapping[str, Any]) -> Compute:
        written = self.mapping(_given(top, "compute", {}), (), "compute")
        try:
            return read_compute(written, self.folder)
        except FieldError as error:
            raise self.fail(str(error), "compute", error.field) from None

    def out(self, top: Mapping[str, Any]) -> Path:
        written = top.get("out")
        if written is None:
            return self.folder / "runs" / (self.file.stem if self.file else "grid")
        if not isinstance(written, str) or not written.strip() or "\0" in written:
            raise self.fail(f"out: {written!r} is not a folder name", "out")
        if "://" in written:
            raise self.fail(f"out: {written!r} is not a local folder; run folders live on a file system", "out")
        try:
            os.fsencode(written)
            return Path(os.path.normpath(self.folder / Path(written).expanduser()))
        except (RuntimeError, ValueError) as error:
            raise self.fail(f"out: {written!r} is not a folder name: {error}", "out") from None

    def part(self, written: Any, shared: Mapping[str, Any], place: tuple[Any, ...]) -> SubGrid:
        block = self.mapping(written, SUB_KEYS, *place)
        own_axes, own_zip = self.axes(block, place), self.zips(block, place)
        own_fixed = self.fixed(block, place)
        own = {name for axis in (*own_axes, *own_zip) for name in axis.names} | set(own_fixed)
        base_axes = [axis for axis in (*self.axes(shared, ()), *self.zips(shared, ())) if not self.replaced(axis, own, place)]
        base_fixed = {name: value for name, value in self.fixed(shared, ()).items() if name not in own}
        seeds = self.seeds(block, place) if "seeds" in block else self.seeds(shared, ())
        axes = [Axis.single("seed", seeds), *base_axes, *own_axes, *own_zip]
        named = base_fixed | own_fixed
        self.check_placement(axes, named, place)
        complete = null_inactive(self.complete(axes, named, place), self.fields)
        self.check_effect(axes, named, complete, place)
        try:
            joined, fixed = join_conditional(axes, complete, self.fields)
        except ValueError as error:
            raise self.fail(str(error), *place) from None
        whole = Block(fixed, joined)
        self.check_chain(axes, whole, place)
        conditions = (*self.exclude(shared, (), whole), *self.exclude(block, place, whole))
        self.check_rules(whole, conditions, place)
        canonical = _canonical(axes, named, complete, whole, conditions)
        part = SubGrid(whole, conditions, canonical, self.lines.get(place or ("axes",)))
        if part.wanted == 0:
            raise self.fail("exclude leaves no cell", *place, "exclude")
        return part

    def replaced(self, axis: Axis, own: set[str], place: tuple[Any, ...]) -> bool:
        """Whether a sub-grid names a shared axis itself; of a zip it must name all fields or none."""
        kept = [name for name in axis.names if name not in own]
        if kept and len(kept) < len(axis.names):
            named = next(name for name in axis.names if name in own)
            raise self.fail(f"{named!r} is zipped with {kept[0]!r} above; name both here, or neither", *place)
        return not kept

    def axes(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> list[Axis]:
        written = self.mapping(_given(block, "axes", {}), (), *place, "axes")
        return [self.axis(name, values, (*place, "axes", name)) for name, values in written.items()]

    def axis(self, name: str, written: Any, place: tuple[Any, ...]) -> Axis:
        spec = self.field(name, place)
        try:
            values = expand_values(written)
        except ValueError as error:
            raise self.fail(f"{name}: {error}", *place) from None
        parsed: dict[Any, int] = {}
        for k, value in enumerate(values):
            canonical = self.value(spec, value, (*place, k))
            if canonical in parsed:
                raise self.fail(f"{name}: the value {show(canonical)} stands twice", *place, k)
            parsed[canonical] = k
        return Axis.single(name, list(parsed))

    def zips(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> list[Axis]:
        written = _given(block, "zip", [])
        groups = [written] if isinstance(written, Mapping) else written
        if not isinstance(groups, list):
            raise self.fail("zip is a mapping of equally long lists, or a list of such mappings", *place, "zip")
        one = isinstance(written, Mapping)
        return [self.zip(g, (*place, "zip") if one else (*place, "zip", k)) for k, g in enumerate(groups)]

    def zip(self, written: Any, place: tuple[Any, ...]) -> Axis:
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
            twice = next(v for k, v in enumerate(values) if v in values[:k])
            raise self.fail(f"zip: the combination {', '.join(map(show, twice))} stands twice", *place)
        return Axis(tuple(columns), values)

    def fixed(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
        written = self.mapping(_given(block, "fixed", {}), (), *place, "fixed")
        return {
            name: self.value(self.field(name, (*place, "fixed", name)), value, (*place, "fixed", name))
            for name, value in written.items()
        }

    def field(self, name: str, place: tuple[Any, ...]) -> FieldSpec:
        if name == "seed":
            raise self.fail("seeds have a key of their own: write seeds: 32", *place)
        if name not in self.fields:
            names = [n for n in self.fields if n != "seed"]
            known = ", ".join(names)
            raise self.fail(f"{name!r} is not a field of {self.study.name}{nearest(name, names)}; its fields: {known}", *place)
        return self.fields[name]

    def value(self, spec: FieldSpec, value: Any, place: tuple[Any, ...]) -> Any:
        try:
            parsed = spec.parse(value, self.folder, stored=self.stored)
            hash(parsed)
        except FieldError as error:
            raise self.fail(f"{spec.name}: {error}", *place) from None
        except TypeError:
            raise self.fail(f"{spec.name}: {value!r} cannot be a cell value", *place) from None
        return parsed

    def seeds(self, block: Mapping[str, Any], place: tuple[Any, ...]) -> list[int]:
        written = block.get("seeds", 1)
        if isinstance(written, list) and written:
            seeds = [self.value(self.fields["seed"], value, (*place, "seeds", k)) for k, value in enumerate(written)]
            if len(set(seeds)) != len(seeds):
                raise self.fail("seeds: a seed stands twice", *place, "seeds")
            return seeds
        if isinstance(written, float) and written.is_integer():
            written = int(written)
        if isinstance(written, bool) or not isinstance(written, int) or not 1 <= written <= _MAX_SEEDS:
            raise self.fail(f"seeds: a whole number in 1..{_MAX_SEEDS} or a list of seeds, not {written!r}", *place, "seeds")
        return list(range(written))

    def exclude(self, block: Mapping[str, Any], place: tuple[Any, ...], whole: Block) -> tuple[Condition, ...]:
        written = _given(block, "exclude", [])
        if not isinstance(written, list):
            raise self.fail("exclude is a list of conditions", *place, "exclude")
        return tuple(self.condition(item, (*place, "exclude", k), whole) for k, item in enumerate(written))

    def condition(self, written: Any, place: tuple[Any, ...], whole: Block) -> Condition:
        if isinstance(written, str):
            try:
                condition = condition_from_text(written, self.fields)
                condition.test(restrict(whole, condition.fields))  # words may have been compared with numbers
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

    def check_placement(self, axes: list[Axis], named: Mapping[str, Any], place: tuple[Any, ...]) -> None:
        seen: set[str] = set()
        for axis in axes:
            for name in axis.names:
                if name in seen or name in named:
                    raise self.fail(f"{name!r} stands twice: it can be an axis, part of a zip, or fixed", *place, "axes", name)
                seen.add(name)

    def complete(self, axes: list[Axis], named: Mapping[str, Any], place: tuple[Any, ...]) -> dict[str, Any]:
        """Add defaults for fields that the grid does not name."""
        varying = {name for axis in axes for name in axis.names}
        fixed = dict(named)
        for name, spec in self.fields.items():
            if name in varying or name in fixed:
                continue
            if spec.required:
                raise self.fail(f"{name!r} is needed ({spec.description}): name it under axes or fixed", *place, "fixed")
            default = spec.default
            fixed[name] = self.value(spec, default, place) if default is not None else None
        return fixed

    def check_effect(
        self, axes: list[Axis], named: Mapping[str, Any], fixed: Mapping[str, Any], place: tuple[Any, ...]
    ) -> None:
        """Refuse an axis, or a fixed field, that matters in no cell of the sub-grid."""
        values = {name: set(axis.column(name)) for axis in axes for name in axis.names}
        values |= {name: {value} for name, value in fixed.items()}
        for name in [*(n for axis in axes for n in axis.names), *named]:
            for controller, allowed in self.fields[name].when.items():
                if not values[controller] & set(allowed):
                    given = ", ".join("without effect itself" if v is None else show(v) for v in values[controller])
                    needed = " or ".join(map(show, allowed))
                    message = f"{name!r} has no effect: it matters only when {controller} is {needed}, here it is {given}"
                    raise self.fail(message, *self.place_of(name, place))

    def check_chain(self, axes: list[Axis], whole: Block, place: tuple[Any, ...]) -> None:
        """Refuse an axis that a chain of conditions leaves without effect in every cell."""
        for name in (n for axis in axes for n in axis.names):
            if whole.values(name) == [None] and self.fields[name].when:
                needed = ", ".join(f"{c} is {' or '.join(map(show, v))}" for c, v in self.fields[name].when.items())
                raise self.fail(f"{name!r} has no effect: it matters only when {needed}", *self.place_of(name, place))

    def check_rules(self, block: Block, conditions: tuple[Condition, ...], place: tuple[Any, ...]) -> None:
        for rule in self.study.rules:
            broken = first_violation(rule, block, conditions)
            if broken is not None:
                values = ", ".join(f"{name} = {show(value)}" for name, value in broken.items())
                raise self.fail(f"{rule.says}: not so for {values}", *self.place_of(rule.fields[0], place))

    def check_overlap(self, parts: list[SubGrid]) -> None:
        """Refuse two sub-grids that name the same cell."""
        for k, first in enumerate(parts):
            for j, second in enumerate(parts[:k]):
                shared = common_cells(first, second)
                if shared:
                    raise self.fail(f"grids {j + 1} and {k + 1} share {shared} cells; every cell may be named once", "grids", k)


def _canonical(
    axes: list[Axis], named: Mapping[str, Any], complete: Mapping[str, Any], whole: Block, conditions: tuple[Condition, ...]
) -> dict[str, Any]:
    """Write the sub-grid out in full: explicit values, defaults included; reading it again gives the same cells."""
    active = {n: v for n, v in complete.items() if any(u is not None for u in whole.values(n)) or (v is None and n in named)}
    written: dict[str, Any] = {"axes": {}, "zip": [], "fixed": active}
    for axis in axes:
        if axis.names == ("seed",):
            seeds = axis.column("seed")
            written["seeds"] = len(seeds) if seeds == tuple(range(len(seeds))) else list(seeds)
        elif len(axis.names) == 1:
            written["axes"][axis.names[0]] = list(axis.column(axis.names[0]))
        else:
            written["zip"].append({name: list(axis.column(name)) for name in axis.names})
    written["exclude"] = [condition.written for condition in conditions]
    return {key: value for key, value in written.items() if value}


def _given(block: Mapping[str, Any], key: str, empty: Any) -> Any:
    """What a section holds; a section without content is empty, any other value is kept to be complained about."""
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
