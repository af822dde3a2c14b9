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

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..backend import Array, Backend, require_finite
from ..cholesky import (
    checked_widths,
    cholesky_gram,
    condition_estimate,
    inverse_norm,
    one_norm,
    operands,
    positive_ridge,
    solve_factor,
)
from ..dispatch import operation
from ..items import EPS

__all__ = ["MOST_STEPS", "Refined", "RefinedFactor"]

FACTOR = operation("refine", "factor", "cupy")
SOLVE = operation("refine", "solve", "cupy")
MOST_STEPS = 10


class Refined(NamedTuple):
    """Hold solutions and how they were found.

    Attributes
    ----------
    solution : (..., d, k) float64; nan where the float64 factor does not exist either.
    steps : (...) int64 on the host, corrections after the first float32 solve.
    converged : (...) bool on the host; false where the float64 factor answered.
    """

    solution: Array
    steps: Array
    converged: Array


class RefinedFactor:
    """Keep float32 factors of gram + ridge I, to solve for any number of right-hand sides to float64 accuracy.

    Parameters
    ----------
    gram :
        (..., d, d) symmetric, not changed.
    ridge :
        scalar or (...), >= 0, in the units of `gram`.
    backend :
        "numpy" and "numba" share LAPACK and its bits; an item in a batch has the bits it has alone.

    Cost d^3/3 float32 flops, and 4 (steps + 1) d^2 k for k right-hand sides, half of them float64. ValueError as in
    `cholesky_gram`.
    """

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
        """Solve for right-hand sides (..., d, k); one that is not finite gives nan."""
        found = self.solve_widths(rhs, [self.gram.shape[-1]])
        return Refined(found.solution[..., 0, :, :], found.steps[..., 0], found.converged[..., 0])

    def solve_widths(self, rhs: Array, widths: Sequence[int] | Array) -> Refined:
        """Solve for the leading features alone, for every width of a strictly increasing list, from one factor.

        The axis of widths comes before (d, k), as in `nested.coefficients`, and last in the other parts; rows from the width
        on are zero. Where the whole gram has no float32 factor, no width has one.
        """
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
        return Refined(solution, steps, converged)

    def condition(self, widths: Sequence[int] | Array) -> Array:
        """Estimate the condition number of each width, (..., W) float64, as `condition_estimate`; nan without a factor.

        For an item that fell back to float64, the estimate comes from the float64 factor: ask after solving.
        """
        asked = checked_widths(widths, self.gram.shape[-1])
        found = self.backend.xp.empty((*self.gram.shape[:-2], len(asked)))
        for index, item in self._items.items():
            for at, width in enumerate(asked):
                found[*index, at] = item.condition(width)
        return found


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
        self.factor: Array = FACTOR.on(backend)(S)
        self._solve32 = SOLVE.on(backend)

    def refine(self, rows: Array) -> tuple[Array | None, int]:
        """Return solutions (k, w) of the leading features for right-hand sides (k, w), or None, and the steps taken."""
        if rows.shape[0] == 0 or self.factor is None:
            return (None if rows.shape[0] else rows), 0
        with np.errstate(over="ignore", invalid="ignore"):  # a factor without a digit diverges, and is then dropped
            return self._refine(rows)

    def _refine(self, rows: Array) -> tuple[Array | None, int]:
        xp, width = self.backend.xp, rows.shape[-1]
        S, R = self.scaled[:width, :width], xp.ascontiguousarray(self.factor[:width, :width])
        b, columns = _normalised(rows, self.units[:width], xp)
        size, right = xp.max(xp.sum(xp.abs(S), axis=1)), _largest(b, xp)
        x, before = self._solve(R, b), np.inf
        for steps in range(MOST_STEPS + 1):
            residual = b - x @ S
            # A zero right-hand side is solved exactly; the denominator is then zero too.
            error = float(xp.max(_largest(residual, xp) / xp.maximum(size * _largest(x, xp) + right, _TINY)))
            if error <= np.sqrt(width) * EPS:
                return xp.ldexp(x, self.units[:width] + columns[:, None]), steps
            if not error <= 0.5 * before:
                break
            before = error
            x += self._solve(R, residual)
        return None, steps

    def _solve(self, R: Array, rows: Array) -> Array:
        """Solve R'R x = row for float64 rows (k, w), in float32 after scaling each row near one."""
        xp = self.backend.xp
        exponents = xp.frexp(_largest(rows, xp))[1][:, None]
        right = xp.ldexp(rows, -exponents).astype(np.float32)
        return xp.ldexp(self._solve32(R, right).astype(np.float64), exponents)

    def answer(self, rows: Array) -> Array:
        """Return solutions (k, w) as `refine`, but from the float64 factor."""
        width = rows.shape[-1]
        R = self._float64()[:width, :width]
        return self.backend.xp.ascontiguousarray(solve_factor(R, rows.T, self.backend).T)

    def condition(self, width: int) -> Array:
        """Estimate the condition number of the leading features, in their own units."""
        gram, xp = self.gram[:width, :width], self.backend.xp
        if self.factor is None or self._exact is not None:
            return condition_estimate(gram, self._float64()[:width, :width], self.strength, self.backend)
        R, units = xp.ascontiguousarray(self.factor[:width, :width]), self.units[:width]
        inverse = inverse_norm(lambda rows: xp.ldexp(self._solve(R, xp.ldexp(rows, units)), units), width, xp)
        with np.errstate(over="ignore"):  # features whose units differ by more than float64 can say
            return one_norm(gram, self.strength, xp) * inverse

    def _float64(self) -> Array:
        if self._exact is None:
            self._exact, _ = cholesky_gram(self.gram, self.strength, self.backend)
        return self._exact


_TINY = float(np.finfo(np.float64).tiny)


def _normalised(rows: Array, units: Array, xp: Any) -> tuple[Array, Array]:
    """Scale rows (k, w), and return them with the exponents (k,) of the scale.

    The result is in scaled units with a largest entry in [1/2, 1) in each row; the exponents undo the latter.
    """
    exponents = xp.frexp(rows)[1] + units
    columns = xp.max(xp.where(rows == 0, _LOWEST, exponents), axis=1)
    columns = xp.where(columns == _LOWEST, 0, columns)
    return xp.ldexp(rows, units - columns[:, None]), columns


_LOWEST = -(2**20)  # below every exponent of a float64, and far from the ends of int32


def _largest(rows: Array, xp: Any) -> Array:
    return xp.max(xp.abs(rows), axis=1)
