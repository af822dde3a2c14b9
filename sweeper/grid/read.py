"""Reading a grid: every key, value and combination is checked, and every complaint knows its line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sweeper.errors import GridError
from sweeper.grid.axes import join_conditional
from sweeper.grid.compute import Compute, read_compute
from sweeper.grid.conditions import Condition, first_violation, kept_cells, show
from sweeper.grid.former_names import lines_of_today, names_of_today
from sweeper.grid.model import Grid, SubGrid, common_cells, pairs_to_compare
from sweeper.grid.sections import Sections, given
from sweeper.grid.until import MAX_SETTINGS, written_until
from sweeper.grid.yaml import read_yaml
from w2s.contract.block import Axis, Block
from w2s.contract.cells import cell_fields, former_names, null_inactive
from w2s.contract.study import Study
from w2s.errors import FieldError
from w2s.files.paths import expand_path, expand_variables
from w2s.places.url import Url, Where, where_of
from w2s.studies.registry import StudyError, find_study
from w2s.user_files import told

__all__ = ["load_grid"]

TOP_KEYS = ("study", "axes", "fixed", "seeds", "zip", "exclude", "out", "compute", "grids")
SUB_KEYS = ("axes", "fixed", "seeds", "zip", "exclude")


def load_grid(
    source: Path | str | Mapping[str, Any],
    folder: Path | None = None,
    *,
    stored: bool = False,
    study: type[Study] | None = None,
) -> Grid:
    """Read and check a grid file, or a mapping with the same keys (paths in it are relative to ``folder``).

    ``stored`` reads the resolved grid of a run for comparison: data files are not opened. ``study`` is taken for the one that
    is named, and then no file of a study is run. Raises :class:`GridError`.
    Cost: one check per axis value; cells are never expanded.
    """
    if isinstance(source, Mapping):
        return _GridReader(None, {}, folder or Path.cwd(), stored=stored).grid(source, study)
    path = Path(source)
    document, lines = read_yaml(path)
    return _GridReader(path, lines, folder or path.resolve().parent, stored=stored).grid(document, study)


class _GridReader(Sections):
    """Turns a document into a grid; knows the line of everything it complains about."""

    def place_of(self, name: str, place: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the path, in the file, at which a sub-grid, or else the whole grid, names a field."""
        sections = [("axes",), ("fixed",), ("zip",), *(("zip", k) for k in range(len(self.fields)))]
        places = ((*base, *section, name) for base in (place, ()) for section in sections)
        return next((found for found in places if found in self.lines), place)

    def grid(self, document: Any, study: type[Study] | None = None) -> Grid:
        top = self.mapping(document, TOP_KEYS)
        self.study, reference = self.find_study(top, study)
        self.fields = cell_fields(self.study.Cell)
        former = former_names(self.fields)
        top, self.lines = names_of_today(top, former, self.fail), lines_of_today(self.lines, former)
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
                message = f"{self.study.name}.check raised {told(error)}"
                raise GridError(message, self.file, part.line) from error
        return Grid(self.study, reference, tuple(parts), self.compute(top), self.out(top), self.file, self.folder)

    def find_study(self, top: Mapping[str, Any], known: type[Study] | None) -> tuple[type[Study], str]:
        reference = top.get("study")
        if not isinstance(reference, str) or not reference:
            raise self.fail("study: name the study to run (w2s-sweep studies lists them)", "study")
        try:
            return known or find_study(reference, self.folder), reference
        except StudyError as error:
            raise self.fail(str(error), "study") from None

    def compute(self, top: Mapping[str, Any]) -> Compute:
        written = self.mapping(given(top, "compute", {}), (), "compute")
        try:
            return read_compute(written, self.folder)
        except FieldError as error:
            raise self.fail(str(error), "compute", error.field) from None

    def out(self, top: Mapping[str, Any]) -> Where:
        written = top.get("out")
        if written is None:
            return self.folder / "runs" / (self.file.stem if self.file else "grid")
        if not isinstance(written, str):
            raise self.fail(f"out: {written!r} is not a folder name", "out")
        try:
            if isinstance(where := where_of(expand_variables(written)), Url):
                return where
            os.fsencode(written)
            return Path(os.path.normpath(self.folder / expand_path(written)))
        except ValueError as error:  # a FieldError is one
            message = str(error) if isinstance(error, FieldError) else f"{written!r} is not a folder name: {error}"
            raise self.fail(f"out: {message}", "out") from None

    def part(self, written: Any, shared: Mapping[str, Any], place: tuple[Any, ...]) -> SubGrid:
        block = self.mapping(written, SUB_KEYS, *place)
        own_axes, own_zip = self.axes(block, place), self.zips(block, place)
        own_fixed = self.fixed(block, place)
        own = {name for axis in (*own_axes, *own_zip) for name in axis.names} | set(own_fixed)
        base_axes = [axis for axis in (*self.axes(shared, ()), *self.zips(shared, ())) if not self.replaced(axis, own, place)]
        base_fixed = {name: value for name, value in self.fixed(shared, ()).items() if name not in own}
        seeded = (block, place) if "seeds" in block else (shared, ())
        seeds, until = self.seeds(*seeded), self.until(*seeded)
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
        if until is not None and any("seed" in condition.fields for condition in conditions):
            raise self.fail("exclude names the seed, and with seeds: {until: ...} every setting takes the same seeds", *place)
        try:
            self.check_rules(whole, conditions, place)
            kept = kept_cells(conditions, whole)
        except ValueError as error:
            raise self.fail(f"exclude: {error}", *place, "exclude") from None
        if kept == 0:
            raise self.fail("exclude leaves no cell", *place, "exclude")
        if until is not None and whole.size // until.max > MAX_SETTINGS:
            settings = whole.size // until.max
            raise self.fail(f"seeds: until takes at most {MAX_SETTINGS:,} settings, here are {settings:,}", *place)
        canonical = _canonical(axes, named, complete, whole, conditions)
        if until is not None:
            canonical["seeds"] = written_until(until)
        return SubGrid(whole, conditions, canonical, self.lines.get(place or ("axes",)), until)

    def replaced(self, axis: Axis, own: set[str], place: tuple[Any, ...]) -> bool:
        """Tell whether a sub-grid names a shared axis itself; of a zip it must name all fields or none."""
        kept = [name for name in axis.names if name not in own]
        if kept and len(kept) < len(axis.names):
            named = next(name for name in axis.names if name in own)
            raise self.fail(f"{named!r} is zipped with {kept[0]!r} above; name both here, or neither", *place)
        return not kept

    def check_placement(self, axes: list[Axis], named: Mapping[str, Any], place: tuple[Any, ...]) -> None:
        seen: set[str] = set()
        for axis in axes:
            for name in axis.names:
                if name in seen or name in named:
                    raise self.fail(
                        f"{name!r} is named twice: it can be an axis, part of a zip, or fixed", *place, "axes", name
                    )
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
        for k, j in pairs_to_compare(parts, parts) if len(parts) > 1 else ():
            if j < k and (shared := common_cells(parts[k], parts[j])):
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
