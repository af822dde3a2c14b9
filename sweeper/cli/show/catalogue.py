"""What the command line prints of what there is: studies and their fields, a starting grid, data sets."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from sweeper.console import console
from sweeper.errors import GridError
from sweeper.grid.conditions import show
from w2s.contract.cells import FieldSpec, cell_fields
from w2s.contract.described import ColumnNote, column_notes
from w2s.contract.study import Study
from w2s.files.datafile import BUILTIN, DataFile, data_folders
from w2s.files.tablefile import TABLE_ENDINGS
from w2s.studies.registry import StudyError, find_study, study_names

__all__ = ["data_document", "print_data", "print_studies", "starting_grid", "studies_document"]

_LISTED = (*TABLE_ENDINGS, ".gz", ".npz")
"""How names of data files end: tables, images of MNIST, arrays. Files of models are left out: to hash them takes long."""


def print_studies(names: Sequence[str] = ()) -> None:
    """Print every registered study with its fields; of studies that are named also their columns and claims."""
    out = console()
    for name in names or study_names():
        study = _found(name)
        out.print(f"{study.name}  (version {study.version})  {study.summary}", style="bold")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for heading in ("  field", "type", "default"):
            table.add_column(heading, no_wrap=heading != "type")
        table.add_column("meaning", ratio=1)
        for spec in cell_fields(study.Cell).values():
            table.add_row(f"  {spec.name}", _type_text(spec), _default_text(spec), _meaning_text(spec))
        out.print(table)
        if names:
            _print_results(study)
        out.print()


def _found(name: str) -> type[Study]:
    try:
        return find_study(name)
    except StudyError as error:
        raise GridError(str(error)) from None


def _print_results(study: type[Study]) -> None:
    """Print the columns of a study's own and its claims."""
    out, notes = console(), {note.name: note for note in column_notes(study)}
    for heading, lines in (
        ("  column", [(note.name, _text(note)) for name in study.columns if (note := notes[name])]),
        ("  claim", [(claim.id, f"{claim.says} ({claim.where})") for claim in study.claims]),
    ):
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        table.add_column(heading, no_wrap=True)
        table.add_column("meaning" if heading == "  column" else "says", ratio=1)
        for name, text in lines:
            table.add_row(f"  {name}", text)
        if lines:
            out.print(table)


def _text(note: ColumnNote) -> str:
    return f"{note.description}{f' [{note.unit}]' if note.unit else ''}" or "-"


