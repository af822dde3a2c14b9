"""Launch a grid: compute the cells that are missing, and leave finished ones alone.

What is to do is a set difference: the planned blocks minus the parts in the run folder. Resuming after a kill, extending an
axis and running again with nothing to do are the same path.
"""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal

from sweeper.errors import Exit, GridError, StoreError, UserError
from sweeper.executors.base import Executor, Setup
from sweeper.executors.registry import AUTO, in_processes
from sweeper.folder.provenance import part_metadata, run_metadata
from sweeper.folder.run_folder import RunFolder
from sweeper.folder.token import Token, written_token
from sweeper.grid.compute import Compute, overridden
from sweeper.grid.model import Grid
from sweeper.grid.read import load_grid
from sweeper.grid.resolved import resolved_grid
from sweeper.launching.compare import compare_code, compare_grids, fresh_folder
from sweeper.launching.drive import drive
from sweeper.launching.looks import Looks, check_space
from sweeper.launching.outcome import Outcome, collect
from sweeper.launching.progress import Progress
from sweeper.launching.remaining import Remaining, find_lost
from sweeper.launching.schedule import Schedule
from sweeper.launching.stopping import stoppable
from sweeper.launching.watched import make_ledger, watched
from sweeper.plan.artifacts import check_blind, check_present, has_artifacts, missing_calls, store_folder, used_calls
from sweeper.plan.bundle import make_bundles
from sweeper.plan.cut import Plan, make_plan
from sweeper.plan.devices import this_machine
from sweeper.plan.executor import choose_executor
from sweeper.plan.memory import check_memory
from sweeper.plan.space import metadata_bytes
from sweeper.plan.weights import making_seconds
from sweeper.signals import EndingSignals, interrupted
from sweeper.supervised import ending_before
from sweeper.worker.solve import Job
from w2s.artifacts import open_store
from w2s.contract.block import Block
from w2s.contract.described import described_schema
from w2s.errors import FieldError
from w2s.files.lock import locks_are_off
from w2s.places.url import Where, where_of
from w2s.user_files import loaded_source
from w2s_kernels import choose
from w2s_kernels.loops import choose_kept

__all__ = ["Outcome", "launch"]


