"""The grid of a run folder, read for review: no Python file that lies in the folder is run unless the reader agrees."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import RunError
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid
from sweeper.grid.resolved import read_resolved
from w2s.contract.study import Study
from w2s.errors import FieldError
from w2s.files.paths import expand_path
from w2s.places.url import Url
from w2s.user_files import is_file_reference

__all__ = ["stored_grid"]


def stored_grid(
    folder: RunFolder, *, trust_code: bool = False, check_files: bool = False, study: type[Study] | None = None
) -> Grid:
    """Read the grid that a run folder stores; ``check_files`` and ``study`` are as in :func:`read_resolved`.

    A run folder may come from someone else, and reading its grid runs the study's file. A file outside the folder was here
    before; one inside came with it. Raises :class:`RunError` for a study or a method in a file of the folder itself, unless
    ``trust_code``.
    """
    stored = folder.read_grid() or {}
    reference = str(stored.get("study", ""))
    if study is None and not trust_code and is_file_reference(reference):
        _refuse_inside(folder, "study", reference.rpartition(":")[0] or reference)
    if check_files and not trust_code:
        for file in _code_files(read_resolved(stored, folder.base, study=study)):
            _refuse_inside(folder, "method", file)
    return read_resolved(stored, folder.base, check_files=check_files, study=study)


def _code_files(grid: Grid) -> Iterator[str]:
    """Yield the Python files that values of a grid name."""
    for value in {value for _, value in grid.files()}:
        if (file := value.code_file(value.name)) is not None:
            yield file


def _refuse_inside(folder: RunFolder, what: str, file: str) -> None:
    if isinstance(folder.path, Url):
        return  # no file of this machine lies in it
    run = folder.path.resolve()
    try:
        place = run / expand_path(file)
    except FieldError as error:
        raise RunError(f"the {what} of {folder.path}: {error}") from None
    if run in place.resolve().parents or run in Path(os.path.normpath(place)).parents:  # a link inside counts, too
        raise RunError(
            f"the {what} of {folder.path} is a Python file inside it, {file}: reading the run would run that file. "
            "If you know who wrote it: --trust-code"
        )
