"""Finetuning all layers: the class of students that is no class of heads at all.

Every task has a copy of the representation, which starts with the least-squares head and is trained together with it by Adam on
the labels of its sample. The start is the student on the frozen representation, so what moves afterwards is what the freedom of
the layers adds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.mlp import Network
from w2s.studies.charikar2024.synthetic.heads import Design, Fitted
from w2s_kernels import Stream, ridge
from w2s_kernels.descent import descend

__all__ = ["finetuned"]

Matrix = npt.NDArray[np.float64]


def finetuned(
    head: Mapping[str, Any], network: Network, inputs: Matrix, design: Design, targets: Matrix, order: Sequence[Stream]
) -> Fitted:
    """Train one copy of ``network`` (a batch of one) for each of T tasks, targets (n, T).

    ``head`` holds ``head_epochs``, ``head_batch`` and ``head_learning_rate``; ``order`` has a stream for each task. ``predict``
    of the result reads inputs (m, d), not features. Cost: 6 n T head_epochs times the number of weights.
    """
    backend, count = design.backend, targets.shape[1]
    probe = design.probe("center")
    start = probe.fit(targets, ridge([0.0]))
    coefficients = backend.to_numpy(probe.spectrum.vectors @ start.coords[0]).T
    intercepts = start.offset - probe.mean @ coefficients.T
    trained = descend(
        [np.repeat(backend.to_numpy(W), count, axis=0) for W in network.weights],
        [np.repeat(backend.to_numpy(b), count, axis=0) for b in network.biases],
        inputs,
        coefficients[:, None, :],
        np.zeros(len(inputs), dtype=np.int64),
        np.ascontiguousarray(targets.T),
        order,
        epochs=head["head_epochs"],
        batch=head["head_batch"],
        learning_rate=head["head_learning_rate"],
        intercepts=intercepts[:, None],
        train_heads=True,
        backend=backend,
    )
    copies = Network(trained.weights, trained.biases)
    last, offset = backend.to_numpy(trained.heads)[:, 0], backend.to_numpy(trained.intercepts)[:, 0]

    def predict(rows: Matrix) -> Matrix:
        features = backend.to_numpy(copies(rows, backend))
        return np.asarray(np.einsum("tmd,td->mt", features, last) + offset)

    return Fitted(predict, probe.rank, float(probe.condition(ridge([0.0]))[0]), unique=True)
