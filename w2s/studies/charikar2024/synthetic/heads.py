"""Classes of heads on a frozen representation: how a head is fitted by least squares, and the tasks that lie in its class.

A class is linear (``least_squares``, and ``descent`` that stops short of it), convex but no subspace (``nonnegative``), or not
convex (``sparse``, ``relu``). Weak model and student have the same class, and so has the truth, which is what makes a student
on the true representation realizable. Every head has a free intercept.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.probes.rows import Prediction, RowProbe
from w2s_kernels import Backend, Filters, ridge, steps, streams

__all__ = ["HEADS", "Design", "Fitted", "fit", "tasks"]

Matrix = npt.NDArray[np.float64]
Level = Mapping[str, Any]
Predict = Callable[[Matrix], Matrix]

RELU_ITERATIONS = 200


@dataclass(frozen=True)
class Fitted:
    """Heads of T tasks on one representation: ``predict`` maps features (m, d) to outputs (m, T).

    ``condition`` of the fitted system and whether its solution is ``unique``: (T,), or one for all tasks.
    """

    predict: Predict
    rank: int
    condition: float | Matrix
    unique: bool | npt.NDArray[np.bool_]


class Design:
    """Features of one training sample (n, d), factored when first needed: centred, or standardised for gradient descent."""

    def __init__(self, features: Matrix, backend: Backend) -> None:
        self.features, self.backend = features, backend
        self._probes: dict[str, RowProbe] = {}

    def probe(self, preprocess: str) -> RowProbe:
        """Factor the sample once, and keep the factor."""
        if preprocess not in self._probes:
            self._probes[preprocess] = RowProbe(self.features, preprocess, self.backend)
        return self._probes[preprocess]

    def basis(self) -> Matrix:
        """Return orthonormal columns that span the features and the constant: (n, rank + 1)."""
        probe = self.probe("center")
        constant = np.full((probe.rows, 1), 1.0 / np.sqrt(probe.rows))
        return np.hstack([constant, self.backend.to_numpy(probe.left)[:, : probe.rank]])


def tasks(head: Level, seed: int, numbers: list[int], width: int, backend: Backend) -> Matrix:
    """Draw coefficients of tasks in a head's class, (width, T): N(0, I), its absolute value, or with ``sparsity`` nonzeros."""
    last = max(numbers) + 1
    normal = backend.to_numpy(streams.normals(streams.stream("charikar2024", "task", seed=seed), last, width, backend))[numbers]
    if head["head"] == "nonnegative":
        normal = np.abs(normal)
    if head["head"] == "sparse":
        support = streams.stream("charikar2024", "task", "support", seed=seed)
        order = np.argsort(backend.to_numpy(streams.uniforms(support, last, width, backend))[numbers], axis=1)
        np.put_along_axis(normal, order[:, head["sparsity"] :], 0.0, axis=1)
    return np.ascontiguousarray(normal.T)


def fit(head: Level, design: Design, targets: Matrix) -> Fitted:
    """Fit the heads of ``targets`` (n, T) on one sample. ``head`` holds the cell's head fields (null where inactive)."""
    return HEADS[head["head"]](head, design, targets)


def _linear(probe: RowProbe, targets: Matrix, filters: Filters, *, unique: bool) -> Fitted:
    prediction: Prediction = probe.fit(targets, filters)
    condition = float(probe.condition(filters)[0])
    return Fitted(lambda features: prediction.at(probe.basis(features))[0], probe.rank, condition, unique)


def _least_squares(head: Level, design: Design, targets: Matrix) -> Fitted:  # noqa: ARG001
    """Fit least squares by a singular value decomposition; of minimum norm where dead units cost rank."""
    probe = design.probe("center")
    return _linear(probe, targets, ridge([0.0]), unique=probe.full_rank)


def _descent(head: Level, design: Design, targets: Matrix) -> Fitted:
    """Take ``steps`` steps of full-batch gradient descent from zero, in closed form.

    Features are standardised over the sample.
    """
    return _linear(design.probe("standardise"), targets, steps([head["steps"]], head["step_size"]), unique=True)


def _affine(probe: RowProbe, coefficients: Matrix, offset: Matrix) -> Predict:
    return lambda features: np.asarray((features - probe.mean) @ coefficients + offset)


