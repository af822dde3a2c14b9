"""What the command line prints of what there is: studies and their fields, a starting grid, data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from sweeper.console import console
from sweeper.errors import GridError
from sweeper.grid.conditions import show
from w2s.contract.cells import FieldSpec, cell_fields
from w2s.files.datafile import BUILTIN, DataFile, data_folders
from w2s.studies.registry import StudyError, find_study, study_names

__all__ = ["print_data", "print_studies", "starting_grid"]


def print_studies() -> None:
    """Print every registered study with its fields."""
    out = console()
    for name in study_names():
        study = find_study(name)
        out.print(f"{name}  (version {study.version})  {study.summary}", style="bold")
        table = Table(box=None, pad_edge=False, padding=(0, 2))
        for heading in ("  field", "type", "default", "meaning"):
            table.add_column(heading)
        for spec in cell_fields(study.Cell).values():
            table.add_row(f"  {spec.name}", _type_text(spec), _default_text(spec), _meaning_text(spec))
        out.print(table)
        out.print()


def _type_text(spec: FieldSpec) -> str:
    """Name a field's type and choices."""
    return " | ".join(map(str, spec.choices)) if spec.choices else ("file" if spec.is_file else spec.kind)


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
    try:
        study = find_study(reference)
    except StudyError as error:
        raise GridError(str(error)) from None
    fields = [spec for spec in cell_fields(study.Cell).values() if spec.name != "seed"]
    axes = [spec for spec in fields if isinstance(study.example.get(spec.name, [] if spec.required else None), list)]
    fixed = [spec for spec in fields if spec not in axes]
    lines = [f"# {study.summary or study.name}", f"study: {reference}", "axes:"]
    lines += [f"  {spec.name}: {_written(study.example.get(spec.name, []))}  # {_note(spec)}" for spec in axes]
    lines += ["fixed:"] if any(spec.name in study.example for spec in fixed) else ["# fixed:"] if fixed else []
    for spec in fixed:
        mark = "  " if spec.name in study.example else "  # "
        lines.append(f"{mark}{spec.name}: {_written(study.example.get(spec.name, spec.default))}  # {_note(spec)}")
    lines += ["seeds: 20", "# out: runs/name  # default: runs/<name of this file>", ""]
    return "\n".join(lines)


def _written(value: Any) -> str:
    return yaml.safe_dump(value, default_flow_style=True, width=1000).splitlines()[0]


def _note(spec: FieldSpec) -> str:
    return f"{_meaning_text(spec)}; {_type_text(spec)}{', needed' if spec.required else ''}"


def print_data() -> None:
    """Print the built-in tables and every file in the folders of ``W2S_DATA``."""
    out = console()
    for name in BUILTIN:
        file = DataFile.find(name)
        out.print(f"{name}  built in  sha256 {file.sha256}")
    folders = data_folders()
    if not folders:
        out.print("W2S_DATA is not set: export W2S_DATA=/path/to/data to use data:FOLDER/FILE in a grid")
    for folder in folders:
        if not folder.is_dir():
            out.print(f"{folder}: no such folder")
            continue
        licences = _licences(folder)
        for path in sorted(p for p in folder.rglob("*") if p.is_file() and p.suffix in (".csv", ".gz", ".parquet", ".npz")):
            name = path.relative_to(folder).as_posix()
            licence = licences.get(name) or licences.get(name.split("/")[0], "licence not stated")
            out.print(f"data:{name}  {licence}  sha256 {DataFile.find(f'data:{name}').sha256}")


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
