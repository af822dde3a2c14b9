"""Inputs of signal and noise patches: an easy signal, a hard one with a random sign, and noise orthogonal to both.

An input has three patches. Its label y = +1 or -1 owns two directions, mu_y and nu_y, and all four are orthogonal: the first
four axes of R^d. An easy-only input holds mu_y and two noise patches, a hard-only one s nu_y and two noise patches, one of both
kinds mu_y, s nu_y and one noise patch; s = +1 or -1 says nothing of the label. Noise is Gaussian on the other d - 4 axes.

Source: Oh, Song and Yun 2025, arXiv 2510.24812; how many noise patches an input has is a choice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_kernels import Backend, normals, stream, uniforms
from w2s_kernels.backend import Array

__all__ = ["SHARED", "SIGNALS", "TYPES", "Examples", "draw_examples", "row_sizes"]

TYPES = ("easy", "hard", "both")
SIGNALS = 4
"""Axes of signals: mu of the labels +1 and -1, then nu of both."""
SHARED = 6
"""Rows that examples share: mu of both labels, nu and -nu of the label +1, then of the other."""


@dataclass(frozen=True, eq=False)
class Examples:
    """A sample as a dictionary of patches.

    Attributes
    ----------
    rows : (K, d) unit signals, then noise patches of unit variance, in the order of the examples.
    members : (n, 3) the patches of each example, as rows.
    labels : (n,) +1 or -1.
    types : (n,) place in `TYPES`.
    """

    rows: Array
    members: npt.NDArray[np.int64]
    labels: npt.NDArray[np.float64]
    types: npt.NDArray[np.int64]


def draw_examples(role: tuple[str, ...], seed: int, n: int, d: int, p_hard: float, p_both: float, backend: Backend) -> Examples:
    """Draw n examples in d dimensions, of which p_hard are hard-only and p_both of both kinds, in expectation.

    Samples are nested in n and in d, and a hard-only example stays one whatever p_both is. Cost: 2 n d normals.
    """
    xp = backend.xp
    kinds, y, s = backend.to_numpy(uniforms(stream(*role, "kinds", seed=seed), n, 3, backend)).T
    types = np.where(kinds < p_hard, 1, np.where(kinds < p_hard + p_both, 2, 0))
    label, sign = (y < 0.5).astype(np.int64), (s < 0.5).astype(np.int64)  # 0 for +1, 1 for -1
    noise = normals(stream(*role, "noise", seed=seed), 2 * n, d - SIGNALS, backend)
    used = np.stack([np.ones(n, dtype=bool), types != 2], axis=1)
    rows = xp.zeros((SHARED + int(used.sum()), d))
    rows[:SHARED, :SIGNALS] = backend.asarray(_signals())
    rows[SHARED:, SIGNALS:] = noise[backend.asarray(np.flatnonzero(used), np.int64)]
    place = SHARED + np.cumsum(used.reshape(-1)).reshape(n, 2) - 1
    hard = 2 + 2 * label + sign
    members = np.stack([np.where(types == 1, hard, label), np.where(types == 2, hard, place[:, 1]), place[:, 0]], axis=1)
    return Examples(rows, members, 1.0 - 2.0 * label, types)


def row_sizes(count: int, sizes: Mapping[str, float]) -> npt.NDArray[np.float64]:
    """Return the factor of each of ``count`` rows: the sizes ``mu`` and ``nu`` of the signals, ``sigma`` of the noise."""
    found = np.full(count, float(sizes["sigma"]))
    found[:2], found[2:SHARED] = sizes["mu"], sizes["nu"]
    return found


def _signals() -> npt.NDArray[np.float64]:
    found = np.zeros((SHARED, SIGNALS))
    found[[0, 1], [0, 1]] = 1.0
    found[[2, 3, 4, 5], [2, 2, 3, 3]] = [1.0, -1.0, 1.0, -1.0]
    return found
