"""The forecast: pieces over a whole grid add up, seconds come from rates, and nothing in a plan comes from either."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from sweeper import GridError, launch, load_grid, make_plan
from sweeper.cli.show.plan import print_plan
from sweeper.cli.show.run import print_status
from sweeper.plan.cut import SAMPLES, block_key
from sweeper.plan.executor import choose_executor, cpus_in_use
from sweeper.plan.forecast import make_forecast
from sweeper.plan.rates import BUILT_IN, cpu_model, save_rates
from sweeper.review.status import run_status

DONG = {
    "study": "dong2025.regression",
    "axes": {
        "d_strong": [60, 90, 140],
        "n_labeled": [400, 800, 3000],
        "n_transfer": [600, 2000],
        "ridge": {"logspace": [-3, 0, 40]},
        "noise": [0.5, 1.0],
    },
    "fixed": {"d_weak": 120, "d_overlap": 3},
    "seeds": 32,
}
DIGITS = {
    "study": "probe.table",
    "axes": {"n_labeled": [120, 200, 400], "d_weak": [50, 80], "ridge": [0.01, 0.1], "labels": ["soft", "hard"]},
    "fixed": {"data": "digits", "task": "classification", "d_strong": 600, "n_transfer": 700, "n_test": 100},
    "seeds": 4,
}


HEADS = {
    "study": "charikar2024.synthetic",
    "axes": {"task": [0, 1, 2], "depth_weak": [1, 2, 3], "evaluate": ["fresh", "transfer"], "head": ["descent", "relu"]},
    "fixed": {"representation": "pretrained", "epochs": 40, "sampling": "per_seed"},
    "seeds": 5,
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def added_up(plan):
    """Counts and operations by name, over every block."""
    study, found = plan.grid.study(), {}
    for block in plan.blocks():
        for piece in study.pieces(block):
            count, flops = found.get(piece.name, (0.0, 0.0))
            found[piece.name] = count + piece.count, flops + piece.flops
    return found


@pytest.mark.parametrize("document", [DONG, DIGITS, HEADS], ids=["dong2025", "digits", "charikar2024"])
def test_pieces_add_up_over_the_blocks(bench, document):
    plan = make_plan(load_grid(document, bench.folder))
    forecast = make_forecast(plan, BUILT_IN)
    exact = added_up(plan)
    assert len(list(plan.blocks())) > 1
    assert {line.name for line in forecast.lines} == set(exact)
    for line in forecast.lines:
        assert (line.count, line.flops) == pytest.approx(exact[line.name], rel=1e-9), line.name
    assert sum(line.flops for line in forecast.lines) == pytest.approx(sum(f for _, f in exact.values()))


def test_a_large_grid_is_sampled(bench):
    rng = random.Random(5)
    for _ in range(25):
        axes = {"x": [k / 4 for k in range(rng.randrange(1, 90))], "n": list(range(1, rng.randrange(2, 30)))}
        seeds = rng.randrange(1, 40)
        plan = make_plan(load_grid({"study": "toy.py:Toy", "axes": axes, "seeds": seeds}, bench.folder))
        (cut,) = plan.cuts
        sample = list(cut.sample())
        assert len(sample) <= SAMPLES
        assert sum(weight * block.size for weight, block in sample) == pytest.approx(plan.cells)
        assert make_forecast(plan, BUILT_IN).lines[0].flops == pytest.approx(6e9 * plan.cells)


def test_blocks_without_wanted_cells_are_left_out(bench):
    document = {"study": "toy.py:Toy", "axes": {"x": [1, 2, 3, 4], "n": [1, 2]}, "seeds": 2, "exclude": ["x > 2"]}
    plan = make_plan(load_grid(document, bench.folder))
    assert all(axis_chunk == 1 for axis_chunk in plan.cuts[0].chunks[:2])
    assert make_forecast(plan, BUILT_IN).lines[0].flops == pytest.approx(6e9 * plan.cells)


def test_seconds_scale_with_rates_and_the_plan_does_not(bench):
    grid = load_grid(DONG, bench.folder)
    keys, seconds = [], []
    for slower in (1.0, 1000.0):
        flops = {kind: {d: rate / slower for d, rate in table.items()} for kind, table in BUILT_IN.flops.items()}
        normals = {d: rate / slower for d, rate in BUILT_IN.normals.items()}
        save_rates(BUILT_IN.model_copy(update={"flops": flops, "normals": normals, "date": "2026-01-31", "cpu": cpu_model()}))
        plan = make_plan(grid)
        keys.append([block_key(grid.study, block) for block in plan.blocks()])
        forecast = make_forecast(plan)
        seconds.append(sum(line.seconds for line in forecast.lines))
        assert forecast.solving == pytest.approx(seconds[-1] + forecast.rows)
        assert forecast.seconds == pytest.approx(forecast.solving + forecast.writing)
    assert keys[0] == keys[1]
    assert seconds[1] == pytest.approx(1000 * seconds[0])


def test_a_piece_that_is_listed_twice_stands_once_with_its_orders(bench):
    plan = make_plan(load_grid({"study": "accounts.py:Shared", "axes": {"x": [1, 2]}, "seeds": 8}, bench.folder))
    (line,) = make_forecast(plan, BUILT_IN).lines
    assert plan.block_count == 1
    assert (line.count, line.flops, line.size) == (3.0, 1e9, "32 to 64")
    assert line.seconds == pytest.approx(0.9e9 / BUILT_IN.rate("eigh", 64) + 0.1e9 / BUILT_IN.rate("eigh", 32))


def test_the_plan_says_what_is_shared_and_how_long_it_takes(bench, capsys):
    plan = make_plan(load_grid(DONG | {"compute": {"executor": "inline"}}, bench.folder))
    print_plan(plan)
    text = capsys.readouterr().out
    (spectrum,) = (line for line in text.splitlines() if "eigendecomposition of the student's Gram" in line)
    assert spectrum.split()[5:8] == ["60", "to", "140"]
    assert "ridge, noise, n_labeled" in spectrum
    assert "every filter and teacher uses one spectrum" in spectrum
    assert "core seconds" in text
    assert "on 1 CPU;" in text
    assert "not calibrated: run w2s-sweep doctor --calibrate" in text


def test_cpus_in_use(bench):
    def used(**compute):
        plan = make_plan(load_grid(DONG | {"compute": compute}, bench.folder))
        return cpus_in_use(plan, choose_executor(plan, plan.grid.compute))

    assert used(executor="inline", cpus=7) == 1
    assert used(executor="ray", cpus=3) == 3
    assert used(executor="ray", cpus=1000) == make_plan(load_grid(DONG, bench.folder)).block_count
    assert used(executor="ray", address="auto") is None


@pytest.mark.parametrize(("name", "reason"), [("Broken", "no account"), ("Odd", "'magic' is not a kind of work")])
def test_a_broken_account_is_an_error_of_plan_and_of_nothing_else(bench, name, reason):
    document = {"study": f"accounts.py:{name}", "axes": {"x": [1, 2]}, "seeds": 2}
    grid = load_grid(document, bench.folder)
    with pytest.raises(GridError, match=reason):
        make_forecast(make_plan(grid))
    outcome = launch(grid, executor="inline", out=bench.folder / "run")
    assert outcome.exit == 0
    status = run_status(outcome.run)
    assert status.done == 4
    assert status.predicted is None
    print_status(status)


def test_status_compares_prediction_and_time(bench, capsys):
    document = {"study": "toy.py:Toy", "axes": {"x": [1, 2, 3], "n": [10, 20]}, "seeds": 2}
    grid = load_grid(document, bench.folder)
    outcome = launch(grid, out=bench.folder / "run", executor="inline")
    status = run_status(outcome.run)
    whole = make_forecast(make_plan(grid))
    assert status.predicted == pytest.approx(whole.solving)
    print_status(status)
    assert f"ratio {status.predicted / status.seconds:.2f}" in capsys.readouterr().out
    parts = sorted(path for path in (outcome.run / "results").glob("part-*") if "schema" not in path.name)
    for path in parts[: len(parts) // 2]:
        path.unlink()
    half = run_status(outcome.run)
    assert half.predicted == pytest.approx(whole.solving * half.done / half.cells)
    assert 0 < half.done < half.cells


def test_the_account_of_the_manual(tmp_path, capsys):
    manual = (Path(__file__).resolve().parents[3] / "docs" / "studies.md").read_text()
    code = re.findall(r"```python\n(.*?)```", manual, flags=re.DOTALL)
    (tmp_path / "my_study.py").write_text("\n\n".join(code[:2]))
    document = {"study": "my_study.py:MyStudy", "axes": {"d": [10, 30], "shrink": [0.2, 0.5]}, "fixed": {"n_labeled": 9}}
    print_plan(make_plan(load_grid(document | {"seeds": 4}, tmp_path)))
    text = capsys.readouterr().out
    (draws,) = (line for line in text.splitlines() if line.strip().startswith("draws"))
    assert draws.split()[1:5] == ["10", "to", "30", "8"]
    assert "shrink" in draws
    assert "the error of a teacher is a scaled draw" in draws
