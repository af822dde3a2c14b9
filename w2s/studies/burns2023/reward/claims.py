"""What the paper says of reward models and of generative finetuning, as tests on a table of several kinds of tasks.

A task of pairs has preferences, a task whose name ends in ``_words`` is answered in words, all others have classes. PGR is a
ratio of means over seeds. Settings whose gap between weak model and ceiling is below ``gap`` are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable, worst
from w2s.claims.overlooks import ANY_ORDER, NO_STUDENT, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.studies.burns2023.typical import pgr_of_means, typical_pgr

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS", "WORDS", "kind_of"]

Vector = npt.NDArray[np.float64]

WORDS = "_words"
_PAIRS = "hh_harmless"
_ERRORS = ("weak_error_01", "student_error_01", "ceiling_error_01")
_ADJUSTED = ("weak_error_01", "student_error_01", "adjusted_ceiling_error_01")


def kind_of(task: str) -> str:
    """Return the kind of a task: ``reward``, ``words`` or ``classes``."""
    return "reward" if task == _PAIRS else "words" if task.endswith(WORDS) else "classes"


def _by_seed(rows: DataFrame, columns: Sequence[str]) -> DataFrame:
    found: DataFrame = rows.groupby("seed")[list(columns)].mean().sort_index()
    return found


def _naive(table: DataFrame, kind: str, gap: float) -> list[tuple[str, DataFrame]]:
    """List the tasks of a kind with a gap: name and errors by seed of naive students of another model than their teacher."""
    rows = table[(table["method"] == "naive") & (table["weak_model"] != table["student_model"])]
    rows = rows[[kind_of(str(task)) == kind for task in rows["task"]]]
    parts = [(str(task), _by_seed(part, _ERRORS)) for task, part in rows.groupby("task", sort=True)]
    return [(task, part) for task, part in parts if (part["weak_error_01"] - part["ceiling_error_01"]).mean() >= gap]


def _stage(table: DataFrame, limits: Thresholds) -> Verdict:
    staged = table[table["adjusted_ceiling_error_01"].notna()]
    found = []
    for method, rows in staged.groupby("method", sort=True):
        with_stage, plain = (
            _by_seed(rows, _ADJUSTED),
            _by_seed(table[(table["task"] == _PAIRS) & (table["method"] == "naive")], _ERRORS),
        )
        seeds = with_stage.index.intersection(plain.index)
        values = np.stack([with_stage.loc[seeds].to_numpy(float), plain.loc[seeds].to_numpy(float)], axis=1)
        if min(float((part[:, 0] - part[:, 2]).mean()) for part in (values[:, 0], values[:, 1])) >= limits["gap"]:
            value, interval, count = over_means(seeds, values, lambda means: pgr_of_means(means[0]) - pgr_of_means(means[1]))
            found.append(above(f"PGR with {method} - without", value, interval, limits["difference"], count))
    return worst(found, "needs a generative stage beside none, both with the gap that is asked for")


def _stage_error(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for method, rows in table[table["adjusted_ceiling_error_01"].notna()].groupby("method", sort=True):
        both = _by_seed(rows, ["ceiling_error_01", "adjusted_ceiling_error_01"])
        gained = (both["ceiling_error_01"] - both["adjusted_ceiling_error_01"]).to_numpy(float)
        value, interval, count = over_means(both.index, gained, float)
        found.append(above(f"ceiling's error without - with {method}", value, interval, limits["error"], count))
    return worst(found, "needs a generative stage")


def _weakest(kind: str, statistic: Callable[[Vector], float]) -> Callable[[DataFrame, Thresholds], Verdict]:
    """Make a test that a statistic of the errors on pairs is below the median of that of tasks of another kind."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        rewards, others = _naive(table, "reward", limits["gap"]), _naive(table, kind, limits["gap"])
        if not rewards or not others:
            return untestable(f"needs pairs and {kind} with the gap that is asked for")
        parts = [part for _, part in (*rewards, *others)]
        seeds = sorted(set.intersection(*(set(part.index) for part in parts)))
        values = np.stack([part.loc[seeds].to_numpy(float) for part in parts], axis=1)
        value, interval, count = over_means(
            seeds, values, lambda means: statistic(means[0]) - float(np.median([statistic(own) for own in means[1:]]))
        )
        return below(f"rewards - median of {len(others)} tasks of {kind}", value, interval, limits["difference"], count)

    return test


def _room(means: Vector) -> float:
    return float(means[0] - means[2])


