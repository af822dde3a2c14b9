"""Xu et al. 2025: weak-to-strong by the bias and variance of its teachers."""
