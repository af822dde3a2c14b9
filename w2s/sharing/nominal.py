"""What work that no formula of a factorisation describes counts as, in nominal operations: studies say it of their blocks.

Samples of such work, on which a machine's rates are measured, are in :mod:`w2s.sharing.workloads`.
"""

from __future__ import annotations

__all__ = ["CALLS", "FIT_PASSES", "MOVED", "NORMAL_FLOPS", "TURN"]

NORMAL_FLOPS = 100.0
"""Nominal operations of one normal: a quarter of a Threefry block of twenty rounds, half a logarithm, root, sine and cosine."""

MOVED = 20.0
"""Nominal operations that writing one number of an array counts as: it takes about as long."""

CALLS = 5e5
"""Nominal operations that the array calls of one step count as: they take about as long, however small the arrays."""

TURN = 3000.0
"""Nominal operations on one row of a training step besides the products: its turn in the order, its gathering, its error."""

FIT_PASSES = 22.0
"""Passes over its rows, forward and back, that a logistic fit of two classes counts as: L-BFGS takes so many on average for C
from 1e-4 to 0.1."""
