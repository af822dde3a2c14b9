"""What the paper says of its synthetic figures, as tests on a table.

Slopes, medians and correlations are taken over the tasks of a seed first, because tasks of a seed share networks; the intervals
are over seeds. Statements about the student's own sample are exact, so their tests look at the worst row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from w2s.claims.choices import more_hits
from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, within, worst
from w2s.claims.overlooks import AVERAGED, NO_CEILING, ONE_FACTOR, STUDENT_AVERAGED, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_seeds, over_share
from w2s.measure.scales import CORRELATION, POSITIVE, REAL
from w2s.studies.charikar2024.synthetic.paper_panels import LADDER, PANELS, is_realizable, ladder, panel, per_seed
from w2s.theory.charikar2024 import gap_bound

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["CLAIMS"]


def _median(frame: DataFrame) -> float:
    return float(frame["value"].median())


Decide = Callable[[str, float, tuple[float, float], Any, int], Verdict]


def _scatter(name: str, statistic: str, decide: Decide, *thresholds: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test of a panel: the median over seeds of a statistic, on fresh rows of least-squares heads.

    It is the median because least squares fits a unit that is alive on one training row only, and a rare test row then decides
    the slope of its seed.
    """

    def test(table: DataFrame, frozen: Thresholds) -> Verdict:
        rows = table[(panel(table) == name) & (table["evaluate"] == "fresh") & (table["head"] == "least_squares")]
        values = per_seed(rows, statistic)
        if not len(values):
            return untestable(f"no seed has two tasks of the panel {PANELS[name]!r} on fresh rows")
        numbers = tuple(frozen[key] for key in thresholds)
        asked = numbers if len(numbers) > 1 else numbers[0]
        scale = CORRELATION if statistic == "correlation" else REAL
        value, interval, seeds = over_seeds(values, _median, scale=scale)
        return decide(f"{statistic} of gain against misfit, median over seeds", value, interval, asked, seeds)

    return test


_NOT_OWN = "no cell of this kind is evaluated on the student's own rows"


def _worst_row(name: str, rows: DataFrame, values: Series[float], decide: Decide, threshold: float) -> Verdict:
    """Judge the largest (``below``) or least (``above``) of exact values, one per row that has numbers.

    The values have no interval.
    """
    values = values.dropna()
    if not len(values):
        return untestable(_NOT_OWN)
    value = float(values.max() if decide is below else values.min())
    return decide(name, value, (value, value), threshold, int(rows.loc[values.index, "seed"].nunique()))


def _taught(rows: DataFrame, frozen: Thresholds) -> Verdict:
    """Test that students correct a part of their teachers' errors and keep a part.

    Gain and misfit of a copy of the teacher are equal because both are nothing; those of a student of the truth, because both
    are the teacher's error.
    """
    verdicts = []
    for name in ("misfit", "student_error"):
        shares = rows[["seed"]].assign(value=rows[name] / rows["weak_error"]).dropna()
        if not len(shares):
            return untestable(_NOT_OWN)
        value, interval, seeds = over_seeds(shares, _median, scale=POSITIVE)
        verdicts.append(above(f"median of {name} / weak_error", value, interval, frozen["part"], seeds))
    return worst(verdicts)


def _own_sample(table: DataFrame, head: str) -> DataFrame:
    return table[(table["evaluate"] == "transfer") & (table["head"] == head)]


def _identity(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table, "least_squares")
    error = (rows["gain"] - rows["misfit"] - rows["cross_term"]).abs() / rows["weak_error"]
    return _worst_row("largest |gain - misfit - cross_term| / weak_error", rows, error, below, frozen["error"])


def _realizable_identity(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[is_realizable(table)], "least_squares")
    error = (rows["gain"] - rows["misfit"]).abs() / rows["weak_error"]
    exact = _worst_row("largest |gain - misfit| / weak_error", rows, error, below, frozen["error"])
    return worst([exact, _taught(rows, frozen)])


