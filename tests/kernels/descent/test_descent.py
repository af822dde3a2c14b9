from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from problems import Floats

from w2s_kernels import NUMPY, Backend, choose, stream, words
from w2s_kernels.descent import Trained, descend, forward
from w2s_kernels.descent.plain import gradients

SHAPES = [(3, 5), (8, 16, 16), (4, 17, 9, 33), (1, 1, 1), (2,)]  # inputs and widths; whole and broken tiles; no layer at all


@dataclass(frozen=True)
class Case:
    """Networks, data and heads; `run` trains."""

    weights: list[Floats]
    biases: list[Floats]
    x: Floats
    heads: Floats
    intercepts: Floats
    tasks: Any
    y: Floats
    seeds: tuple[int, ...]

    def run(self, backend: Backend, **how: Any) -> Trained:
        order = [stream("order", seed=seed) for seed in self.seeds]
        how = {"epochs": 2, "batch": 37, "learning_rate": 1e-2, "intercepts": self.intercepts, "backend": backend} | how
        done = descend(self.weights, self.biases, self.x, self.heads, self.tasks, self.y, order, **how)
        return Trained(
            *([backend.to_numpy(a) for a in w] if isinstance(w, tuple) else backend.to_numpy(w) for w in vars(done).values())
        )

    def alone(self, b: int) -> Case:
        one = slice(b, b + 1)
        weights, biases = [W[one] for W in self.weights], [c[one] for c in self.biases]
        heads, intercepts = self.heads[one], self.intercepts[one]
        return Case(weights, biases, self.x[one], heads, intercepts, self.tasks, self.y[one], self.seeds[one])

    def parameters(self) -> list[Floats]:
        return [p for pair in zip(self.weights, self.biases, strict=True) for p in pair] + [self.heads, self.intercepts]


def case(fans: tuple[int, ...], items: int = 3, n: int = 100, tasks: int = 3, seed: int = 0) -> Case:
    rng = np.random.default_rng([seed, *fans])
    weights = [rng.standard_normal((items, i, o)) / np.sqrt(i) for i, o in itertools.pairwise(fans)]
    biases = [0.3 * rng.standard_normal((items, o)) for o in fans[1:]]
    x, heads = rng.standard_normal((items, n, fans[0])), rng.standard_normal((items, tasks, fans[-1]))
    y = rng.standard_normal((items, n))
    return Case(
        weights, biases, x, heads, rng.standard_normal((items, tasks)), rng.integers(0, tasks, n), y, tuple(range(items))
    )


def flat(trained: Trained) -> Floats:
    return np.concatenate([a.ravel() for a in (*trained.weights, *trained.biases, trained.heads, trained.intercepts)])


def same(left: Trained, right: Trained) -> None:
    np.testing.assert_array_equal(flat(left), flat(right))
    np.testing.assert_array_equal(left.losses, right.losses)


# ---------------------------------------------------------------- the gradient


@pytest.mark.parametrize("relu", [False, True])
@pytest.mark.parametrize("fans", SHAPES)
def test_gradients_are_those_of_the_loss(fans: tuple[int, ...], relu: bool) -> None:
    some = case(fans, items=2, n=20)
    of = np.tile(some.tasks, (2, 1))
    rng = np.random.default_rng(1)

    def loss(parameters: list[Floats]) -> Floats:
        return np.asarray(gradients(parameters, some.x, of, some.y, relu, np)[0])

    found = gradients(some.parameters(), some.x, of, some.y, relu, np)[1]
    for k, p in enumerate(some.parameters()):
        way = rng.standard_normal(p.shape)
        above, below = ([q + sign * 1e-6 * way if j == k else q for j, q in enumerate(some.parameters())] for sign in (1, -1))
        slope = (loss(above) - loss(below)) / 2e-6
        np.testing.assert_allclose(np.sum(found[k] * way, axis=tuple(range(1, p.ndim))), slope, rtol=1e-6, atol=1e-8)


def test_the_loss_by_hand() -> None:
    some = case((2, 3, 2), items=1, n=7)
    total = 0.0
    for i in range(7):
        h = np.maximum(some.x[0, i] @ some.weights[0][0] + some.biases[0][0], 0) @ some.weights[1][0] + some.biases[1][0]
        score = some.heads[0, some.tasks[i]] @ h + some.intercepts[0, some.tasks[i]]
        total += (score - some.y[0, i]) ** 2
    got = gradients(some.parameters(), some.x, some.tasks[None], some.y, False, np)[0]
    np.testing.assert_allclose(got, [total / 7], rtol=1e-13)


