"""What the paper says of chess, as tests on a table. Errors are shares of test puzzles whose answer is not the best move.

Where a sentence is about pairs of models, settings whose models see the same are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_STUDENT, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.summary.columns import cell_fields

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS", "RATINGS", "paired"]

Vector = npt.NDArray[np.float64]

RATINGS = ("labeled_ratings", "transfer_ratings", "test_ratings")
_ERRORS = tuple(f"{model}_error_01" for model in ("weak", "student", "ceiling"))


def paired(table: DataFrame, first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[DataFrame, DataFrame]]:
    """List pairs of settings that differ in some fields alone: rows by seed, of the seeds that both have.

    ``first`` and ``second`` give these fields' values; all other fields are equal.
    """
    others = [name for name in cell_fields(table) if name not in ("seed", *first)]
    sides = [_chosen(table, values) for values in (first, second)]
    found = []
    for key, rows in sides[0].groupby(others, dropna=False, sort=True):
        same = sides[1]
        for name, value in zip(others, key, strict=True):
            same = same[same[name].isna() if value != value else same[name] == value]
        one, two = rows.set_index("seed").sort_index(), same.set_index("seed").sort_index()
        if len(common := one.index.intersection(two.index)):
            found.append((one.loc[common], two.loc[common]))
    return found


def _chosen(table: DataFrame, values: Mapping[str, Any]) -> DataFrame:
    for name, value in values.items():
        table = table[table[name] == value]
    return table


def _pairs(table: DataFrame) -> list[DataFrame]:
    """List settings with a weak and a strong model, without one between, trained and tested on all ratings: rows by seed."""
    rows = table[(table["weak_sight"] != table["student_sight"]) & (table["between"] == "none")]
    rows = _chosen(rows, dict.fromkeys(RATINGS, "all"))
    others = [name for name in cell_fields(rows) if name != "seed"]
    return [part.set_index("seed").sort_index() for _, part in rows.groupby(others, dropna=False, sort=True)]


def _named(rows: DataFrame) -> str:
    first = rows.iloc[0]
    return f"{first['weak_sight']} to {first['student_sight']}, {first['labels']} labels"


def _each(column: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test of how much smaller an error is than the weak model's, in every setting."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        found = []
        for rows in _pairs(table):
            value, interval, seeds = over_means(rows.index, (rows["weak_error_01"] - rows[column]).to_numpy(float), float)
            found.append(above(f"weak error - {column}, {_named(rows)}", value, interval, limits["error"], seeds))
        return worst(found, "needs a weak and a strong model on all ratings")

    return test


def _pgr(means: Vector) -> float:
    weak, student, ceiling = means
    return float((weak - student) / (weak - ceiling)) if weak > ceiling else float("nan")


def _difference(sides: tuple[DataFrame, DataFrame], columns: Sequence[str], statistic: Callable[[Vector], float]) -> Any:
    """Compute a statistic of the first side less that of the second, over seeds that both have."""
    values = np.stack([rows[list(columns)].to_numpy(float) for rows in sides], axis=1)
    return over_means(sides[0].index, values, lambda means: statistic(means[0]) - statistic(means[1]))


def _recovers(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for rows in _pairs(table):
        value, interval, seeds = over_means(rows.index, rows[list(_ERRORS)].to_numpy(float), _pgr)
        if (rows["weak_error_01"] - rows["ceiling_error_01"]).mean() >= limits["gap"]:
            found.append(above(f"PGR, {_named(rows)}", value, interval, limits["pgr"], seeds))
    return worst(found, "no setting has the gap that is asked for")


def _small_gaps(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for near, far in paired(table, {"weak_sight": "rules"}, {"weak_sight": "text"}):
        if (near[list(RATINGS)] == "all").all(axis=None) and (near["between"] == "none").all() and (near["student_sight"] == "replies").all():
            value, interval, seeds = _difference((near, far), _ERRORS, _pgr)
            found.append(above("PGR of the smaller gap - of the larger", value, interval, limits["difference"], seeds))
    return worst(found, "needs two weak models of one student")


def _bootstrapping(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for chained, plain in paired(table, {"between": "rules"}, {"between": "none"}):
        value, interval, seeds = _difference((chained, plain), _ERRORS, _pgr)
        name = f"PGR with a model between - without, {_named(plain)}"
        found.append(above(name, value, interval, limits["difference"], seeds))
    return worst(found, "needs a model between, beside none")


def _copies_less(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for strong, less in paired(table, {"student_sight": "replies"}, {"student_sight": "rules"}):
        if (strong["weak_sight"] == "text").all() and (strong["between"] == "none").all():
            value, interval, seeds = _difference((strong, less), ["agreement_wrong"], lambda means: float(means[0]))
            found.append(below("agreement with errors, student of replies - of rules", value, interval, limits["difference"], seeds))
    return worst(found, "needs two students of one weak model")


def _easy_rows(table: DataFrame) -> list[DataFrame]:
    """List settings with easy labelled puzzles, hard transfer puzzles and hard test puzzles, as many of one kind as of the other."""
    rows = _chosen(table, {"labeled_ratings": "easy", "transfer_ratings": "hard", "test_ratings": "hard", "between": "none"})
    rows = rows[(rows["n_labeled"] == rows["n_transfer"]) & (rows["weak_sight"] != rows["student_sight"])]
    others = [name for name in cell_fields(rows) if name != "seed"]
    return [part.set_index("seed").sort_index() for _, part in rows.groupby(others, dropna=False, sort=True)]


def _easy_to_hard(table: DataFrame, limits: Thresholds) -> Verdict:
    found: list[Verdict] = []
    for rows in _easy_rows(table):
        for name, first, second, decide in (
            ("error on hard puzzles, learned on easy ones - on hard ones", "strong_error_01", "ceiling_error_01", below),
            ("error of weak labels of hard puzzles - of true labels of easy ones", "student_error_01", "strong_error_01", above),
        ):
            value, interval, seeds = over_means(rows.index, (rows[first] - rows[second]).to_numpy(float), float)
            limit = limits["lost"] if decide is below else limits["lead"]
            found.append(decide(f"{name}, {_named(rows)}", value, interval, limit, seeds))
    return worst(found, "needs as many easy labelled as hard transfer puzzles, tested on hard ones") if found else untestable(
        "needs as many easy labelled as hard transfer puzzles, tested on hard ones"
    )


_NEEDS = {"student_error_01": 2, "ceiling_error_01": 1}
_SIGN = "the sentence is about a sign"

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gap",
        "A model that knows more of chess and learns from true labels is better than a weak one: there is a gap.",
        "Fig. 3, chess",
        _each("ceiling_error_01"),
        _NEEDS,
        {"error": 0.0, "seeds": 8},
        basis=_SIGN,
        overlooks=NO_STUDENT,
    ),
    Claim(
        "beats_weak",
        "A strong student of a weak model's best moves is better than the weak model.",
        "Fig. 3, chess",
        _each("student_error_01"),
        _NEEDS,
        {"error": 0.0, "seeds": 8},
        basis=_SIGN,
    ),
    Claim(
        "recovers",
        "Students recover less than half of the gap: naive finetuning alone is not enough.",
        "Fig. 3, chess",
        _recovers,
        _NEEDS,
        {"pgr": 0.5, "gap": 0.03, "seeds": 8},
    ),
    Claim("small_gaps", "The smaller the gap the more of it is recovered.", "Fig. 3, chess", _small_gaps, {**_NEEDS, "weak_sight": 2}, {"difference": 0.0, "seeds": 8}),
    Claim("bootstrapping", "A model of middle strength between weak model and student raises PGR.", "Fig. 4", _bootstrapping, {**_NEEDS, "between": 2}, {"difference": 0.0, "seeds": 8}),
    Claim("stronger_copies_less", "The stronger student agrees less with its weak model's errors.", "Fig. 15c", _copies_less, {**_NEEDS, "student_sight": 2}, {"difference": 0.0, "seeds": 8}),
    Claim("easy_to_hard", "easy", "Fig. 20", _easy_to_hard, {**_NEEDS, "test_ratings": 1}, {"lost": 0.03, "lead": 0.0, "seeds": 8}),
)
