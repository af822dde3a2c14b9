"""Images of digits, as a world to train and test in."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.laws.digit_patches import DigitExamples, Digits, balanced_digits, draw_digits
from w2s.laws.signal_noise import TYPES, Examples
from w2s_kernels import Backend
from w2s_kernels.backend import Array

__all__ = ["DigitWorld"]

Level = Mapping[str, Any]


class DigitWorld:
    """`World` of `w2s.laws.digit_patches` for one seed."""

    def __init__(self, digits: Digits, seed: int, backend: Backend) -> None:
        self._digits, self._seed, self._backend = digits, seed, backend
        self._new: dict[Hashable, DigitExamples] = {}

    def sample(self, role: str, n: int, level: Level) -> Examples:
        """Draw n examples."""
        return draw_digits(self._digits, role, self._seed, n, level["p_hard"], level["p_both"], self._backend)

    def factors(self, examples: Examples, network: Level) -> npt.NDArray[np.float64]:
        """Return the sizes of easy digits, hard digits and noise."""
        sizes = np.array([network["mu"], network["nu"], network["sigma"]], dtype=np.float64)
        kinds = examples.kinds if isinstance(examples, DigitExamples) else np.zeros(len(examples.rows), dtype=np.int64)
        return np.asarray(sizes[kinds])

    def errors(self, role: str, n: int, teacher: Array, filters: Array, level: Level) -> tuple[Array, Array, Array]:
        """Compute errors on images that no network was trained on."""
        xp = self._backend.xp
        new = self._of(role, n)
        readers = xp.concatenate([teacher[None], filters])
        seen = (new.rows @ readers.T) * self._backend.asarray(self.factors(new, level))[:, None]
        seen = seen.reshape(len(TYPES), n, 3, len(readers))
        weak, strong, half = seen[..., 0].sum(axis=-1), seen[..., 1:], len(filters) // 2
        if half:
            open_ = xp.maximum(strong, 0.0).sum(axis=-2)
            strong = open_[..., :half].sum(axis=-1) - open_[..., half:].sum(axis=-1)
        else:
            strong = strong[..., 0].sum(axis=-1)
        truth = self._backend.asarray(new.labels).reshape(len(TYPES), n) > 0
        pairs = ((strong, truth), (weak, truth), (strong, weak >= 0))
        broken = xp.where(xp.isfinite(strong).all() & xp.isfinite(weak).all(), 0.0, xp.nan)
        wrong, weak_wrong, unequal = (xp.where((said >= 0) == right, 0.0, 1.0).mean(axis=1) + broken for said, right in pairs)
        return wrong, weak_wrong, unequal

    def extras(self, teacher: Array, filters: Array, level: Level) -> dict[str, float]:  # noqa: ARG002
        """Compute how far the teacher's answers to hard digits are a rule of digit and contrast: 0 for coins, 1 for a rule.

        That is the share of right answers at one contrast less that at the other, for the digit where they differ most.
        """
        new = self._of("test", level["n_test"])
        says = self._backend.to_numpy(new.rows @ teacher) * self.factors(new, level)
        hard = new.types == TYPES.index("hard")
        right = (says[new.members[hard]].sum(axis=1) >= 0) == (new.labels[hard] > 0)
        place = np.arange(len(right))
        shares = [right[place % 4 == part].mean() for part in range(4)]  # label +, label - at s = +1, then both at s = -1
        return {"weak_rule": float(max(abs(shares[0] - shares[2]), abs(shares[1] - shares[3])))}

    def _of(self, role: str, n: int) -> DigitExamples:
        if (role, n) not in self._new:
            self._new[role, n] = balanced_digits(self._digits, role, self._seed, n, self._backend)
        return self._new[role, n]
