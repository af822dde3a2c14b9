"""Closed forms of Moniri and Hassani 2025: isotropic inputs, general covariances and weighted penalties, spikes of one step.

A module for each; all of their functions are here too.
"""

from w2s.theory.moniri2025.isotropic import Errors, gain_interval, optimal_ridge, ridge, same_sample, vanishing_ridge_gain
from w2s.theory.moniri2025.spectra import effective_ridge, general, variance_share, weighted
from w2s.theory.moniri2025.spikes import gradient_alignment, spike_alignment, step_strength

__all__ = [
    "Errors",
    "effective_ridge",
    "gain_interval",
    "general",
    "gradient_alignment",
    "optimal_ridge",
    "ridge",
    "same_sample",
    "spike_alignment",
    "step_strength",
    "vanishing_ridge_gain",
    "variance_share",
    "weighted",
]
