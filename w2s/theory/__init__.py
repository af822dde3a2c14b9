"""Closed forms, one module (or folder) per paper, vectorised and usable without a grid.

Imports laws where a formula needs a geometry or a spectrum; studies and their claims import it.
"""
