"""Tests and measurements of a GPU: a step that hangs, crashes or lacks something costs its line; the real steps are rehearsed on the CPU."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from kin import alive
from workbench import wait_until

from sweeper.errors import UserError
from sweeper.tools import card as module
from sweeper.tools.card import Step, card_steps, run_card

HANG = "import os, time; print('CARD', '{\"what\": \"begun\"}', flush=True); print(os.getpid(), flush=True); time.sleep(600)"
STARTS_ANOTHER = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HANG!r}])"


def python(name: str, code: str, seconds: float = 60.0, *, tests: bool = False) -> Step:
    return Step(name, (sys.executable, "-c", code), seconds, tests)


STEPS = [
    python(
        "good",
        """print('CARD {"what": "a", "side": "ours", "ms": 2.0, "rate": 5.0, "unit": "x/s", "ratio": 2.5}'); print('noise')""",
    ),
    python("lacks", """print('CARD {"what": "b", "side": "peer", "missing": "no such library"}')"""),
    python("wrong", """print('CARD {"what": "c", "difference": 1.0, "tolerance": 0.1, "good": false}')"""),
    python("crashes", "import os; print('before', flush=True); os.kill(os.getpid(), 11)"),
    python("hangs", STARTS_ANOTHER, 8.0),
    python(
        "fails",
        "print('FAILED tests/x.py::y - got 4 skipped'); print('1 failed, 7 passed, 2 errors in 2.1s'); raise SystemExit(1)",
        tests=True,
    ),
    python("no device", "print('=== 9 skipped in 0.1s ===')", tests=True),
    python("passes", "print('=== 12 passed, 1 skipped in 0.1s ===')", tests=True),
]


def test_every_step_has_its_line_whatever_becomes_of_it(tmp_path: Path) -> None:
    said: list[str] = []
    found = run_card(tmp_path, stand_in=True, only=[], steps=STEPS, say=said.append)
    states = {report.name: report.state for report in found}
    assert states == {
        "good": "done",
        "lacks": "done",
        "wrong": "failed",
        "crashes": "failed",
        "hangs": "timeout",
        "fails": "failed",
        "no device": "skipped",
        "passes": "done",
    }
    hung = next(report for report in found if report.name == "hangs")
    assert hung.lines == [{"what": "begun"}], "what was printed before it hung counts"
    wait_until(lambda: not alive(int(hung.said.split()[-1])), 20)
    content = json.loads((tmp_path / "card.json").read_text())
    assert [step["name"] for step in content["steps"]] == [step.name for step in STEPS]
    page = (tmp_path / "card.md").read_text()
    for line in (
        "| a | ours | 2.000 ms | 5 x/s | 2.50 x |",
        "| b | peer |  |  | missing: no such library |",
        "| c | DIFFERS | 1 | at most 0.1 |  |",
        "it took longer than 8 s",
        "12 passed; 1 skipped",
        "7 passed; 1 failed; 2 error; exit code 1 |",
    ):
        assert line in page
    assert len(said) == len(STEPS)


def test_the_eight_minutes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BUDGET_SECONDS", 0.5)
    (only,) = run_card(tmp_path, stand_in=False, only=["good"], steps=STEPS, say=lambda _: None)
    assert (only.state, only.said) == ("skipped", "no time was left")


def test_a_step_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="did you mean 'eigen'"):
        run_card(tmp_path, stand_in=True, only=["eigne"], steps=card_steps(stand_in=True), say=print)


def test_every_test_of_a_device_is_in_a_step() -> None:
    """A mark, or the fixture with every backend, anywhere below the tests of kernels: pytest is given its folder or file."""
    root = Path(__file__).resolve().parents[2]
    places = [Path(step.command[3]) for step in card_steps(stand_in=False) if step.tests]
    marked = [path for path in root.rglob("test_*.py") if "mark.gpu" in path.read_text() and path != Path(__file__)]
    assert marked
    assert [str(path) for path in marked if not any(path == place or path.is_relative_to(place) for place in places)] == []


def test_a_rehearsal_of_a_step(tmp_path: Path) -> None:
    (report,) = run_card(tmp_path, stand_in=True, only=["gram"], steps=card_steps(stand_in=True), say=print)
    assert report.state == "done", report.said
    assert {line.get("side") for line in report.lines} >= {"w2s_kernels", "cupy X.T @ X"}


@pytest.mark.slow
@pytest.mark.timeout(3000)
def test_a_rehearsal_of_all_steps(tmp_path: Path) -> None:
    found = run_card(tmp_path, stand_in=True, only=[], steps=card_steps(stand_in=True), say=print)
    wrong = {report.name: report.said for report in found if report.state in ("failed", "timeout")}
    assert wrong == {}
    assert all(report.state == "skipped" for report in found if report.name.startswith("tests of"))
    assert "mfu" in (tmp_path / "card.json").read_text()
