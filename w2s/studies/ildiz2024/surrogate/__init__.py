"""Regression on the labels of a surrogate: cells and grid, arithmetic, claims, figures."""
