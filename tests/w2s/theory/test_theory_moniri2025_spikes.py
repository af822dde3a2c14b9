"""Spikes of one gradient step against random matrices and samples."""

from __future__ import annotations

import numpy as np
import pytest

from w2s.theory.moniri2025 import spikes as theory

DOMAINS: dict[str, tuple[tuple[object, ...], tuple[object, ...]]] = {
    "gradient_alignment": ((0.5, 1.0, 0.25), (1.5, 1.0, 0.25)),
    "step_strength": ((0.5, 0.5, 1.0, 0.25, 200.0), (-0.5, 0.5, 1.0, 0.25, 200.0)),
    "spike_alignment": ((3.0, 2.0), (3.0, 0.0)),
}


@pytest.mark.parametrize(("strength", "aspect"), [(0.5, 2.0), (1.5, 2.0), (3.0, 2.0), (1.2, 0.5), (4.0, 5.0)])
def test_alignment_of_a_spike_in_noise(strength: float, aspect: float) -> None:
    rng, d = np.random.default_rng(3), 300
    found = []
    for _ in range(8):
        noise = rng.standard_normal((round(aspect * d), d)) / np.sqrt(d)
        left = rng.standard_normal(len(noise))
        noise[:, 0] += strength * left / np.linalg.norm(left)
        found.append(np.linalg.svd(noise, full_matrices=False)[2][0, 0] ** 2)
    assert np.mean(found) == pytest.approx(float(theory.spike_alignment(strength, aspect)), abs=0.06)


def test_weak_spikes_stay_in_the_noise_and_strong_ones_are_found() -> None:
    edge = 2.0**0.25
    assert theory.spike_alignment([0.0, 0.99 * edge], 2.0).tolist() == [0.0, 0.0]
    assert 0 < float(theory.spike_alignment(1.01 * edge, 2.0)) < 0.1
    assert float(theory.spike_alignment(1e200, 2.0)) == pytest.approx(1.0)
    strengths = theory.spike_alignment(np.linspace(0, 20, 200), 0.7)
    assert (np.diff(strengths) >= 0).all()


def test_alignment_of_a_mean_gradient() -> None:
    rng, d, n = np.random.default_rng(4), 50, 200
    found = []
    for _ in range(300):
        x = rng.standard_normal((n, d))
        y = 0.6 * x[:, 0] + 0.8 * (x[:, 1] ** 2 - 1) / np.sqrt(2)
        gradient = x.T @ y / n
        found.append(gradient[0] ** 2 / (gradient @ gradient))
    assert np.mean(found) == pytest.approx(float(theory.gradient_alignment(0.6, 1.0, d / n)), abs=0.04)


def test_strength_of_a_step() -> None:
    """The top singular value of the step over the spread of its entries beside the spike, for rows of relu' at random."""
    rng, p, d, n, step = np.random.default_rng(5), 300, 150, 600, 0.4
    layer = rng.standard_normal((p, d))
    layer /= np.linalg.norm(layer, axis=1)[:, None]
    x = rng.standard_normal((n, d))
    y = x[:, 0] / np.sqrt(2) + (x[:, 1] ** 2 - 1) / 2
    signs = rng.choice([-1.0, 1.0], p)
    after = layer + step * signs[:, None] * ((x @ layer.T > 0).T * y) @ x / n
    common = np.outer(signs, x.T @ y / n) * step / 2
    beside = (after - common).std() * np.sqrt(d)
    wanted = float(theory.step_strength(step, np.sqrt(0.5), 1.0, d / n, p))
    assert np.linalg.norm(common) / beside == pytest.approx(wanted, rel=0.12)
    assert float(theory.step_strength(0.0, 0.5, 1.0, 0.25, p)) == 0.0


def test_outside_the_domain_there_is_no_number() -> None:
    assert np.isnan(theory.gradient_alignment([-0.1, 0.5, 0.5, 0.0], [1.0, 0.0, 1.0, 1.0], [1.0, 1.0, -1.0, 0.0])).all()
    assert np.isnan(theory.step_strength([0.1, np.nan], 0.5, [1.0, 1.0], 0.2, [0.0, 10.0])).all()
    assert np.isnan(theory.spike_alignment([-1.0, np.nan, 1.0], [1.0, 1.0, -1.0])).all()
