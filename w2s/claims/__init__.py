"""Sentences of a paper as tests on a finished table, each of which can fail.

Studies and ``w2s-sweep verify`` import this room; it imports `summary`. A new kind of test that several papers can use goes
here, a claim of one paper beside its study.
"""

from w2s.claims.choices import more_hits
from w2s.claims.claim import Claim, Outcome, Verdict, above, below, decide, missing, untestable, within, worst
from w2s.claims.comparisons import by_task, median_over, worst_task
from w2s.claims.resampled import LEAST_SEEDS, Interval
from w2s.claims.sabotage import SABOTAGES, Doctor, overlooked
from w2s.claims.seed_intervals import LEVEL, over_means, over_seeds, over_share
from w2s.claims.settings import each_setting, largest_distance, worst_mean, worst_setting
from w2s.claims.trends import hump, lines_along, steps

__all__ = [
    "LEAST_SEEDS",
    "LEVEL",
    "SABOTAGES",
    "Claim",
    "Doctor",
    "Interval",
    "Outcome",
    "Verdict",
    "above",
    "below",
    "by_task",
    "decide",
    "each_setting",
    "hump",
    "largest_distance",
    "lines_along",
    "median_over",
    "missing",
    "more_hits",
    "over_means",
    "over_seeds",
    "over_share",
    "overlooked",
    "steps",
    "untestable",
    "within",
    "worst",
    "worst_mean",
    "worst_setting",
    "worst_task",
]
