"""Many small fully connected networks of one shape, trained side by side by Adam on squared error.

A network is h(x): affine layers with ReLU between them and none after the last one; a task t reads it through a linear head,
f_t(x) = v_t'h(x) + c_t, or max(0, v_t'h(x) + c_t). Sample i belongs to task t_i; the loss is mean_i (f_{t_i}(x_i) - y_i)^2.

A network without layers is its inputs: with `train_heads` that trains heads alone, on fixed features. Where such heads are
linear nothing here is needed: k steps of gradient descent have a closed form, `spectral.steps`, and so has their limit.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..backend import Array, Backend, resolve
from ..dispatch import operation
from ..streams import Stream, words
from .plain import Problem, activations

__all__ = ["Trained", "descend", "forward", "orders"]

TRAINING = operation("descent", "training", "numba")

OUTPUTS = ("linear", "relu")
_U64 = np.uint64


@dataclass(frozen=True, eq=False)
class Trained:
    """Hold what `descend` returns: float64, in the layout of its arguments.

    Attributes
    ----------
    weights, biases : (B, fan_in, fan_out) and (B, fan_out), one a layer.
    heads, intercepts : (B, T, width) and (B, T); those given unless heads were trained.
    losses : (B, epochs), means over an epoch of the squared errors, each taken before the step of its minibatch.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    heads: Array
    intercepts: Array
    losses: Array


def forward(weights: Sequence[Array], biases: Sequence[Array], inputs: Array, backend: Backend) -> Array:
    """Compute outputs (B, n, width) of B networks; a network in a batch has the bits it has alone.

    Parameters
    ----------
    weights, biases :
        one (B, fan_in, fan_out) and one (B, fan_out) array a layer, at least one layer.
    inputs :
        (n, d) for all networks, or (B, n, d).
    """
    layers = [backend.asarray(p) for pair in zip(weights, biases, strict=True) for p in pair]
    with np.errstate(over="ignore", invalid="ignore"):  # a diverged network is data, not an accident
        return activations(layers, backend.asarray(inputs), backend.xp)[-1]


def descend(
    weights: Sequence[Array],
    biases: Sequence[Array],
    inputs: Array,
    heads: Array,
    tasks: Array,
    targets: Array,
    order: Sequence[Stream],
    *,
    epochs: int,
    batch: int,
    learning_rate: float = 1e-3,
    intercepts: Array | None = None,
    train_heads: bool = False,
    output: str = "linear",
    backend: Backend | None = None,
) -> Trained:
    """Train B networks by Adam (betas .9 and .999, epsilon 1e-8, bias-corrected) on the mean squared error of minibatches.

    Parameters
    ----------
    weights, biases :
        where training starts: one (B, fan_in, fan_out) and one (B, fan_out) array a layer; empty lists train heads alone.
    inputs :
        (N, d) for all networks, or (B, N, d).
    heads, intercepts :
        (B, T, width), and (B, T) or None for 0.
    tasks :
        (N,) the head 0 .. T - 1 of each sample.
    targets :
        (N,) for all networks, or (B, N).
    order :
        B streams; row e of a stream's words orders the samples of epoch e. The last minibatch of an epoch may be short.
    epochs, batch, learning_rate :
        whole number >= 0, whole number >= 1, step size of Adam > 0.
    train_heads :
        train heads and intercepts too; by default they stay as they are.
    output :
        "linear", or "relu" for max(0, .) after the heads. A head that is negative on all samples then has no gradient.
    backend :
        None means the reference in the library where the arrays live.

    Returns
    -------
    `Trained`. A network that diverges has non-finite losses; its neighbours do not notice.

    Raises
    ------
    ValueError : shapes that do not match, tasks outside 0 .. T - 1, an unknown output, counts or a rate out of range.

    Notes
    -----
    A network in a batch has the bits it has alone. Backends differ by rounding at first; training is chaotic where units
    switch, so that after thousands of steps they agree in their losses, not in their digits. One thread, on every backend.

    Cost 6 N epochs (sum fan_in fan_out + width T) flops a network, less what fixed heads and the first layer need not.
    """
    chosen = resolve(backend, inputs, heads)
    parameters = _parameters(weights, biases, heads, intercepts, chosen)
    data = _data(inputs, tasks, targets, chosen)
    problem = Problem(parameters, *data, batch, learning_rate, train_heads, output == "relu")
    _check_shapes(problem, len(order))
    _check_values(problem, epochs, output)
    losses = chosen.xp.empty((len(order), epochs))
    machine = TRAINING.on(chosen)(problem)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a diverged network is data, not an accident
        for epoch in range(epochs):
            losses[:, epoch] = machine.epoch(epoch, orders(order, epoch, len(problem.tasks), chosen))
    *layers, heads, intercepts = machine.parameters()
    return Trained(tuple(layers[::2]), tuple(layers[1::2]), heads, intercepts, losses)


