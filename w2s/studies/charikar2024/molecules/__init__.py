"""Gain and misfit of probes on molecules, and choosing a weak model by their difference."""
