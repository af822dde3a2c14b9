"""Linear probes on rows of data by the eigendecomposition of a Gram, where that is as good as decomposing the rows.

The Gram is of the smaller side: X'X/n of n >= d rows, XX'/n of fewer. Its decomposition takes about a third of the time of that
of the rows. Its rounding is about eps s_max in the norm, spread over all entries in the eigenbasis: 6 eps s_max/sqrt(r) covers
one of them, r being its order. A filter amplifies it by what it makes of neighbouring eigenvalues. On rows with the second
moments of the training rows the root mean square of what moves in the outputs is at most

    6/sqrt(r) eps s_max max_s |g'(s)| s  times that of the targets,  g(s) = phi(s)/s,

and |g'(s)| s is s/(s + lambda)^2 for a ridge: at most 1/(4 lambda), and 1/s_min without one. A filter is *served* where this is
at most :data:`SERVED`. With n >= d any other ridge is refined once by a residual of the rows themselves, which squares what is
amplified and leaves eps sqrt(s_max/s_min), the rounding of the rows. Flow and steps cannot be refined, nor can fewer rows than
features: then, and where the Gram does not show the rank, the rows are decomposed (:class:`w2s.probes.rows.RowProbe`).

What is said of a ridge does not ask how small s_min is. Where ridges are all that is fitted, a Gram serves them on rows of any
condition (:class:`RidgeProbe`): states of a layer that ends with a normalisation are dependent to the rounding of float32.
"""

from __future__ import annotations

import dataclasses
import functools

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s.probes.graded import is_graded
from w2s.probes.prepared import Prepared, feature_power
from w2s.probes.rows import Prediction, Projected, RowProbe
from w2s_kernels import NUMPY, Backend, Filters, Spectrum
from w2s_kernels.cholesky import cholesky_gram
from w2s_kernels.items import EPS

__all__ = ["CERTAIN", "SERVED", "GramProbe", "RidgeProbe", "amplified", "fit_rows"]

Matrix = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

SERVED = 2.5e-10
"""Largest amplified rounding with which a filter is applied to the spectrum of a Gram as it is.

A squared error of at least a quarter of the targets' power then moves by at most 1e-9 of itself."""

CERTAIN = 1e-10
"""Least s_min/s_max of a Gram that shows the rank of its rows; a refined ridge is then within 1e-11."""

_LEAST = 1e-200
"""Feature power from which entries of a Gram are normal numbers with all their digits; up to its inverse they are finite."""

_RIDGE, _SPREAD = 0, 6.0
_STEEPNESS = np.array([1.0, 1.5, 4.0])
"""Upper bounds of |g'(s)| s in units of s/(s + lambda)^2, lambda being the equivalent ridge: ridge, flow, steps."""


def fit_rows(features: Matrix, preprocess: str, backend: Backend) -> RowProbe | GramProbe:
    """Factor training rows (n, d) in the cheapest way that is accurate; a GPU decomposes the rows.

    The choice depends on the rows alone, so that it is the same for all filters and blocks.
    """
    if backend.name == "cupy":
        return RowProbe(features, preprocess, backend)
    probe = GramProbe(features, preprocess, backend)
    return probe if probe.certain else probe.exact


