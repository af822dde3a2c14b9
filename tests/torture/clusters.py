"""Clusters that lose their nodes: by a killed raylet, and by a node that is taken away, while a launch is at work."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

from processes import undisturbed
from tally import Tally
from workbench import Bench, part_files, wait_until

__all__ = ["lost_nodes"]

Lose = Callable[[Any, Any], None]


def _kill_raylet(_cluster: Any, node: Any) -> None:
    for process in node.all_processes["raylet"]:
        process.process.send_signal(signal.SIGKILL)


def _remove(cluster: Any, node: Any) -> None:
    cluster.remove_node(node, allow_graceful=False)


LOSSES: dict[str, Lose] = {"raylet killed": _kill_raylet, "node lost": _remove}


def lost_nodes(bench: Bench, count: int, seed: int, how: str) -> Tally:
    """Lose a node of a cluster ``count`` times while a launch is at work on it, each time after giving it a new one."""
    from ray.cluster_utils import Cluster

    good, tally = undisturbed(bench), Tally(how)
    os.environ["W2S_TOY"] = str(bench.control)  # raylets hand their environment on to workers
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for run in range(1, count + 1):
            dice, out = random.Random(f"{how} {seed} {run}"), bench.folder / "runs" / f"{how.replace(' ', '-')}-{run}"
            node = cluster.add_node(num_cpus=1)
            cluster.wait_for_nodes()
            bench.steer(sleep=0.2)
            with tally.watching(run):
                process = bench.start("launch", "grid.yaml", "--address", cluster.address, "--out", out)
                wait_until(lambda out=out: len(part_files(out)) > 1, 60)
                time.sleep(dice.uniform(0.0, 0.6))
                landed = process.poll() is None
                LOSSES[how](cluster, node)
                bench.steer(sleep=0.02)
                _text, error = process.communicate(timeout=180)
                if process.returncode or "Traceback" in error:
                    tally.wrong.append(f"seed {run}: exit {process.returncode}: {error[-300:]}")
                    bench.sweep("launch", "grid.yaml", "--executor", "inline", "--out", out)
                tally.judge(out, good, int(landed), run)
            if how == "raylet killed":
                cluster.remove_node(node, allow_graceful=False)
    finally:
        cluster.shutdown()
    return tally
