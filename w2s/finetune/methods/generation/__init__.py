"""Methods whose student writes: contrastive texts, regression on weak log ratios, search; tasks of prompts.

Imports what every method may. A new one is a file named like its word, and a line in ``METHODS`` of ``methods/registry.py``.
"""
