"""Goel et al. 2025: models that err alike, and what one can teach the other."""
