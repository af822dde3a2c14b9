"""Closed forms of Ji et al. 2024: what fixing and breaking answers does to their accuracy, once and in rounds.

All of its functions are here too.
"""

from w2s.theory.aligner2024.accounting import accuracy_after, resting_accuracy

__all__ = ["accuracy_after", "resting_accuracy"]
