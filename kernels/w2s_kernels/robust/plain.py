"""Reference of `robust`: losses of perturbed inputs and their slopes in array code, on NumPy and CuPy alike.

Layers are a flat list [W, b, W, b, ...]; `features` of them are the inputs of every layer, then the logits. Sums over samples
are products, one an item, so that no bit depends on the batch. Slopes are those of piecewise linear networks: a unit at its
kink is closed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..backend import Array, namespace
from ..descent.plain import BETAS, EPSILON, activations, corrections
from ..items import matmul, transpose_matmul

__all__ = [
    "Plain",
    "Problem",
    "ascended",
    "backward",
    "bounded",
    "bounds",
    "cross_entropy",
    "log_slopes",
    "penalty",
    "signals",
    "training",
    "worst",
]


@dataclass(frozen=True, eq=False)
class Problem:
    """Hold what a training needs: inputs and masks (G, N, d), labels (B, N), the world (B,) of every network.

    `penalty`, `attack` and `bound` are (B,), or None where the term is left out; `growth` is the share of the training in
    which the box of the bounds grows.
    """

    layers: list[Array]
    inputs: Array
    labels: Array
    masks: Array
    worlds: Array
    batch: int
    learning_rate: float
    epochs: int
    penalty: Array | None
    attack: Array | None
    attack_steps: int
    bound: Array | None
    growth: float

    @property
    def steps(self) -> int:
        """Count the minibatches of an epoch."""
        return -(-len(self.labels[0]) // self.batch) if len(self.labels) else 0


def training(problem: Problem) -> Plain:
    """Start training on NumPy or CuPy."""
    return Plain(problem)


class Plain:
    """Adam on the loss of a `Problem`, epoch by epoch."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.xp = xp = namespace(*problem.layers)
        self.layers = [p.copy() for p in problem.layers]
        self._first, self._second = ([xp.zeros(p.shape) for p in self.layers] for _ in range(2))
        self._hidden = problem.masks.any(axis=-1) * 1.0

    def epoch(self, epoch: int, order: Array) -> Array:
        """Pass once over the samples in the order (G, N) of their world; return the mean losses (B,)."""
        problem, xp = self.problem, self.xp
        total = xp.zeros(len(problem.worlds))
        for k in range(problem.steps):
            rows = order[:, k * problem.batch : (k + 1) * problem.batch][problem.worlds]
            at = problem.worlds[:, None]
            own = xp.arange(len(rows))[:, None]
            x, labels, mask = problem.inputs[at, rows], problem.labels[own, rows], problem.masks[at, rows]
            count = epoch * problem.steps + k + 1
            loss, slopes = self._slopes(x, labels, mask, self._hidden[at, rows], count)
            total += loss * rows.shape[1]
            self._adam(count, slopes)
        return total / order.shape[1]

    def _slopes(self, x: Array, labels: Array, mask: Array, hidden: Array, count: int) -> tuple[Array, list[Array]]:
        problem, layers, xp, m = self.problem, self.layers, self.xp, x.shape[1]
        features = activations(layers, x, xp)
        losses, delta = cross_entropy(features[-1], labels, xp)
        delta = delta / m
        more: list[list[Array]] = []
        if problem.penalty is not None:
            found, bent, slopes = penalty(layers, features, mask, problem.penalty / m, xp)
            losses, delta = losses + problem.penalty[:, None] * found, delta + bent
            more.append(slopes)
        if problem.attack is not None:
            moved = ascended(layers, x, labels, mask, problem.attack, problem.attack_steps, xp)
            seen = activations(layers, moved, xp)
            found, up = cross_entropy(seen[-1], labels, xp)
            losses = losses + hidden * found
            more.append(backward(layers, seen, hidden[..., None] * up / m, xp))
        if problem.bound is not None:
            grown = min(count / (problem.growth * problem.epochs * problem.steps), 1.0) if problem.growth else 1.0
            box = (grown * problem.bound)[:, None, None] * mask
            found, slopes = bounded(layers, x, box, labels, hidden / m, xp)
            losses = losses + hidden * found
            more.append(slopes)
        slopes = backward(layers, features, delta, xp)
        for extra in more:
            slopes = [a + b for a, b in zip(slopes, extra, strict=True)]
        return xp.sum(losses, axis=-1) / m, slopes

    def _adam(self, count: int, slopes: list[Array]) -> None:
        rate, scale = corrections(self.problem.learning_rate, count)
        for p, m, v, g in zip(self.layers, self._first, self._second, slopes, strict=True):
            m *= BETAS[0]
            m += (1 - BETAS[0]) * g
            v *= BETAS[1]
            v += (1 - BETAS[1]) * g * g
            p -= rate * m / (self.xp.sqrt(v) * scale + EPSILON)


