"""What this machine has: CPUs that this process may use, GPUs, memory; and the variables that hold libraries to threads."""

from __future__ import annotations

import math
import os
import resource
import subprocess
from pathlib import Path

__all__ = ["THREAD_VARIABLES", "gpu_count", "gpu_memory", "held_memory", "oom_kills", "physical_memory", "usable_cpus"]

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "NUMBA_NUM_THREADS",
)
"""Variables of the environment that say how many threads a library may start; it reads them when it is loaded."""


def usable_cpus() -> int:
    """Count the CPUs that affinity mask and control group allow, at least 1.

    A container's quota counts, not the cores of the host.
    """
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:
        count = os.cpu_count() or 1
    quota = _cgroup_quota()
    return max(1, min(count, int(quota)) if quota else count)


def _cgroup_quota() -> float | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text().split()[:2]
    except (OSError, ValueError):
        return None
    return None if quota == "max" else float(quota) / float(period)


def physical_memory() -> int:
    """Return the memory of this machine in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def oom_kills() -> int:
    """Count the processes that the kernel of this machine has killed for want of memory; 0 where it does not say."""
    try:
        counts = Path("/proc/vmstat").read_text(encoding="ascii")
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in counts.splitlines() if line.startswith("oom_kill ")), 0)


def held_memory(*, children: bool = False) -> str:
    """Say how much memory this process (or the largest of its ended ``children``) has held, rounded up to a quarter GiB.

    Coarse, so that blocks which fail alike say the same.
    """
    kib = resource.getrusage(resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF).ru_maxrss
    return f"{math.ceil(kib / 2**18) / 4:g} GiB at most"


def gpu_count() -> int:
    """Count the NVIDIA GPUs that this process may use: 0 where ``CUDA_VISIBLE_DEVICES`` is set and empty."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = len(list(Path("/proc/driver/nvidia/gpus").glob("*")))
    return found if visible is None else min(found, len([name for name in visible.split(",") if name.strip()]))


def gpu_memory() -> int | None:
    """Return the bytes of this machine's smallest NVIDIA GPU, by its driver's tool; None where there is none, or no answer."""
    if not gpu_count():
        return None
    asked = ["nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(asked, capture_output=True, text=True, timeout=20, check=True).stdout
        return min(int(line) for line in said.split()) * 2**20
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
