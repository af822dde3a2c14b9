"""Figures."""

FIGURES = ()