def cross_entropy(logits: Array, labels: Array, xp: Any) -> tuple[Array, Array]:
    """Return -log p_y (B, m) and its slopes p - onehot(y) (B, m, C), of logits and labels (B, m)."""
    p, top, total = _softmax(logits, xp)
    hit = labels[..., None] == xp.arange(logits.shape[-1])
    own = xp.sum(xp.where(hit, logits, 0.0), axis=-1)
    return xp.log(total[..., 0]) + top[..., 0] - own, p - hit


def backward(layers: Sequence[Array], features: Sequence[Array], delta: Array, xp: Any) -> list[Array]:
    """Return slopes of the parameters, in their order, from slopes (B, m, C) of the logits."""
    found: list[Array] = []
    for k in reversed(range(0, len(layers), 2)):
        below = features[k // 2]
        found = [transpose_matmul(below, delta, xp), _over_samples(delta, xp), *found]
        if k:
            delta = xp.where(below > 0, matmul(delta, xp.swapaxes(layers[k], -1, -2), xp), 0.0)
    return found


def signals(layers: Sequence[Array], features: Sequence[Array], delta: Array, xp: Any) -> list[Array]:
    """Return slopes of the inputs of every layer's sums, from the network's inputs up to `delta` at the logits."""
    found = [delta]
    for k in reversed(range(0, len(layers), 2)):
        below = matmul(found[0], xp.swapaxes(layers[k], -1, -2), xp)
        found.insert(0, xp.where(features[k // 2] > 0, below, 0.0) if k else below)
    return found


def log_slopes(layers: Sequence[Array], x: Array, xp: Any) -> Array:
    """Return d/dx sum_c log p_c, (B, m, d)."""
    features = activations(layers, x, xp)
    p, _, _ = _softmax(features[-1], xp)
    return signals(layers, features, 1.0 - p.shape[-1] * p, xp)[0]


def penalty(
    layers: Sequence[Array], features: Sequence[Array], mask: Array, weight: Array, xp: Any
) -> tuple[Array, Array, list[Array]]:
    """Return R = |mask .* d/dx sum_c log p_c|^2 (B, m) and what the slopes of `weight` times its sum need.

    That is the part through the probabilities, as slopes (B, m, C) of the logits, and the part through the weights that the
    slopes of the inputs pass on their way down, as slopes of the parameters. Those of biases are zero: gates do not bend.
    """
    p, _, _ = _softmax(features[-1], xp)
    classes = p.shape[-1]
    down = signals(layers, features, 1.0 - classes * p, xp)
    masked = mask * down[0]
    up = 2.0 * weight[:, None, None] * masked * mask
    slopes: list[Array] = []
    for k in range(0, len(layers), 2):
        slopes += [transpose_matmul(up, down[k // 2 + 1], xp), xp.zeros(layers[k + 1].shape)]
        up = matmul(up, layers[k], xp)
        if k + 2 < len(layers):
            up = xp.where(features[k // 2 + 1] > 0, up, 0.0)
    bent = -classes * p * (up - xp.sum(p * up, axis=-1, keepdims=True))
    return xp.sum(masked * masked, axis=-1), bent, slopes


def ascended(
    layers: Sequence[Array], x: Array, labels: Array, mask: Array, radius: Array, steps: int, xp: Any, *, best: bool = False
) -> Array:
    """Move inputs (B, m, d) in their boxes by sign ascent on the cross-entropy: `steps` steps of 2 radius / steps, clipped.

    Inputs outside the mask keep their bits. With `best` an input is the place of the greatest cross-entropy on its way, its
    start included.
    """
    edge = radius[:, None, None] * mask
    shift, kept, most = xp.zeros(x.shape), xp.zeros(x.shape), None
    for step in range(steps + 1 if best else steps):
        features = activations(layers, xp.where(mask > 0, x + shift, x), xp)
        losses, delta = cross_entropy(features[-1], labels, xp)
        if best:
            better = losses > (most if most is not None else -xp.inf)
            kept, most = xp.where(better[..., None], shift, kept), xp.where(better, losses, losses if most is None else most)
        if step < steps:
            slope = signals(layers, features, delta, xp)[0]
            shift = xp.clip(shift + 2.0 / steps * edge * xp.sign(slope), -edge, edge)
    return xp.where(mask > 0, x + (kept if best else shift), x)


def bounds(layers: Sequence[Array], centre: Array, radius: Array, xp: Any) -> tuple[Array, Array]:
    """Return lower and upper ends of the logits (B, m, C) over boxes centre +- radius (B, m, d), by interval arithmetic."""
    centres, radii = _boxes(layers, centre, radius, xp)
    return centres[-1] - radii[-1], centres[-1] + radii[-1]


def worst(lower: Array, upper: Array, labels: Array, xp: Any) -> Array:
    """Return the lower end for the class of the label (B, m), the upper ends for all others, (B, m, C)."""
    return xp.where(labels[..., None] == xp.arange(lower.shape[-1]), lower, upper)


def bounded(layers: Sequence[Array], x: Array, box: Array, labels: Array, weight: Array, xp: Any) -> tuple[Array, list[Array]]:
    """Return the cross-entropy (B, m) of worst logits over boxes, and slopes of its sum with `weight` (B, m).

    With lower = c - r and upper = c + r a layer is c' = c W + b, r' = r |W|, so dW = c'dc' + sign(W) r'dr'; the ReLU acts on
    both ends.
    """
    centres, radii = _boxes(layers, x, box, xp)
    hit = labels[..., None] == xp.arange(centres[-1].shape[-1])
    side = xp.where(hit, -1.0, 1.0)
    losses, dc = cross_entropy(centres[-1] + side * radii[-1], labels, xp)
    dc = weight[..., None] * dc
    dr = side * dc
    slopes: list[Array] = []
    for k in reversed(range(0, len(layers), 2)):
        W, centre, radius = layers[k], *_opened(centres[k // 2], radii[k // 2], k > 0, xp)
        own = transpose_matmul(centre, dc, xp) + xp.sign(W) * transpose_matmul(radius, dr, xp)
        slopes = [own, _over_samples(dc, xp), *slopes]
        if k:
            dc, dr = (matmul(d, xp.swapaxes(a, -1, -2), xp) for d, a in ((dc, W), (dr, abs(W))))
            lower = xp.where(centres[k // 2] > radii[k // 2], 0.5 * (dc - dr), 0.0)
            upper = xp.where(centres[k // 2] + radii[k // 2] > 0, 0.5 * (dc + dr), 0.0)
            dc, dr = lower + upper, upper - lower
    return losses, slopes


def _boxes(layers: Sequence[Array], centre: Array, radius: Array, xp: Any) -> tuple[list[Array], list[Array]]:
    """Return centres and radii of the network's inputs, then of every layer's sums, before their ReLU."""
    centres, radii = [centre], [radius]
    for k in range(0, len(layers), 2):
        c, r = _opened(centres[-1], radii[-1], k > 0, xp)
        centres.append(matmul(c, layers[k], xp) + layers[k + 1][:, None, :])
        radii.append(matmul(r, abs(layers[k]), xp))
    return centres, radii


def _opened(centre: Array, radius: Array, relu: bool, xp: Any) -> tuple[Array, Array]:
    if not relu:
        return centre, radius
    lower, upper = xp.maximum(centre - radius, 0.0), xp.maximum(centre + radius, 0.0)
    return 0.5 * (lower + upper), 0.5 * (upper - lower)


def _over_samples(delta: Array, xp: Any) -> Array:
    return matmul(xp.ones((1, delta.shape[1])), delta, xp)[:, 0]


def _softmax(logits: Array, xp: Any) -> tuple[Array, Array, Array]:
    """Return probabilities, the greatest logits and the sums of exp(logits - greatest), all with a last dimension."""
    top = xp.max(logits, axis=-1, keepdims=True)
    powers = xp.exp(logits - top)
    total = xp.sum(powers, axis=-1, keepdims=True)
    return powers / total, top, total
