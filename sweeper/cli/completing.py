"""What the shell is offered after a tab: studies, run folders and cells that are there.

A completion answers at once or not at all: whatever goes wrong, nothing is offered. Nothing heavy is imported before a tab.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import typer

__all__ = ["complete_cell", "complete_run", "complete_study", "complete_word"]

Arguments = ParamSpec("Arguments")
_MOST = 100


def _or_nothing(complete: Callable[Arguments, list[str]]) -> Callable[Arguments, list[str]]:
    """Let a completion offer nothing where it fails: a traceback would be written into the line that is being typed."""

    @functools.wraps(complete)
    def offer(*arguments: Arguments.args, **options: Arguments.kwargs) -> list[str]:
        try:
            return complete(*arguments, **options)
        except Exception:
            return []

    return offer


@_or_nothing
def complete_study(incomplete: str) -> list[str]:
    """List the registered studies that begin so."""
    from w2s.studies.registry import study_names

    return [name for name in study_names() if name.startswith(incomplete)]


@_or_nothing
def complete_word(incomplete: str) -> list[str]:
    """List the words that ``explain`` knows and that begin so."""
    from w2s.glossary import words

    return [word for word in words() if word.startswith(incomplete)]


@_or_nothing
def complete_run(incomplete: str) -> list[str]:
    """List the run folders that begin so, and folders to look further in; of the working folder also what lies in ``runs``."""
    folder, _, start = incomplete.rpartition("/")
    found = _runs_in(folder, start)
    if not folder and Path("runs").is_dir():
        found += [run for run in _runs_in("runs", "") if run.startswith(incomplete)]
    return sorted(set(found))[:_MOST]


@_or_nothing
def complete_cell(context: typer.Context, incomplete: str) -> list[str]:
    """List the identities of a run's cells that begin so; the run is the argument before."""
    from sweeper.folder.run_folder import RunFolder

    run = context.params.get("run")
    if not run:
        return []
    folder, found = RunFolder.existing(str(run)), list[str]()
    for part in folder.parts():
        ids = folder.read(part, ["cell_id"])["cell_id"].to_pylist()
        found += [cell for cell in ids if cell.startswith(incomplete)]
        if len(found) >= _MOST:
            break
    return found[:_MOST]


def _runs_in(folder: str, start: str) -> list[str]:
    """List run folders in a folder by name, and with a stroke at their end the folders that are none."""
    prefix = f"{folder}/" if folder else ""
    place = Path(prefix or ".")
    if not place.is_dir():
        return []
    with os.scandir(place) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(start) and entry.is_dir()]
    shown = [name for name in names if start.startswith(".") or not name.startswith(".")]
    return [f"{prefix}{name}" if (place / name / "grid.yaml").is_file() else f"{prefix}{name}/" for name in shown]
