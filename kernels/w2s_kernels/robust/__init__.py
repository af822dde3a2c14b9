"""Many small ReLU classifiers of one shape, trained side by side to ignore a masked part of their inputs.

A network is f(x): affine layers with ReLU between them, whose last outputs are logits. A mask m in {0, 1}^d marks inputs that
must not matter, for each sample. The loss of a sample is the cross-entropy CE(f(x), y), and where they are asked for

    penalty   lambda |m .* d/dx sum_c log p_c(x)|^2                        (RRR, Ross et al. 2017)
    attack    CE(f(x'), y), x' by sign ascent in the box x +- eps m        (PGD-Ex)
    bound     CE(z, y), z the worst logits over that box by intervals      (IBP-Ex)

A sample with an empty mask has no attack and no bound, and its penalty is zero: without masks every loss is the plain one, bit
for bit. Source: Heo, Piratla, Wicker and Weller 2023, arXiv 2303.06419; interval arithmetic as in Gowal et al. 2018.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..backend import Array, Backend, resolve
from ..descent import orders
from ..dispatch import operation
from ..streams import Stream
from .plain import Problem, ascended, bounds, log_slopes, worst
from .plain import cross_entropy as _cross_entropy

__all__ = [
    "Classifiers",
    "cross_entropy",
    "interval_bounds",
    "masked_slopes",
    "train_classifiers",
    "worst_inputs",
    "worst_logits",
]

TRAINING = operation("robust", "training", "numba")

Arrays = Sequence[Array]


@dataclass(frozen=True, eq=False)
class Classifiers:
    """Hold B trained networks, float64: `weights` (B, fan_in, fan_out) and `biases` (B, fan_out), one a layer.

    `losses` (B, epochs) are means over an epoch of the whole loss, each taken before the step of its minibatch.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    losses: Array


def cross_entropy(logits: Array, labels: Array, backend: Backend) -> Array:
    """Compute -log p_y in nats, (B, n), of logits (B, n, C) and labels (B, n) in 0 .. C - 1."""
    return _cross_entropy(backend.asarray(logits), backend.asarray(labels, np.int64), backend.xp)[0]


def interval_bounds(weights: Arrays, biases: Arrays, centre: Array, radius: Array, backend: Backend) -> tuple[Array, Array]:
    """Bound the logits of B networks over boxes: lower and upper ends (B, n, C).

    Every input x with |x - centre| <= radius has logits between them, up to rounding: an affine layer maps a box to
    (W c + b, |W| r), a ReLU acts on both ends. With one layer each end is attained.

    Parameters
    ----------
    weights, biases :
        one (B, fan_in, fan_out) and one (B, fan_out) array a layer.
    centre, radius :
        (B, n, d), or (1, n, d) for all networks; radius >= 0.

    Notes
    -----
    Cost 4 n sum(fan_in fan_out) flops a network: two passes forward.
    """
    c, r = (backend.asarray(a) for a in (centre, radius))
    return bounds(_layers(weights, biases, backend), c, r, backend.xp)


def worst_logits(lower: Array, upper: Array, labels: Array, backend: Backend) -> Array:
    """Join bounds (B, n, C) into the logits that are worst for labels (B, n): the label's lower end, all other uppers.

    If the label's is still the greatest of them, no input of the box has another class.
    """
    lower, upper = (backend.asarray(a) for a in (lower, upper))
    return worst(lower, upper, backend.asarray(labels, np.int64), backend.xp)


def masked_slopes(weights: Arrays, biases: Arrays, inputs: Array, masks: Array, backend: Backend) -> Array:
    """Compute m .* d/dx sum_c log p_c, (B, n, d): what the penalty squares. Inputs and masks are (B or 1, n, d)."""
    x, mask = (backend.asarray(a) for a in (inputs, masks))
    return mask * log_slopes(_layers(weights, biases, backend), x, backend.xp)


def worst_inputs(
    weights: Arrays,
    biases: Arrays,
    inputs: Array,
    labels: Array,
    masks: Array,
    radius: float,
    steps: int,
    backend: Backend,
) -> Array:
    """Move inputs in the box x +- radius m to places of great cross-entropy (B, n, d), by sign ascent (PGD).

    `steps` steps of length 2 radius / steps start at x and are clipped to the box; kept is the place of the greatest
    cross-entropy on the way, so it is at least that of x and at most that of `worst_logits`. Inputs outside the mask keep
    their bits. Inputs and masks are (B, n, d), labels (B, n); steps >= 1.
    """
    x, mask = (backend.asarray(a) for a in (inputs, masks))
    layers, y = _layers(weights, biases, backend), backend.asarray(labels, np.int64)
    radii = backend.xp.full(len(layers[0]), float(radius))
    return ascended(layers, x, y, mask, radii, steps, backend.xp, best=True)


