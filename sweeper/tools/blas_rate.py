"""Whether the BLAS of this process knows its processor: its matrix product against what a core can do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

__all__ = ["LEAST_SHARE", "BlasRate", "measure_blas", "slow_kernel"]

LEAST_SHARE = 0.7
"""Share of a core's peak from which on a matrix product of order 512 is taken to run on the right kernel."""
_ORDER, _TURNS = 512, 7
_WIDTHS = {"SkylakeX": 512, "Cooperlake": 512, "SapphireRapids": 512, "Haswell": 256, "Zen": 256, "Excavator": 256}
"""Bits of the registers that OpenBLAS's kernels for x86 use, by the name of the core; 128 for all others."""
_WIDER = ((512, "avx512vl", "SkylakeX"), (256, "avx2", "Haswell"))


@dataclass(frozen=True)
class BlasRate:
    """What was measured on one thread, in operations a second, and the core whose kernels the BLAS has taken."""

    dgemm: float
    peak: float
    core: str

    @property
    def share(self) -> float:
        """Part of the core's peak that the product reaches."""
        return self.dgemm / self.peak


def measure_blas() -> BlasRate:
    """Measure a product of order 512 and the peak of a core, both on one thread and in processor time: half a second.

    Raises ImportError where Numba, which the peak needs, is missing.
    """
    from threadpoolctl import threadpool_info, threadpool_limits

    from w2s_kernels.simd.peak import peak_flops

    a = np.ones((_ORDER, _ORDER))
    out = np.empty_like(a)
    with threadpool_limits(limits=1):
        np.matmul(a, a, out=out)
        spent = []
        for _ in range(_TURNS):
            start = time.thread_time()
            np.matmul(a, a, out=out)
            spent.append(time.thread_time() - start)
        peak = peak_flops()
    cores = [str(found.get("architecture", "")) for found in threadpool_info() if found["user_api"] == "blas"]
    return BlasRate(2.0 * _ORDER**3 / max(min(spent), 1e-6), peak, cores[0] if cores else "")


def slow_kernel(found: BlasRate, flags: frozenset[str] | None = None) -> str:
    """Name the core that OPENBLAS_CORETYPE should say where the product is slow and the processor has wider registers.

    Empty where the product is fast enough, or no wider kernel would run here. ``flags`` are those of the processor.
    """
    have = _flags() if flags is None else flags
    width = _WIDTHS.get(found.core, 128)
    if found.share >= LEAST_SHARE or not found.core:
        return ""
    return next((core for wide, flag, core in _WIDER if wide > width and flag in have), "")


def _flags() -> frozenset[str]:
    """Read what the processor can do; empty where the system does not tell."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return frozenset()
    line = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())
