"""How far a run is, and which cells its grid asks for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc

from sweeper.errors import GridError
from sweeper.folder.code import CodeState, code_state
from sweeper.folder.looks import Stopped, asked
from sweeper.folder.part import Part
from sweeper.folder.run_folder import RunFolder
from sweeper.folder.standing import Standing, read_standing
from sweeper.plan.cut import Plan, block_key
from sweeper.plan.forecast import is_predicted, make_forecast
from sweeper.review.stored import stored_grid
from w2s.contract.identity import cell_ids, hex_ids
from w2s.contract.study import Study
from w2s.places.url import Where

__all__ = ["RunStatus", "run_status", "wanted_ids"]


@dataclass
class RunStatus:
    """Counts of a run; done + failed + pending is the number of cells of its grid.

    ``seconds`` is the sum over parts of the time in which they were solved; ``predicted`` what this machine's rates say for
    the same share of the grid, None where nothing can be said. Neither holds what ``artifacts`` took, ``artifact_seconds``.
    ``code`` says what code made the rows. ``stopped`` says, for every sub-grid whose seeds end at a rule, how its settings
    stand; ``cells`` are then those that are wanted so far. ``standing`` is what a launch at work says of itself.
    """

    run: Where
    study: str
    cells: int
    done: int
    failed: int
    outside: int
    statuses: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    predicted: float | None = None
    rates: str = ""
    artifacts: int = 0
    artifact_seconds: float = 0.0
    first_error: str | None = None
    running: bool = False
    damaged: int = 0
    damage: tuple[str, ...] = ()
    copies: int = 0
    verified: bool = False
    grid_note: str | None = None
    code: CodeState = field(default_factory=CodeState)
    stopped: tuple[Stopped, ...] = ()
    standing: Standing | None = None

    @property
    def pending(self) -> int:
        """Cells without a row."""
        return self.cells - self.done - self.failed


def run_status(
    run: Where | str, *, trust_code: bool = False, study: type[Study] | None = None, verify: bool = False
) -> RunStatus:
    """Count what a run folder holds. Reads footers only, unless rows of an earlier cut of the grid are among them.

    ``verify`` reads every byte and compares it with the digests of the parts; ``trust_code`` and ``study`` are as in
    :func:`sweeper.review.stored.stored_grid`.
    """
    folder = RunFolder.existing(run)
    grid = stored_grid(folder, trust_code=trust_code, study=study)
    contents = folder.contents(whole=verify)
    parts = [part for part in contents.parts if part.version == grid.study.version]
    wanted = asked(grid, folder)
    plan = wanted.plan
    keys = {block_key(grid.study, block) for block in plan.blocks()}
    statuses: Counter[str] = Counter()
    outside = 0
    if all(keys.issuperset(part.blocks) for part in parts):
        for part in parts:
            statuses.update(part.statuses)
    else:
        statuses, outside = _count_rows(plan, folder, parts)
    failed = statuses["failed"]
    predicted, rates = _predicted(plan, (sum(statuses.values()) + outside) / plan.cells)
    running = folder.is_locked()
    made = [event.get("seconds", 0.0) for event in folder.events() if event["event"] == "artifact" and "error" not in event]
    return RunStatus(
        run=folder.path,
        study=grid.study.name,
        cells=plan.cells,
        done=sum(statuses.values()) - failed,
        failed=failed,
        outside=outside,
        statuses=dict(statuses),
        seconds=sum(part.seconds for part in parts),
        predicted=predicted,
        rates=rates,
        artifacts=len(made),
        artifact_seconds=sum(made),
        first_error=_first_error(folder, parts) if failed else None,
        running=running,
        standing=read_standing(folder.path) if running else None,
        damaged=len(contents.damaged),
        damage=tuple(str(error) for error in contents.damaged),
        copies=len(contents.copies),
        verified=verify,
        grid_note=folder.grid_note,
        code=code_state(grid.study, parts),
        stopped=wanted.stopped,
    )


def wanted_ids(plan: Plan) -> npt.NDArray[np.bytes_]:
    """Return the identities of all wanted cells of a plan, sorted, as S32: 32 bytes for each cell."""
    found = [np.empty(0, dtype="S32")]
    for block in plan.blocks():
        ids = hex_ids(cell_ids(plan.grid.study, block))
        found.append(ids if block.mask is None else ids[block.mask.reshape(-1)])
    return np.sort(np.concatenate(found))


def _predicted(plan: Plan, share: float) -> tuple[float | None, str]:
    """Predict the core seconds of solving a share of a plan, and say where the rates come from.

    The prediction is made anew from the stored grid: nothing of it is stored with the run, and a run that was launched before
    the machine was calibrated has a prediction too. A study whose account of its work is broken has none.
    """
    if not is_predicted(plan.grid.study):
        return None, ""
    try:
        forecast = make_forecast(plan)
    except GridError:
        return None, ""
    return share * forecast.solving, forecast.remark


def _count_rows(plan: Plan, folder: RunFolder, parts: Sequence[Part]) -> tuple[Counter[str], int]:
    """Count cells by status, each once, and apart from them the rows outside the grid. A row that is not failed goes first."""
    wanted = wanted_ids(plan)
    status = np.full(wanted.size, None, dtype=object)
    outside: set[bytes] = set()
    for part in parts:
        table = folder.read(part, ["cell_id", "status"])
        ids = np.array(table["cell_id"].to_numpy(zero_copy_only=False), dtype="S32")
        found = np.array(table["status"].to_pylist(), dtype=object)
        place = np.minimum(np.searchsorted(wanted, ids), max(wanted.size - 1, 0))
        inside = wanted[place] == ids if wanted.size else np.zeros(ids.size, dtype=bool)
        outside.update(ids[~inside].tolist())
        place, found = place[inside], found[inside]
        better = (status[place] == None) | (found != "failed")  # noqa: E711
        status[place[better]] = found[better]
    return Counter(word for word in status.tolist() if word is not None), len(outside)


def _first_error(folder: RunFolder, parts: Sequence[Part]) -> str | None:
    for part in parts:
        if part.failed:
            table = folder.read(part, ["cell_id", "status", "message"])
            for row in table.filter(pc.equal(table["status"], "failed")).slice(0, 1).to_pylist():
                return f"cell {row['cell_id']}: {row['message']}"
    return None
