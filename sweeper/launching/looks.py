"""What a launch does next: everything that is missing at once, or one look after another where seeds end at a rule."""

from __future__ import annotations

from collections.abc import Mapping

from sweeper.errors import StoreError
from sweeper.folder.contents import Contents
from sweeper.folder.looks import Stopped, asked
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.model import Grid
from sweeper.launching.progress import Progress
from sweeper.launching.remaining import Remaining, find_remaining
from sweeper.plan.cut import Plan
from sweeper.plan.space import disk_bytes, free_bytes, size_text
from w2s.contract.study import Study
from w2s.places.url import Where

__all__ = ["Looks", "check_space"]


class Looks:
    """The looks of a launch, in order; a grid without ``seeds: {until: ...}`` has one, which is the whole grid.

    Attributes
    ----------
    more : whether there may be another look after the one that :meth:`next` has returned.

    """

    def __init__(self, grid: Grid, folder: RunFolder, report: Progress, contents: Contents) -> None:
        self.grid, self.folder, self.report = grid, folder, report
        self._contents: Contents | None = contents  # of the folder as it is found; later looks read it anew
        self.more = any(part.until is not None for part in grid.parts)

    def next(self) -> tuple[Plan, Remaining]:
        """Return the cells that are wanted so far, and what of them is missing: nothing once every setting has ended.

        Parts that turn out to be damaged are set aside, with a note.
        """
        while True:
            now = asked(self.grid, self.folder)
            contents, self._contents = self._contents or self.folder.contents(), None
            remaining = find_remaining(now.plan, self.folder, contents)
            for line in remaining.notes:
                self.report.note(line)
            # Rows that find_remaining has set aside may have been what a look was decided by.
            if remaining.blocks or not remaining.notes:
                break
        for stopped in now.stopped if remaining.blocks else ():
            self.report.note(_says(stopped))
        return now.plan, remaining

    def check_space(self, remaining: Remaining, metadata: Mapping[bytes, bytes], *, wanted: bool) -> None:
        """Refuse what is missing where it does not fit on the disk, unless no check is ``wanted``."""
        rows, size = sum(block.wanted for block, _ in remaining.blocks), sum(map(len, metadata.values()))
        if wanted:
            check_space(self.grid.study, self.folder.path, rows, len(remaining.blocks), size)


def check_space(study: type[Study], run: Where, rows: int, parts: int, metadata: int) -> None:
    """Raise :class:`StoreError` where the predicted size of so many rows and parts is more than the disk has free."""
    need, free = disk_bytes(study, rows, parts, metadata), free_bytes(run)
    if need > free:
        raise StoreError(
            f"{rows:,} rows take about {size_text(need)}, and the disk of {run} has {size_text(free)} free; name a "
            "folder on another disk with --out, make the grid smaller, or launch all the same with --no-space-check"
        )


def _says(stopped: Stopped) -> str:
    rule, open_now = stopped.until, sum(count for (state, _), count in stopped.states.items() if state == "open")
    seeds = rule.looks[stopped.look - 1]
    return f"look {stopped.look} of at most {stopped.looks}: {open_now:,} of {stopped.settings:,} settings to {seeds:,} seeds"
