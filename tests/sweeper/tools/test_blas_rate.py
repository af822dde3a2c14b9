"""`doctor` names the variable where a BLAS has taken slow kernels, and sets nothing."""

from __future__ import annotations

import os

import pytest

from sweeper.tools.blas_rate import BlasRate, measure_blas, slow_kernel
from sweeper.tools.doctor import blas_finding

AVX512 = frozenset({"avx2", "fma", "avx512f", "avx512vl"})
AVX2 = frozenset({"avx2", "fma"})


@pytest.mark.parametrize(
    ("share", "core", "flags", "named"),
    [
        (0.53, "Haswell", AVX512, "SkylakeX"),
        (0.53, "Prescott", AVX2, "Haswell"),
        (0.53, "Prescott", AVX512, "SkylakeX"),
        (0.95, "Haswell", AVX512, ""),
        (0.53, "Haswell", AVX2, ""),
        (0.53, "SkylakeX", AVX512, ""),
        (0.53, "neoversen1", frozenset(), ""),
        (0.53, "", AVX512, ""),
    ],
)
def test_the_right_core_is_named(share: float, core: str, flags: frozenset[str], named: str) -> None:
    found = BlasRate(share * 96e9, 96e9, core)
    assert slow_kernel(found, flags) == named
    finding = blas_finding(found, flags)
    assert (finding.ok is False) == bool(named)
    assert (f"OPENBLAS_CORETYPE={named}" in finding.remedy) == bool(named)


def test_this_machine_is_measured_and_nothing_is_set() -> None:
    before = os.environ.get("OPENBLAS_CORETYPE")
    found = measure_blas()
    assert found.dgemm > 0
    assert found.peak > 0
    assert os.environ.get("OPENBLAS_CORETYPE") == before
