"""Random, perturbed and pretrained networks."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from w2s.laws.mlp import Network, perturbed, pretrained, random_network
from w2s_kernels import NUMPY, Backend, choose
from w2s_kernels.descent import descend

NUMBA = choose("numba")


def truths(seeds: Any = range(3), depth: int = 5, width: int = 16, inputs: int = 8, backend: Backend = NUMBA) -> Network:
    return random_network("truth", seeds, depth=depth, width=width, inputs=inputs, backend=backend)


def learned(truth: Network, seeds: Any = range(3), role: str = "weak", **change: Any) -> Network:
    how = {"depth": 2, "width": 16, "tasks": 4, "samples": 500, "epochs": 30, "learning_rate": 1e-3, "batch": 64}
    return pretrained(role, truth, seeds, **(how | {"input_scale": 500.0, "backend": NUMBA} | change))


def inputs(n: int = 400, d: int = 8) -> Any:
    return 500.0 * np.random.default_rng(0).standard_normal((n, d))


def same(left: Network, right: Network) -> None:
    for a, b in zip((*left.weights, *left.biases), (*right.weights, *right.biases), strict=True):
        np.testing.assert_array_equal(a, b)


def test_shapes() -> None:
    network = truths(depth=3, width=6, inputs=4)
    assert [W.shape for W in network.weights] == [(3, 4, 6), (3, 6, 6), (3, 6, 6)]
    assert [b.shape for b in network.biases] == [(3, 6)] * 3
    assert (len(network), network.depth, network.width, network.inputs) == (3, 3, 6, 4)


@pytest.mark.parametrize("backend", [NUMPY, NUMBA], ids=["numpy", "numba"])
def test_outputs_by_hand(backend: Backend) -> None:
    network, x = truths(depth=3), inputs(5)
    out = network(x, backend)
    for b in range(3):
        h = x
        for layer in range(3):
            h = np.array([[sum(r[i] * network.weights[layer][b, i, o] for i in range(len(r))) for o in range(16)] for r in h])
            h = h + network.biases[layer][b]
            h = np.maximum(h, 0) if layer < 2 else h
        np.testing.assert_allclose(out[b], h, rtol=1e-11, atol=1e-10)
    assert (out < 0).any()  # no ReLU after the last layer


def test_a_member_is_itself_alone_and_on_its_own_inputs() -> None:
    network, x = truths(), inputs()
    out = network(x, NUMBA)
    for b in range(3):
        np.testing.assert_array_equal(network.take(b)(x, NUMBA)[0], out[b])
    np.testing.assert_array_equal(network(np.stack([x, x, x]), NUMBA), out)


def test_untrained_weights_are_uniform_and_independent() -> None:
    network = truths(range(400), depth=2, width=10, inputs=4)
    for fan_in, drawn in ((4, network.weights[0]), (4, network.biases[0]), (10, network.weights[1]), (10, network.biases[1])):
        unit = drawn * np.sqrt(fan_in)
        assert np.abs(unit).max() < 1
        assert np.abs(unit).max() > 0.99
        n = unit.size
        assert abs(unit.mean()) < 4.5 / np.sqrt(3 * n)
        assert abs((unit**2).mean() - 1 / 3) < 4.5 * np.sqrt(4 / 45 / n)
    first, second = network.weights[1][:, 0], network.biases[1]
    assert abs(np.mean(first * second)) * 10 * 3 < 4.5 / np.sqrt(first.size)


def test_a_network_depends_on_role_and_seed_alone() -> None:
    several, one = truths([5, 3, 8]), truths([3])
    same(several.take(1), one)
    other = random_network("strong", [3], depth=5, width=16, inputs=8, backend=NUMBA)
    assert all((a != b).all() for a, b in zip(one.weights, other.weights, strict=True))
    same(one, truths([3], backend=NUMPY))


def test_perturbation_is_normal_on_weights_and_nothing_on_biases() -> None:
    truth = truths(range(20))
    moved = perturbed(truth, "weak", range(20), 0.05, NUMBA)
    noise = np.concatenate([(a - b).ravel() for a, b in zip(moved.weights, truth.weights, strict=True)]) / 0.05
    assert abs(noise.mean()) < 4.5 / np.sqrt(noise.size)
    assert abs((noise**2).mean() - 1) < 4.5 * np.sqrt(2 / noise.size)
    assert abs((noise**4).mean() - 3) < 4.5 * np.sqrt(96 / noise.size)
    for a, b in zip(moved.biases, truth.biases, strict=True):
        np.testing.assert_array_equal(a, b)
    same(perturbed(truth, "weak", range(20), 0.0, NUMBA), truth)
    same(perturbed(truth.take(7), "weak", [7], 0.05, NUMBA), moved.take(7))


def test_perturbations_of_two_roles_have_nothing_in_common() -> None:
    truth = truths(range(20))
    noise = [
        np.concatenate(
            [(a - b).ravel() for a, b in zip(perturbed(truth, role, range(20), 1.0, NUMBA).weights, truth.weights, strict=True)]
        )
        for role in ("weak", "strong")
    ]
    assert abs(np.mean(noise[0] * noise[1])) < 4.5 / np.sqrt(noise[0].size)
    layers = perturbed(truth, "weak", range(20), 1.0, NUMBA)
    first, second = (layers.weights[k] - truth.weights[k] for k in (1, 2))
    assert abs(np.mean(first * second)) < 4.5 / np.sqrt(first.size)


def test_pretraining_on_enough_tasks_learns_the_truths_outputs() -> None:
    """16 tasks or more see every direction of 16 outputs; a network of the truth's own shape can then have them all."""
    truth, x = truths(), inputs()
    h = truth(x, NUMBA)
    start = random_network("weak", range(3), depth=5, width=16, inputs=8, backend=NUMBA)
    learner = learned(truth, depth=5, tasks=24, samples=1000, epochs=20, batch=256)
    before, after = (np.mean((network(x, NUMBA) - h) ** 2, axis=(1, 2)) for network in (start, learner))
    power = np.mean((h - h.mean(axis=1, keepdims=True)) ** 2, axis=(1, 2))
    assert (before > power).all()
    assert (after < power / 2).all()


