"""Ridge fits of Gaussian designs, of the truth and of a teacher, for all ridges of a design from one decomposition.

A penalty l sum w_i b_i^2 is plain ridge for the coefficients sqrt(w_i) b_i on inputs with eigenvalues e_i = ev_i/w_i, whose
second moment is S = E^(1/2) W E^(1/2), n W ~ Wishart(n, I). Given S the label noise enters as X'e/n ~ N(0, noise S/n). So a
design is drawn as its Gram, exactly, at a cost that does not depend on n, and no row is ever made. Errors are
(b_hat - b)'Sigma(b_hat - b) of the coefficients: no test input is drawn either.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s_kernels import Backend, Filters, Spectrum, normals, stream, wishart
from w2s_kernels.backend import Array

__all__ = ["Design", "Law", "Truth", "conditions", "deficient", "draw_designs", "fit_teacher", "fit_truth"]

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Law:
    """Inputs and target in the covariance's eigenbasis: eigenvalues ``levels`` (d,), a target ``goal`` (d,) of power 1."""

    levels: Matrix
    goal: Matrix

    @property
    def isotropic(self) -> bool:
        """Whether all eigenvalues are 1."""
        return bool(np.all(self.levels == 1.0))


@dataclass(frozen=True)
class Design:
    """Decomposed second moments of one role for S seeds, and the label noise that is drawn with them.

    ``spectrum`` of S items; ``scales`` (d,) square roots of the weights; ``noise`` (S, d) standard normal; ``rows`` n;
    ``flat`` says that inputs and penalty are isotropic: errors are then sums over eigenvectors.
    """

    spectrum: Spectrum
    scales: Array
    noise: Array
    rows: int
    flat: bool


@dataclass(frozen=True)
class Truth:
    """Fits of noisy true labels for S seeds and L ridges.

    ``signal``, ``noise`` : coefficients (S, L, d) per unit of the target and of the noise. ``errors`` : (S, L, 3) squares and
    twice the product of both parts, of which the error of any pair of signal and noise is made.
    """

    signal: Array
    noise: Array
    errors: Matrix

    def error(self, signal: Matrix, noise: Matrix) -> Matrix:
        """Compute errors (S, L, P) for P pairs of the target's power and the noise's variance."""
        return np.asarray(self.errors @ np.stack([signal, np.sqrt(signal * noise), noise]))

    def labels(self, at: Sequence[int], signal: Matrix, noise: Matrix, xp: Any) -> Array:
        """Return the coefficients (S, T, d) of T teachers, of which ``at`` (T,) says the place of the ridge."""
        roots = (xp.asarray(np.sqrt(part))[:, None] for part in (signal, noise))
        return sum(part[:, list(at)] * root for part, root in zip((self.signal, self.noise), roots, strict=True))


def draw_designs(
    role: str, seeds: Sequence[int], counts: Sequence[int], law: Law, weights: Matrix, backend: Backend
) -> list[Design]:
    """Draw the designs of a role for every seed, one for each count of rows, and decompose them.

    ``weights`` (d,) are those of the penalty. A design depends on role, seed and count alone; those of one seed share their
    normals.
    """
    xp, d = backend.xp, len(law.levels)
    drawn, noise = xp.empty((len(seeds), len(counts), d, d)), xp.empty((len(seeds), d))
    for s, seed in enumerate(seeds):
        wishart.gram(stream("moniri2025", role, "design", seed=seed), counts, d, backend, out=drawn[s])
        noise[s] = normals(stream("moniri2025", role, "noise", seed=seed), 1, d, backend)[0]
    flat = law.isotropic and bool(np.all(weights == 1.0))
    stretch, scales = (xp.asarray(np.sqrt(part)) for part in (law.levels / weights, weights))
    designs = []
    for k, count in enumerate(counts):
        gram = drawn[:, k] / count
        spectrum = kernels.factor_gram(gram if flat else gram * stretch[:, None] * stretch, backend)
        designs.append(Design(spectrum, scales, noise, count, flat))
    return designs


