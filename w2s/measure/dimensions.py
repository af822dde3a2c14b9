"""Intrinsic dimensions of feature matrices, and how much two of them have in common.

The intrinsic dimension d of features (rows, p) is the least number of directions that hold 99 % of their energy, the sum of
squared singular values. The correlation dimension of two feature sets is d_sw = ||V_s'V_w||_F^2, the sum of squared cosines
between their principal subspaces: at most min(d_s, d_w), and d_sw/d_w is the part of the weak model's variance that a student
inherits. The subspaces must live in one space, and two feature maps of the same inputs share only the space of the inputs:

    sample_overlap     left singular vectors (functions on the rows): any widths, invariant to rotations of either set
    projected_overlap  the recipe of the paper's code: feature space, the wider set brought to the narrower one's width by a
                       random projection, so a random number, and one that depends on the basis the features are written in

The second one says little about real features: where the narrower set has no more coordinates than the other has dimensions,
the projection fills all of them and d_sw is the d of the narrower; at large widths it is about d_s d_w / width whatever the
features have in common. Trust the first one.

Source: Y. Dong et al., arXiv 2502.05075 (2025), section 2; the 99 % cutoff and the projection are those of its code.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from w2s_kernels import NUMPY, normals, stream

__all__ = ["ENERGY", "Overlap", "Principal", "intrinsic_dimension", "projected_overlap", "sample_overlap"]

Matrix = npt.NDArray[np.float64]

ENERGY = 0.99
"""Share of the energy that an intrinsic dimension holds."""


@dataclass(frozen=True)
class Overlap:
    """A correlation dimension with the intrinsic dimensions of both sides.

    Attributes
    ----------
    d_weak, d_strong : intrinsic dimensions.
    values : d_sw, one number per random projection; a single one where nothing is random.

    """

    d_weak: int
    d_strong: int
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """d_sw, averaged over projections."""
        return float(np.mean(self.values))

    @property
    def spread(self) -> float:
        """Standard deviation of d_sw over projections; 0 where nothing is random."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else 0.0


class Principal:
    """Principal subspace of one feature matrix (rows, p): what dimensions and overlaps are computed from.

    Parameters
    ----------
    features : (rows, p), finite and with some energy (else ValueError).
    energy : in (0, 1].
    centred : subtract the column means first. Uncentred, the mean direction alone can hold most of the energy.

    Cost: a QR and an SVD of order p.

    """

    def __init__(self, features: npt.ArrayLike, energy: float = ENERGY, *, centred: bool) -> None:
        matrix = _checked(features, centred)
        self.rows, self.width = matrix.shape
        self._square = np.linalg.qr(matrix, mode="r") if self.rows > 2 * self.width else matrix
        _, values, right = np.linalg.svd(self._square, full_matrices=False)
        self.dimension = _cutoff(values, energy)
        """Least number of directions that hold ``energy`` of the squared singular values."""
        self.directions = np.asarray(right[: self.dimension].T)
        """Leading directions in feature space: (p, d), orthonormal."""
        self.scores = np.asarray(matrix @ (self.directions / values[: self.dimension]))
        """Leading left singular vectors: (rows, d), orthonormal."""

    def projected(self, width: int, seed: int) -> Matrix:
        """Compute the leading directions (width, min(d, width)) after multiplication by a random matrix of N(0, 1/width)."""
        weights = normals(stream("dimensions", "projection", seed=seed), self.width, width, NUMPY)
        _, _, right = np.linalg.svd(self._square @ (weights / np.sqrt(width)), full_matrices=False)
        return np.asarray(right[: min(self.dimension, width)].T)


def intrinsic_dimension(features: npt.ArrayLike, energy: float = ENERGY, *, centred: bool) -> int:
    """Find the least k whose k largest squared singular values sum to ``energy`` of all, for features (rows, p); in 1..p."""
    return Principal(features, energy, centred=centred).dimension


def sample_overlap(weak: Principal, strong: Principal) -> Overlap:
    """Compute the correlation dimension in the space of the rows: ||U_s'U_w||_F^2 of the leading left singular vectors.

    Both are of the same rows in the same order (ValueError for unequal numbers). The number of rows should be several times
    d_s + d_w: two unrelated subspaces of R^rows have d_s d_w / rows in common on average.
    """
    if weak.rows != strong.rows:
        raise ValueError(f"features of the same rows are needed, not of {weak.rows} and {strong.rows} rows")
    return Overlap(weak.dimension, strong.dimension, (_shared(weak.scores, strong.scores),))


def projected_overlap(weak: Principal, strong: Principal, seeds: tuple[int, ...] = (42, 43, 44, 45, 46)) -> Overlap:
    """Compute the correlation dimension in feature space, as in the paper's code: ||V_s'V_w||_F^2 of the leading directions.

    If widths differ, the wider features are multiplied by a matrix (wide, narrow) of independent N(0, 1/narrow), which gives
    one value per seed; their intrinsic dimension is the one before. The first seed is the code's, the random numbers are our
    own. With equal widths nothing is random, and coordinate j of one map is taken to be coordinate j of the other. The code's
    features are uncentred.
    """
    if weak.width == strong.width:
        return Overlap(weak.dimension, strong.dimension, (_shared(weak.directions, strong.directions),))
    wide, narrow = (weak, strong) if weak.width > strong.width else (strong, weak)
    found = tuple(_shared(narrow.directions, wide.projected(narrow.width, seed)) for seed in seeds)
    return Overlap(weak.dimension, strong.dimension, found)


def _checked(features: npt.ArrayLike, centred: bool) -> Matrix:
    matrix = np.asarray(features, dtype=np.float64)
    if matrix.ndim != 2 or not matrix.size:
        raise ValueError(f"features must be a matrix (rows, p), not of shape {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError("features must be finite")
    return np.asarray(matrix - matrix.mean(axis=0)) if centred else matrix


def _cutoff(values: Matrix, energy: float) -> int:
    if not 0.0 < energy <= 1.0:
        raise ValueError(f"energy must be in (0, 1], not {energy!r}")
    if not values[0] > 0.0:
        raise ValueError("features without any energy have no intrinsic dimension")
    shares = np.cumsum((values / values[0]) ** 2)
    # Rounding must not ask for one more direction: orthonormal columns give exactly k/p.
    return int(np.searchsorted(shares, energy * shares[-1] * (1.0 - 1e-12))) + 1


def _shared(one: Matrix, other: Matrix) -> float:
    """Sum the squared cosines between two subspaces with orthonormal bases (rows, k), in [0, min(k)]."""
    return float(np.sum((one.T @ other) ** 2))
