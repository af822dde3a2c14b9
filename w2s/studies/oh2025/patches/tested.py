"""Errors of networks on new inputs, drawn in the coordinates that the networks read.

A new noise patch enters the networks through its products with their filters. Given the filters, these are jointly Gaussian, so
they are drawn as such: as many normals as there are filters, in place of d. The law of every error is that of new inputs. All
networks and steps use the same normals.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.laws.signal_noise import SIGNALS, TYPES
from w2s_kernels import Backend, normals, stream
from w2s_kernels.backend import Array
from w2s_kernels.items import eigh

__all__ = ["draw_patches", "mixed", "type_errors"]


def draw_patches(role: tuple[str, ...], seed: int, n: int, filters: int, backend: Backend) -> Array:
    """Draw the normals behind the noise patches of n inputs of each type: (types, 2, n, filters), nested in n and filters."""
    return backend.xp.stack(
        [
            backend.xp.stack([normals(stream(*role, kind, str(slot), seed=seed), n, filters, backend) for slot in range(2)])
            for kind in TYPES
        ]
    )


def type_errors(
    teacher: Array, filters: Array, sizes: Mapping[str, float], drawn: Array, backend: Backend, *, relu: bool
) -> tuple[Array, Array, Array]:
    """Compute the student's and the teacher's shares of wrong answers and of unequal ones, by type: (types,) each.

    Takes the teacher (d,), the filters (F, d), those of the positive class first, and normals of `draw_patches`. Labels and
    signs of the hard signal are balanced in every type.
    """
    xp = backend.xp
    readers = xp.concatenate([teacher[None], filters])
    noise = sizes["sigma"] * _products(teacher[SIGNALS:], filters[:, SIGNALS:], drawn, xp)
    n = drawn.shape[2]
    label, sign = xp.arange(n) % 2, 1.0 - 2.0 * (xp.arange(n) // 2 % 2)
    easy = sizes["mu"] * readers[:, label].T
    hard = sizes["nu"] * sign[:, None] * readers[:, 2 + label].T
    patches = ((easy, noise[0, 0], noise[0, 1]), (hard, noise[1, 0], noise[1, 1]), (easy, hard, noise[2, 0]))
    truth = 1.0 - 2.0 * label
    weak = xp.stack([sum(patch[:, 0] for patch in held) for held in patches])
    strong = xp.stack([sum(_said(patch[:, 1:], relu, xp) for patch in held) for held in patches])
    wrong = [xp.where((said >= 0) == (truth > 0), 0.0, 1.0).mean(axis=1) for said in (strong, weak)]
    unequal = xp.where((strong >= 0) == (weak >= 0), 0.0, 1.0).mean(axis=1)
    broken = xp.where(xp.isfinite(strong).all() & xp.isfinite(weak).all(), 0.0, xp.nan)
    return wrong[0] + broken, wrong[1] + broken, unequal + broken


def mixed(errors: Array, p_hard: float, p_both: float) -> Array:
    """Average numbers by type (..., types) with the shares of the types as weights."""
    return (1.0 - p_hard - p_both) * errors[..., 0] + p_hard * errors[..., 1] + p_both * errors[..., 2]


def _said(products: Array, relu: bool, xp: Any) -> Array:
    if not relu:
        return products[:, 0]
    half = products.shape[1] // 2
    open_ = xp.maximum(products, 0.0)
    return (open_[:, :half].sum(axis=1) - open_[:, half:].sum(axis=1)) / half


def _products(teacher: Array, filters: Array, drawn: Array, xp: Any) -> Array:
    """Compute products of noise patches with the teacher (k,) and the filters (F, k), (..., 1 + F), from normals (..., 1 + F).

    The teacher's come from the first normal alone, so that they are the same beside any student. What the filters have off the
    teacher comes from the others, by the symmetric root of its correlations; norms are taken out first, so that small filters
    keep their digits beside large ones.
    """
    length = xp.sqrt((teacher * teacher).sum())
    axis = teacher / xp.where(length > 0, length, 1.0)
    along = filters @ axis
    rest = filters - along[:, None] * axis
    norms = xp.sqrt((rest * rest).sum(axis=1))
    unit = rest / xp.where(norms > 0, norms, 1.0)[:, None]
    values, vectors = eigh(xp.nan_to_num(unit @ unit.T), xp)
    root = (vectors * xp.sqrt(xp.maximum(values, 0.0))) @ vectors.T * norms
    first = drawn[..., :1]
    return xp.concatenate([first * length, first * along + drawn[..., 1:] @ root], axis=-1)
