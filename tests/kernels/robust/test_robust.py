from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from problems import Floats

from w2s_kernels import NUMPY, Backend, choose, stream
from w2s_kernels.descent import forward
from w2s_kernels.robust import (
    Classifiers,
    cross_entropy,
    interval_bounds,
    masked_slopes,
    train_classifiers,
    worst_inputs,
    worst_logits,
)
from w2s_kernels.robust.plain import Plain, Problem

# the sheet's example: logits W x + b, one layer, class 0
W, B = [np.array([[[1.0, 0.5], [-2.0, 1.0]]])], [np.array([[0.0, 0.1]])]
X, M, Y = np.array([[[1.0, 2.0]]]), np.array([[[0.0, 1.0]]]), np.array([[0]])


def test_bounds_by_hand() -> None:
    lower, upper = interval_bounds(W, B, X, 0.5 * M, NUMPY)
    np.testing.assert_allclose(lower, [[[-4.0, 2.1]]], rtol=1e-12)
    np.testing.assert_allclose(upper, [[[-2.0, 3.1]]], rtol=1e-12)
    worst = worst_logits(lower, upper, Y, NUMPY)
    np.testing.assert_allclose(worst, [[[-4.0, 3.1]]], rtol=1e-12)
    np.testing.assert_allclose(cross_entropy(worst, Y, NUMPY), [[7.100825]], atol=1e-6)
    np.testing.assert_allclose(cross_entropy(forward(W, B, X, NUMPY), Y, NUMPY), [[5.603691]], atol=1e-6)


@pytest.mark.parametrize("steps", [1, 2, 3, 10])
def test_an_attack_by_hand(steps: int) -> None:
    moved = worst_inputs(W, B, X, Y, M, 0.5, steps, NUMPY)
    np.testing.assert_allclose(moved, [[[1.0, 2.5]]], rtol=1e-12)
    np.testing.assert_allclose(cross_entropy(forward(W, B, moved, NUMPY), Y, NUMPY), [[7.100825]], atol=1e-6)


def test_slopes_by_hand() -> None:
    np.testing.assert_allclose(masked_slopes(W, B, X, np.ones_like(M), NUMPY), [[[0.496316, -2.977895]]], atol=1e-6)
    np.testing.assert_allclose(np.sum(masked_slopes(W, B, X, M, NUMPY) ** 2), 8.867856, atol=1e-6)


@dataclass(frozen=True)
class Case:
    """Networks and data with masks, some of them empty."""

    weights: list[Floats]
    biases: list[Floats]
    x: Floats
    masks: Floats
    labels: Any

    @property
    def items(self) -> int:
        return len(self.labels)

    def run(self, chosen: Any = slice(None), **how: Any) -> Classifiers:
        """Train some of the networks; every one lives in the world of its number."""
        how = {"epochs": 2, "batch": 7, "learning_rate": 1e-2} | how
        how = {k: v[chosen] if isinstance(v, np.ndarray) else v for k, v in how.items()}
        order = [stream("order", seed=seed) for seed in range(self.items)]
        worlds = np.arange(self.items)[chosen]
        weights, biases = [w[chosen] for w in self.weights], [b[chosen] for b in self.biases]
        return train_classifiers(weights, biases, self.x, self.labels[chosen], self.masks, order, worlds=worlds, **how)


def case(seed: int = 0, items: int = 3, n: int = 20, fans: tuple[int, ...] = (6, 9, 8, 4)) -> Case:
    rng = np.random.default_rng(seed)
    weights = [rng.standard_normal((items, i, o)) / np.sqrt(i) for i, o in itertools.pairwise(fans)]
    biases = [0.3 * rng.standard_normal((items, o)) for o in fans[1:]]
    masks = (rng.random((items, n, fans[0])) < 0.5) * 1.0
    masks[:, :3] = 0.0
    return Case(weights, biases, rng.standard_normal((items, n, fans[0])), masks, rng.integers(0, fans[-1], (items, n)))


def flat(done: Classifiers) -> Floats:
    return np.concatenate([a.ravel() for a in (*done.weights, *done.biases, done.losses)])


TERMS: dict[str, dict[str, Floats]] = {
    "plain": {},
    "penalty": {"penalty": np.array([0.1, 1.0, 0.0])},
    "attack": {"attack": np.array([0.3, 0.7, 0.0])},
    "bound": {"bound": np.array([0.2, 0.5, 0.0])},
    "all": {"penalty": np.array([0.1, 1.0, 0.0]), "attack": np.array([0.3, 0.7, 0.0]), "bound": np.array([0.2, 0.5, 0.0])},
}


