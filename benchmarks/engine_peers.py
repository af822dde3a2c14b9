"""What one more cell costs: the same trivial cells by our launch, by Ray Tune and by Hydra with its joblib launcher.

A cell is a cosine. Every side computes 200 of them and then 1,000, in one run of this program, and the difference, divided by
800, is what a further cell costs: starting a cluster, worker processes or an interpreter is in neither. Ours writes its table
of typed rows with identities; Tune writes a result and a folder for each trial, Hydra a folder with its configuration for
each job. Their trials are processes or tasks, each with one cell, which is how their users write a sweep; ours solves cells
in blocks, and that is the difference that is measured. What a person's own cells take comes on top, and is the same
everywhere.

For ours it is the median over turns and two of its standard errors more, an upper bound. A peer that is not installed is left
out with a message: pip install 'w2s-sweep[bench]'.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import json
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _timing import interleaved, options, quartiles, save, seconds_of, verdict

from sweeper import launch

BAR = 100.0
STUDY = """
import numpy as np

from w2s import Cell, Cost, Study, field


class CosineCell(Cell):
    x: float = field(description="a number")


class Cosine(Study):
    name = "cosine"
    version = 1
    Cell = CosineCell

    def cost(self, block):
        return Cost(100.0 * block.size, 64.0 * block.size)

    def solve(self, block, backend):
        weak = 2.0 + np.cos(block.column("x") + 0.0 * block.column("seed"))
        return {"weak_error": weak, "student_error": 0.5 * weak, "ceiling_error": 0.1 * weak, "misfit": weak}
"""
TUNE = """
import json, math, os, sys, time, warnings
warnings.filterwarnings("ignore")
import ray
from ray import tune

def cell(config):
    weak = 2.0 + math.cos(config["x"])
    return {"weak_error": weak, "student_error": 0.5 * weak, "ceiling_error": 0.1 * weak, "misfit": weak}

ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="ERROR", log_to_driver=False)
found = []
warm = tune.RunConfig(storage_path=sys.argv[1], name="warm", verbose=0)
tune.Tuner(cell, param_space={"x": tune.grid_search([0.0, 1.0, 2.0, 3.0])}, run_config=warm).fit()
for turn, count in enumerate(map(int, sys.argv[2:])):
    space = {"x": tune.grid_search([k / count for k in range(count)])}
    run = tune.RunConfig(storage_path=sys.argv[1], name=str(turn), verbose=0)
    start = time.perf_counter()
    how = tune.TuneConfig(reuse_actors=True, max_concurrent_trials=2)
    results = tune.Tuner(cell, param_space=space, tune_config=how, run_config=run).fit()
    found.append(time.perf_counter() - start)
    assert len(results) == count and not results.errors
ray.shutdown()
print("SECONDS", json.dumps(found))
"""
HYDRA = """
import math
import hydra

@hydra.main(version_base=None, config_path=None, config_name=None)
def cell(config):
    weak = 2.0 + math.cos(float(config.x))
    return {"weak_error": weak, "student_error": 0.5 * weak, "ceiling_error": 0.1 * weak, "misfit": weak}

if __name__ == "__main__":
    cell()
"""


def ours(folder: Path, number: itertools.count[int], executor: str, count: int) -> None:
    """Launch a grid of so many cells into a folder of its own."""
    more: dict[str, Any] = {} if executor == "inline" else {"cpus": 2}
    grid = {"study": f"{folder}/cosine.py:Cosine", "axes": {"x": [k / count for k in range(count)]}}
    outcome = launch(grid, executor=executor, out=folder / f"run-{next(number)}", **more)
    assert outcome.computed == count


def marginal(few: np.ndarray, many: np.ndarray, cells: int) -> tuple[float, float]:
    """What a further cell costs in seconds: the median over turns, and two of its standard errors more (or a microsecond)."""
    low, middle, high = quartiles((many - few) / cells)
    error = 1.25 * (high - low) / 1.35 / math.sqrt(len(few))
    return middle, max(middle + 2.0 * error, 1e-6)


def tune_seconds(folder: Path, counts: tuple[int, int]) -> list[float]:
    """Seconds of Ray Tune for each number of trials: medians of three turns, in a process of its own that is warm."""
    environment = os.environ | {"TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1", "RAY_USAGE_STATS_ENABLED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", TUNE, str(folder / "tune"), *map(str, 3 * counts)],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("SECONDS")]
    if done.returncode or not lines:
        raise SystemExit(f"Ray Tune failed: {done.stderr[-2000:]}")
    turns = np.reshape(json.loads(lines[0].removeprefix("SECONDS")), (3, len(counts)))
    print("  Ray Tune, turns:", ", ".join(f"{few:.1f} and {many:.1f} s" for few, many in turns))
    return [float(value) for value in np.median(turns, axis=0)]


def hydra_seconds(folder: Path, counts: tuple[int, int]) -> list[float]:
    """Seconds of a Hydra multirun for each number of jobs."""
    (folder / "hydra_cell.py").write_text(HYDRA)

    def run(count: int) -> None:
        values = ",".join(str(k / count) for k in range(count))
        command = [sys.executable, str(folder / "hydra_cell.py"), "-m", "hydra/launcher=joblib", "hydra.launcher.n_jobs=2"]
        command += [f"hydra.sweep.dir={folder}/hydra-{count}", f"+x={values}"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
        assert len(list((folder / f"hydra-{count}").glob("[0-9]*"))) == count

    return [float(seconds_of(functools.partial(run, count))) for count in counts]


PEERS = {
    "Ray Tune": ("ray.tune", tune_seconds),
    "Hydra, joblib": ("hydra_plugins.hydra_joblib_launcher", hydra_seconds),
}


def main() -> None:
    chosen = options(__doc__, "10 and 40 cells of the peers, three turns of ours").parse_args()
    counts, turns = (200, 1000), 3 if chosen.quick else 25
    peers = (10, 40) if chosen.quick else counts
    costs: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        folder, number = Path(place), itertools.count()
        (folder / "cosine.py").write_text(STUDY)
        for executor in ("inline", "processes"):
            sides = {str(count): functools.partial(ours, folder, number, executor, count) for count in counts}
            seconds = interleaved(sides, turns)
            few, many = (seconds[str(count)] for count in counts)
            middle, costs[executor] = marginal(few, many, counts[1] - counts[0])
            medians = f"{quartiles(few)[1]:8.3f} s for {counts[0]}, {quartiles(many)[1]:8.3f} s for {counts[1]}"
            cost = f"{1e3 * middle:8.3f} ms a cell, at most {1e3 * costs[executor]:.3f}"
            print(f"  ours, {executor:10s} {medians}: {cost}", flush=True)
        for name, (module, measure) in PEERS.items():
            if importlib.util.find_spec(module.partition(".")[0]) is None or importlib.util.find_spec(module) is None:
                print(f"{name} is not installed and left out: pip install 'w2s-sweep[bench]'")
                continue
            first, second = measure(folder, peers)
            costs[name] = (second - first) / (peers[1] - peers[0])
            spent = f"{first:8.2f} s for {peers[0]}, {second:8.2f} s for {peers[1]}"
            print(f"  {name:16s} {spent}: {1e3 * costs[name]:8.2f} ms a cell", flush=True)
    claims = [
        verdict(f"a further cell: {peer} / our launch, {executor}", costs[peer] / costs[executor], BAR, at_least=True)
        for peer in PEERS
        if peer in costs
        for executor in ("inline", "processes")
    ]
    save(chosen.json, {"seconds a cell": costs, "claims": claims})


if __name__ == "__main__":
    main()
