"""Kernels on the card against CuPy, cuSOLVER's batched routines and Torch on the same card, float64."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from _device import ROOT, Device, emit, main, torch_side

import w2s_kernels as kernels
from w2s_kernels import NUMPY, stream
from w2s_kernels.cholesky import cholesky_gram, solve_factor
from w2s_kernels.descent import descend
from w2s_kernels.dispatch import REGISTRY
from w2s_kernels.eigh import eigh
from w2s_kernels.streams import normals

sys.path.insert(0, str(ROOT / "tests" / "kernels"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))


def parity(device: Device) -> None:
    """Every registered operation against its plain version: the largest difference beside the tolerance of its case."""
    import importlib

    from parity import CASES

    for path in sorted(Path(kernels.__file__).parent.glob("*/plain.py")):
        importlib.import_module(f"w2s_kernels.{path.parent.name}")
    for key in sorted(REGISTRY):
        try:
            got, want = ({k: b.to_numpy(v) for k, v in CASES[key].compute(b).items()} for b in (device.backend, NUMPY))
            worst = max((_difference(got[name], values) for name, values in want.items()), default=0.0)
        except Exception as error:  # one operation's failure is one line
            emit(f"parity {key}", failed=f"{type(error).__name__}: {error}"[:300])
            continue
        emit(f"parity {key}", difference=worst, tolerance=CASES[key].rtol, good=bool(worst <= CASES[key].rtol))


def _difference(got: np.ndarray, want: np.ndarray) -> float:
    """Largest difference over the largest entry; infinite where shapes or non-finite entries differ."""
    if got.shape != want.shape or got.dtype.kind != want.dtype.kind:
        return float("inf")
    if want.dtype.kind != "f":
        return 0.0 if np.array_equal(got, want) else float("inf")
    finite = np.isfinite(want)
    if not np.array_equal(got[~finite], want[~finite], equal_nan=True):
        return float("inf")
    scale = float(np.max(np.abs(want[finite]), initial=0.0))
    return float(np.max(np.abs(got[finite] - want[finite]), initial=0.0)) / (scale or 1.0)


def small_systems(device: Device) -> None:
    """Many ridge systems at once: a Cholesky factor and four right-hand sides each."""
    for order, real in ((8, 100_000), (32, 20_000), (128, 1000)):
        items = device.size(real, 3)
        A, b = _systems(items, order, 4)
        gram, rhs = device.backend.asarray(A), device.backend.asarray(b)

        def ours(gram: Any = gram, rhs: Any = rhs) -> Any:
            return solve_factor(cholesky_gram(gram, 0.1, device.backend)[0], rhs, device.backend)

        ridged = gram + 0.1 * device.backend.xp.eye(order)
        peers = {
            "cupy.linalg.solve": lambda ridged=ridged, rhs=rhs: device.backend.xp.linalg.solve(ridged, rhs),
            "cuSOLVER potrfBatched, potrsBatched": _posv(ridged, rhs),
            "torch": torch_side(device, _torch_solve(A, b, order)),
        }
        device.compare(f"small systems, order {order}, {items:,} of them", ours, peers, items, "systems")


def _systems(items: int, order: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(order)
    X = rng.standard_normal((min(items, 1000), 2 * order, order))
    A = np.swapaxes(X, 1, 2) @ X / (2 * order)
    repeats = -(-items // len(A))
    return np.tile(A, (repeats, 1, 1))[:items], rng.standard_normal((items, order, columns))


def _posv(matrix: Any, rhs: Any) -> Callable[[], Any]:
    def call() -> Any:
        import cupyx.lapack

        return [cupyx.lapack.posv(matrix, rhs[..., k]) for k in range(rhs.shape[-1])]  # one right-hand side at a time

    return call


def _torch_solve(A: np.ndarray, b: np.ndarray, order: int) -> Callable[[Any, str], Callable[[], Any]]:
    def make(torch: Any, place: str) -> Callable[[], Any]:
        matrix = torch.as_tensor(A, device=place) + 0.1 * torch.eye(order, dtype=torch.float64, device=place)
        rhs = torch.as_tensor(b, device=place)
        return lambda: torch.cholesky_solve(rhs, torch.linalg.cholesky(matrix))

    return make


def gram(device: Device) -> None:
    """Second moments of rows in memory."""
    for rows, order in ((65_536, 1024), (262_144, 128)):
        n = device.size(rows, 64)
        d = device.size(order, 16)
        X = np.random.default_rng(1).standard_normal((n, d))
        there = device.backend.asarray(X)

        def make(torch: Any, place: str, X: np.ndarray = X) -> Callable[[], Any]:
            mine = torch.as_tensor(X, device=place)
            return lambda: mine.T @ mine

        peers = {
            "cupy X.T @ X": lambda there=there: device.backend.xp.matmul(there.T, there),
            "torch": torch_side(device, make),
        }
        what, work = f"Gram, {n:,} rows of {d}", float(n) * d * d
        device.compare(what, lambda there=there: kernels.gram(there, backend=device.backend), peers, work, "operations")


def streams(device: Device) -> None:
    """Standard normals: ours are the same bits on every backend."""
    n, d = device.size(16_384, 8), device.size(8192, 40)
    role, cp = stream("card", seed=1), device.backend.xp
    same = np.array_equal(device.backend.to_numpy(normals(role, 64, 64, device.backend)), normals(role, 64, 64, NUMPY))
    emit("streams, bits of the CPU", good=bool(same))

    def make(torch: Any, place: str) -> Callable[[], Any]:
        return lambda: torch.randn(n, d, dtype=torch.float64, device=place)

    peers = {
        "cupy default_rng (XORWOW)": lambda: cp.random.default_rng(1).standard_normal((n, d)),
        "torch (Philox)": torch_side(device, make),
    }
    device.compare(
        f"streams, {n:,} x {d:,} normals", lambda: normals(role, n, d, device.backend), peers, float(n) * d, "normals"
    )


def eigen(device: Device) -> None:
    """Eigendecompositions, ours with a check of each."""
    for order, real in ((64, 512), (256, 64), (1024, 4)):
        items, d = device.size(real, 2), device.size(order, 8)
        A, _ = _systems(items, d, 1)
        there = device.backend.asarray(A)

        def make(torch: Any, place: str, A: np.ndarray = A) -> Callable[[], Any]:
            mine = torch.as_tensor(A, device=place)
            return lambda: torch.linalg.eigh(mine)

        peers = {
            "cupy.linalg.eigh (cuSOLVER)": lambda there=there: device.backend.xp.linalg.eigh(there),
            "torch": torch_side(device, make),
        }
        ours = lambda there=there: eigh(there, device.backend)  # noqa: E731
        device.compare(f"eigen, order {d}, {items} of them", ours, peers, items, "matrices")


def descent(device: Device) -> None:
    """Small networks side by side, against Torch's batched products on the same card, Adam on both sides."""
    from descent import BATCH, RATE, TASKS, problem

    items, samples, depth = device.size(32, 2), device.size(2000, 30), 2
    epochs, given = device.size(2, 1), problem(depth, items, samples)
    how = {"epochs": epochs, "batch": BATCH, "learning_rate": RATE}
    losses = {b.name: b.to_numpy(descend(**given, **how, backend=b).losses) for b in (device.backend, NUMPY)}
    worst = float(np.max(np.abs(losses["cupy"] / losses["numpy"] - 1)))
    emit("descent, losses against the plain version", difference=worst, tolerance=1e-6, good=worst <= 1e-6)
    work = float(items * TASKS * samples * epochs)
    ours = lambda: descend(**given, **how, backend=device.backend)  # noqa: E731
    peers = {"torch, batched": torch_side(device, _torch_descent(given, how))}
    device.compare(f"descent, {items} networks", ours, peers, work, "samples")