def amplified(values: Matrix, filters: Filters) -> Matrix:
    """Bound what rounding of a Gram with eigenvalues (r,) moves in the outputs of filters, (L,), as part of the targets."""
    strength = filters.equivalent_ridge()[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = np.where(np.isinf(strength), 0.0, values / (values + strength) ** 2)
    rounding = _SPREAD / np.sqrt(len(values)) * EPS * values[0]
    return np.asarray(rounding * _STEEPNESS[filters.kind] * slopes.max(axis=1))


class GramProbe(Prepared):
    """Linear probes on one set of training rows by one eigendecomposition of a Gram, if that is :attr:`certain`.

    Coordinates are of the smaller side: in the right singular vectors where n >= d, in the left ones where n < d. Offers what
    :class:`RowProbe` does; with :attr:`certain` False only :attr:`exact` may be used.
    """

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:
        super().__init__(features, preprocess)
        self.backend, self._features, self._preprocess = backend, features, preprocess
        self._rows = self.prepared(features)
        self.power = feature_power(self._rows)
        self.dual = self.rows < self.width
        self._known: dict[Filters, tuple[Matrix, Index]] = {}
        self._conditions: dict[Filters, Matrix] = {}
        self.rank, self.full_rank = min(self.rows, self.width), not self.dual

    @functools.cached_property
    def _found(self) -> Spectrum | None:
        return None if self._short() else self._factored()

    @property
    def certain(self) -> bool:
        """Whether the Gram shows that the rows have full rank."""
        return self._found is not None

    @property
    def spectrum(self) -> Spectrum:
        """The Gram's eigendecomposition, where it is :attr:`certain`."""
        if self._found is None:
            raise RuntimeError("the Gram of these rows is not certain: only their own decomposition may be used")
        return self._found

    def _short(self) -> bool:
        """Tell whether the rows are known to have less than full rank, or have columns of different orders."""
        centred = self.dual and self.center  # then the rows sum to zero
        odd = centred or bool(self.still.any()) or not _LEAST < self.power < 1.0 / _LEAST
        return odd or is_graded(self._rows, self.still)

    def _factored(self) -> Spectrum | None:
        """Decompose the Gram; None where it is too near to a singular one."""
        gram = kernels.gram(self._rows.T if self.dual else self._rows, backend=self.backend) / self.rows
        factor, info = cholesky_gram(gram, 0.0, self.backend)
        pivots = np.diagonal(factor) ** 2
        # No pivot is below s_min, and s_max is at least the mean eigenvalue: a cheap refusal before the decomposition.
        if int(info) or not pivots.min() >= CERTAIN * np.trace(gram) / len(gram):
            return None
        spectrum = kernels.factor_gram(gram, self.backend)
        if self.dual:
            return spectrum if amplified(spectrum.values, kernels.ridge([0.0]))[0] <= SERVED else None
        return spectrum if spectrum.values[-1] >= CERTAIN * spectrum.values[0] else None

    @functools.cached_property
    def exact(self) -> RowProbe:
        """The same rows, decomposed themselves."""
        return RowProbe(self._features, self._preprocess, self.backend)

    def serving(self, filters: Filters) -> RowProbe | GramProbe:
        """Return the probe that is accurate for all of the filters: this one, or :attr:`exact`."""
        _, unserved = self._applied(filters)
        return self if (filters.kind[unserved] == _RIDGE).all() else self.exact

    def solvers(self, filters: Filters) -> list[str]:
        """Name the solvers as :class:`RowProbe`."""
        name = "dual gram" if self.dual else "gram"
        unserved = set(self._applied(filters)[1].tolist())
        return [f"{name}, 1 refinement" if place in unserved else name for place in range(len(filters))]

    def fit(self, targets: Matrix, filters: Filters) -> Prediction:
        """Fit as :class:`RowProbe`, filters that :meth:`serving` allows."""
        return self.filtered(self.project(targets), filters)

    def project(self, targets: Matrix) -> Projected:
        """Compute coordinates as :class:`RowProbe`."""
        offset = self.offset(targets)
        centred = targets - offset
        sums = centred if self.dual else kernels.gemm(self._rows.T, centred, self.backend)
        return Projected(centred, offset, self.spectrum.project(sums / self.rows, self.backend))

    def filtered(self, projected: Projected, filters: Filters) -> Prediction:
        """Fit as :class:`RowProbe`, filters that :meth:`serving` allows."""
        responses, unserved = self._applied(filters)
        coords = np.einsum("rl,rk->rlk", responses, projected.coords)  # the bits of a broadcast, in two thirds of its time
        if len(unserved):
            left = self._residual(coords[:, unserved], projected.targets, filters.value[unserved])
            coords[:, unserved] += responses[:, unserved, None] * left
        return Prediction(np.moveaxis(coords, 1, 0), projected.offset, self.backend)

    def _applied(self, filters: Filters) -> tuple[Matrix, Index]:
        """Return the responses (r, L) of filters and which of them are not served; kept, since teachers share filters."""
        if filters not in self._known:
            responses = kernels.response(self.spectrum, filters, self.backend)
            unserved = np.flatnonzero(amplified(self.spectrum.values, filters) > SERVED)
            self._known[filters] = np.ascontiguousarray(responses.T), unserved
        return self._known[filters]

    def _residual(self, coords: Matrix, targets: Matrix, strengths: Matrix) -> Matrix:
        """Compute in the eigenbasis what ridge fits with coordinates (r, L, k) leave of their equations, from the rows."""
        rank, count, outputs = coords.shape
        found = kernels.gemm(self.spectrum.vectors, coords.reshape(rank, count * outputs), self.backend)
        missed = kernels.gemm(
            self._rows.T, np.tile(targets, count) - kernels.gemm(self._rows, found, self.backend), self.backend
        )
        left = missed / self.rows - np.repeat(strengths, outputs) * found
        return np.asarray(self.spectrum.project(left, self.backend)).reshape(rank, count, outputs)

    def basis(self, features: Matrix) -> Matrix:
        """Compute coordinates of other rows (m, d) that outputs are linear in, (m, r)."""
        rows = self.prepared(features)
        seen = kernels.gemm(rows, self._rows.T, self.backend) if self.dual else rows
        return np.asarray(kernels.gemm(seen, self.spectrum.vectors, self.backend))

    def slope(self, coords: Matrix) -> Matrix:
        """Compute coefficients as :class:`RowProbe`."""
        found = np.asarray(self.spectrum.vectors @ coords)
        return self._rows.T @ found if self.dual else found

    def condition(self, filters: Filters) -> Matrix:
        """Compute the condition number of the rows under each filter, as :class:`RowProbe`: (L,), the root of the Gram's."""
        if filters not in self._conditions:
            self._conditions[filters] = np.asarray(np.sqrt(kernels.condition(self.spectrum, filters)))
        return self._conditions[filters]


class RidgeProbe(GramProbe):
    """Probes on rows of any condition: ridges that are served by their Gram as it is, on at least as many rows as features.

    The rows, their Gram and its decomposition, each computed once when it is asked for, serve logistic fits too. They are
    computed on the CPU, by the backend if it is not a GPU's.
    """

    def __init__(self, features: Matrix, preprocess: str, backend: Backend) -> None:
        super().__init__(features, preprocess, NUMPY if backend.name == "cupy" else backend)

    @property
    def training(self) -> Matrix:
        """The training rows as the fit sees them, (n, d)."""
        return self._rows

    @functools.cached_property
    def gram(self) -> Matrix:
        """X'X/n of the training rows, (d, d)."""
        return np.asarray(kernels.gram(self._rows, backend=self.backend) / self.rows)

    @functools.cached_property
    def eigen(self) -> Spectrum:
        """The eigendecomposition of the Gram, whatever its rank."""
        return kernels.factor_gram(self.gram, self.backend)

    def _factored(self) -> Spectrum | None:
        """Return the decomposition; None where the rows have not full rank, by the measure of :class:`RowProbe`."""
        if self.dual:
            return None
        values = np.array(self.eigen.values)
        # The Gram knows its least eigenvalue to eps s_max; the rows know it to the square of that.
        values[-1] = min(np.mean((self._rows @ self.eigen.vectors[:, -1]) ** 2), values[:-1].min(initial=np.inf))
        full = values[-1] > (max(self.rows, self.width) * EPS) ** 2 * values[0]
        return dataclasses.replace(self.eigen, values=values) if full else None

    def fitting(self, backend: Backend) -> RowProbe | GramProbe:
        """Return the probe to fit ridges with: this one, or that of :func:`fit_rows`; on a GPU always the latter."""
        usable = backend.name != "cupy" and self.certain
        return self if usable else fit_rows(self._features, self._preprocess, backend)

    def serving(self, filters: Filters) -> RowProbe | GramProbe:
        """Return this probe where all filters are ridges that are served, whatever rounding made of an eigenvalue."""
        values = np.maximum(self.spectrum.values, float(self.spectrum.cutoff))
        served = (filters.kind == _RIDGE) & (amplified(values, filters) <= SERVED)
        return self if served.all() else self.exact
