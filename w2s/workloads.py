"""Nominal rates of kinds of work, under the name that studies in files of their own import: see `w2s.sharing.workloads`."""

from w2s.sharing.nominal import CALLS, MOVED, NORMAL_FLOPS, TURN
from w2s.sharing.workloads import KINDS, workload

__all__ = ["CALLS", "KINDS", "MOVED", "NORMAL_FLOPS", "TURN", "workload"]
