"""Which executor ``auto`` takes, and that launch and plan say so."""

from __future__ import annotations

from pathlib import Path

import pytest
from workbench import TOY_GRID, events

import sweeper.executors.registry as module
from sweeper import load_grid
from sweeper.executors.registry import choose, executor_names
from sweeper.plan.cut import make_plan
from sweeper.plan.executor import choose_executor
from sweeper.plan.forecast import make_forecast

QUICK = TOY_GRID.replace("Toy", "Quick")


def taken(monkeypatch, seconds, *, ray=True, **written):
    monkeypatch.setattr(module, "has_ray", lambda: ray)
    choice = choose("auto", written, Path(), lambda: seconds)
    return choice.kind.name, choice.reason


@pytest.mark.parametrize(
    ("seconds", "ray", "name", "reason"),
    [
        (9.9, True, "inline", "predicted 9.9 core seconds are fewer than 10"),
        (0.0, False, "inline", "predicted 0.0 core seconds are fewer than 10"),
        (10.0, True, "processes", "predicted 10.0 core seconds, fewer than the 300 from which a Ray cluster is started"),
        (300.0, True, "ray", "predicted 300.0 core seconds"),
        (1234.5, False, "processes", "predicted 1,234.5 core seconds, and Ray is not installed"),
        (None, True, "ray", "the time is not predicted"),
        (None, False, "processes", "the time is not predicted, and Ray is not installed"),
    ],
)
def test_what_auto_takes(monkeypatch, seconds, ray, name, reason):
    assert taken(monkeypatch, seconds, ray=ray) == (name, reason)
    assert taken(monkeypatch, seconds, ray=ray, address="head:6379") == ("ray", "an address is given")


def test_what_is_named_is_taken_and_no_time_is_predicted():
    for name in ("inline", "processes", "ray"):
        choice = choose(name, {"cpus": 3}, Path(), lambda: pytest.fail("asked"))
        assert (choice.kind.name, choice.reason) == (name, "")
    assert choice.options.cpus == 3
    assert executor_names()[0] == "auto"


def test_what_is_left_counts_and_what_artifacts_are_predicted_to_take(bench, monkeypatch):
    monkeypatch.setattr(module, "has_ray", lambda: True)
    monkeypatch.setenv("XDG_CACHE_HOME", str(bench.folder / "cache"))
    plan = make_plan(load_grid(bench.grid()))
    assert make_forecast(plan).seconds > 20
    assert choose_executor(plan, plan.grid.compute).kind.name == "processes"
    assert choose_executor(plan, plan.grid.compute, share=0.1).kind.name == "inline"
    quick = make_plan(load_grid(bench.grid(QUICK)))
    assert choose_executor(quick, quick.grid.compute).kind.name == "inline"
    for making, name in ((None, "ray"), (9.0, "inline"), (20.0, "processes"), (300.0, "ray")):
        assert choose_executor(quick, quick.grid.compute, making=lambda making=making: making).kind.name == name


def test_launch_and_plan_say_which_one_and_why(bench):
    bench.grid(QUICK)
    done = bench.sweep("plan", "grid.yaml")
    assert "on 1 CPU;" in done.stdout
    assert "executor: inline, since predicted 0." in done.stdout
    done = bench.sweep("launch", "grid.yaml")
    assert "executor inline: predicted 0." in done.stderr
    assert events(bench.folder / "runs" / "grid", "launch")[-1]["executor"] == "inline"
    done = bench.sweep("launch", "grid.yaml", "--executor", "inlin", "--out", "other")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "error: compute.executor: 'inlin' is not allowed (did you mean 'inline'?); known: auto, inline" in done.stderr


@pytest.mark.parametrize(
    ("given", "said"), [({"cpus": 3}, ["executor inline takes no cpus: what the launch was given has no effect"]), ({}, [])]
)
def test_an_option_of_the_launch_without_effect_is_said(bench, given, said):
    grid = bench.grid(TOY_GRID + "compute: {cpus: 2}\n")  # in a grid it may stand for other executors
    told = bench.sweep("launch", grid, "--executor", "inline", *(word for name in given for word in (f"--{name}", given[name])))
    assert told.returncode == 0, told.stderr
    assert [line for line in told.stderr.splitlines() if "takes no" in line] == said