def test_pretraining_of_a_seed_does_not_depend_on_its_batch() -> None:
    truth = truths()
    together = learned(truth, epochs=3)
    same(learned(truth.take(2), [2], epochs=3), together.take(2))
    same(learned(truth, epochs=3), together)


def test_roles_start_elsewhere_on_the_same_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []

    def watched(weights: Any, biases: Any, *given: Any, **options: Any) -> Any:
        seen.append((weights, given))
        return descend(weights, biases, *given, **options)

    monkeypatch.setattr("w2s.laws.mlp.descend", watched)
    truth = truths([0])
    weak, strong = (learned(truth, [0], role, epochs=2) for role in ("weak", "strong"))
    (weak_start, (x, heads, task, y, order)), (strong_start, (*same_problem, other_order)) = seen
    assert all((a != b).all() for a, b in zip(weak_start, strong_start, strict=True))
    for one, other in zip((x, heads, task, y), same_problem, strict=True):
        np.testing.assert_array_equal(one, other)
    assert order != other_order
    assert all((a != b).any() for a, b in zip(weak.weights, strong.weights, strict=True))
    more = learned(truth, [0], tasks=5, epochs=2)
    np.testing.assert_array_equal(seen[-1][1][0][:, : x.shape[1]], x)  # more tasks only add to them
    assert (more.weights[0] != weak.weights[0]).any()


def test_backends_pretrain_alike() -> None:
    truth = truths()
    here, there = learned(truth, epochs=2), learned(truth, epochs=2, backend=NUMPY)
    for a, b in zip(here.weights, there.weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-10)


def test_a_network_that_diverges_is_not_an_error() -> None:
    lost = learned(truths(), epochs=1, learning_rate=1e200)
    assert not np.isfinite(lost.weights[0]).all()
    assert not np.isfinite(lost(inputs(), NUMBA)).all()


def test_heads_are_shared_with_the_truth() -> None:
    with pytest.raises(ValueError, match="width must be 16, got 12"):
        learned(truths(), width=12)
