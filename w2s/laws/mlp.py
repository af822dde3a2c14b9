"""Small ReLU networks as representations: drawn at random, perturbed, or trained on a truth's tasks.

The synthetic law of Charikar, Pabbaraju and Shiragur 2024: x ~ N(0, input_scale^2 I), a random network h* is the truth, and a
weak and a strong representation come from it by added noise or by training on tasks f(h*(x)). Networks of one shape are held
as a batch, one for each seed; every draw is keyed by role, layer and seed, so a network does not depend on its batch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from w2s_kernels import Backend, streams
from w2s_kernels.backend import Array
from w2s_kernels.descent import descend, forward

__all__ = ["Network", "perturbed", "pretrained", "random_network"]


@dataclass(frozen=True, eq=False)
class Network:
    """B fully connected networks of one shape, with ReLU between layers and none after the last one.

    Attributes
    ----------
    weights : one (B, fan_in, fan_out) array a layer.
    biases : one (B, fan_out) array a layer.

    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]

    def __call__(self, x: Array, backend: Backend) -> Array:
        """Compute outputs (B, n, width) for inputs x, (n, d) for all networks or (B, n, d).

        Each network computes what it would compute alone.
        """
        return forward(self.weights, self.biases, x, backend)

    def __len__(self) -> int:
        return len(self.weights[0])

    @property
    def depth(self) -> int:
        """Number of layers, the last one included."""
        return len(self.weights)

    @property
    def width(self) -> int:
        """Number of outputs."""
        return int(self.weights[-1].shape[-1])

    @property
    def inputs(self) -> int:
        """Number of inputs d."""
        return int(self.weights[0].shape[-2])

    def take(self, index: int) -> Network:
        """Take member ``index`` of the batch, as a batch of one."""
        return Network(tuple(W[index][None] for W in self.weights), tuple(b[index][None] for b in self.biases))


def random_network(role: str, seeds: Sequence[int], *, depth: int, width: int, inputs: int, backend: Backend) -> Network:
    """Draw untrained networks: every weight and bias uniform on +-1/sqrt(fan_in), the default of ``torch.nn.Linear``.

    The paper says "randomly initialised" and no more; this is one reading. With inputs of size 500 the biases hardly matter
    and the network is nearly positively homogeneous.

    Parameters
    ----------
    role : names the random streams, for instance ``truth``, ``weak`` or ``strong``.
    depth, width, inputs : number of layers; units of every layer, outputs included; size of x. All >= 1.
    """
    fans = [inputs, *[width] * (depth - 1)]
    layers = [
        (
            _uniform(role, f"weights {layer}", seeds, fan_in, width, backend) / math.sqrt(fan_in),
            _uniform(role, f"biases {layer}", seeds, 1, width, backend)[:, 0] / math.sqrt(fan_in),
        )
        for layer, fan_in in enumerate(fans)
    ]
    return Network(tuple(W for W, _ in layers), tuple(b for _, b in layers))


def perturbed(network: Network, role: str, seeds: Sequence[int], sigma: float, backend: Backend) -> Network:
    """Add independent N(0, sigma^2) to every entry of every weight matrix; biases stay as they are."""
    moved = []
    for layer, W in enumerate(network.weights):
        noise = [_normal(role, f"perturbation {layer}", seed, W.shape[-2], W.shape[-1], backend) for seed in seeds]
        moved.append(W + sigma * backend.xp.stack(noise))
    return Network(tuple(moved), network.biases)


def pretrained(
    role: str,
    truth: Network,
    seeds: Sequence[int],
    *,
    depth: int,
    width: int,
    tasks: int,
    samples: int,
    epochs: int,
    learning_rate: float,
    batch: int,
    input_scale: float,
    backend: Backend,
) -> Network:
    """Train networks on the truth's tasks: stage 1 of the paper.

    Task t is a head f_t ~ N(0, I) on the truth, held fixed while the network h replaces the truth under it: Adam minimises
    mean_ti (f_t'(h(x_ti) - h*(x_ti)))^2 over the parameters of h, from :func:`random_network`. A bias of the heads would cancel
    here, so there is none. Tasks and inputs belong to the seed alone: a weak and a strong network with one seed see the same
    ones, and more tasks or samples only add to them. Initialisation and minibatch order belong to role and seed.

    Parameters
    ----------
    truth : h*; its number of outputs is the width of h.
    depth, width : layers of h, and units of each of them, outputs included.
    tasks, samples : number of tasks T, and inputs x ~ N(0, input_scale^2 I) for each.
    epochs, learning_rate, batch : see :func:`w2s_kernels.descent.descend`.

    Raises
    ------
    ValueError : ``width`` is not the truth's.

    Notes
    -----
    Nothing is rescaled: inputs of size 500 enter as they are, so a step of Adam moves a bias by next to nothing. Rate 1e-3,
    batch 256 and 300 epochs on 10 tasks of 2000 samples leave .02-.03 of the labels' variance at depth 8 and .09-.16 at
    depth 2. A network that diverges has non-finite weights; the others of its batch do not notice.

    """
    if width != truth.width:
        raise ValueError(f"heads are shared with the truth: width must be {truth.width}, got {width}")
    x = _task_inputs(seeds, tasks, samples, truth.inputs, input_scale, backend)
    heads = backend.xp.stack([_normal("pretraining", "heads", seed, tasks, width, backend) for seed in seeds])
    task = backend.xp.repeat(backend.xp.arange(tasks), samples)
    y = (heads[:, task] * truth(x, backend)).sum(axis=-1)
    start = random_network(role, seeds, depth=depth, width=width, inputs=truth.inputs, backend=backend)
    order = [streams.stream(role, "order", seed=seed) for seed in seeds]
    done = descend(
        start.weights,
        start.biases,
        x,
        heads,
        task,
        y,
        order,
        epochs=epochs,
        batch=batch,
        learning_rate=learning_rate,
        backend=backend,
    )
    return Network(done.weights, done.biases)


def _task_inputs(seeds: Sequence[int], tasks: int, samples: int, inputs: int, scale: float, backend: Backend) -> Array:
    """Draw inputs (B, tasks samples, d), task by task; more samples or tasks only add to them."""
    xp = backend.xp
    draws = [[_normal("pretraining", f"inputs {t}", seed, samples, inputs, backend) for t in range(tasks)] for seed in seeds]
    return scale * xp.stack([xp.concatenate(of_seed) for of_seed in draws])


def _uniform(role: str, name: str, seeds: Sequence[int], rows: int, cols: int, backend: Backend) -> Array:
    """Draw uniform numbers on (-1, 1), (seeds, rows, cols)."""
    draws = [streams.uniforms(streams.stream(role, name, seed=seed), rows, cols, backend) for seed in seeds]
    return 2.0 * backend.xp.stack(draws) - 1.0


def _normal(role: str, name: str, seed: int, rows: int, cols: int, backend: Backend) -> Array:
    return streams.normals(streams.stream(role, name, seed=seed), rows, cols, backend)
