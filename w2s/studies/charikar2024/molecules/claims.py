"""What the paper says of its figures and table on molecules, as tests on a table.

Statistics are functions of means over seeds and splits of one table; the worst table speaks for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from w2s.claims.choices import more_hits
from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, within
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING, ONE_FACTOR, TEACHER_AVERAGED
from w2s.measure.scales import CORRELATION
from w2s.studies.charikar2024.ladder import DRAW, ladder
from w2s.studies.charikar2024.over_tables import correlation, distance, excess, worst_table

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _near_the_line(table: DataFrame, frozen: Thresholds) -> Verdict:
    return worst_table(table, "mean |gain - misfit| / student_error over weak models", distance, below, frozen["distance"])


def _gains_follow(table: DataFrame, frozen: Thresholds) -> Verdict:
    name = "correlation of gain and misfit over weak models"
    return worst_table(table, name, correlation, above, frozen["correlation"], scale=CORRELATION)


def _table_1(table: DataFrame, frozen: Thresholds) -> Verdict:
    lipo = table[table["data"].astype(str).str.contains("lipo", case=False)]
    name = "mean of (student_error - (weak_error - misfit)) / student_error"
    return worst_table(lipo, name, excess, within, (frozen["least"], frozen["most"]))


def _rule(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = ladder(table)
    if not len(rows) or rows["selection_score"].isna().all():
        return untestable("no table has eight weak models and validation rows")
    return more_hits(rows, "weak_features", ("selection_score", "weak_validation_error"), DRAW, frozen["difference"])


_FOLLOWS = {"student_is_ceiling": "the gain of a good student and its misfit are both its teacher's error, nearly"}
_ROOM = {"teacher_up": "errors of weak models that are larger by a tenth bring points nearer to the line"}
_WEAK = {"student_constant": "a constant is not much worse on this table than the best weak model, so its misfit is small too"}
_EITHER = {"flipped": "the error of a weak model and that of its student are near each other, next to those of others"}
_STEADY = {"seeds_permuted": "a weak model's misfit differs little from seed to seed, next to those of others"}
_ABOVE = {"teacher_down": "a smaller error of the weak model leaves more room above the score"}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gains_follow_misfits",
        "Over the ladder of weak models gains follow misfits, on every table.",
        "Fig. 2d, 2e, 2f",
        _gains_follow,
        needs={"weak_features": 8},
        thresholds={"correlation": 0.5, "seeds": 8},
        basis="correlation: the least of eight points that is no accident (.71 at 5 %) leaves room for the spread over seeds",
        overlooks=_FOLLOWS | ANY_ORDER | ONE_FACTOR | NO_CEILING,
    ),
    Claim(
        "points_near_the_line",
        "The points lie near the line gain = misfit, on average over the ladder nearer than the farthest row of Table 1.",
        "Fig. 2d, 2e, 2f",
        _near_the_line,
        needs={"weak_features": 8},
        thresholds={"distance": 0.163, "seeds": 8},
        basis="distance: Table 1, hidden size 96, (1.0713 - 0.8969) / 1.0713",
        overlooks=ANY_ORDER | _ROOM | AVERAGED | NO_CEILING,
    ),
    Claim(
        "student_error_exceeds_score",
        "On lipophilicity student_error exceeds weak_error - misfit, since the target is outside the student's class, on "
        "average over "
        "the ladder by less than in the farthest row of Table 1.",
        "Table 1",
        _table_1,
        needs={"weak_features": 8},
        thresholds={"least": 0.0, "most": 0.163, "seeds": 8},
        basis="least: a sign, as in all rows of Table 1; most: its hidden size 96, (1.0713 - 0.8969) / 1.0713",
        overlooks=_EITHER | _WEAK | ANY_ORDER | _ABOVE | AVERAGED | NO_CEILING,
    ),
    Claim(
        "misfit_helps_to_choose",
        "The least weak_error - misfit on validation molecules finds one of the two best weak models more often than the least "
        "weak_error on the same molecules.",
        "Table 1 and its appendix",
        _rule,
        needs={"weak_features": 8, "selection_score": 1, "weak_validation_error": 1},
        thresholds={"difference": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=_EITHER | _STEADY | ONE_FACTOR | TEACHER_AVERAGED | NO_CEILING,
    ),
)
"""Claims of :class:`w2s.studies.charikar2024.molecules.study.Molecules`."""
