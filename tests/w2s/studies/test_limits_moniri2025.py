"""Simulated errors against deterministic limits on settings at random: both regimes, any covariance, any weights.

The settings are drawn before any error is; all of them count. ``b`` is what a limit of order 1/d leaves out (FINITE_SIZE).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from w2s.studies.moniri2025 import ridge_fits as fits
from w2s.studies.moniri2025.ridge_block import FINITE_SIZE, power_law
from w2s.studies.moniri2025.ridge_fits import Law
from w2s.theory.moniri2025 import spectra as theory
from w2s_kernels import choose

Matrix = npt.NDArray[np.float64]
BACKEND = choose("numba")
KINDS = ("isotropic", "general", "weighted")


@dataclass(frozen=True)
class Setting:
    """A teacher and a student at any size: aspect ratios, ridges, noise, decay of inputs and target, ratio of the weights."""

    ratios: tuple[float, float]
    ridges: tuple[float, float]
    noise: float
    decay: float = 0.0
    target_decay: float = 0.0
    weight: float = 1.0

    def parts(self, d: int) -> tuple[Law, Matrix, Matrix, list[int]]:
        levels = power_law(d, self.decay)
        squares = np.arange(1, d + 1) ** -self.target_decay
        weights = np.where(np.arange(d) < d // 2, 1 / self.weight, self.weight)
        law = Law(levels, np.sqrt(squares / (levels @ squares)))
        return law, np.ones(d), weights, [max(1, round(d / ratio)) for ratio in self.ratios]

    def limit(self, d: int) -> tuple[Matrix, float]:
        """Errors of teacher and student, and the larger variance share of their fits."""
        law, plain, weights, rows = self.parts(d)
        errors = theory.weighted(law.levels, law.goal**2, plain, weights, *rows, *self.ridges, self.noise)
        shares = [
            theory.variance_share(law.levels / w, n, ridge)
            for w, n, ridge in zip((plain, weights), rows, self.ridges, strict=True)
        ]
        return np.array(errors), float(max(shares))

    def simulated(self, d: int, trials: int) -> Matrix:
        """Errors of teacher and student, (2, trials)."""
        law, plain, weights, (first, second) = self.parts(d)
        one, noise, found = np.ones(1), np.array([self.noise]), []
        for start in range(0, trials, 64):
            seeds = range(start, min(start + 64, trials))
            teacher = fits.draw_designs("labeled", seeds, [first], law, plain, BACKEND)[0]
            student = fits.draw_designs("transfer", seeds, [second], law, weights, BACKEND)[0]
            truth = fits.fit_truth(teacher, law, [self.ridges[0]], BACKEND)
            labels = truth.labels([0], one, noise, np)
            fitted = fits.fit_teacher(student, law, labels, one, [self.ridges[1]], BACKEND)
            found.append(np.stack([truth.error(one, noise)[:, 0, 0], fitted["student_error"][:, 0, 0]]))
        return np.concatenate(found, axis=1)


def settings(count: int) -> list[tuple[str, Setting]]:
    """Settings of all kinds in turn: aspect ratios from 0.2 to 4, ridges from 1e-3 to 3, noise from 0.1 to 3."""
    rng, found = np.random.default_rng(2025), []
    for k in range(count):
        kind = KINDS[k % len(KINDS)]
        ratios: Any = tuple(np.exp(rng.uniform(np.log(0.2), np.log(4.0), 2)))
        ridges: Any = tuple(10 ** rng.uniform(-3, 0.5, 2))
        noise, decay, target, weight = (
            10 ** rng.uniform(-1, 0.5),
            rng.uniform(0.3, 1.5),
            rng.uniform(0, 1),
            np.exp(rng.uniform(-1, 3)),
        )
        if kind == "isotropic":
            found.append((kind, Setting(ratios, ridges, noise)))
        elif kind == "general":
            found.append((kind, Setting(ratios, ridges, noise, decay, target)))
        else:
            found.append((kind, Setting(ratios, ridges, noise, decay if k % 2 else 0.0, target, weight)))
    return found


def compared(count: int, d: int, trials: int) -> tuple[Matrix, Matrix]:
    """Deviations in standard errors, and over 4 of these plus b/d, of both errors of every setting: (2 count,)."""
    scores, allowed = [], []
    for _, setting in settings(count):
        limit, share = setting.limit(d)
        errors = setting.simulated(d, trials)
        deviation, se = errors.mean(axis=1) - limit, errors.std(axis=1, ddof=1) / np.sqrt(trials)
        scores += list(deviation / se)
        allowed += list(np.abs(deviation) / (4.0 * se + FINITE_SIZE / (1.0 - share) / d * limit))
    return np.array(scores), np.array(allowed)


def test_errors_are_those_of_the_limits() -> None:
    scores, allowed = compared(24, 60, 24)
    assert allowed.max() <= 1.0
    assert 0.6 < scores.std() < 1.5


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_errors_of_two_hundred_settings_are_those_of_the_limits() -> None:
    scores, allowed = compared(210, 200, 32)
    print(
        f"largest over allowed {allowed.max():.3f}, scores: mean {scores.mean():.3f}, sd {scores.std():.3f}, of {len(scores)}"
    )
    assert allowed.max() <= 1.0
    assert 0.8 <= scores.std() <= 1.25


SHARP = [  # small ridges and large variance shares, where what is of order 1/d stands out of the noise of 4000 trials
    Setting((0.75, 0.5), (0.005, 0.02), 1.0),
    Setting((0.8, 0.3), (0.005, 0.01), 2.0),
    Setting((0.7, 0.6), (0.002, 0.01), 3.0),
    Setting((0.65, 0.6), (0.002, 0.01), 2.0, decay=0.6),
    Setting((0.7, 0.4), (0.003, 0.02), 2.0, decay=0.3, target_decay=0.5),
    Setting((0.75, 0.5), (0.004, 0.01), 2.0, weight=2.0),
]


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_deviations_fall_with_the_dimension() -> None:
    for setting in SHARP:
        found = []
        for d in (20, 80):
            limit, _ = setting.limit(d)
            errors = setting.simulated(d, 4000)
            found.append((errors.mean(axis=1) - limit) / limit)
            print(f"d = {d}: relative deviation {found[-1]}, se {errors.std(axis=1) / np.sqrt(4000) / limit}")
        assert (np.abs(found[1]) < 0.5 * np.abs(found[0])).all(), setting
