"""Yao et al. 2025: what bounds a student of weak labels, and what too much training does to it."""
