"""Models of a ladder on text tasks, as frozen encoders with probes, through the probes of Burns et al. 2023.

Accuracy by size, and what a small model's labels teach a larger one.
"""
