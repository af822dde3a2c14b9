"""Moniri and Hassani 2025: ridge, weighted ridge and multi-index mechanisms of weak-to-strong (arXiv 2505.18346)."""