def studies_document(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Collect studies with their fields, columns and claims."""
    return [_study_document(_found(name)) for name in names or study_names()]


def _study_document(study: type[Study]) -> dict[str, Any]:
    fields = [
        {
            "name": spec.name,
            "type": spec.kind,
            "choices": list(spec.choices),
            "required": spec.required,
            "default": spec.default,
            "description": spec.description,
            "unit": spec.unit,
            "when": spec.when,
            "formerly": spec.formerly,
        }
        for spec in cell_fields(study.Cell).values()
    ]
    claims = [{"id": claim.id, "says": claim.says, "where": claim.where, "expected": claim.expected} for claim in study.claims]
    columns = [note for note in column_notes(study) if note.role != "field"]
    names = {"name": study.name, "version": study.version, "summary": study.summary}
    return {**names, "fields": fields, "columns": columns, "claims": claims}


def _type_text(spec: FieldSpec) -> str:
    """Name a field's type and choices."""
    return " | ".join(map(str, spec.choices)) if spec.choices else (spec.core.kind if spec.is_file else spec.kind)


def _default_text(spec: FieldSpec) -> str:
    """Write a field's default as a grid would."""
    return "required" if spec.required else ("none" if spec.default is None else show(spec.default))


def _meaning_text(spec: FieldSpec) -> str:
    """Describe a field with unit and condition."""
    unit = f" [{spec.unit}]" if spec.unit else ""
    when = "".join(f"; only when {name} is {' or '.join(map(str, values))}" for name, values in spec.when.items())
    return f"{spec.description}{unit}{when}"


def starting_grid(reference: str) -> str:
    """Return a commented grid for a study, with the meaning of every field; it runs as printed where there is an example."""
    study = _found(reference)
    fields = [spec for spec in cell_fields(study.Cell).values() if spec.name != "seed"]
    axes = [spec for spec in fields if isinstance(study.example.get(spec.name, [] if spec.required else None), list)]
    fixed = [spec for spec in fields if spec not in axes]
    lines = [f"# yaml-language-server: $schema={_schema_name(study)}"]
    lines += [f"# made by: w2s-sweep schema {reference} > {_schema_name(study)}"]
    lines += [f"# {study.summary or study.name}", f"study: {reference}", "axes:"]
    lines += [f"  {spec.name}: {_written(study.example.get(spec.name, []))}  # {_note(spec)}" for spec in axes]
    lines += ["fixed:"] if any(spec.name in study.example for spec in fixed) else ["# fixed:"] if fixed else []
    for spec in fixed:
        mark = "  " if spec.name in study.example else "  # "
        lines.append(f"{mark}{spec.name}: {_written(study.example.get(spec.name, spec.default))}  # {_note(spec)}")
    lines += ["seeds: 20", "# out: runs/name  # default: runs/<name of this file>", ""]
    return "\n".join(lines)


def _schema_name(study: type[Study]) -> str:
    return f"{study.name}.schema.json"


def _written(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]


def _note(spec: FieldSpec) -> str:
    return f"{_meaning_text(spec)}; {_type_text(spec)}{', needed' if spec.required else ''}"


def print_data() -> None:
    """Print the built-in tables and the tables, images and arrays in the folders of ``W2S_DATA``."""
    out = console()
    for found in _data_sets():
        out.print(f"{found['name']}  {found['licence']}  sha256 {found['sha256']}")
    folders = data_folders()
    if not folders:
        out.print("W2S_DATA is not set: export W2S_DATA=/path/to/data to use data:FOLDER/FILE in a grid")
    for folder in folders:
        if not folder.is_dir():
            out.print(f"{folder}: no such folder")
        elif not _files_in(folder):
            out.print(f"{folder}: no data files in it ({', '.join(_LISTED)})")


def data_document() -> dict[str, Any]:
    """Collect the data sets that :func:`print_data` lists, and the folders that were looked at."""
    return {"folders": [{"path": folder, "exists": folder.is_dir()} for folder in data_folders()], "files": list(_data_sets())}


def _files_in(folder: Path) -> list[Path]:
    """List the data files in a folder, in folders that are linked there too, each folder once."""
    found: list[Path] = []
    seen: set[str] = set()
    for place, folders, names in os.walk(folder, followlinks=True):
        if (real := os.path.realpath(place)) in seen:  # a link to a folder around it
            folders.clear()
            continue
        seen.add(real)
        found += [Path(place, name) for name in names if name.endswith(_LISTED)]
    return sorted(path for path in found if path.is_file())


def _data_sets() -> Iterator[dict[str, str]]:
    """Yield name, licence and digest of the files that :func:`print_data` lists."""
    for name in BUILTIN:
        yield {"name": name, "licence": "built in", "sha256": DataFile.find(name).sha256}
    for folder in data_folders():
        licences = _licences(folder) if folder.is_dir() else {}
        for path in _files_in(folder):
            name = path.relative_to(folder).as_posix()
            licence = licences.get(name) or licences.get(name.split("/")[0], "licence not stated")
            yield {"name": f"data:{name}", "licence": licence, "sha256": DataFile.find(f"data:{name}").sha256}


def _licences(folder: Path) -> dict[str, str]:
    """Read the licences in the table of the folder's README.md, by folder or file name; return none where there is no table."""
    readme = folder / "README.md"
    found: dict[str, str] = {}
    column = None
    for line in readme.read_text(encoding="utf-8").splitlines() if readme.is_file() else []:
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            column = None
        elif "licence" in cells or "license" in cells:
            column = cells.index("licence" if "licence" in cells else "license")
        elif column is not None and len(cells) > column:
            found[cells[0].strip("`/ ")] = cells[column].replace("**", "")
    return found