def _triangle(probe: RowProbe, targets: Matrix) -> tuple[Matrix, Matrix]:
    """Compute R and U'y with |X a - y|^2 = |R a - U'y|^2 + rest for centred X: (r, d) and (r, T). X'X is never formed."""
    left = probe.backend.to_numpy(probe.left)
    values = np.sqrt(probe.backend.to_numpy(probe.spectrum.values) * probe.rows)
    right = probe.backend.to_numpy(probe.spectrum.vectors)
    return (values[:, None] * right.T)[: probe.rank], (left.T @ (targets - targets.mean(axis=0)))[: probe.rank]


def _nonnegative(head: Level, design: Design, targets: Matrix) -> Fitted:  # noqa: ARG001
    """Fit nonnegative coefficients (Lawson and Hanson's active sets) and a free intercept.

    Such heads form a convex cone, on which the fit is an exact projection.
    """
    from scipy.optimize import nnls

    probe = design.probe("center")
    triangle, rotated = _triangle(probe, targets)
    scale = np.max(np.abs(triangle))
    coefficients = np.stack([nnls(triangle / scale, column / scale)[0] for column in rotated.T], axis=1)
    condition = float(probe.condition(ridge([0.0]))[0])
    return Fitted(_affine(probe, coefficients, targets.mean(axis=0)), probe.rank, condition, probe.full_rank)


def _sparse(head: Level, design: Design, targets: Matrix) -> Fitted:
    """Fit the best ``sparsity`` features, by trying all subsets: d over k singular value decompositions of r by k."""
    probe = design.probe("center")
    triangle, rotated = _triangle(probe, targets)
    subsets = np.array(list(itertools.combinations(range(probe.width), head["sparsity"])))
    left, values, right = np.linalg.svd(np.ascontiguousarray(triangle[:, subsets].swapaxes(0, 1)), full_matrices=False)
    kept = values > 1e-12 * np.max(values)
    coords = np.einsum("sri,rt->sit", left, rotated) * kept[..., None]
    best = np.argmax(np.sum(coords**2, axis=1), axis=0)
    inverse = np.where(kept, 1.0 / np.where(kept, values, 1.0), 0.0)
    coefficients = np.zeros((probe.width, targets.shape[1]))
    for t, s in enumerate(best):
        coefficients[subsets[s], t] = right[s].T @ (inverse[s] * coords[s, :, t])
    widest = [float(values[s][kept[s]].max(initial=1.0) / values[s][kept[s]].min(initial=np.inf)) for s in best]
    return Fitted(_affine(probe, coefficients, targets.mean(axis=0)), probe.rank, np.array(widest), kept[best].all(axis=1))


def _relu(head: Level, design: Design, targets: Matrix) -> Fitted:  # noqa: ARG001
    """Fit max(0, h'a + b) by L-BFGS from the least-squares head, in whitened coordinates.

    The result is a local minimum of its squared error.
    """
    probe = design.probe("center")
    basis = design.basis() * np.sqrt(probe.rows)
    coords = np.stack([_relu_coords(basis, column) for column in targets.T], axis=1)
    values = np.sqrt(probe.backend.to_numpy(probe.spectrum.values))[: probe.rank]
    right = probe.backend.to_numpy(probe.spectrum.vectors)[:, : probe.rank]
    linear = _affine(probe, right @ (coords[1:] / values[:, None]), coords[0])
    condition = float(probe.condition(ridge([0.0]))[0])
    return Fitted(lambda features: np.maximum(linear(features), 0.0), probe.rank, condition, probe.full_rank)


def _relu_coords(basis: Matrix, target: Matrix) -> Matrix:
    """Minimise mean (max(0, B c) - y)^2 over c, for B'B = n I."""
    from scipy.optimize import minimize

    size = float(np.sqrt(np.mean(target**2))) or 1.0

    def loss(c: Matrix) -> tuple[float, Matrix]:
        linear = basis @ c
        error = np.maximum(linear, 0.0) - target / size
        return float(np.mean(error**2)), 2.0 * (basis.T @ (error * (linear > 0))) / len(basis)

    start = basis.T @ (target / size) / len(basis)
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": RELU_ITERATIONS, "ftol": 1e-15, "gtol": 1e-10}
    )
    return np.asarray(found.x * size)


HEADS: Mapping[str, Callable[[Level, Design, Matrix], Fitted]] = {
    "least_squares": _least_squares,
    "descent": _descent,
    "nonnegative": _nonnegative,
    "sparse": _sparse,
    "relu": _relu,
}
"""How the heads of a frozen representation are fitted, by the word of the cell field ``head``."""
