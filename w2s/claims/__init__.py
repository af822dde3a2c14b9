"""Sentences of a paper as tests on a finished table, each of which can fail.

Imported by studies and by ``w2s-sweep verify``; imports the summaries' intervals. A new kind of test that papers share goes
here, a claim of one paper beside its study.
"""

from w2s.claims.claim import Claim, Outcome, Verdict, above, below, decide, missing, untestable, within, worst
from w2s.claims.seed_intervals import LEVEL, over_means, over_seeds

__all__ = [
    "LEVEL",
    "Claim",
    "Outcome",
    "Verdict",
    "above",
    "below",
    "decide",
    "missing",
    "over_means",
    "over_seeds",
    "untestable",
    "within",
    "worst",
]
