"""What changed between the version that made a run and this one, and a stored grid whose study has moved.

Names are part of the identity of a cell, so a study keeps its name and its fields. What may change is where a study of one's
own lies: then the grid in the run folder names a file that is not there, and nothing that reads the run finds its study.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sweeper.errors import GridError, RunError
from sweeper.folder.part import Part
from sweeper.folder.provenance import package_version, run_origin
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.resolved import read_resolved
from sweeper.plan.cut import PLANNER_VERSION
from sweeper.review.stored import stored_grid
from w2s.contract.rows import table_schema
from w2s.contract.study import Study
from w2s.places.known import source_of
from w2s.places.url import Where
from w2s.studies.registry import StudyError, find_study
from w2s.user_files import is_file_reference

__all__ = ["migrate"]


def migrate(run: Where | str, study: str | None = None, *, write: bool = False, trust_code: bool = False) -> list[str]:
    """Say, a line each, what is different here from when a run was made, and what that means for its rows.

    ``study`` is where the run's study is now, relative to the current folder; with ``write`` the stored grid names it there
    from now on. Rows are never changed. Raises :class:`RunError` for a folder that is no run, and for a study that did not
    make its rows.
    """
    folder = RunFolder.existing(run)
    stored = folder.read_grid() or {}
    parts = folder.contents().parts
    if study is None:
        if write:
            raise RunError("--write rewrites where the study is: name it with --study")
        try:
            here: type[Study] = stored_grid(folder, trust_code=trust_code).study
        except GridError as error:
            return [f"the grid cannot be read here: {error}", "if its study has moved: --study PATH.py:Name"]
        return list(_changes(folder, parts, here))
    moved = _moved(folder, stored, study)
    here = _study(study)
    strangers = {part.study for part in parts} - {here.name}
    if strangers:
        raise RunError(f"{run} holds rows of {', '.join(sorted(strangers))}, and {study} is {here.name}")
    try:
        read_resolved(moved, folder.base, study=here)
    except GridError as error:
        raise RunError(f"the stored grid is none of {study}: {error}") from None
    if write:
        folder.write_grid(moved)
    told = "the stored grid names it from now on" if write else "nothing is written without --write"
    return [f"study: {stored.get('study')} -> {moved['study']}; {told}", *_changes(folder, parts, here)]


def _study(reference: str) -> type[Study]:
    try:
        return find_study(reference, Path.cwd())
    except StudyError as error:
        raise RunError(str(error)) from None


def _moved(folder: RunFolder, stored: Mapping[str, Any], study: str) -> dict[str, Any]:
    """Return the stored grid with another place of its study."""
    if is_file_reference(study):
        name, _, attribute = study.rpartition(":")
        study = f"{os.path.relpath(Path(name).resolve(), folder.base.resolve())}:{attribute}"
    return {**stored, "study": study}


def _changes(folder: RunFolder, parts: Sequence[Part], study: type[Study]) -> Iterator[str]:
    """Yield what differs, and what that means."""
    origin = run_origin(folder)
    made, now = origin.get("package") or "an unknown version", package_version("w2s-sweep") or "an unknown version"
    commit = f", commit {str(origin['commit'])[:12]}" if origin.get("commit") else ""
    yield f"made by w2s-sweep {made}{commit}; here is {now}"
    versions = Counter[int]()
    for part in parts:
        versions[part.version] += part.rows
    for version, rows in sorted(versions.items()):
        means = "they stay" if version == study.version else "a launch sets them aside and computes their cells again"
        yield f"{rows:,} rows of {study.name} version {version}, which is at version {study.version} here: {means}"
    if origin.get("planner") not in (None, PLANNER_VERSION):
        yield f"planner {origin['planner']}, here {PLANNER_VERSION}: rows stay, a launch cuts what is missing into other blocks"
    known = table_schema(study).names
    there = set(pq.read_schema(source_of(parts[0].path)).names) if parts else set(known)
    if later := [name for name in known if name not in there]:
        yield f"columns that came later: {', '.join(later)}; old rows have their default, or null"
    if gone := sorted(there - set(known)):
        yield f"columns that are no more: {', '.join(gone)}; old rows keep them"
