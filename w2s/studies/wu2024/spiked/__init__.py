"""Interpolating classifiers under spiked covariances: cells and grid, arithmetic, claims, figures."""
