"""Training small networks side by side: `descend` (numba) against Torch on one thread, one network after the other.

The networks of the synthetic experiments of Charikar et al. 2024: 8 inputs, 16 units a layer, 10 tasks of 2000 samples, inputs
of size 500, Adam at 1e-3, minibatches of 256, float64. Both sides start from the same weights, see the same minibatches in the
same order and return one loss an epoch, so their loss curves can be compared; `numpy` is our own reference. Turns A B A B ...
in one process. Bar: times as fast as Torch. Rates count 6 flops a weight, sample and epoch.
"""

from __future__ import annotations

import itertools
import os
from typing import Any

import numpy as np
from _timing import available, interleaved, one_thread_backend, options, quartiles, save, spread, verdict
from threadpoolctl import threadpool_limits

from w2s_kernels import NUMPY, choose, normals, stream
from w2s_kernels.descent import descend, forward, orders

BAR = 5.0
EPOCHS = 300
INPUTS, WIDTH, TASKS, BATCH, RATE = 8, 16, 10, 256, 1e-3


def networks(depth: int, items: int, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
    fans = [INPUTS, *[WIDTH] * depth]
    pairs = list(itertools.pairwise(fans))
    weights = [rng.uniform(-1, 1, (items, i, o)) / np.sqrt(i) for i, o in pairs]
    return weights, [rng.uniform(-1, 1, (items, o)) / np.sqrt(i) for i, o in pairs]


def problem(depth: int, items: int, samples: int) -> dict[str, Any]:
    rng = np.random.default_rng(depth)
    weights, biases = networks(depth, items, rng)
    x = np.stack([500 * normals(stream("inputs", seed=s), TASKS * samples, INPUTS, NUMPY) for s in range(items)])
    heads, tasks = rng.standard_normal((items, TASKS, WIDTH)), np.repeat(np.arange(TASKS), samples)
    y = np.sum(heads[:, tasks] * forward(*networks(5, items, rng), x, NUMPY), axis=-1)
    order = [stream("order", seed=s) for s in range(items)]
    return {"weights": weights, "biases": biases, "inputs": x, "heads": heads, "tasks": tasks, "targets": y, "order": order}


def torch_losses(given: dict[str, Any], epochs: int) -> np.ndarray:
    """(items, epochs): the plain loop that a user would write, without a data loader."""
    return np.array([torch_network(given, b, epochs) for b in range(len(given["order"]))])


def torch_network(given: dict[str, Any], b: int, epochs: int) -> list[float]:
    import torch

    weights, biases = ([torch.tensor(a[b], requires_grad=True) for a in given[name]] for name in ("weights", "biases"))
    x, y, heads = (torch.from_numpy(given[name][b]) for name in ("inputs", "targets", "heads"))
    tasks, losses = torch.from_numpy(given["tasks"]), []
    adam = torch.optim.Adam([*weights, *biases], lr=RATE)
    for epoch in range(epochs):
        total = torch.zeros((), dtype=torch.float64)
        order = torch.from_numpy(orders(given["order"][b : b + 1], epoch, len(y), choose("numba"))[0])
        for rows in order.split(BATCH):
            h = x[rows]
            for W, c in zip(weights[:-1], biases[:-1], strict=True):
                h = torch.relu(torch.addmm(c, h, W))
            h = torch.addmm(biases[-1], h, weights[-1])
            loss = torch.mean(((h * heads[tasks[rows]]).sum(dim=1) - y[rows]) ** 2)
            adam.zero_grad()
            loss.backward()
            adam.step()
            total += loss.detach() * len(rows)
        losses.append(float(total) / len(y))
    return losses


def measure(depth: int, items: int, samples: int, epochs: int, repeats: int, peers: list[str]) -> dict[str, Any]:
    given, numba = problem(depth, items, samples), one_thread_backend("numba")
    how = {"epochs": epochs, "batch": BATCH, "learning_rate": RATE}
    kept: dict[str, np.ndarray] = {}
    sides = {
        "ours": lambda: kept.update(ours=descend(**given, **how, backend=numba).losses),
        "torch": lambda: kept.update(torch=torch_losses(given, epochs)),
        "numpy": lambda: kept.update(numpy=descend(**given, **how, backend=NUMPY).losses),
    }
    seconds = interleaved({name: sides[name] for name in ("ours", *peers)}, repeats)
    full = {name: values / items * EPOCHS / epochs for name, values in seconds.items()}
    weights, middle = INPUTS * WIDTH + (depth - 1) * WIDTH**2, float(np.median(full["ours"]))
    return {
        "depth": depth,
        "items": items,
        "epochs": epochs,
        "repeats": repeats,
        "seconds": {name: quartiles(values) for name, values in full.items()},
        "peer": peers[0],
        "ratio": float(np.median(full[peers[0]] / full["ours"])),
        "gflops": 6 * weights * TASKS * samples * EPOCHS / middle / 1e9,
        "difference": {name: float(np.max(np.abs(kept[name] / kept["ours"] - 1))) for name in peers},
        "loss": (kept["ours"][:, -1] / given["targets"].var(axis=1)).tolist(),
        "load": os.getloadavg()[0],
        "lines": [f"  {name:6s}{spread(values)} s" for name, values in full.items()],
    }


def show(result: dict[str, Any]) -> None:
    counts = f"{result['items']} networks, {result['epochs']} epochs, {result['repeats']} runs, load {result['load']:.1f}"
    print(f"depth {result['depth']}, {counts}; a network for {EPOCHS} epochs:", *result.pop("lines"), sep="\n")
    assert max(result["difference"].values()) < 1e-6, f"loss curves differ: {result['difference']}"
    print(f"  loss curves within {max(result['difference'].values()):.0e}; last over variance {max(result['loss']):.3f}")
    claim = f"depth {result['depth']}: {result['peer']} / ours ({result['gflops']:.1f} GF/s)"
    result |= verdict(claim, result["ratio"], BAR, at_least=True)


def main() -> None:
    chosen = options(__doc__, "2 epochs instead of 10").parse_args()
    results = []
    with threadpool_limits(1):
        peers = available(["torch", "numpy"])
        for depth in (2, 5, 8):
            results.append(measure(depth, 2, 2000, 2 if chosen.quick else 10, 5, peers))
            show(results[-1])
    save(chosen.json, results)


if __name__ == "__main__":
    main()