def test_one_step_of_adam_by_hand(backend: Backend) -> None:
    some = case((4, 6, 5), n=30)
    trained = some.run(backend, epochs=1, batch=30, learning_rate=0.05, train_heads=True)
    start, end = some.parameters(), [*trained.weights, *trained.biases, trained.heads, trained.intercepts]
    slopes = gradients(start, some.x, np.tile(some.tasks, (3, 1)), some.y, False, np)[1]
    for k, at in enumerate((0, 2, 1, 3, 4, 5)):
        g = slopes[at]
        m, v = 0.1 * g / (1 - 0.9), 0.001 * g * g / (1 - 0.999)
        np.testing.assert_allclose(end[k], start[at] - 0.05 * m / (np.sqrt(v) + 1e-8), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("output", ["linear", "relu"])
def test_training_is_that_of_torch(output: str, backend: Backend) -> None:
    torch = pytest.importorskip("torch")
    some = case((4, 9, 6), items=1, n=50)
    parameters = [torch.tensor(p[0], requires_grad=True) for p in some.parameters()]
    x, y, of = torch.tensor(some.x[0]), torch.tensor(some.y[0]), torch.tensor(some.tasks)
    adam, losses = torch.optim.Adam(parameters, lr=1e-2), []
    for _ in range(25):
        W, b, V, c, heads, intercepts = parameters
        score = ((torch.relu(x @ W + b) @ V + c) * heads[of]).sum(dim=1) + intercepts[of]
        loss = (((torch.relu(score) if output == "relu" else score) - y) ** 2).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss.detach()))
    trained = some.run(backend, epochs=25, batch=50, train_heads=True, output=output)
    np.testing.assert_allclose(trained.losses[0], losses, rtol=1e-9)
    W, b, V, c, heads, intercepts = (p.detach().numpy() for p in parameters)
    for got, want in zip(flat(trained), np.concatenate([a.ravel() for a in (W, V, b, c, heads, intercepts)]), strict=True):
        assert got == pytest.approx(want, rel=1e-8, abs=1e-10)


# ---------------------------------------------------------------- backends, batches, bits


