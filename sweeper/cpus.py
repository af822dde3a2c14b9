"""How many CPUs this process may use, and how much memory the machine has."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["physical_memory", "usable_cpus"]


def usable_cpus() -> int:
    """CPUs by affinity mask and control group, at least 1. A container's quota counts, not the host's cores."""
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
    """Bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
