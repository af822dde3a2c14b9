"""Shin, Cooper and Sala 2024: weak-to-strong generalization through the data-centric lens (arXiv 2412.03881)."""