@pytest.mark.parametrize("fans", SHAPES)
@pytest.mark.parametrize(("output", "train_heads"), [("linear", False), ("relu", True)])
def test_backends_agree(fans: tuple[int, ...], output: str, train_heads: bool, backend: Backend) -> None:
    some = case(fans)
    got, want = (some.run(b, output=output, train_heads=train_heads) for b in (backend, NUMPY))
    np.testing.assert_allclose(flat(got), flat(want), rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(got.losses, want.losses, rtol=1e-9)


def test_backends_agree_after_many_steps(backend: Backend) -> None:
    some = case((8, 16, 16), n=200)
    got, want = (some.run(b, epochs=60, learning_rate=1e-3) for b in (backend, NUMPY))
    np.testing.assert_allclose(got.losses, want.losses, rtol=1e-6)


@pytest.mark.parametrize("fans", SHAPES)
def test_a_network_in_a_batch_is_the_network_alone(fans: tuple[int, ...], backend: Backend) -> None:
    some = case(fans)
    together = some.run(backend, train_heads=True)
    for b in range(3):
        one = some.alone(b).run(backend, train_heads=True)
        np.testing.assert_array_equal(one.losses[0], together.losses[b])
        for got, want in zip(
            (*one.weights, *one.biases, one.heads), (*together.weights, *together.biases, together.heads), strict=True
        ):
            np.testing.assert_array_equal(got[0], want[b])


NARROW = """
import sys
import llvmlite.binding
features = llvmlite.binding.get_host_cpu_features
llvmlite.binding.get_host_cpu_features = dict
from w2s_kernels.simd import vectors
llvmlite.binding.get_host_cpu_features = features
import numpy as np
from w2s_kernels import choose
from w2s_kernels.simd import tiles
assert (tiles.ROWS, tiles.COLUMNS) == (4, 8)
from test_descent import case, flat
trained = case((4, 17, 9, 33)).run(choose("numba"), train_heads=True)
np.savez(sys.argv[1], flat(trained), trained.losses)
"""


@pytest.mark.slow
def test_width_of_the_vectors_does_not_change_bits(tmp_path: Path) -> None:
    # A cache of its own: compiled files are told apart by processor and source, not by width.
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    path = tmp_path / "out.npz"
    subprocess.run([sys.executable, "-c", NARROW, str(path)], check=True, env=environment, timeout=120)
    wide = case((4, 17, 9, 33)).run(choose("numba"), train_heads=True)
    for got, want in zip(np.load(path).values(), (flat(wide), wide.losses), strict=True):
        np.testing.assert_array_equal(got, want)


def test_shared_data_are_everyones_data(backend: Backend) -> None:
    some = case((4, 8, 8))
    shared = replace(some, x=some.x[1], y=some.y[1])
    repeated = replace(some, x=np.tile(some.x[1], (3, 1, 1)), y=np.tile(some.y[1], (3, 1)))
    same(shared.run(backend), repeated.run(backend))


def test_more_epochs_go_on_where_fewer_end(backend: Backend) -> None:
    some = case((4, 8, 8))
    short, long = some.run(backend, epochs=3), some.run(backend, epochs=5)
    np.testing.assert_array_equal(long.losses[:, :3], short.losses)
    assert (long.losses[:, 3:] != short.losses[:, -1:]).all()
    same(short, some.run(backend, epochs=3))


def test_arguments_are_left_alone_and_nothing_is_trained_in_no_epochs(backend: Backend) -> None:
    some = case((4, 8, 8))
    before = [p.copy() for p in some.parameters()]
    some.run(backend, train_heads=True)
    untouched = some.run(backend, epochs=0)
    assert untouched.losses.shape == (3, 0)
    for p, q in zip(before, some.parameters(), strict=True):
        np.testing.assert_array_equal(p, q)
    np.testing.assert_array_equal(untouched.weights[1], some.weights[1])


# ---------------------------------------------------------------- minibatches


def test_an_epoch_visits_every_sample_once(backend: Backend) -> None:
    """Without learning, an epoch's loss is the mean squared error, whatever the order."""
    some = case((4, 8, 8))
    still = some.run(backend, learning_rate=1e-300)
    want = gradients(some.parameters(), some.x, np.tile(some.tasks, (3, 1)), some.y, False, np)[0]
    np.testing.assert_allclose(still.losses, np.stack([want, want], axis=1), rtol=1e-12)


def test_the_order_is_that_of_the_words(backend: Backend) -> None:
    """Batches of one sample and a large step: any other order ends elsewhere."""
    some = case((2, 3), items=1, n=5, tasks=1)
    parameters = [p[0].copy() for p in some.parameters()]
    first, second = ([np.zeros_like(p) for p in parameters[:2]] for _ in range(2))
    count = 0
    for epoch in range(2):
        keys = words(stream("order", seed=0), (epoch, epoch + 1), 5, NUMPY)[0]
        for i in np.argsort(keys):
            count += 1
            W, b, heads, intercepts = parameters
            slope = 2 * (heads[0] @ (some.x[0, i] @ W + b) + intercepts[0] - some.y[0, i])
            for p, m, v, g in zip(
                parameters, first, second, (np.outer(some.x[0, i], slope * heads[0]), slope * heads[0]), strict=False
            ):
                m += 0.1 * (g - m)
                v += 0.001 * (g * g - v)
                p -= 0.3 * (m / (1 - 0.9**count)) / (np.sqrt(v / (1 - 0.999**count)) + 1e-8)
    trained = some.run(backend, batch=1, learning_rate=0.3)
    np.testing.assert_allclose(trained.weights[0][0], parameters[0], rtol=1e-9)


def test_every_stream_and_epoch_has_its_own_order() -> None:
    some = case((2, 3), items=1, n=40)
    ends = [flat(replace(some, seeds=(seed,)).run(NUMPY, batch=8, epochs=1)) for seed in range(3)]
    assert all(np.abs(a - b).max() > 1e-6 for a, b in itertools.pairwise(ends))


# ---------------------------------------------------------------- what is trained


def test_a_network_that_can_represent_the_target_gets_there(backend: Backend) -> None:
    some = case((4, 12, 5), n=400)
    truth = case((4, 3, 5), seed=7)
    h = forward(truth.weights, truth.biases, some.x, NUMPY)
    y = np.sum(some.heads[:, some.tasks] * h, axis=-1) + some.intercepts[:, some.tasks]
    trained = replace(some, y=y).run(backend, epochs=1000, batch=50)
    # A constant step leaves noise, so the bar is a thousandth and not rounding.
    assert (trained.losses[:, -1] < 1e-3 * y.var(axis=1)).all()
    got = np.sum(some.heads[:, some.tasks] * forward(trained.weights, trained.biases, some.x, backend), axis=-1)
    np.testing.assert_allclose(np.mean((got + some.intercepts[:, some.tasks] - y) ** 2, axis=1) / y.var(axis=1), 0, atol=2e-3)


def test_heads_stay_unless_they_are_to_be_trained(backend: Backend) -> None:
    some = case((4, 8, 8))
    fixed, free = some.run(backend), some.run(backend, train_heads=True)
    np.testing.assert_array_equal(fixed.heads, some.heads)
    np.testing.assert_array_equal(fixed.intercepts, some.intercepts)
    assert (free.heads != some.heads).all()
    assert (free.intercepts != some.intercepts).all()
    np.testing.assert_array_equal(some.run(backend, intercepts=None).intercepts, np.zeros((3, 3)))


def test_heads_alone_go_to_least_squares(backend: Backend) -> None:
    some = case((4,), n=300, tasks=1)
    trained = some.run(backend, epochs=300, batch=300, learning_rate=0.05, train_heads=True)
    design = np.concatenate([some.x, np.ones((3, 300, 1))], axis=2)
    for b in range(3):
        want = np.linalg.lstsq(design[b], some.y[b], rcond=None)[0]
        np.testing.assert_allclose([*trained.heads[b, 0], *trained.intercepts[b]], want, atol=1e-6)


def test_an_output_cut_at_zero_fits_targets_cut_at_zero(backend: Backend) -> None:
    some = case((4,), n=500, tasks=1)
    score = np.sum(some.x * some.heads, axis=-1) + some.intercepts
    target = replace(some, y=np.maximum(score, 0), heads=np.abs(some.heads), intercepts=np.ones((3, 1)))
    cut, linear = (target.run(backend, epochs=400, train_heads=True, output=o) for o in ("relu", "linear"))
    assert (cut.losses[:, -1] < 1e-6 * target.y.var(axis=1)).all()
    assert (linear.losses[:, -1] > 1e-2 * target.y.var(axis=1)).all()
    np.testing.assert_allclose(cut.heads, some.heads, atol=1e-2)


# ---------------------------------------------------------------- what goes wrong


def test_a_network_that_diverges_does_so_alone(backend: Backend) -> None:
    some = case((4, 8, 8))
    x = some.x.copy()
    x[1] *= 1e200
    trained = replace(some, x=x).run(backend, train_heads=True)
    assert not np.isfinite(trained.losses[1]).any()
    quiet = some.run(backend, train_heads=True)
    for b in (0, 2):
        np.testing.assert_array_equal(trained.losses[b], quiet.losses[b])
        np.testing.assert_array_equal(trained.weights[0][b], quiet.weights[0][b])


@pytest.mark.parametrize("output", ["linear", "relu"])
def test_labels_that_are_not_numbers_give_losses_that_are_not(output: str, backend: Backend) -> None:
    some = case((4, 8, 8))
    y = some.y.copy()
    y[2, 5] = np.nan
    trained = replace(some, y=y).run(backend, output=output)
    np.testing.assert_array_equal(np.isfinite(trained.losses).all(axis=1), [True, True, False])
    assert np.isnan(trained.weights[0][2]).any()


def test_a_dead_unit_stays_dead(backend: Backend) -> None:
    some = case((4, 8, 8))
    some.biases[0][:, 3] = -1e6
    trained = some.run(backend)
    np.testing.assert_array_equal(trained.weights[0][:, :, 3], some.weights[0][:, :, 3])
    np.testing.assert_array_equal(trained.weights[1][:, 3], some.weights[1][:, 3])
    assert (trained.weights[0][:, :, 4] != some.weights[0][:, :, 4]).any()


@pytest.mark.parametrize("name", ["numpy", "numba"])
@pytest.mark.parametrize(
    ("change", "how", "message"),
    [
        ({"tasks": np.full(100, 3)}, {}, "tasks must lie in 0..2, got 3..3"),
        ({"tasks": np.full(100, -1)}, {}, "tasks must lie in 0..2"),
        ({"tasks": np.zeros(99, int)}, {}, "shapes"),
        ({"heads": np.zeros((3, 3, 7))}, {}, "shapes"),
        ({"biases": [np.zeros((3, 8)), np.zeros((3, 7))]}, {}, "shapes"),
        ({"x": np.zeros((2, 100, 4))}, {}, "inputs for 1 or 3 networks, got 2"),
        ({"y": np.zeros((2, 100))}, {}, "targets for 1 or 3 networks, got 2"),
        ({"seeds": (0, 1)}, {}, "shapes"),
        ({}, {"output": "cut"}, "linear, relu, got 'cut'"),
        ({}, {"batch": 0}, "batch >= 1"),
        ({}, {"epochs": -1}, "epochs >= 0"),
        ({}, {"learning_rate": 0.0}, "learning_rate"),
    ],
)
def test_bad_arguments_are_named(change: dict[str, Any], how: dict[str, Any], message: str, name: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(case((4, 8, 8)), **change).run(choose(name), **how)


def test_no_networks_and_no_samples(backend: Backend) -> None:
    assert case((4, 8), items=0).run(backend).losses.shape == (0, 2)
    nothing = replace(case((4, 8)), x=np.zeros((3, 0, 4)), y=np.zeros((3, 0)), tasks=np.zeros(0, int)).run(backend)
    assert np.isnan(nothing.losses).all()