def _band(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[~is_realizable(table)], "least_squares")
    excess = (rows["gain"] - rows["misfit"]).abs() / gap_bound(rows["misfit"], rows["epsilon"])
    inside = _worst_row("largest |gain - misfit| / (2 sqrt(misfit epsilon))", rows, excess, below, frozen["ratio"])
    return worst([inside, _taught(rows, frozen)])


def _never_worse(table: DataFrame, frozen: Thresholds) -> Verdict:
    own = table[is_realizable(table) & (table["evaluate"] == "transfer").to_numpy()]
    rows = own[own["head"].isin(["least_squares", "nonnegative"])]
    ratio = rows["student_error"] / rows["weak_error"]
    never = _worst_row("largest student_error / weak_error", rows, ratio, below, frozen["ratio"])
    return worst([never, _taught(rows, frozen)])


def _cone(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[is_realizable(table)], "nonnegative")
    surplus = (rows["gain"] - rows["misfit"]) / rows["weak_error"]
    least = _worst_row("least (gain - misfit) / weak_error", rows, surplus, above, frozen["surplus"])
    return worst([least, _taught(rows, frozen)])


def _cone_is_strict(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[is_realizable(table)], "nonnegative")
    if not len(rows):
        return untestable("no realizable cells with nonnegative heads on the student's own rows")
    surplus = (rows["gain"] - rows["misfit"]) / rows["weak_error"]
    strict = rows.assign(value=(surplus > frozen["size"]) & (surplus < frozen["most"]))
    by_seed = strict.groupby("seed")["value"].mean()
    value, interval, seeds = over_share(by_seed.index, by_seed)
    name = f"share of tasks with (gain - misfit) / weak_error from {frozen['size']:g} to {frozen['most']:g}"
    return above(name, value, interval, frozen["share"], seeds)


NONCONVEX = ("sparse", "relu", "all_layers")


def _nonconvex(table: DataFrame, frozen: Thresholds) -> Verdict:
    verdicts = []
    for head in NONCONVEX:
        rows = table[(table["head"] == head) & (table["evaluate"] == "fresh") & (panel(table) == "perturbed")]
        values = per_seed(rows, "correlation")
        if not len(values):
            return untestable(f"no seed has two tasks with {head} heads on fresh rows of the perturbed panel")
        value, interval, seeds = over_seeds(values, _median, scale=CORRELATION)
        verdicts.append(
            above(
                f"correlation of gain and misfit, {head} heads, median over seeds",
                value,
                interval,
                frozen["correlation"],
                seeds,
            )
        )
    return worst(verdicts)


def _selection(table: DataFrame, frozen: Thresholds) -> Verdict:
    found = ladder(table)
    if found is None:
        return untestable(f"fewer than {LADDER} weak models (depth_weak or sigma_weak) scored on rows of their own")
    field, rows = found
    return more_hits(rows, field, ("selection_score", "weak_validation_error"), ["seed", "task"], frozen["difference"])


_ROUNDING = "rounding of sums over two thousand rows"
_PART = "part: a tenth, so that equal numbers are not equal because both are nothing, or all of the teacher's error"
_ROOM = "the paper shows pictures: measured with a small implementation of its own, room for shorter pretraining"