def _torch_descent(given: dict[str, Any], how: dict[str, Any]) -> Callable[[Any, str], Callable[[], Any]]:
    def make(torch: Any, place: str) -> Callable[[], Any]:
        def send(a: np.ndarray) -> Any:
            return torch.as_tensor(a, device=place)

        x, y, heads, tasks = (send(given[name]) for name in ("inputs", "targets", "heads", "tasks"))

        def train() -> None:
            weights = [send(a).clone().requires_grad_() for a in given["weights"]]
            biases = [send(a).clone().requires_grad_() for a in given["biases"]]
            adam = torch.optim.Adam([*weights, *biases], lr=how["learning_rate"])
            for _ in range(how["epochs"]):
                for rows in torch.randperm(y.shape[1], device=place).split(how["batch"]):
                    h = x[:, rows]
                    for k, (W, c) in enumerate(zip(weights, biases, strict=True)):
                        h = torch.baddbmm(c[:, None], h, W)
                        h = torch.relu(h) if k < len(weights) - 1 else h
                    loss = ((h * heads[:, tasks[rows]]).sum(dim=-1) - y[:, rows]).square().mean(dim=1).sum()
                    adam.zero_grad()
                    loss.backward()
                    adam.step()

        return train

    return make


if __name__ == "__main__":
    chosen = {"parity": parity, "small_systems": small_systems, "gram": gram, "streams": streams, "eigen": eigen}
    main(__doc__, chosen | {"descent": descent})
