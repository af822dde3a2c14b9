"""Networks on patches: gradients by differences, Torch's loop, both forms of training, bits of a network in a batch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from cuda_build import STAND_IN, Shim
from problems import Floats

from w2s_kernels import NUMPY, Backend
from w2s_kernels.patch_cnn import Task, Trained, descend

STEPS = [0, 1, 7, 40]


def task(n: int = 13, d: int = 9, items: int = 3, per_class: int = 5, seed: int = 0, *, relu: bool = True) -> Task:
    """Shared rows and rows of one example each, twice in an example now and then."""
    rng = np.random.default_rng([seed, n, d])
    rows = rng.standard_normal((4 + n, d))
    members = np.stack([rng.integers(0, 4, n), rng.integers(0, 4, n), 4 + np.arange(n)], axis=1)
    labels = np.where(rng.random((items, n)) < 0.5, 1.0, -1.0)
    starts = 0.1 * rng.standard_normal((items, 2 * per_class if relu else 1, d))
    return Task(rows, members, labels, starts, np.exp(rng.uniform(-1, 1, (items, len(rows)))))


def run(tasks: list[Task], backend: Backend, steps: list[int] = STEPS, rate: Any = 0.3, **how: Any) -> list[Trained]:
    done = descend(tasks, steps, rate, backend=backend, **how)
    return [Trained(backend.to_numpy(one.weights), backend.to_numpy(one.outputs)) for one in done]


def said(some: Task, weights: Floats, b: int, *, relu: bool = True) -> Floats:
    """f of network b on every example, patch by patch."""
    patches = some.rows * (1.0 if some.scales is None else some.scales[b][:, None])
    found = []
    for held in some.members:
        seen = patches[held] @ weights.T
        half = len(weights) // 2
        found.append(seen.sum() if not relu else (np.maximum(seen[:, :half], 0) - np.maximum(seen[:, half:], 0)).sum() / half)
    return np.array(found)


def loss(some: Task, weights: Floats, b: int, *, relu: bool = True) -> float:
    return float(np.mean(np.log1p(np.exp(-some.labels[b] * said(some, weights, b, relu=relu)))))


@pytest.mark.parametrize("form", ["span", "weights"])
@pytest.mark.parametrize("relu", [True, False])
def test_a_step_is_the_gradient_of_the_loss(relu: bool, form: str, backend: Backend) -> None:
    some = task(relu=relu)
    (found,) = run([some], backend, [0, 1], 0.5, relu=relu, form=form)
    np.testing.assert_array_equal(found.weights[0], some.starts)
    for b in range(3):
        slope = (found.weights[0, b] - found.weights[1, b]) / 0.5
        for at in [(0, 0), (-1, 3), (0, 8)]:
            change = np.zeros_like(slope)
            change[at] = 1e-6
            ends = [loss(some, some.starts[b] + sign * change, b, relu=relu) for sign in (1, -1)]
            assert slope[at] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("form", ["span", "weights"])
@pytest.mark.parametrize("relu", [True, False])
def test_outputs_are_those_of_the_weights(relu: bool, form: str, backend: Backend) -> None:
    some = task(relu=relu)
    (found,) = run([some], backend, relu=relu, form=form)
    for s in range(len(STEPS)):
        for b in range(3):
            np.testing.assert_allclose(
                found.outputs[s, b], said(some, found.weights[s, b], b, relu=relu), rtol=1e-10, atol=1e-12
            )


def test_training_is_that_of_torch(backend: Backend) -> None:
    torch = pytest.importorskip("torch")
    some = task(n=20, d=15, items=2)
    (found,) = run([some], backend, [30], np.array([0.3, 0.7]))
    for b, rate in enumerate((0.3, 0.7)):
        w = torch.tensor(some.starts[b], requires_grad=True)
        x = torch.tensor(some.scales[b][:, None] * some.rows)[torch.tensor(some.members)]
        y = torch.tensor(some.labels[b])
        optimiser = torch.optim.SGD([w], lr=rate)
        for _ in range(30):
            seen = torch.relu(x @ w.T).sum(dim=1)
            f = seen[:, :5].mean(dim=1) - seen[:, 5:].mean(dim=1)
            optimiser.zero_grad()
            torch.nn.functional.softplus(-y * f).mean().backward()
            optimiser.step()
        np.testing.assert_allclose(found.weights[0, b], w.detach().numpy(), rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize(("n", "d", "items", "per_class"), [(1, 1, 1, 1), (5, 40, 7, 3), (60, 11, 2, 10), (300, 33, 1, 4)])
def test_forms_and_backends_agree(n: int, d: int, items: int, per_class: int, backend: Backend) -> None:
    some = task(n, d, items, per_class)
    (want,) = run([some], NUMPY, form="weights")
    for form in ("span", "weights"):
        (got,) = run([some], backend, form=form)
        scale = np.abs(want.weights).max()
        np.testing.assert_allclose(got.weights, want.weights, atol=1e-9 * scale)
        np.testing.assert_allclose(got.outputs, want.outputs, atol=1e-8 * np.abs(want.outputs).max())


@pytest.mark.parametrize("form", ["span", "weights"])
@pytest.mark.parametrize("relu", [True, False])
def test_a_network_in_a_batch_is_the_network_alone(relu: bool, form: str, backend: Backend) -> None:
    tasks = [task(relu=relu, seed=1), task(n=40, d=9, items=17, relu=relu, seed=2)]
    together = run(tasks, backend, relu=relu, form=form)
    for some, all_of in zip(tasks, together, strict=True):
        for b in (0, len(some.labels) - 1):
            one = slice(b, b + 1)
            alone = replace(some, labels=some.labels[one], starts=some.starts[one], scales=some.scales[one])
            (found,) = run([alone], backend, [7, 40], relu=relu, form=form)
            np.testing.assert_array_equal(found.weights[:, 0], all_of.weights[2:, b])
            np.testing.assert_array_equal(found.outputs[:, 0], all_of.outputs[2:, b])


def test_scales_are_sizes_of_the_rows(backend: Backend) -> None:
    some = task(items=1)
    written = replace(some, rows=some.scales[0][:, None] * some.rows, scales=None)
    for got, want in zip(*(run([t], backend) for t in (written, some)), strict=True):
        np.testing.assert_allclose(got.weights, want.weights, rtol=1e-9, atol=1e-11)


def test_identical_rows_are_one_row(backend: Backend) -> None:
    """A dictionary with a copy of every shared row trains the same network, from a Gram without an inverse."""
    some = task()
    rows, scales = (np.concatenate([a, a], axis=axis) for a, axis in ((some.rows, 0), (some.scales, 1)))
    copied = replace(some, rows=rows, scales=scales, members=some.members + len(some.rows) * (np.arange(13)[:, None] % 2))
    (got,), (want,) = (run([t], backend, form="span") for t in (copied, some))
    np.testing.assert_allclose(got.weights, want.weights, rtol=1e-9, atol=1e-11)


def test_tiny_and_dead_networks(backend: Backend) -> None:
    """From zero no ReLU filter moves; filters of 1e-150 move as others do in the first step."""
    some = task()
    (dead,) = run([replace(some, starts=0 * some.starts)], backend)
    assert (dead.weights == 0).all()
    (tiny,) = run([replace(some, starts=1e-150 * some.starts)], backend, [1])
    assert np.isfinite(tiny.weights).all()
    assert np.abs(tiny.weights).max() > 1e-3


def test_a_network_that_diverges_does_so_alone(backend: Backend) -> None:
    some = task()
    scales = some.scales.copy()
    scales[1] *= 1e200
    (wild,), (quiet,) = (run([t], backend) for t in (replace(some, scales=scales), some))
    assert not np.isfinite(wild.outputs[-1, 1]).all()
    for b in (0, 2):
        np.testing.assert_array_equal(wild.weights[:, b], quiet.weights[:, b])


def test_separable_examples_are_fitted(backend: Backend) -> None:
    some = task(n=20, d=60)
    (found,) = run([some], backend, [0, 2000], 1.0)
    assert (np.sign(found.outputs[1]) == some.labels).all()


def test_mistakes_are_named() -> None:
    some = task()
    with pytest.raises(ValueError, match=r"members must lie in 0\.\.16, got 1\.\.17"):
        run([replace(some, members=some.members + 1)], NUMPY)
    with pytest.raises(ValueError, match="expected starts, scales, members and rates"):
        run([replace(some, labels=some.labels[:, 1:])], NUMPY)
    with pytest.raises(ValueError, match="2m filters of ReLU networks or 1 of linear ones"):
        run([replace(some, starts=some.starts[:, 1:])], NUMPY)
    with pytest.raises(ValueError, match="scales must not be negative"):
        run([replace(some, scales=-some.scales)], NUMPY)
    with pytest.raises(ValueError, match="ascend"):
        run([some], NUMPY, [3, 3])
    with pytest.raises(ValueError, match="form must be one of"):
        run([some], NUMPY, form="dense")


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("relu", [True, False])
def test_the_cuda_source_trains_the_same_networks(relu: bool, seed: int, shim: Shim) -> None:
    tasks = [task(relu=relu), task(n=6, d=30, items=2, relu=relu, seed=4)]
    with shim.threads_in_order(seed):
        found = run(tasks, STAND_IN, relu=relu, form="span")
    assert shim.launches == 3
    for got, want in zip(found, run(tasks, NUMPY, relu=relu, form="span"), strict=True):
        np.testing.assert_allclose(got.weights, want.weights, rtol=1e-9, atol=1e-11)
        np.testing.assert_allclose(got.outputs, want.outputs, rtol=1e-9, atol=1e-11)


def test_with_weights_a_device_runs_array_code(shim: Shim) -> None:
    (got,), (want,) = (run([task()], backend, form="weights") for backend in (STAND_IN, NUMPY))
    assert shim.launches == 0
    np.testing.assert_array_equal(got.weights, want.weights)
