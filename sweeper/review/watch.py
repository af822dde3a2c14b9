"""Following a launch from another terminal, by what it writes into the run folder."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from sweeper.errors import RunError
from sweeper.folder.run_folder import RunFolder
from sweeper.folder.standing import Standing, read_standing
from w2s.places.url import Where

__all__ = ["standings"]


def standings(run: Where | str, seconds: float) -> Iterator[Standing]:
    """Yield how far the launch at work in a run folder is, every so many seconds where it has changed, until it has ended.

    Yields nothing where no launch is at work. Reads one small file, whatever the size of the run. Raises :class:`RunError` for
    a run in a bucket, where a launch writes none.
    """
    folder, last = RunFolder.existing(run), None
    if not isinstance(folder.path, Path):
        raise RunError(f"{folder.path}: a launch that writes to a bucket cannot be watched; status counts its rows")
    while folder.is_locked():
        now = read_standing(folder.path)
        if now is not None and now != last:
            yield now
            last = now
        time.sleep(seconds)
