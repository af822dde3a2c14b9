"""The CUDA kernels of the arc-cosine Gram on the CPU: bits of the compiled CPU version, values of the reference."""

from __future__ import annotations

import numpy as np
import pytest
from cuda_build import STAND_IN, Shim
from problems import Floats, close

from w2s_kernels import NUMPY, Backend
from w2s_kernels.arccos import arccos_gram
from w2s_kernels.arccos import cupy as arccos_cupy
from w2s_kernels.arccos.plain import arc_cosine

ENDS = np.array([-1.0, 1.0, 0.0, -0.0, 0.5, -0.5, np.nextafter(-1, 0), np.nextafter(1, 0), 1 + 2**-52, -1 - 2**-52])
COSINES = np.concatenate(
    [ENDS, np.linspace(-1, 1, 3001), -np.cos(np.geomspace(1e-8, 3, 900)), -np.cos(np.linspace(0.249, 0.27, 900))]
)


def filled(cosines: Floats, height: Floats, width: Floats, *, mirrored: bool = False) -> Floats:
    out = np.array(cosines)
    arccos_cupy.fill(out, height, width, mirrored=mirrored)
    return out


def test_entries_against_the_reference(shim: Shim) -> None:
    """Relative to each entry, also where it vanishes with the cube of the angle; where series and closed form meet, both have
    lost six bits."""
    got = filled(COSINES[None], np.ones(1), np.ones(len(COSINES)))[0]
    want = arc_cosine(np.clip(COSINES, -1.0, 1.0), np)
    assert shim.launches == 1
    assert np.all(np.abs(got - want) <= 2e-14 * want)
    assert got[0] == 0.0
    assert got[1] == np.pi


def test_entries_have_the_bits_of_the_compiled_cpu_version(shim: Shim) -> None:
    pytest.importorskip("numba")
    from w2s_kernels.arccos import numba as arccos_numba

    rng = np.random.default_rng(0)
    cosines = rng.uniform(-1, 1, (7, 300))
    cosines[0, : len(ENDS)] = ENDS
    height, width = rng.uniform(0, 3, 7), rng.uniform(0, 3, 300)
    want = np.empty_like(cosines)
    arccos_numba.fill(want, cosines, 0, 0, height, width)
    np.testing.assert_array_equal(filled(cosines, height, width), want)


@pytest.mark.parametrize("size", [1, 31, 32, 33, 97])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_mirrored_matrix_is_its_upper_triangle_twice(size: int, seed: int, shim: Shim) -> None:
    rng = np.random.default_rng(size)
    cosines, lengths = rng.uniform(-1, 1, (size, size)), rng.uniform(0, 2, size)
    with shim.threads_in_order(seed):
        got = filled(cosines, lengths / 3, lengths, mirrored=True)
        upper = np.triu(filled(cosines, lengths / 3, lengths))
    np.testing.assert_array_equal(got, upper + np.triu(upper, 1).T)


def test_grams_against_the_reference(shim: Shim) -> None:
    rng = np.random.default_rng(2)
    u, v = rng.standard_normal((70, 5)), rng.standard_normal((41, 5))
    u[3], u[4], v[2], v[5] = 0.0, -u[5], 1e5 * u[6], -u[7]
    got, own = arccos_gram(u, v, backend=STAND_IN), arccos_gram(u, backend=STAND_IN)
    assert shim.launches == 2
    close(got, arccos_gram(u, v, backend=NUMPY), 1e-14)
    close(own, arccos_gram(u, backend=NUMPY), 1e-14)
    assert (own == own.T).all()
    assert (got[3] == 0).all()
    assert np.isfinite(got).all()


def test_empty_grams_launch_nothing(shim: Shim) -> None:
    assert arccos_gram(np.ones((0, 3)), backend=STAND_IN).shape == (0, 0)
    assert arccos_gram(np.ones((2, 3)), np.ones((0, 3)), backend=STAND_IN).shape == (2, 0)
    assert shim.launches == 0


@pytest.mark.gpu
def test_device_against_the_reference(device: Backend) -> None:
    entries = device.xp.array(COSINES[None])
    arccos_cupy.fill(entries, device.xp.ones(1), device.xp.ones(len(COSINES)), mirrored=False)
    want = arc_cosine(np.clip(COSINES, -1.0, 1.0), np)
    assert np.all(np.abs(device.to_numpy(entries)[0] - want) <= 2e-14 * want)
    u = np.random.default_rng(4).standard_normal((700, 40))
    own = device.to_numpy(arccos_gram(u, backend=device))
    assert (own == own.T).all()
    close(own, arccos_gram(u, backend=NUMPY), 1e-13)
