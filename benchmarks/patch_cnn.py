"""Training networks on patches side by side: `patch_cnn` (numba) against a Torch loop over networks, and against BLAS.

The students of Oh et al. 2025: 3 patches an input, 20 filters, full-batch gradient descent on the logistic loss, float64.

Small problems (n <= 50, d <= 200): every network has labels and a start of its own, and signals of its own size; Torch trains
one after the other with autograd, from the same weights. Bar: times as fast.

Setting B of the scarce regime (d = 2000, 20 to 400 inputs, five sizes of the hard signal, students and ceilings): the rate of
all steps, counting the operations that they do, against that of a plain BLAS product of order 1000, for each number of inputs
and, with the bar, for all five in one call. Turns A B A B ... in one process, one thread each.
"""

from __future__ import annotations

import os
import time
from typing import Any

import numpy as np
from _timing import available, interleaved, one_thread_backend, options, quartiles, save, spread, verdict
from threadpoolctl import threadpool_limits

from w2s.laws.signal_noise import draw_examples, row_sizes
from w2s_kernels import NUMPY, normals, stream
from w2s_kernels.patch_cnn import Task, descend

TORCH_BAR, RATE_BAR = 10.0, 0.6
FILTERS = 20
SETTING_B = (20, 50, 100, 200, 400)


def task(n: int, d: int, networks: int, sizes: tuple[float, float]) -> Task:
    """Examples of one draw; signals of several sizes, and a tenth of the labels wrong, others for every network."""
    some = draw_examples(("benchmark",), 0, n, d, 0.3, 0.4, NUMPY)
    rng = np.random.default_rng(n)
    scales = [
        row_sizes(len(some.rows), {"mu": sizes[0], "nu": sizes[1] * (1 + k / networks), "sigma": 1}) for k in range(networks)
    ]
    labels = np.where(rng.random((networks, n)) < 0.1, -1.0, 1.0) * some.labels
    starts = np.stack([1e-4 * normals(stream("starts", seed=s), FILTERS, d, NUMPY) for s in range(networks)])
    return Task(some.rows, some.members, labels, starts, np.stack(scales))


def torch_loop(given: Task, steps: int, rate: float) -> np.ndarray:
    """(networks, filters, d): the loop that a user would write."""
    import torch

    found, half = [], FILTERS // 2
    for b in range(len(given.labels)):
        assert given.scales is not None
        x = torch.from_numpy((given.scales[b][:, None] * given.rows)[given.members])
        y, w = torch.from_numpy(given.labels[b]), torch.tensor(given.starts[b], requires_grad=True)
        optimiser = torch.optim.SGD([w], lr=rate)
        for _ in range(steps):
            seen = torch.relu(x @ w.T).sum(dim=1)
            f = seen[:, :half].mean(dim=1) - seen[:, half:].mean(dim=1)
            optimiser.zero_grad()
            torch.nn.functional.softplus(-y * f).mean().backward()
            optimiser.step()
        found.append(w.detach().numpy())
    return np.stack(found)


def against_torch(n: int, d: int, networks: int, steps: int, repeats: int) -> dict[str, Any]:
    given, numba, rate = task(n, d, networks, (d**0.25 * 2, d**0.25 / 2)), one_thread_backend("numba"), 0.05
    kept: dict[str, np.ndarray] = {}
    sides = {
        "ours": lambda: kept.update(ours=descend([given], [steps], rate, backend=numba)[0].weights[0]),
        "torch": lambda: kept.update(torch=torch_loop(given, steps, rate)),
    }
    seconds = interleaved(sides, repeats)
    apart = float(np.abs(kept["ours"] - kept["torch"]).max() / np.abs(kept["torch"]).max())
    assert apart < 1e-6, f"weights differ by {apart:.0e}"
    print(f"n = {n}, d = {d}, {networks} networks, {steps} steps, load {os.getloadavg()[0]:.1f}; weights within {apart:.0e}:")
    print(*(f"  {name:6s}{spread(values)} s" for name, values in seconds.items()), sep="\n")
    found = {"n": n, "d": d, "networks": networks, "steps": steps, "load": os.getloadavg()[0]}
    found |= {"seconds": {name: quartiles(values) for name, values in seconds.items()}}
    ratio = float(np.median(seconds["torch"] / seconds["ours"]))
    return found | verdict(f"n = {n}, d = {d}: torch / ours", ratio, TORCH_BAR, at_least=True)


def against_blas(counts: tuple[int, ...], networks: int, steps: int, repeats: int) -> dict[str, Any]:
    d, numba = 2000, one_thread_backend("numba")
    given = [task(n, d, networks, (12.0, 6.0)) for n in counts]
    square = np.random.default_rng(0).standard_normal((1000, 1000))
    sides = {
        "start": lambda: descend(given, [0], 0.05, backend=numba),
        "steps": lambda: descend(given, [steps], 0.05, backend=numba),
        "blas": lambda: [square @ square for _ in range(5)],
    }
    seconds = interleaved(sides, repeats, time.process_time)  # what other processes take from the core counts for neither side
    operations = sum(2.0 * len(one.rows) ** 2 * FILTERS * networks * steps for one in given)
    ours, blas = operations / (seconds["steps"] - seconds["start"]), 5 * 2e9 / seconds["blas"]
    what = f"n = {', '.join(map(str, counts))}"
    print(f"setting B, {what}, {networks} networks each, {steps} steps, load {os.getloadavg()[0]:.1f}:")
    print(f"  ours {spread(ours / 1e9)} GF/s\n  blas {spread(blas / 1e9)} GF/s")
    found = {"n": what, "networks": networks, "rate": quartiles(ours), "blas": quartiles(blas), "load": os.getloadavg()[0]}
    share = float(np.median(ours / blas))
    if len(counts) == 1:
        print(f"  share of the BLAS rate {share:.2f}")
        return found | {"share": share}
    return found | verdict(f"setting B, {what}: share of the BLAS rate", share, RATE_BAR, at_least=True)


def main() -> None:
    chosen = options(__doc__, "fewer networks, steps and turns").parse_args()
    quick, results = chosen.quick, []
    with threadpool_limits(1):
        if "torch" in available(["torch"]):
            how = (2, 20, 2) if quick else (24, 400, 5)
            results += [against_torch(n, d, *how) for n, d in ((20, 50), (50, 200))]
        how = (2, 5, 2) if quick else (10, 100, 7)
        results += [against_blas(counts, *how) for counts in (*((n,) for n in SETTING_B), SETTING_B)]
    save(chosen.json, results)


if __name__ == "__main__":
    main()
