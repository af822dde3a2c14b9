"""Launch a grid: compute the cells that are missing, and leave finished ones alone.

What is to do is a set difference: the planned blocks minus the parts in the run folder. Resuming after a kill, extending an
axis and running again with nothing to do are the same path.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sweeper.errors import Exit, GridError, StoreError
from sweeper.executors.base import Executor, Setup
from sweeper.folder.provenance import run_metadata
from sweeper.folder.run_folder import RunFolder
from sweeper.grid.compute import Compute, overridden
from sweeper.grid.model import Grid
from sweeper.grid.read import load_grid
from sweeper.grid.resolved import resolved_grid
from sweeper.launching.compare import compare_code, compare_grids, fresh_folder
from sweeper.launching.drive import drive
from sweeper.launching.looks import Looks, check_space
from sweeper.launching.progress import Progress
from sweeper.launching.remaining import Remaining
from sweeper.launching.schedule import Schedule
from sweeper.plan.artifacts import check_blind, has_artifacts, store_folder, used_calls
from sweeper.plan.bundle import make_bundles
from sweeper.plan.cut import Plan, make_plan
from sweeper.plan.executor import choose_executor
from sweeper.plan.space import metadata_bytes
from sweeper.worker.make import ArtifactReceipt
from sweeper.worker.solve import Job, Receipt
from w2s.artifacts import Store
from w2s.contract.rows import table_schema
from w2s.errors import FieldError
from w2s.files.lock import locks_are_off
from w2s.user_files import loaded_source
from w2s_kernels import choose

__all__ = ["Outcome", "launch"]

_ALIKE = 3
"""So many failed blocks with one and the same error, and none that worked, end a run under ``stop-if-all-alike``."""


@dataclass
class Outcome:
    """What a launch did: where the table is, how many cells it computed, found and failed."""

    run: Path
    cells: int
    found: int = 0
    computed: int = 0
    failed: int = 0
    artifacts: int = 0
    exit: Exit = Exit.DONE
    first_error: str | None = None
    stopped: str | None = None
    statuses: dict[str, int] = field(default_factory=dict)

    @property
    def pending(self) -> int:
        """Cells without a row."""
        return self.cells - self.found - self.computed - self.failed


def launch(
    grid: Grid | Path | str | Mapping[str, Any],
    *,
    out: Path | str | None = None,
    keep: bool = False,
    keep_code: bool = False,
    fresh: bool = False,
    space_check: bool = True,
    progress: Progress | None = None,
    **compute: Any,
) -> Outcome:
    """Run a grid, or resume it, and return what happened.

    Parameters
    ----------
    grid : a grid, a grid file, or a mapping with the keys of one.
    out : run folder; default ``runs/<grid file stem>`` beside the grid.
    keep : the grid shrank or changed, and rows outside it may stay in the folder.
    keep_code : the study's file, or a loss or method in a file or package, was edited, and rows made before may stay beside new
        ones; without it such a launch is refused.
    fresh : start ``<out>-2`` (then ``-3``, ...) when the folder holds another grid, or rows of other code.
    space_check : refuse what does not fit on the disk of the run folder, by the predicted size of its rows.
    progress : where to report; none by default.
    compute : ``executor``, ``backend``, ``on_error``, ``store``, ``blind`` and options of the executor (``address``, ``cpus``);
        they override the grid's ``compute:``.

    Raises :class:`sweeper.errors.UserError` for bad input. Interrupting it (SIGINT, SIGTERM) leaves a folder from which the
    same call resumes.

    """
    checked = grid if isinstance(grid, Grid) else load_grid(grid)
    settings = _settings(checked, compute)
    run = Path(out) if out is not None else checked.out
    if fresh:
        run = fresh_folder(checked, run)
    plan = make_plan(checked)
    given = [name for name, value in compute.items() if value is not None]
    folder = RunFolder(run)
    report = progress or Progress.silent()
    if locks_are_off():
        report.note("W2S_LOCKS=none: where the file system has no locks, nothing keeps a second launch out of this folder")
    with folder.lock(lambda: report.note(f"another launch is at work in {run}; waiting for it to end")):
        if space_check and not folder.has_rows() and all(part.until is None for part in checked.parts):
            check_space(checked.study, run, plan.cells, plan.block_count, metadata_bytes(checked))
        return _launch_locked(plan, folder, settings, report, given, keep=keep, keep_code=keep_code, space=space_check)


def _settings(grid: Grid, given: Mapping[str, Any]) -> Compute:
    try:
        return overridden(grid.compute, {name: value for name, value in given.items() if value is not None}, grid.folder)
    except FieldError as error:
        raise GridError(str(error)) from None


def _launch_locked(
    plan: Plan,
    folder: RunFolder,
    settings: Compute,
    report: Progress,
    given: Collection[str],
    *,
    keep: bool,
    keep_code: bool,
    space: bool,
) -> Outcome:
    grid = plan.grid
    if settings.blind:
        check_blind(plan)
    compare_grids(grid, folder, keep)
    compare_code(grid, folder, keep_code, report.note)
    resolved = resolved_grid(grid, folder.path)
    metadata = run_metadata(grid, resolved)
    folder.prepare()
    folder.write_grid(resolved)
    folder.write_empty_part(table_schema(grid.study).with_metadata(metadata))
    looks, most = Looks(grid, folder, report), plan
    plan, remaining = looks.next()
    outcome = Outcome(folder.path, plan.cells, found=remaining.found)
    store = _store(plan, settings, folder.path.resolve(), remaining)
    if not remaining.blocks:
        return outcome
    looks.check_space(remaining, metadata, wanted=space)
    if settings.backend == "auto":
        backend = choose("auto")
        report.note(f"backend {backend.name}: {backend.reason}")
        settings = settings.model_copy(update={"backend": backend.name})
    source = loaded_source(grid.study.__module__)
    if source is not None:
        folder.write_code(source)
    job = Job(
        grid.study_reference,
        grid.folder.resolve(),
        folder.path.resolve(),
        settings.backend,
        metadata,
        store,
        None if source is None else source.digest,
    )
    schedule = _schedule(plan, job, remaining, report)
    executor = _executor(most, settings, schedule, remaining, report, given)
    with _signals_as_interrupt():
        try:
            with executor:
                where = executor.describe()
                more = {} if job.store is None else {"artifacts": schedule.missing, "store": str(job.store)}
                folder.event(
                    "launch", cells=plan.cells, found=remaining.found, blocks=len(remaining.blocks), executor=where, **more
                )
                while remaining.blocks:
                    with report.running(total=plan.cells, done=remaining.found):
                        receipts = drive(job, schedule, executor)
                        _collect(_blocks_only(receipts, schedule, outcome, folder, report), settings, outcome, folder, report)
                    if not looks.more or outcome.exit != Exit.DONE:
                        break
                    plan, remaining = looks.next()
                    looks.check_space(remaining, metadata, wanted=space)
                    outcome.cells, outcome.found = plan.cells, remaining.found - outcome.computed
                    _store(plan, settings, folder.path.resolve(), remaining)
                    schedule = _schedule(plan, job, remaining, report)
        except KeyboardInterrupt:
            outcome.exit = Exit.INTERRUPTED
            outcome.stopped = "interrupted"
    folder.event("end", exit=int(outcome.exit), computed=outcome.computed, failed=outcome.failed, pending=outcome.pending)
    return outcome


def _store(plan: Plan, settings: Compute, run: Path, remaining: Remaining) -> Path | None:
    """Return the store of a study with artifacts, and record there what this run uses; None where it needs no store.

    A finished run is recorded too: it may have been moved, and the store knows only where it was.
    """
    if not has_artifacts(plan.grid.study):
        return None
    place = store_folder(plan.grid, settings, run)
    if not remaining.blocks and not place.is_dir():
        return None
    try:
        Store(place).register(run, [call.key for call in used_calls(plan)])
    except OSError as problem:
        raise StoreError(f"cannot write in the artifact store {place}: {problem.strerror}") from None
    return place


def _executor(
    plan: Plan, settings: Compute, schedule: Schedule, remaining: Remaining, report: Progress, given: Collection[str]
) -> Executor:
    """Make the executor for what is left; say which one ``auto`` has taken, and which options of the launch it has not."""
    share = 1.0 - remaining.found / plan.cells
    choice = choose_executor(plan, settings, share=share, makes_artifacts=schedule.missing > 0)
    if choice.reason:
        report.note(f"executor {choice.kind.name}: {choice.reason}")
    if unused := choice.unused(given):
        report.note(f"executor {choice.kind.name} takes no {' and no '.join(unused)}: what the launch was given has no effect")
    some = any(call.gpus > 0 for call in schedule.by_key.values())
    return choice.make(Setup(report.note, "every" if settings.backend == "cupy" else "some" if some else "none"))


def _schedule(plan: Plan, job: Job, remaining: Remaining, report: Progress) -> Schedule:
    """Make the schedule of what is left; blocks that share expensive values go together."""
    blocks = [block for block, _ in remaining.blocks]
    if job.store is None:
        return Schedule(make_bundles(plan, blocks), lambda _block: (), lambda _call: True)
    schedule = Schedule([(block,) for block in blocks], plan.grid.study().needs, Store(job.store).has)
    report.note(f"{schedule.missing} artifacts to make, in {job.store}")
    return schedule


def _blocks_only(
    receipts: Iterable[Receipt | ArtifactReceipt], schedule: Schedule, outcome: Outcome, folder: RunFolder, report: Progress
) -> Iterator[Receipt]:
    """Record the receipts of artifacts, and yield those of blocks."""
    for receipt in receipts:
        if isinstance(receipt, Receipt):
            yield receipt
            continue
        outcome.artifacts += receipt.error is None
        content = {"key": receipt.key, "function": receipt.function, "seconds": round(receipt.seconds, 3)}
        folder.event("artifact", **content, **({} if receipt.error is None else {"error": receipt.error}))
        report.made(receipt, outcome.artifacts, schedule.missing)


def _collect(receipts: Iterable[Receipt], settings: Compute, outcome: Outcome, folder: RunFolder, report: Progress) -> None:
    """Record the receipts of blocks until all have come or failures end the launch."""
    errors: list[str] = []
    for receipt in receipts:
        failed = int(receipt.statuses.get("failed", 0))
        outcome.failed += failed
        outcome.computed += receipt.rows - failed
        for status, count in receipt.statuses.items():
            outcome.statuses[status] = outcome.statuses.get(status, 0) + count
        folder.event("block", **_event(receipt))
        report.advance(receipt)
        if not failed:
            continue
        error = receipt.error or "the study gave cells the status failed"
        errors.append(error)
        outcome.exit = Exit.FAILED_CELLS
        if outcome.first_error is None:
            outcome.first_error = error
            report.note(f"first failure{f', cell {receipt.first_cell}' if receipt.first_cell else ''}: {error}")
        if _gives_up(settings.on_error, errors, outcome):
            outcome.stopped = f"stopped after {len(errors)} failed blocks (--on-error {settings.on_error})"
            return


def _gives_up(policy: str, errors: list[str], outcome: Outcome) -> bool:
    if policy == "stop":
        return True
    return policy == "stop-if-all-alike" and outcome.computed == 0 and len(errors) >= _ALIKE and len(set(errors)) == 1


def _event(receipt: Receipt) -> dict[str, Any]:
    content = {"key": receipt.key, "rows": receipt.rows, "seconds": round(receipt.seconds, 4), "pid": receipt.pid}
    return content if receipt.error is None else content | {"error": receipt.error, "cell": receipt.first_cell}


@contextlib.contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Treat SIGTERM like SIGINT while a grid runs, since batch systems send it.

    SIGINT is handled also where the shell made the process ignore it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(_signal: int, _frame: Any) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