@pytest.mark.parametrize("name", TERMS)
def test_slopes_of_the_loss_are_those_of_torch(name: str) -> None:
    torch = pytest.importorskip("torch")
    some, terms = case(), TERMS[name]
    layers = [p for pair in zip(some.weights, some.biases, strict=True) for p in pair]
    strengths = [terms.get(term) for term in ("penalty", "attack", "bound")]
    problem = Problem(
        layers, some.x, some.labels, some.masks, np.arange(3), 20, 1e-2, 1, strengths[0], strengths[1], 3, strengths[2], 0.0
    )
    machine = Plain(problem)
    losses, slopes = machine._slopes(some.x, some.labels, some.masks, machine._hidden, 1)
    for k in range(3):
        p = [torch.tensor(layer[k], requires_grad=True) for layer in layers]
        x, y, m = torch.tensor(some.x[k]), torch.tensor(some.labels[k]), torch.tensor(some.masks[k])
        strength = {term: float(values[k]) for term, values in terms.items()}
        loss = torch_loss(torch, p, x, y, m, **strength)
        loss.backward()
        np.testing.assert_allclose(losses[k], loss.item(), rtol=1e-12)
        for found, wanted in zip(slopes, p, strict=True):
            np.testing.assert_allclose(found[k], wanted.grad.numpy(), rtol=0, atol=1e-13)


def torch_loss(torch: Any, p: Any, x: Any, y: Any, m: Any, **terms: float) -> Any:
    """The loss of a batch as its formulas say it, by automatic differentiation."""
    entropy, hidden = torch.nn.functional.cross_entropy, m.any(dim=1).double()

    def logits(z: Any) -> Any:
        for j in range(0, len(p), 2):
            z = z @ p[j] + p[j + 1]
            z = torch.relu(z) if j + 2 < len(p) else z
        return z

    loss = entropy(logits(x), y)
    if "penalty" in terms:
        z = x.clone().requires_grad_()
        (slope,) = torch.autograd.grad(logits(z).log_softmax(dim=1).sum(), z, create_graph=True)
        loss = loss + terms["penalty"] * ((m * slope) ** 2).sum(dim=1).mean()
    if "attack" in terms:
        eps, shift = terms["attack"], torch.zeros_like(x)
        for _ in range(3):
            z = (x + shift).requires_grad_()
            (slope,) = torch.autograd.grad(entropy(logits(z), y, reduction="sum"), z)
            shift = (shift + 2 / 3 * eps * slope.sign()).clamp(-eps, eps) * m
        loss = loss + (hidden * entropy(logits(x + shift), y, reduction="none")).mean()
    if "bound" in terms:
        low, high = x - terms["bound"] * m, x + terms["bound"] * m
        for j in range(0, len(p), 2):
            up, down = p[j].clamp(min=0), p[j].clamp(max=0)
            low, high = low @ up + high @ down + p[j + 1], high @ up + low @ down + p[j + 1]
            low, high = (torch.relu(low), torch.relu(high)) if j + 2 < len(p) else (low, high)
        worst = torch.where(torch.nn.functional.one_hot(y, low.shape[1]).bool(), low, high)
        loss = loss + (hidden * entropy(worst, y, reduction="none")).mean()
    return loss


BACKENDS = [choose("numpy"), choose("numba")]


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("name", TERMS)
def test_a_network_in_a_batch_has_the_bits_it_has_alone(name: str, backend: Backend) -> None:
    some = case()
    whole = some.run(**TERMS[name], backend=backend)
    for k in range(3):
        alone = some.run(np.array([k]), **TERMS[name], backend=backend)
        for one, all_of_them in zip((*alone.weights, *alone.biases), (*whole.weights, *whole.biases), strict=True):
            np.testing.assert_array_equal(one[0], all_of_them[k])
        np.testing.assert_array_equal(alone.losses[0], whole.losses[k])


@pytest.mark.parametrize("backend", BACKENDS, ids=lambda backend: backend.name)
@pytest.mark.parametrize("name", TERMS)
def test_without_masks_every_loss_is_the_plain_one_bit_for_bit(name: str, backend: Backend) -> None:
    some = case()
    bare = Case(some.weights, some.biases, some.x, np.zeros_like(some.masks), some.labels)
    np.testing.assert_array_equal(flat(bare.run(**TERMS[name], backend=backend)), flat(bare.run(backend=backend)))


def test_strengths_of_zero() -> None:
    """A penalty of zero is the plain loss; boxes of no width count the cross-entropy of masked samples twice."""
    some, zero = case(), np.zeros(3)
    np.testing.assert_array_equal(flat(some.run(penalty=zero)), flat(some.run()))
    attack, bound = some.run(attack=zero), some.run(bound=zero)
    np.testing.assert_allclose(flat(attack), flat(bound), rtol=0, atol=1e-9)
    assert np.abs(flat(attack) - flat(some.run())).max() > 1e-3


