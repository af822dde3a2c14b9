"""Tests and measurements of a GPU in one command, in steps that cannot take each other down.

Every step is a process with a time limit of its own. One that hangs, crashes or lacks something costs its line in the report.
The report, one JSON file and one table in Markdown, is written anew after every step, so that it is there whatever happens.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sweeper.errors import StoreError, UserError
from sweeper.tools.card_page import card_page
from w2s.errors import nearest
from w2s.files.durable import whole

__all__ = ["BUDGET_SECONDS", "Step", "StepReport", "card_steps", "run_card"]

BUDGET_SECONDS = 470.0
"""All steps together stay below eight minutes."""
_PATIENCE = 6.0
"""A rehearsal may share its cores with anything: its limits are so many times those on a machine of its own."""
_LINE = "CARD "
_COUNTS = re.compile(r"(\d+) (passed|failed|skipped|error|xfailed)")
State = Literal["done", "failed", "timeout", "skipped"]


@dataclass(frozen=True)
class Step:
    """A command with the most seconds that it may take; ``tests`` are run by pytest, other steps print lines for the report."""

    name: str
    command: tuple[str, ...]
    seconds: float
    tests: bool = False


@dataclass(frozen=True)
class StepReport:
    """What became of a step: ``lines`` are its results, ``said`` the end of what it printed where it did not end well."""

    name: str
    state: State
    seconds: float
    limit: float
    lines: list[dict[str, Any]] = field(default_factory=list)
    said: str = ""


def card_steps(*, stand_in: bool) -> list[Step]:
    """List the steps: the machine, all tests marked ``gpu``, and what `benchmarks/card` measures.

    Raises :class:`UserError` for an installed package, which carries neither.
    """
    root = Path(__file__).resolve().parents[2]
    kernels, benchmarks = root / "tests" / "kernels", root / "benchmarks" / "card"
    if not benchmarks.is_dir():
        raise UserError("the tests and benchmarks of a GPU come with the source checkout, not with the installed package")
    more, patience = (("--stand-in",), _PATIENCE) if stand_in else ((), 1.0)

    def measure(file: str, name: str, seconds: float) -> Step:
        return Step(name, (sys.executable, str(benchmarks / f"{file}.py"), name, *more), patience * seconds)

    def test(place: Path, seconds: float) -> Step:
        options = ("-m", "gpu", "-q", "-p", "no:cacheprovider", "--durations=0", "--timeout", str(seconds))
        name = f"tests of {place.relative_to(kernels).with_suffix('')}"
        return Step(name, (sys.executable, "-m", "pytest", str(place), *options), patience * seconds, tests=True)

    marked = [place for place in sorted(kernels.iterdir()) if _has_gpu_tests(place)]
    return [
        measure("runs", "machine", 40),
        measure("kernels", "parity", 60),
        *(measure("kernels", name, 40) for name in ("small_systems", "gram", "streams", "eigen", "descent")),
        measure("runs", "reference", 60),
        measure("runs", "probe", 60),
        measure("runs", "lora", 90),
        *(test(place, 60) for place in marked),
    ]


def _has_gpu_tests(place: Path) -> bool:
    """Tell whether a folder or file of tests runs on a device: by its marks, or by the list of all backends."""
    files = [place] if place.suffix == ".py" else sorted(place.glob("test_*.py")) if place.is_dir() else []
    texts = [file.read_text(encoding="utf-8") for file in files if file.name.startswith("test_")]
    return any("mark.gpu" in text or "backend: Backend" in text for text in texts)


def run_card(
    out: Path, *, stand_in: bool, only: Sequence[str], steps: Sequence[Step], say: Callable[[str], None]
) -> list[StepReport]:
    """Run the steps one after another, or those that are named, and write ``card.json`` and ``card.md`` to a folder.

    A step gets no more time than is left of :data:`BUDGET_SECONDS`; what comes after that is skipped, with its line. Raises
    :class:`UserError` for a name that no step has, and :class:`StoreError` where the report cannot be written.
    """
    names = [step.name for step in steps]
    for name in only:
        if name not in names:
            raise UserError(f"no step {name!r}{nearest(name, names)}; there are: {', '.join(names)}")
    start, found, budget = time.monotonic(), list[StepReport](), BUDGET_SECONDS * (_PATIENCE if stand_in else 1.0)
    for step in steps:
        if only and step.name not in only:
            continue
        limit = min(step.seconds, budget - (time.monotonic() - start))
        report = _run(step, limit) if limit > 1.0 else StepReport(step.name, "skipped", 0.0, 0.0, said="no time was left")
        found.append(report)
        say(f"{report.state:8s}{report.seconds:7.1f} s  {report.name}{f': {_first_line(report.said)}' if report.said else ''}")
        _write(out, found, stand_in, time.monotonic() - start)
    return found


def _run(step: Step, limit: float) -> StepReport:
    """Run a step and everything that it starts; kill all of it when its time is over."""
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "HF_HUB_OFFLINE": "1"}
    begun = time.monotonic()
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(
            step.command,
            stdin=subprocess.DEVNULL,
            stdout=printed,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )
        try:
            code: int | None = process.wait(limit)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        printed.seek(0)
        text = printed.read().decode("utf-8", "replace")
    spent = time.monotonic() - begun
    lines = _tests(text) if step.tests else _results(text)
    if code is None:
        return StepReport(step.name, "timeout", spent, limit, lines, f"it took longer than {limit:.0f} s\n{text[-2000:]}")
    if step.tests and code == 5:  # pytest found nothing that is marked
        return StepReport(step.name, "skipped", spent, limit, lines, "no test was selected")
    if step.tests and code == 0 and not lines[0].get("passed"):
        return StepReport(step.name, "skipped", spent, limit, lines, "every test was skipped: no device answered")
    good = code == 0 and (step.tests or all(line.get("good", True) and "failed" not in line for line in lines))
    said = "" if good else f"exit code {code}\n{text[-2000:]}" if code else "a result is wrong"
    return StepReport(step.name, "done" if good else "failed", spent, limit, lines, said)


def _results(text: str) -> list[dict[str, Any]]:
    found = []
    for line in text.splitlines():
        if line.startswith(_LINE):
            with contextlib.suppress(ValueError):
                found.append(json.loads(line.removeprefix(_LINE)))
    return found


def _tests(text: str) -> list[dict[str, Any]]:
    """Return the counts of pytest's last line, and a line for each test that failed."""
    lines = text.strip().splitlines() or [""]
    counts = {word: int(number) for number, word in _COUNTS.findall(lines[-1])}
    bad = [line for line in lines if line.startswith(("FAILED ", "ERROR "))]
    return [{"what": "tests", **counts}, *({"what": line[:200], "failed": "see card.json"} for line in bad)]


def _first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0][:120]


def _write(out: Path, found: Sequence[StepReport], stand_in: bool, seconds: float) -> None:
    content = {"stand_in": stand_in, "seconds": round(seconds, 1), "steps": [asdict(report) for report in found]}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (("card.json", json.dumps(content, indent=1) + "\n"), ("card.md", card_page(content))):
            with whole(out / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write in {out}: {error.strerror}") from None