def train_classifiers(
    weights: Arrays,
    biases: Arrays,
    inputs: Array,
    labels: Array,
    masks: Array,
    order: Sequence[Stream],
    *,
    epochs: int,
    batch: int,
    learning_rate: float = 1e-3,
    worlds: Array | None = None,
    penalty: Array | None = None,
    attack: Array | None = None,
    attack_steps: int = 3,
    bound: Array | None = None,
    growth: float = 0.5,
    backend: Backend | None = None,
) -> Classifiers:
    """Train B classifiers by Adam (betas .9 and .999, epsilon 1e-8, bias-corrected) on means over minibatches.

    Parameters
    ----------
    weights, biases :
        where training starts: one (B, fan_in, fan_out) and one (B, fan_out) array a layer, one layer or more.
    inputs, masks :
        (G, N, d) of G worlds; masks are 0 or 1.
    labels :
        (B, N), the classes that each network is taught.
    order :
        G streams; row e of a stream's words orders the samples of epoch e. The last minibatch of an epoch may be short.
    epochs, batch, learning_rate :
        whole number >= 0, whole number >= 1, step size of Adam > 0.
    worlds :
        (B,) the world of each network; None: network b lives in world b.
    penalty, attack, bound :
        (B,) lambda, and eps of the two boxes, >= 0; None leaves a term out of all networks.
    attack_steps :
        steps of the ascent, each of length 2 eps / attack_steps, clipped to the box; its last place is used.
    growth :
        share of the training in which the box of the bound grows linearly to eps; with large boxes from the start bounds of
        untrained networks are so loose that training does not recover.
    backend :
        None means the reference in the library where the arrays live.

    Returns
    -------
    `Classifiers`. A network that diverges has non-finite losses; its neighbours do not notice.

    Raises
    ------
    ValueError : shapes that do not match, labels that are no class, counts, rates or strengths out of range.

    Notes
    -----
    A network in a batch has the bits it has alone. The slopes of the penalty are second derivatives, exact where no unit is
    at its kink: down the network with 1 - C p, up again with the masked slopes.

    Cost a network: with F = 6 N epochs sum(fan_in fan_out), F for the plain loss, F more for the penalty, F (2 steps / 3 + 1)
    for the attack and 2 F for the bound, in flops.
    """
    chosen = resolve(backend, inputs, *weights)
    layers = _layers(weights, biases, chosen)
    items = len(layers[0])
    strengths = [None if s is None else chosen.asarray(s) for s in (penalty, attack, bound)]
    problem = Problem(
        layers,
        chosen.asarray(inputs),
        chosen.asarray(labels, np.int64),
        chosen.asarray(masks),
        chosen.asarray(np.arange(items) if worlds is None else worlds, np.int64),
        batch,
        learning_rate,
        epochs,
        strengths[0],
        strengths[1],
        attack_steps,
        strengths[2],
        growth,
    )
    _check_shapes(problem, len(order), strengths)
    _check_values(problem, strengths, chosen)
    losses = chosen.xp.empty((items, epochs))
    machine = TRAINING.on(chosen)(problem)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # a diverged network is data, not an accident
        for epoch in range(epochs):
            losses[:, epoch] = machine.epoch(epoch, orders(order, epoch, problem.inputs.shape[1], chosen))
    return Classifiers(tuple(machine.layers[::2]), tuple(machine.layers[1::2]), losses)


def _layers(weights: Arrays, biases: Arrays, backend: Backend) -> list[Array]:
    return [backend.asarray(p) for p in itertools.chain.from_iterable(zip(weights, biases, strict=True))]


def _check_shapes(problem: Problem, streams: int, strengths: Sequence[Array | None]) -> None:
    items, (count, n, d) = len(problem.layers[0]), problem.inputs.shape
    fans = [d, *(W.shape[-1] for W in problem.layers[::2])]
    wanted: list[tuple[int, ...]] = [shape for i, o in itertools.pairwise(fans) for shape in ((items, i, o), (items, o))]
    wanted += [(count, n, d), (items, n), (items,), (streams,)] + [(items,) for s in strengths if s is not None]
    got = [p.shape for p in problem.layers] + [problem.masks.shape, problem.labels.shape, problem.worlds.shape, (count,)]
    got += [s.shape for s in strengths if s is not None]
    if got != wanted:
        raise ValueError(f"expected layers, masks, labels, worlds and strengths of shapes {wanted}, got {got}")


def _check_values(problem: Problem, strengths: Sequence[Array | None], backend: Backend) -> None:
    classes = problem.layers[-1].shape[-1]
    for name, a, most in (("labels", problem.labels, classes), ("worlds", problem.worlds, len(problem.inputs))):
        if a.size and not (int(a.min()) >= 0 and int(a.max()) < most):
            raise ValueError(f"{name} must lie in 0..{most - 1}, got {int(a.min())}..{int(a.max())}")
    if not bool(backend.xp.all((problem.masks == 0) | (problem.masks == 1))):
        raise ValueError("masks must be 0 or 1")
    if any(s is not None and not bool(backend.xp.all((s >= 0) & (s < np.inf))) for s in strengths):
        raise ValueError("penalty, attack and bound must be finite and >= 0")
    counts = (problem.epochs, problem.batch, problem.attack_steps)
    if counts[0] < 0 or min(counts[1:]) < 1 or not 0 < problem.learning_rate < np.inf or not 0 <= problem.growth <= 1:
        limits = "epochs >= 0, batch >= 1, attack_steps >= 1, 0 < learning_rate < inf, 0 <= growth <= 1"
        raise ValueError(f"expected {limits}, got {counts}, {problem.learning_rate}, {problem.growth}")