def orders(order: Sequence[Stream], epoch: int, n: int, backend: Backend) -> Array:
    """Order n samples in an epoch: return a permutation for each stream, int64 (B, n); n <= 2**31, O(n log n) a stream.

    The low bits of the words that are sorted hold the index. No two words are therefore equal, and every sort gives the same
    order.
    """
    low = _U64((1 << max(n - 1, 1).bit_length()) - 1)
    index = backend.xp.arange(n, dtype=np.uint64)
    found = backend.xp.empty((len(order), n), dtype=np.int64)
    for item, stream in enumerate(order):
        keys = words(stream, (epoch, epoch + 1), n, backend)[0] & ~low
        found[item] = backend.xp.sort(keys | index) & low
    return found


def _parameters(
    weights: Sequence[Array], biases: Sequence[Array], heads: Array, intercepts: Array | None, backend: Backend
) -> list[Array]:
    intercepts = backend.xp.zeros(heads.shape[:2]) if intercepts is None else intercepts
    pairs = itertools.chain.from_iterable(zip(weights, biases, strict=True))
    return [backend.asarray(p) for p in (*pairs, heads, intercepts)]


def _data(inputs: Array, tasks: Array, targets: Array, backend: Backend) -> tuple[Array, Array, Array]:
    inputs, targets = backend.asarray(inputs), backend.asarray(targets)
    inputs, targets = (inputs if inputs.ndim > 2 else inputs[None]), (targets if targets.ndim > 1 else targets[None])
    return inputs, backend.asarray(tasks, np.int64), targets


def _check_shapes(problem: Problem, items: int) -> None:
    *layers, _, intercepts = problem.parameters
    n, count = len(problem.tasks), intercepts.shape[-1]
    fans = [problem.inputs.shape[-1], *(W.shape[-1] for W in layers[::2])]
    wanted: list[tuple[int, ...]] = [shape for i, o in itertools.pairwise(fans) for shape in ((items, i, o), (items, o))]
    wanted += [(items, count, fans[-1]), (items, count), (n, fans[0]), (n,), (n,)]
    got = [p.shape for p in problem.parameters] + [problem.inputs.shape[1:], problem.targets.shape[1:], problem.tasks.shape]
    if got != wanted:
        raise ValueError(f"expected parameters, inputs, targets and tasks of shapes {wanted}, got {got}")
    for name, a in (("inputs", problem.inputs), ("targets", problem.targets)):
        if len(a) not in (1, items):
            raise ValueError(f"expected {name} for 1 or {items} networks, got {len(a)}")


def _check_values(problem: Problem, epochs: int, output: str) -> None:
    tasks, count = problem.tasks, problem.parameters[-1].shape[-1]
    if len(tasks) and not (int(tasks.min()) >= 0 and int(tasks.max()) < count):
        raise ValueError(f"tasks must lie in 0..{count - 1}, got {int(tasks.min())}..{int(tasks.max())}")
    if output not in OUTPUTS:
        raise ValueError(f"output must be one of {', '.join(OUTPUTS)}, got {output!r}")
    if epochs < 0 or problem.batch < 1 or not 0 < problem.learning_rate < np.inf:
        limits = "epochs >= 0, batch >= 1, 0 < learning_rate < inf"
        raise ValueError(f"expected {limits}, got {epochs}, {problem.batch}, {problem.learning_rate}")
