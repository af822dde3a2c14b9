"""Nominal rates of kinds of work, under the name that studies in files of their own import: see `w2s.sharing.workloads`."""

from w2s.sharing.workloads import CALLS, KINDS, MOVED, NORMAL_FLOPS, TURN, workload

__all__ = ["CALLS", "KINDS", "MOVED", "NORMAL_FLOPS", "TURN", "workload"]
