"""Pseudolabel correction and coverage expansion: cells and grid, sample, arithmetic, neighbourhoods, claims, figures."""