def fit_truth(design: Design, law: Law, ridges: Sequence[float], backend: Backend) -> Truth:
    """Fit noisy true labels with every ridge; 0 is the fit of least penalty."""
    xp, spectrum = backend.xp, design.spectrum
    goal, levels = xp.asarray(law.goal), xp.asarray(law.levels)
    kept = xp.where(spectrum.values > spectrum.cutoff[..., None], spectrum.values, 0.0)
    target = xp.broadcast_to(goal * design.scales, design.noise.shape)
    starts = spectrum.project(xp.stack([target, design.noise], axis=-1))
    starts = starts * xp.stack([kept, xp.sqrt(kept / design.rows)], axis=-1)
    responses = kernels.response(spectrum, kernels.ridge(ridges), backend)
    fitted = xp.moveaxis(kernels.coefficients(spectrum, responses, starts), -1, 0) / design.scales
    missed, noise = fitted[0] - goal, fitted[1]
    sums = [xp.sum(levels * a * b, axis=-1) for a, b in ((missed, missed), (missed, noise), (noise, noise))]
    errors = backend.to_numpy(xp.stack([sums[0], 2.0 * sums[1], sums[2]], axis=-1))
    return Truth(fitted[0], noise, errors)


def fit_teacher(
    design: Design, law: Law, labels: Array, signal: Matrix, ridges: Sequence[float], backend: Backend
) -> dict[str, Matrix]:
    """Fit the outputs of T teachers with L ridges: ``student_error``, ``misfit`` and ``gain``, each (S, T, L).

    ``labels`` (S, T, d) are the teachers' coefficients, ``signal`` (T,) the powers of their targets. Cost for an isotropic
    design T L d operations a seed, otherwise 2 T L d^2.
    """
    xp, filters = backend.xp, kernels.ridge(ridges)
    goals = xp.broadcast_to(xp.asarray(np.sqrt(signal))[:, None] * xp.asarray(law.goal), labels.shape)
    if design.flat:
        spectrum = design.spectrum
        label, goal = (xp.swapaxes(spectrum.project(xp.swapaxes(side, -1, -2)), -1, -2) for side in (labels, goals))
        sums = kernels.filter_products(spectrum, filters, label * spectrum.values[:, None], goal, label, backend)
    else:
        parts = [_products(design, s, law, labels[s], goals[s], filters, backend) for s in range(len(labels))]
        sums = xp.stack(parts, axis=1)
    student, misfit, cross = backend.to_numpy(sums)
    return {"student_error": student, "misfit": misfit, "gain": misfit + 2.0 * cross}


def conditions(design: Design, ridges: Sequence[float], backend: Backend) -> Matrix:
    """Return the condition numbers of the systems that were solved, (S, L)."""
    return np.asarray(backend.to_numpy(kernels.condition(design.spectrum, kernels.ridge(ridges))))


def deficient(design: Design, backend: Backend) -> npt.NDArray[np.bool_]:
    """Tell for which seeds the second moments are singular, (S,): fewer rows than columns."""
    spectrum = design.spectrum
    return np.asarray(backend.to_numpy(spectrum.rank) < spectrum.values.shape[-1])


def _products(design: Design, s: int, law: Law, labels: Array, goals: Array, filters: Filters, backend: Backend) -> Array:
    """Sum as `filter_products` does for one seed, (3, T, L), in the metric of the covariance, through coefficients."""
    xp, spectrum, levels = backend.xp, _item(design.spectrum, s), backend.xp.asarray(law.levels)
    starts = spectrum.project((labels * design.scales).T) * spectrum.values[:, None]
    fitted = kernels.coefficients(spectrum, kernels.response(spectrum, filters, backend), starts)
    fitted = xp.transpose(fitted, (2, 0, 1)) / design.scales  # (T, L, d)
    first, second = fitted - goals[:, None], labels[:, None] - fitted
    return xp.stack([xp.sum(levels * a * b, axis=-1) for a, b in ((first, first), (second, second), (second, first))])


def _item(spectrum: Spectrum, at: int) -> Spectrum:
    """Return one item of a batch."""
    return Spectrum(
        spectrum.values[at],
        spectrum.vectors[at],
        spectrum.rank[at],
        spectrum.cutoff[at],
        spectrum.clamped[at],
        spectrum.solver,
        spectrum.repaired[at],
    )
