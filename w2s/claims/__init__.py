"""Sentences of a paper as tests on a finished table, each of which can fail.

Studies and ``w2s-sweep verify`` import this room; it imports `summary`. A new kind of test that several papers can use goes
here, a claim of one paper beside its study.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.fronts import on_demand

if TYPE_CHECKING:
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

_HOME = {
    "Claim": "w2s.claims.claim",
    "Doctor": "w2s.claims.sabotage",
    "Interval": "w2s.claims.resampled",
    "LEAST_SEEDS": "w2s.claims.resampled",
    "LEVEL": "w2s.claims.seed_intervals",
    "Outcome": "w2s.claims.claim",
    "SABOTAGES": "w2s.claims.sabotage",
    "Verdict": "w2s.claims.claim",
    "above": "w2s.claims.claim",
    "below": "w2s.claims.claim",
    "by_task": "w2s.claims.comparisons",
    "decide": "w2s.claims.claim",
    "each_setting": "w2s.claims.settings",
    "hump": "w2s.claims.trends",
    "largest_distance": "w2s.claims.settings",
    "lines_along": "w2s.claims.trends",
    "median_over": "w2s.claims.comparisons",
    "missing": "w2s.claims.claim",
    "more_hits": "w2s.claims.choices",
    "over_means": "w2s.claims.seed_intervals",
    "over_seeds": "w2s.claims.seed_intervals",
    "over_share": "w2s.claims.seed_intervals",
    "overlooked": "w2s.claims.sabotage",
    "steps": "w2s.claims.trends",
    "untestable": "w2s.claims.claim",
    "within": "w2s.claims.claim",
    "worst": "w2s.claims.claim",
    "worst_mean": "w2s.claims.settings",
    "worst_setting": "w2s.claims.settings",
    "worst_task": "w2s.claims.comparisons",
}


__getattr__ = on_demand(__name__, _HOME)
