"""Mixed precision: a float32 Cholesky factor, refined with float64 residuals until the answer is a float64 one.

A x = b with A = gram + ridge I is brought to a diagonal near one by powers of two (exact, and the same for every nested width),
so that nothing over- or underflows in float32 whatever the units of a feature. Corrections come from the float32 factor,
residuals and sums are float64. It ends when every right-hand side has a normwise backward error

    ||b - A x||_inf / (||A||_inf ||x||_inf + ||b||_inf)  <=  sqrt(d) eps,

which is what a float64 Cholesky solve has. Convergence needs a condition number well under 1e8. Where the float32 factor
does not exist, a step does not halve the error, or `MOST_STEPS` are not enough, the float64 factor answers, for that item
alone.

Source: N. J. Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 10.1 and 12.2; the bound is that of
LAPACK's dsposv.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from .backend import Array, Backend, require_finite
from .cholesky import (
    EPS,
    checked_widths,
    cholesky_gram,
    condition_estimate,
    inverse_norm,
    one_norm,
    operands,
    positive_ridge,
    solve_factor,
)

__all__ = ["MOST_STEPS", "Refined", "RefinedFactor", "nested_refined", "solve_refined"]

MOST_STEPS = 10


class Refined(NamedTuple):
    """Solutions and how they were found.

    Attributes
    ----------
    solution : (..., d, k) float64; nan where the float64 factor does not exist either.
    steps : (...) int64, corrections after the first float32 solve.
    converged : (...) bool; false where the float64 factor answered.
    """

    solution: Array
    steps: Array
    converged: Array


def solve_refined(gram: Array, rhs: Array, ridge: Array | float, backend: Backend) -> Refined:
    """Solution of (gram + ridge I) x = rhs to float64 accuracy from a float32 factor.

    Parameters
    ----------
    gram :
        (..., d, d) symmetric, not changed.
    rhs :
        (..., d, k).
    ridge :
        scalar or (...), >= 0, in the units of `gram`.
    backend :
        "numpy" and "numba" share LAPACK and its bits; an item in a batch has the bits it has alone.

    Cost d^3/3 float32 flops and 4 (steps + 1) d^2 k, half of them float64. ValueError as `cholesky_gram`.
    """
    return RefinedFactor(gram, ridge, backend).solve(rhs)


def nested_refined(gram: Array, rhs: Array, ridge: Array | float, widths: Sequence[int] | Array, backend: Backend) -> Refined:
    """`solve_refined` of the leading features alone, for every width of a strictly increasing list, from one factor.

    The axis of widths stands before (d, k), as in `nested.coefficients`, and last in the other parts; rows from the width on
    are zero. Where the whole gram has no float32 factor, no width has one.
    """
    return RefinedFactor(gram, ridge, backend).solve_widths(rhs, widths)


class RefinedFactor:
    """Float32 factors of gram + ridge I, (..., d, d), for any number of right-hand sides; parameters as in `solve_refined`."""

    def __init__(self, gram: Array, ridge: Array | float, backend: Backend) -> None:
        self.backend, xp = backend, backend.xp
        self.gram = backend.asarray(gram)
        if self.gram.ndim < 2 or self.gram.shape[-1] != self.gram.shape[-2] or self.gram.shape[-1] == 0:
            raise ValueError(f"gram must have shape (..., d, d) with d >= 1, got {self.gram.shape}")
        require_finite(self.gram, "gram", xp)
        lead = self.gram.shape[:-2]
        strength = positive_ridge(ridge, lead, xp)
        self._items = {index: _Item(self.gram[index], strength[index], backend) for index in np.ndindex(*lead)}

    def solve(self, rhs: Array) -> Refined:
        """Solutions (..., d, k) for right-hand sides of that shape; a right-hand side that is not finite gives nan."""
        found = self.solve_widths(rhs, [self.gram.shape[-1]])
        return Refined(found.solution[..., 0, :, :], found.steps[..., 0], found.converged[..., 0])

    def solve_widths(self, rhs: Array, widths: Sequence[int] | Array) -> Refined:
        """As `nested_refined`."""
        xp = self.backend.xp
        _, rhs = operands(self.gram, rhs, "rhs", self.backend)
        asked = checked_widths(widths, rhs.shape[-2])
        shape = (*rhs.shape[:-2], len(asked))
        solution = xp.zeros((*shape, *rhs.shape[-2:]))
        steps, converged = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=bool)
        for index, item in self._items.items():
            rows = xp.ascontiguousarray(rhs[index].T)
            for at, width in enumerate(asked):
                found, steps[*index, at] = item.refine(rows[:, :width])
                converged[*index, at] = found is not None
                answer = item.answer(rows[:, :width]) if found is None else found
                solution[index][at, :width] = answer.T
        return Refined(solution, xp.asarray(steps), xp.asarray(converged))

    def condition(self, widths: Sequence[int] | Array) -> Array:
        """Condition number of each width, (..., W) float64, estimated as by `condition_estimate`; nan without a factor.

        Of an item that fell back, from the float64 factor: ask after solving.
        """
        asked = checked_widths(widths, self.gram.shape[-1])
        found = np.empty((*self.gram.shape[:-2], len(asked)))
        for index, item in self._items.items():
            found[index] = [item.condition(width) for width in asked]
        return self.backend.xp.asarray(found)


class _Item:
    """One system A, its scaled form S = D A D with D powers of two, and the float32 factor of S (None where there is none)."""

    def __init__(self, gram: Array, strength: Array, backend: Backend) -> None:
        xp = backend.xp
        self.gram, self.strength, self.backend = gram, strength, backend
        self._exact: Array | None = None
        S, at = xp.array(gram), xp.arange(gram.shape[-1])
        S[at, at] += strength
        self.units = -(xp.frexp(xp.diagonal(S))[1] // 2)
        scale = xp.ldexp(xp.ones(len(S)), self.units)  # products with it are exact, and ten times as fast as ldexp on a matrix
        S *= scale[:, None]
        S *= scale
        self.scaled = S
        self.factor: Array = _factor32(S, xp)

    def refine(self, rows: Array) -> tuple[Array | None, int]:
        """Solutions (k, w) of the leading features for right-hand sides (k, w), None without convergence; and the steps."""
        if rows.shape[0] == 0 or self.factor is None:
            return (None if rows.shape[0] else rows), 0
        with np.errstate(over="ignore", invalid="ignore"):  # a factor without a digit diverges, and is then dropped
            return self._refine(rows)

    def _refine(self, rows: Array) -> tuple[Array | None, int]:
        xp, width = self.backend.xp, rows.shape[-1]
        S, R = self.scaled[:width, :width], xp.ascontiguousarray(self.factor[:width, :width])
        b, columns = _normalised(rows, self.units[:width], xp)
        size, right = xp.max(xp.sum(xp.abs(S), axis=1)), _largest(b, xp)
        x, before = _solve32(R, b, xp), np.inf
        for steps in range(MOST_STEPS + 1):
            residual = b - x @ S
            # A zero right-hand side is solved exactly; the denominator is then zero too.
            error = float(xp.max(_largest(residual, xp) / xp.maximum(size * _largest(x, xp) + right, _TINY)))
            if error <= np.sqrt(width) * EPS:
                return xp.ldexp(x, self.units[:width] + columns[:, None]), steps
            if not error <= 0.5 * before:
                break
            before = error
            x += _solve32(R, residual, xp)
        return None, steps

    def answer(self, rows: Array) -> Array:
        """Solutions (k, w) as `refine`, from the float64 factor."""
        width = rows.shape[-1]
        R = self._float64()[:width, :width]
        return self.backend.xp.ascontiguousarray(solve_factor(R, rows.T, self.backend).T)

    def condition(self, width: int) -> float:
        """Estimate for the leading features, in their own units."""
        gram, xp = self.gram[:width, :width], self.backend.xp
        if self.factor is None or self._exact is not None:
            return float(condition_estimate(gram, self._float64()[:width, :width], self.strength, self.backend))
        R, units = xp.ascontiguousarray(self.factor[:width, :width]), self.units[:width]
        inverse = inverse_norm(lambda rows: xp.ldexp(_solve32(R, xp.ldexp(rows, units), xp), units), width, xp)
        with np.errstate(over="ignore"):  # features whose units differ by more than float64 can say
            return float(one_norm(gram, self.strength, xp) * inverse)

    def _float64(self) -> Array:
        if self._exact is None:
            self._exact, _ = cholesky_gram(self.gram, self.strength, self.backend)
        return self._exact


_TINY = float(np.finfo(np.float64).tiny)


def _normalised(rows: Array, units: Array, xp: Any) -> tuple[Array, Array]:
    """Rows (k, w) in scaled units with a largest entry in [1/2, 1), and the exponents (k,) that undo the latter."""
    exponents = xp.frexp(rows)[1] + units
    columns = xp.max(xp.where(rows == 0, _LOWEST, exponents), axis=1)
    columns = xp.where(columns == _LOWEST, 0, columns)
    return xp.ldexp(rows, units - columns[:, None]), columns


_LOWEST = -(2**20)  # below every exponent of a float64, and far from the ends of int32


def _largest(rows: Array, xp: Any) -> Array:
    return xp.max(xp.abs(rows), axis=1)


def _factor32(S: Array, xp: Any) -> Array | None:
    """Upper triangular float32 R with R'R near S; what is below the diagonal is not read. None where there is none."""
    with np.errstate(over="ignore"):  # only an indefinite matrix has entries above its diagonal, and it has no factor
        A = xp.ascontiguousarray(S, dtype=np.float32)
    if xp is not np:
        try:
            with importlib.import_module("cupyx").errstate(linalg="raise"):
                return xp.ascontiguousarray(xp.linalg.cholesky(A).T)
        except np.linalg.LinAlgError:
            return None
    from scipy.linalg.lapack import spotrf

    # Row-major upper is column-major lower: nothing is copied.
    made, fail = spotrf(A.T, lower=1, clean=0, overwrite_a=1)
    return None if fail else np.asarray(made.T)


def _solve32(R: Array, rows: Array, xp: Any) -> Array:
    """Rows (k, w) float64 of R'R x = row, solved in float32 after scaling each row near one."""
    exponents = xp.frexp(_largest(rows, xp))[1][:, None]
    right = xp.ldexp(rows, -exponents).astype(np.float32)
    if xp is not np:
        linalg = importlib.import_module("cupyx.scipy.linalg")
        half = linalg.solve_triangular(R, right.T, trans=1, lower=False)
        return xp.ldexp(linalg.solve_triangular(R, half, lower=False).T.astype(np.float64), exponents)
    from scipy.linalg.lapack import spotrs

    solved = spotrs(R.T, right.T, lower=1, overwrite_b=1)[0].T
    return np.ldexp(solved.astype(np.float64), exponents)