def _spread(means: Vector) -> float:
    """Compute a standard deviation from the means of a number and of its square."""
    return float(np.sqrt(max(means[1] - means[0] ** 2, 0.0)))


def _more_variable(table: DataFrame, limits: Thresholds) -> Verdict:
    """Compare the spread over seeds of the share of the mean gap that a student recovers, task by task."""
    words = dict(_naive(table, "words", limits["gap"]))
    found = []
    for task, part in _naive(table, "classes", limits["gap"]):
        other = words.get(f"{task}{WORDS}")
        if other is None:
            continue
        seeds = part.index.intersection(other.index)
        shares = [_shares(own.loc[seeds]) for own in (other, part)]
        values = np.stack([np.stack([share, share**2], axis=1) for share in shares], axis=1)
        value, interval, count = over_means(seeds, values, lambda means: _spread(means[0]) - _spread(means[1]))
        found.append(above(f"spread of PGR over seeds, words - classes, {task}", value, interval, limits["difference"], count))
    return worst(found, "needs a task with classes and as words, both with the gap that is asked for")


def _shares(rows: DataFrame) -> Vector:
    """Divide each seed's gain by the mean gap: a PGR whose spread is that of the gain."""
    gain, gap = rows["weak_error_01"] - rows["student_error_01"], rows["weak_error_01"] - rows["ceiling_error_01"]
    return np.asarray((gain / gap.mean()).to_numpy(float))


def _naive_rewards(table: DataFrame) -> DataFrame:
    """Keep naive reward models that are other models than their teachers."""
    plain = (table["method"] == "naive") & (table["weak_model"] != table["student_model"])
    return table[plain & (table["task"] == _PAIRS)]


_NEEDS = {"student_error_01": 2, "ceiling_error_01": 2, "task": 1}
_STAGED = {**_NEEDS, "method": 2, "adjusted_ceiling_error_01": 1}
_GAP = "gap: below it a PGR is noise at these numbers of test items"
_DECIDES = {"seeds": 8, "gap": 0.02}
_UP = {"teacher_up": "a worse teacher of all tasks leaves both gaps wider, and the same one ahead"}
_SCALED = dict.fromkeys(
    ("teacher_up", "teacher_down"), "a tenth of the teacher's errors on all tasks leaves the same one ahead"
)
_NO_TEACHER = dict.fromkeys(("teacher_up", "teacher_down", "teacher_noisy", "flipped"), "no weak model is in the sentence")
_FLIPPED = {"flipped": "a gain of the other sign varies as much"}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "reward_gap",
        "A strong reward model leaves less of a gap above a weak one than strong models of classification tasks do.",
        "section 3: reward models improve slowly with size",
        _weakest("classes", _room),
        {"ceiling_error_01": 2, "task": 2},
        {"difference": 0.0, "seeds": 8, "gap": -1.0},
        basis="the sentence is about a sign; gap: every setting counts",
        overlooks=NO_STUDENT | TEACHER_AVERAGED | _SCALED,
    ),
    Claim(
        "reward_is_weakest",
        "Reward modelling is the domain in which the smallest share of the gap is recovered.",
        "Fig. 3: about 10 %, rarely above 20 %",
        _weakest("classes", pgr_of_means),
        {**_NEEDS, "task": 2},
        {"difference": 0.0, **_DECIDES},
        basis=f"the sentence is about a sign; {_GAP}",
        overlooks=ANY_ORDER | _UP,
    ),
    typical_pgr("reward models", 0.1, 0.3, _naive_rewards, ANY_ORDER),
    Claim(
        "generative_stage",
        "A generative stage raises the PGR of reward models, its ceiling having had the stage too.",
        "Fig. 10",
        _stage,
        _STAGED,
        {"difference": 0.0, **_DECIDES},
        basis=f"the sentence is about a sign; {_GAP}",
        overlooks=ANY_ORDER | _UP,
    ),
    Claim(
        "generative_ceiling",
        "A generative stage makes the reward model that learns true labels better, too.",
        "Fig. 10, dashed lines",
        _stage_error,
        {"adjusted_ceiling_error_01": 1, "task": 1},
        {"error": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=NO_STUDENT | _NO_TEACHER,
    ),
    Claim(
        "words_vary_more",
        "Answers in words, learned as language, vary more from seed to seed than a head on the same items.",
        "appendix on generative finetuning: more variable results",
        _more_variable,
        {**_NEEDS, "task": 2},
        {"difference": 0.0, **_DECIDES},
        basis=f"the sentence is about a sign; {_GAP}",
        overlooks=ANY_ORDER | _SCALED | _FLIPPED,
    ),
)