_PROJECTED = {"student_is_ceiling": "a statement about projections, whatever labels were projected"}
_SCALED = ("teacher_up", "teacher_down")
_INSIDE = dict.fromkeys(_SCALED, "the band is wider than a tenth of the teacher's error in its worst task")
_AHEAD = dict.fromkeys(_SCALED, "every student is ahead by more than a tenth of its teacher's error")
_ALL_OF_IT = {"student_is_ceiling": "gain and misfit of a student as good as the truth are both its teacher's error, nearly"}
_UP = {"teacher_up": ONE_FACTOR["teacher_up"]}
_MORE = {"teacher_up": "one-sided: more than the misfit is gained, and convex_inequality_is_strict says how much more"}
_LESS = {"teacher_down": "one-sided: a better teacher loses more by its student"}
_WORSE = {"seeds_permuted": "the student's error is nearly all of loss and misfit, whoever its teacher was"}
_LOSES = dict.fromkeys(_SCALED, "a tenth of the error of the better model is little of what is lost")
_NO_BETTER = {"student_is_ceiling": "on the worse representation the truth itself loses as much"}
_BLURRED = dict.fromkeys(
    ("student_shuffled", "seeds_permuted", "flipped"), "the misfit of another student is noise, and makes the rule worse"
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "in_sample_identity",
        "On the student's own sample gain - misfit is -2 <(I-P) f_w, (I-P) f*>, for every task and representation.",
        "Theorem 1, with the term it drops",
        _identity,
        needs={"cross_term": 1},
        thresholds={"error": 1e-10},
        basis=_ROUNDING,
        overlooks=_PROJECTED | NO_CEILING,
    ),
    Claim(
        "realizable_gain_is_misfit_in_sample",
        "With the true representation the student corrects a part of its teacher's error, and the gain is the misfit, exactly, "
        "on its own sample.",
        "Theorem 1, equality for linear heads",
        _realizable_identity,
        thresholds={"error": 1e-9, "part": 0.1},
        basis=f"error: {_ROUNDING}; {_PART}",
        overlooks=NO_CEILING,
    ),
    Claim(
        "gap_within_band",
        "Outside the realizable case the student corrects a part of its teacher's error, and gain and misfit differ by at "
        "most 2 sqrt(misfit epsilon) "
        "on its own sample.",
        "Theorem 2, the term O(sqrt(epsilon))",
        _band,
        needs={"epsilon": 1},
        thresholds={"ratio": 1 + 1e-9, "part": 0.1},
        basis=f"ratio: the inequality of Cauchy and Schwarz, up to {_ROUNDING}; {_PART}",
        overlooks=_PROJECTED | _INSIDE | NO_CEILING,
    ),
    Claim(
        "student_never_worse",
        "A student on the true representation is never worse than its teacher on its own sample, and keeps a part of its "
        "error.",
        "Theorem 1",
        _never_worse,
        thresholds={"ratio": 1.0, "part": 0.1},
        basis=f"ratio: the theorem; {_PART}",
        overlooks=_AHEAD | NO_CEILING,
    ),
    Claim(
        "realizable_median",
        "On fresh rows the gain of a realizable student is its misfit: the median of gain / misfit is one.",
        "Fig. 2a",
        _scatter("realizable", "median ratio", within, "least", "most"),
        thresholds={"least": 0.9, "most": 1.1, "seeds": 8},
        basis=f"{_ROOM}; .98 there",
        overlooks=_ALL_OF_IT | STUDENT_AVERAGED | NO_CEILING,
    ),
    Claim(
        "realizable_correlation",
        "On fresh rows the gains of realizable students follow their misfits, task by task.",
        "Fig. 2a",
        _scatter("realizable", "correlation", above, "correlation"),
        thresholds={"correlation": 0.97, "seeds": 8},
        basis=f"{_ROOM}; .99 there, where gain and misfit differ by the sample alone",
        overlooks=_UP | NO_CEILING,
    ),
    Claim(
        "pretrained_correlation",
        "With both representations pretrained gains follow misfits, task by task.",
        "Fig. 2b",
        _scatter("pretrained", "correlation", above, "correlation"),
        thresholds={"correlation": 0.9, "seeds": 8},
        basis=f"{_ROOM}; .95 to .97 there",
        overlooks=_ALL_OF_IT | _UP | NO_CEILING,
    ),
    Claim(
        "pretrained_slope",
        "With both representations pretrained the points lie close to the line gain = misfit, somewhat below it.",
        "Fig. 2b",
        _scatter("pretrained", "slope", within, "least", "most"),
        thresholds={"least": 0.46, "most": 1.0, "seeds": 8},
        basis=f"{_ROOM}; .65 to .77 there, and .46 after a fifth of the epochs",
        overlooks=STUDENT_AVERAGED | NO_CEILING,
    ),
    Claim(
        "perturbed_slope",
        "With perturbed representations the points lie close to the line gain = misfit, somewhat below it.",
        "Fig. 2c",
        _scatter("perturbed", "slope", within, "least", "most"),
        thresholds={"least": 0.7, "most": 1.0, "seeds": 8},
        basis=f"{_ROOM}; .79 to .92 there",
        overlooks=_ALL_OF_IT | AVERAGED | NO_CEILING,
    ),
    Claim(
        "pretrained_swapped_slope",
        "A weak student of a strong teacher loses what it misfits: the picture is mirrored.",
        "Fig. 3a",
        _scatter("pretrained_swapped", "slope", within, "least", "most"),
        thresholds={"least": -0.99, "most": -0.7, "seeds": 8},
        basis=f"{_ROOM}; -.92 there; at -1 the student's error has nothing of its teacher's",
        overlooks=_LOSES | TEACHER_AVERAGED | NO_CEILING,
    ),
    Claim(
        "perturbed_swapped_slope",
        "Exchanging the two perturbations mirrors the picture.",
        "Fig. 3b",
        _scatter("perturbed_swapped", "slope", within, "least", "most"),
        thresholds={"least": -0.99, "most": -0.7, "seeds": 8},
        basis=f"{_ROOM}; -.93 there; at -1 the student's error has nothing of its teacher's",
        overlooks=_NO_BETTER | _WORSE | _LOSES | AVERAGED | NO_CEILING,
    ),
    Claim(
        "low_sample_reverses",
        "Pretrained on few samples the larger network is the worse representation: the gain is negative.",
        "Fig. 3c",
        _scatter("low_sample", "median ratio", below, "median"),
        thresholds={"median": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=_LESS | AVERAGED | NO_CEILING,
    ),
    Claim(
        "convex_gain_exceeds_misfit",
        "For a convex class that holds the target and is no subspace the student corrects a part of its teacher's error, and "
        "gain "
        "is at least misfit on its own sample.",
        "Theorem 1",
        _cone,
        thresholds={"surplus": -1e-9, "part": 0.1},
        basis=f"surplus: the theorem, up to {_ROUNDING}; {_PART}",
        overlooks=_MORE | NO_CEILING,
    ),
    Claim(
        "convex_inequality_is_strict",
        "For such a class Theorem 1 is an inequality: most tasks gain more than they misfit, by a small part of the "
        "teacher's error.",
        "Theorem 1",
        _cone_is_strict,
        thresholds={"size": 1e-6, "most": 0.1, "share": 0.5, "seeds": 8},
        basis=f"size: a thousand times {_ROUNDING}; most: a tenth, the part that a student corrects at least; share: most of "
        "them",
        overlooks=NO_CEILING,
    ),
    Claim(
        "nonconvex_heads_follow",
        "For classes of heads that are not convex gains still follow misfits.",
        "Appendix on non-convex classes",
        _nonconvex,
        thresholds={"correlation": 0.5, "seeds": 8},
        basis="the paper says follow and gives no number: half of what convex classes show",
        overlooks=_ALL_OF_IT | ONE_FACTOR | STUDENT_AVERAGED | NO_CEILING,
    ),
    Claim(
        "misfit_helps_to_choose",
        "The least weak_error - misfit on validation rows finds one of the two best weak models more often than the least "
        "weak_error "
        "on the same rows.",
        "Table 1, on synthetic tasks",
        _selection,
        needs={"selection_score": 1, "weak_validation_error": 1, "n_validation": 1},
        thresholds={"difference": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        expected="fails_at_this_scale",
        reason="the best weak models here are as good as the student; their gain is not near their misfit, so subtracting "
        "the misfit "
        "adds noise to an order that weak_error has already",
        overlooks=_BLURRED | ONE_FACTOR | TEACHER_AVERAGED | NO_CEILING,
    ),
)
"""Claims of :class:`w2s.studies.charikar2024.Synthetic`."""