def launch(
    grid: Grid | Path | str | Mapping[str, Any],
    *,
    out: Where | str | None = None,
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
    out : run folder, or URL of one; default ``runs/<grid file stem>`` beside the grid.
    keep : the grid shrank or changed, and rows outside it may stay in the folder.
    keep_code : the study's file, or a loss or method in a file or package, was edited, and rows made before may stay beside new
        ones; without it such a launch is refused.
    fresh : start ``<out>-2`` (then ``-3``, ...) when the folder holds another grid, or rows of other code.
    space_check : refuse what does not fit on the disk of the run folder, by the predicted size of its rows, and trainings that
        cannot fit into the memory of this machine or its GPUs, where they run here.
    progress : where to report; none by default.
    compute : ``executor``, ``backend``, ``on_error``, ``time_limit``, ``store``, ``blind`` and options of the executor
        (``address``, ``cpus``); they override the grid's ``compute:``.

    Raises :class:`sweeper.errors.UserError` for bad input. Interrupting it (SIGINT, SIGTERM, SIGHUP) leaves a
    folder from which the same call resumes.

    """
    checked = grid if isinstance(grid, Grid) else load_grid(grid)
    settings = _settings(checked, compute)
    run = _run_folder(checked, out)
    if fresh:
        run = fresh_folder(checked, run)
    check_present(checked)
    plan = make_plan(checked)
    given = [name for name, value in compute.items() if value is not None]
    folder = RunFolder(run)
    report = progress or Progress.silent()
    if locks_are_off():
        report.note("W2S_LOCKS=none: where the file system has no locks, nothing keeps a second launch out of this folder")
    waiting = f"another launch is at work in {run}; waiting for it to end"
    with (
        EndingSignals() as signals,
        folder.lock(lambda: report.note(waiting)),
        stoppable(folder),
        contextlib.ExitStack() as tokens,
    ):
        if space_check and not folder.has_rows() and all(p.until is None for p in checked.parts):
            check_space(checked.study, run, plan.cells, plan.block_count, metadata_bytes(checked))
            _check_memory(plan, settings, run)
        more = {"keep": keep, "keep_code": keep_code, "space": space_check}
        return _launch_locked(plan, folder, settings, report, given, signals, tokens, **more)


def _check_memory(plan: Plan, settings: Compute, run: Where) -> None:
    """Refuse artifacts that cannot fit into the memory of this machine, where they would be made on it."""
    if not has_artifacts(plan.grid.study):
        return
    choice = choose_executor(plan, settings, making=lambda: None)
    if choice.kind.cpus(choice.options) is not None:
        check_memory(missing_calls(plan, open_store(store_folder(plan.grid, settings, run))), this_machine())


def _run_folder(grid: Grid, out: Where | str | None) -> Where:
    try:
        return grid.out if out is None else where_of(out)
    except FieldError as error:
        raise GridError(f"out: {error}") from None


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
    signals: EndingSignals,
    tokens: contextlib.ExitStack,
    *,
    keep: bool,
    keep_code: bool,
    space: bool,
) -> Outcome:
    grid = plan.grid
    if settings.blind:
        check_blind(plan)
    compare_grids(grid, folder, keep)
    if folder.grid_note:
        report.note(f"{folder.grid_note}, and written again")
    contents = folder.contents(whole=True)
    compare_code(grid, folder, contents.parts, keep_code, report.note)
    metadata = _lay_out(grid, folder)
    looks, most = Looks(grid, folder, report, contents), plan
    plan, remaining = looks.next()
    outcome = Outcome(folder.path, plan.cells, found=remaining.found)
    store = _store(plan, settings, folder.path.resolve(), remaining)
    if not remaining.blocks:
        folder.compact()
        return outcome
    metadata = part_metadata(metadata)
    looks.check_space(remaining, metadata, wanted=space)
    small = most.flops < grid.study.compiled_from
    if settings.backend == "auto":
        backend = choose_kept("auto", small=small) if grid.study.compiled_from else choose("auto")
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
        source,
        _token(folder.path.resolve(), tokens),
        settings.time_limit,
        small,
    )
    schedule = _schedule(plan, job, remaining, report)
    executor = _executor(most, settings, schedule, remaining, report, given, job)
    try:
        with executor:
            signals.take()
            where = executor.describe()
            more = {} if job.store is None else {"artifacts": schedule.missing, "store": str(job.store)}
            folder.event(
                "launch", cells=plan.cells, found=remaining.found, blocks=len(remaining.blocks), executor=where, **more
            )
            while remaining.blocks:
                ledger = make_ledger(plan, job, schedule, remaining)
                with report.running(ledger), watched(ledger, job, report, executor.show):
                    receipts = drive(job, schedule, executor, ledger)
                    collect(receipts, schedule, settings, outcome, folder, report)
                    _make_whole(plan, job, executor, settings, outcome, folder, report)
                if not looks.more or outcome.exit != Exit.DONE:
                    break
                plan, remaining = looks.next()
                looks.check_space(remaining, metadata, wanted=space)
                outcome.cells, outcome.found = plan.cells, remaining.found - outcome.computed
                _store(plan, settings, folder.path.resolve(), remaining)
                schedule = _schedule(plan, job, remaining, report)
        if outcome.exit in (Exit.DONE, Exit.FAILED_CELLS):
            folder.compact()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) or (interrupted() and not isinstance(error, UserError)):
            # Compiled code of others turns an interrupt into an error of its own, while modules are imported for instance.
            outcome.exit, outcome.stopped = Exit.INTERRUPTED, "interrupted"
            _end(outcome, folder, signals)
            return outcome
        outcome.exit = error.code if isinstance(error, UserError) else Exit.FAILED
        with contextlib.suppress(StoreError):
            _end(outcome, folder, signals)
        raise
    _end(outcome, folder, signals)
    return outcome


def _lay_out(grid: Grid, folder: RunFolder) -> dict[bytes, bytes]:
    """Write what a run folder holds besides rows, and return the metadata of the run."""
    resolved = resolved_grid(grid, folder.base)
    metadata = run_metadata(grid, resolved)
    folder.prepare()
    folder.write_grid(resolved)
    folder.write_empty_part(described_schema(grid.study).with_metadata(metadata))
    return metadata


def _token(run: Where, tokens: contextlib.ExitStack) -> Token | None:
    """Write the file by which workers prove that they see the run folder; a bucket is the same wherever it is seen from."""
    return tokens.enter_context(written_token(run)) if isinstance(run, Path) else None


def _end(outcome: Outcome, folder: RunFolder, signals: EndingSignals) -> None:
    """Record how the launch ended; from here on no signal keeps that from being written."""
    signals.hold()
    folder.event("end", exit=int(outcome.exit), computed=outcome.computed, failed=outcome.failed, pending=outcome.pending)


def _store(plan: Plan, settings: Compute, run: Where, remaining: Remaining) -> Where | None:
    """Return the store of a study with artifacts, and record there what this run uses; None where it needs no store.

    A finished run is recorded too: it may have been moved, and the store knows only where it was.
    """
    if not has_artifacts(plan.grid.study):
        return None
    place = store_folder(plan.grid, settings, run)
    try:
        store = open_store(place)
        if not remaining.blocks and not store.is_there():
            return None
        store.register(run, [call.key for call in used_calls(plan)])
    except FieldError as problem:
        raise GridError(f"compute.store: {problem}") from None
    except OSError as problem:
        raise StoreError(f"cannot write in the artifact store {place}: {problem.strerror}") from None
    return place


def _executor(
    plan: Plan, settings: Compute, schedule: Schedule, remaining: Remaining, report: Progress, given: Collection[str], job: Job
) -> Executor:
    """Make the executor for what is left; say which one ``auto`` has taken, and which options of the launch it has not."""
    share = 1.0 - remaining.found / plan.cells
    choice = choose_executor(plan, settings, share=share, making=lambda: _making(schedule, job))
    if choice.reason:
        report.note(f"executor {choice.kind.name}: {choice.reason}")
    if unused := choice.unused(given):
        report.note(f"executor {choice.kind.name} takes no {' and no '.join(unused)}: what the launch was given has no effect")
    some = any(call.gpus > 0 for call in schedule.by_key.values())
    if choice.kind.name == "inline" and (ending := ending_before()):
        report.note(f"the study ended the process of this launch ({ending}); the rest is solved in a process of its own")
        choice = in_processes({"cpus": 1})
    if choice.kind.name == "inline" and settings.time_limit is not None:
        if settings.executor != AUTO:
            raise GridError(
                "compute.time_limit: inline has no worker that could be ended; take processes or ray", plan.grid.file
            )
        choice = in_processes(settings.options)
        report.note(f"executor {choice.kind.name}: a time limit needs workers")
    gpus: Literal["none", "some", "every"] = "every" if settings.backend == "cupy" else "some" if some else "none"
    return choice.make(Setup(report.note, gpus, job.run.name, plan.grid.study.name))


def _making(schedule: Schedule, job: Job) -> float | None:
    """Predict the seconds of the artifacts that are to be made; None where that is not known."""
    return 0.0 if job.store is None else making_seconds(schedule.by_key.values(), open_store(job.store))


def _schedule(plan: Plan, job: Job, remaining: Remaining, report: Progress) -> Schedule:
    """Make the schedule of what is left; blocks that share expensive values go together."""
    bundles = make_bundles(plan, [block for block, _ in remaining.blocks])
    if job.store is None:
        return Schedule(bundles, lambda _block: (), lambda _call: True)
    study = plan.grid.study()
    schedule = Schedule(bundles, study.needs, open_store(job.store).has, study.describe)
    report.note(f"{schedule.missing} artifacts to make, in {job.store}")
    return schedule


def _make_whole(
    plan: Plan, job: Job, executor: Executor, settings: Compute, outcome: Outcome, folder: RunFolder, report: Progress
) -> None:
    """Compare the folder with the plan at the end of a launch; compute once more what was taken away meanwhile.

    What is missing even then ends the launch with an exit code that says so.
    """
    lost = [] if outcome.stopped else _lost(plan, outcome, folder)
    if not lost:
        return
    report.note(f"{outcome.pending:,} rows that were written are not in the folder; computing them again")
    folder.event("lost", rows=outcome.pending)
    schedule = _schedule(plan, job, Remaining([(block, "") for block in lost], 0), report)
    collect(drive(job, schedule, executor), schedule, settings, outcome, folder, report)
    if _lost(plan, outcome, folder):
        outcome.exit = Exit.FAILED
        outcome.stopped = f"{outcome.pending:,} rows are not in {folder.results}, although they were written twice"


def _lost(plan: Plan, outcome: Outcome, folder: RunFolder) -> list[Block]:
    """Find blocks whose rows are not in the folder, and count them as pending; bring back what else has to be there."""
    lost = find_lost(plan, folder)
    gone = sum(block.wanted for block in lost)
    for name in ("computed", "found", "failed"):
        taken = min(gone, getattr(outcome, name))
        setattr(outcome, name, getattr(outcome, name) - taken)
        gone -= taken
    if lost or folder.read_grid() is None or folder.grid_note:
        _lay_out(plan.grid, folder)
    return lost
