"""What the paper says of its synthetic figures, as tests on a table.

Slopes, medians and correlations are taken over the tasks of a seed first, because tasks of a seed share networks; the intervals
are over seeds. Statements about the student's own sample are exact, so their tests look at the worst row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, within, worst
from w2s.claims.seed_intervals import over_seeds, over_share
from w2s.measure.scales import CORRELATION, REAL
from w2s.studies.charikar2024.synthetic.paper_panels import LADDER, PANELS, is_realizable, ladder, panel, per_seed
from w2s.summary.selection import select
from w2s.theory.charikar2024 import gap_bound

if TYPE_CHECKING:
    from pandas import DataFrame, Series

__all__ = ["CLAIMS"]


def _median(frame: DataFrame) -> float:
    return float(frame["value"].median())


Decide = Callable[[str, float, tuple[float, float], Any, int], Verdict]


def _scatter(name: str, statistic: str, decide: Decide, *thresholds: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Test of a panel: the median over seeds of a statistic on fresh rows of least-squares heads, against the thresholds.

    The median, because least squares fits a unit that is alive on one training row only, and a rare test row then decides the
    slope of its seed.
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


def _worst_row(name: str, rows: DataFrame, values: Series[float], decide: Decide, threshold: float) -> Verdict:
    """Verdict on the largest (``below``) or least (``above``) of exact values, one per row that has numbers: no interval."""
    values = values.dropna()
    if not len(values):
        return untestable("no cell of this kind is evaluated on the student's own rows")
    value = float(values.max() if decide is below else values.min())
    return decide(name, value, (value, value), threshold, int(rows.loc[values.index, "seed"].nunique()))


def _own_sample(table: DataFrame, head: str) -> DataFrame:
    return table[(table["evaluate"] == "transfer") & (table["head"] == head)]


def _identity(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table, "least_squares")
    error = (rows["gain"] - rows["misfit"] - rows["cross_term"]).abs() / rows["weak_error"]
    return _worst_row("largest |gain - misfit - cross_term| / weak_error", rows, error, below, frozen["error"])


def _realizable_identity(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[is_realizable(table)], "least_squares")
    error = (rows["gain"] - rows["misfit"]).abs() / rows["weak_error"]
    return _worst_row("largest |gain - misfit| / weak_error", rows, error, below, frozen["error"])


def _band(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[~is_realizable(table)], "least_squares")
    excess = (rows["gain"] - rows["misfit"]).abs() / gap_bound(rows["misfit"], rows["epsilon"])
    return _worst_row("largest |gain - misfit| / (2 sqrt(misfit epsilon))", rows, excess, below, frozen["ratio"])


def _never_worse(table: DataFrame, frozen: Thresholds) -> Verdict:
    own = table[is_realizable(table) & (table["evaluate"] == "transfer").to_numpy()]
    rows = own[own["head"].isin(["least_squares", "nonnegative"])]
    return _worst_row(
        "largest student_error / weak_error", rows, rows["student_error"] / rows["weak_error"], below, frozen["ratio"]
    )


def _cone(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[is_realizable(table)], "nonnegative")
    surplus = (rows["gain"] - rows["misfit"]) / rows["weak_error"]
    return _worst_row("least (gain - misfit) / weak_error", rows, surplus, above, frozen["surplus"])


def _cone_is_strict(table: DataFrame, frozen: Thresholds) -> Verdict:
    rows = _own_sample(table[is_realizable(table)], "nonnegative")
    if not len(rows):
        return untestable("no realizable cells with nonnegative heads on the student's own rows")
    strict = rows.assign(value=(rows["gain"] - rows["misfit"]) > frozen["size"] * rows["weak_error"])
    return above("share of tasks with gain above misfit", *_of(strict), frozen["share"], int(strict["seed"].nunique()))


def _of(frame: DataFrame) -> tuple[float, tuple[float, float]]:
    """Mean over seeds of a 0-1 column ``value``, with its interval."""
    by_seed = frame.groupby("seed")["value"].mean()
    value, interval, _ = over_share(by_seed.index, by_seed)
    return value, interval


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
    return worst(verdicts, "")


def _selection(table: DataFrame, frozen: Thresholds) -> Verdict:
    found = ladder(table)
    if found is None:
        return untestable(f"fewer than {LADDER} weak models (depth_weak or sigma_weak) scored on rows of their own")
    field, rows = found
    chosen = select(rows, field, by=["seed", "task"])
    draws = int(chosen["seed"].nunique())
    if draws < frozen["draws"]:
        return untestable(f"the rule was tried on {draws} seeds, {frozen['draws']:g} are asked for")
    hits = chosen.assign(value=chosen["rank"] <= 2)
    return above("share of tasks with the best or second-best weak model", *_of(hits), frozen["chance"], draws)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "in_sample_identity",
        "On the student's own sample gain - misfit is -2 <(I-P) f_w, (I-P) f*>, for every task and representation.",
        "Theorem 1, with the term it drops",
        _identity,
        needs={"cross_term": 1},
        thresholds={"error": 1e-10},
    ),
    Claim(
        "realizable_gain_is_misfit_in_sample",
        "With the true representation the gain is the misfit, exactly, on the student's own sample.",
        "Theorem 1, equality for linear heads",
        _realizable_identity,
        thresholds={"error": 1e-9},
    ),
    Claim(
        "gap_within_band",
        "Outside the realizable case gain and misfit differ by at most 2 sqrt(misfit epsilon) on the student's own sample.",
        "Theorem 2, the term O(sqrt(epsilon))",
        _band,
        needs={"epsilon": 1},
        thresholds={"ratio": 1 + 1e-9},
    ),
    Claim(
        "student_never_worse",
        "A student on the true representation is never worse than its teacher on its own sample.",
        "Theorem 1",
        _never_worse,
        thresholds={"ratio": 1.0},
    ),
    Claim(
        "realizable_median",
        "On fresh rows the gain of a realizable student is its misfit: the median of gain / misfit is one.",
        "Fig. 2a",
        _scatter("realizable", "median ratio", within, "least", "most"),
        thresholds={"least": 0.9, "most": 1.1},
    ),
    Claim(
        "realizable_correlation",
        "On fresh rows the gains of realizable students follow their misfits, task by task.",
        "Fig. 2a",
        _scatter("realizable", "correlation", above, "correlation"),
        thresholds={"correlation": 0.97},
    ),
    Claim(
        "pretrained_correlation",
        "With both representations pretrained gains follow misfits, task by task.",
        "Fig. 2b",
        _scatter("pretrained", "correlation", above, "correlation"),
        thresholds={"correlation": 0.9},
    ),
    Claim(
        "pretrained_slope",
        "With both representations pretrained the points lie close to the line gain = misfit, somewhat below it.",
        "Fig. 2b",
        _scatter("pretrained", "slope", within, "least", "most"),
        thresholds={"least": 0.46, "most": 1.0},
    ),
    Claim(
        "perturbed_slope",
        "With perturbed representations the points lie close to the line gain = misfit.",
        "Fig. 2c",
        _scatter("perturbed", "slope", above, "slope"),
        thresholds={"slope": 0.7},
    ),
    Claim(
        "pretrained_swapped_slope",
        "A weak student of a strong teacher loses what it misfits: the picture is mirrored.",
        "Fig. 3a",
        _scatter("pretrained_swapped", "slope", below, "slope"),
        thresholds={"slope": -0.7},
    ),
    Claim(
        "perturbed_swapped_slope",
        "Exchanging the two perturbations mirrors the picture.",
        "Fig. 3b",
        _scatter("perturbed_swapped", "slope", below, "slope"),
        thresholds={"slope": -0.85},
    ),
    Claim(
        "low_sample_reverses",
        "Pretrained on few samples the larger network is the worse representation: the gain is negative.",
        "Fig. 3c",
        _scatter("low_sample", "median ratio", below, "median"),
        thresholds={"median": 0.0},
    ),
    Claim(
        "convex_gain_exceeds_misfit",
        "For a convex class that holds the target and is no subspace gain is at least misfit on the student's own sample.",
        "Theorem 1",
        _cone,
        thresholds={"surplus": -1e-9},
    ),
    Claim(
        "convex_inequality_is_strict",
        "For such a class Theorem 1 is an inequality: some tasks gain more than they misfit.",
        "Theorem 1",
        _cone_is_strict,
        thresholds={"size": 1e-6, "share": 0.05},
    ),
    Claim(
        "nonconvex_heads_follow",
        "For classes of heads that are not convex gains still follow misfits.",
        "Appendix on non-convex classes",
        _nonconvex,
        thresholds={"correlation": 0.5},
    ),
    Claim(
        "selection_rule",
        "The weak model with the least weak_error - misfit gives the best or the second-best student.",
        "Table 1, on synthetic tasks",
        _selection,
        needs={"selection_score": 1, "n_validation": 1},
        thresholds={"draws": 40, "chance": 0.25},
    ),
)
"""Claims of :class:`w2s.studies.charikar2024.Synthetic`."""