def test_training_lowers_what_it_is_told_to_lower() -> None:
    some = case(n=60)
    how: dict[str, Any] = {"epochs": 60, "batch": 20}
    plain, punished = some.run(**how), some.run(penalty=np.full(3, 1.0), **how)

    def squares(done: Classifiers) -> float:
        return float(np.mean(masked_slopes(done.weights, done.biases, some.x, some.masks, NUMPY) ** 2))

    def proved(done: Classifiers) -> float:
        ends = interval_bounds(done.weights, done.biases, some.x, 0.3 * some.masks, NUMPY)
        return float(np.mean(worst_logits(*ends, some.labels, NUMPY).argmax(axis=-1) == some.labels))

    assert squares(punished) < 0.1 * squares(plain)
    assert proved(some.run(bound=np.full(3, 0.3), **how)) > proved(plain) + 0.1


@given(st.integers(0, 2**31), st.floats(0.01, 3.0), st.sampled_from([(5, 3), (4, 7, 3), (6, 9, 8, 4), (2, 5, 5, 5, 2)]))
def test_bounds_contain_what_the_box_gives(seed: int, radius: float, fans: tuple[int, ...]) -> None:
    """1000 inputs of the box, corners among them, lie within the bounds; clean <= attack <= bound in cross-entropy."""
    some = case(seed, items=1, n=4, fans=fans)
    rng = np.random.default_rng(seed)
    box = radius * some.masks
    lower, upper = interval_bounds(some.weights, some.biases, some.x, box, NUMPY)
    moves = rng.uniform(-1, 1, (1000, *some.x.shape))
    moves[::2] = np.sign(moves[::2])
    inputs = (some.x + moves * box).transpose(1, 0, 2, 3).reshape(1, 4000, -1)
    logits = forward(some.weights, some.biases, inputs, NUMPY).reshape(1000, 4, -1)
    slack = 1e-9 * (1 + np.abs(lower).max() + np.abs(upper).max())
    assert (logits >= lower[0] - slack).all()
    assert (logits <= upper[0] + slack).all()
    moved = worst_inputs(some.weights, some.biases, some.x, some.labels, some.masks, radius, 5, NUMPY)
    assert (np.abs(moved - some.x) <= radius * (1 + 1e-12)).all()
    np.testing.assert_array_equal(moved[some.masks == 0], some.x[some.masks == 0])
    clean, attacked = (cross_entropy(forward(some.weights, some.biases, z, NUMPY), some.labels, NUMPY) for z in (some.x, moved))
    bound = cross_entropy(worst_logits(lower, upper, some.labels, NUMPY), some.labels, NUMPY)
    assert (clean <= attacked).all()
    assert (attacked <= bound + slack).all()


def test_one_layer_attains_its_bounds() -> None:
    some = case(fans=(5, 3))
    lower, upper = interval_bounds(some.weights, some.biases, some.x, 0.7 * some.masks, NUMPY)
    for k in range(3):
        sign = np.sign(some.weights[0][:, :, k])[:, None, :]
        ends = [forward(some.weights, some.biases, some.x + s * 0.7 * some.masks * sign, NUMPY)[..., k] for s in (-1, 1)]
        np.testing.assert_allclose(ends, [lower[..., k], upper[..., k]], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("fans", [(6, 9, 8, 4), (5, 3), (3, 4, 2)])
@pytest.mark.parametrize("name", TERMS)
def test_compiled_training_is_the_plain_one(name: str, fans: tuple[int, ...]) -> None:
    some = case(fans=fans)
    compiled, plain = (flat(some.run(**TERMS[name], backend=backend)) for backend in BACKENDS[::-1])
    np.testing.assert_allclose(compiled, plain, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"labels": np.full((3, 20), 4)}, "labels must lie in 0..3"),
        ({"masks": np.full((3, 20, 6), 0.5)}, "masks must be 0 or 1"),
        ({"masks": np.zeros((3, 20, 5))}, "shapes"),
    ],
)
def test_wrong_data_is_refused(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Case(**{**vars(case()), **changes}).run()


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"penalty": np.full(3, -1.0)}, "finite and >= 0"),
        ({"attack": np.zeros(2)}, "shapes"),
        ({"epochs": -1}, "epochs >= 0"),
        ({"growth": 2.0}, "growth <= 1"),
        ({"attack_steps": 0}, "attack_steps >= 1"),
    ],
)
def test_wrong_strengths_are_refused(how: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        case().run(**how)


def test_the_example_of_the_page() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "studies" / "heo2023.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, "bounds.py", "exec"), {})
