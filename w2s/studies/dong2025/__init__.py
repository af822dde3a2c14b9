"""Dong, Li, Li, Lee and Lei 2025: weak-to-strong regression in low intrinsic dimension (arXiv 2502.05075)."""
