"""Claims about the paper's analyses: structures of errors, what is copied by whom, gaps, chains, long training, calibration.

Trends are slopes of least squares through means over seeds. Where a claim is about the best or the worst of several settings,
even seeds choose it and odd seeds measure it, so that the choice costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below, untestable
from w2s.claims.comparisons import by_task, median_over
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_STUDENT, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.studies.burns2023.text.comparisons import (
    GAP,
    PAIRED,
    ROOM,
    SIGN,
    Choice,
    against,
    decides,
    median,
    more_pgr,
    pairs,
    pgr_of,
    without_confidence,
)
from w2s.studies.burns2023.text.finetune_settings import Comparison, Means, Setting, along, named, partner, settings_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["ANALYSES"]

_DOUBLING = float(np.log(2.0))


def _planted(where: str) -> Choice:
    """Make a choice of students of errors planted at some items, each with that of errors at random items."""

    def choice(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
        found: list[Comparison] = []
        for written in ({}, {"where": "random"}):  # the default may be written out

            def at_random(setting: Setting, written: Any = written) -> tuple[Any, dict[str, Any]] | None:
                planted = setting.method.name == "planted" and setting.method.settings.get("where") == where
                return (replace(setting.method, settings=written), {}) if planted else None

            found += against(at_random)(settings, limits)
        return found

    return choice


def _less_pgr(structured: Means, random: Means) -> float:
    return -more_pgr(structured, random)


def _shared(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    return [(s,) for (s,) in pairs(settings, limits) if np.isfinite(s.means["ceiling_wrong"])]


def _beyond_ceiling(means: Means) -> float:
    return means["wrong"] - means["ceiling_wrong"]


def _students(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    """Group the students of one teacher where there are three sizes or more."""
    sized = [s for (s,) in _shared(settings, limits) if np.isfinite(s.means["size"])]
    groups = along(sized, "student_model", least=int(limits["models"]))
    return [group for group in groups if len({s.means["size"] for s in group}) >= limits["models"]]


def _slope_of_copying(*students: Means) -> float:
    """Compute the slope of the agreement with wrong labels, per doubling of the student's weights."""
    sizes = np.log([s["size"] for s in students]) / _DOUBLING
    return _slope(sizes, [s["wrong"] for s in students])


def _gaps(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    """Group the naive settings of one student by their teachers: other models, other numbers of labelled items."""
    return along([s for (s,) in pairs(settings, limits)], "weak_model", "n_labeled", least=int(limits["teachers"]))


def _slope_of_pgr(*settings: Means) -> float:
    """Compute the slope of the PGR over the gap: how much PGR a gap that is larger by one costs or gains."""
    return _slope([s["weak"] - s["ceiling"] for s in settings], [pgr_of(s) for s in settings])


def _slope(places: Any, values: Any) -> float:
    x = np.asarray(places, dtype=np.float64) - np.mean(places)
    return float(x @ np.asarray(values, dtype=np.float64) / (x @ x)) if np.any(x) else float("nan")


def _median_task(table: DataFrame, limits: Thresholds) -> Verdict:
    """Test the median over tasks of each task's median PGR."""
    tasks = [[s for (s,) in pairs(settings, limits)] for _, settings in by_task(table, settings_of)]
    chosen: list[Comparison] = [tuple(task) for task in tasks if task]
    if len(chosen) < limits["tasks"]:
        return untestable(f"{len(chosen)} tasks have a setting with a gap, {limits['tasks']:g} are needed")

    def task_median(_: Comparison, means: list[Any]) -> float:
        return float(np.median([pgr_of(named(one)) for one in means]))

    return above(f"median PGR of {len(chosen)} tasks", *_reordered(median_over(chosen, task_median), limits["pgr"]))


def _reordered(found: tuple[float, Any, int], threshold: float) -> tuple[float, Any, float, int]:
    value, interval, seeds = found
    return value, interval, threshold, seeds


def _knowing(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    """Take the confidence loss with its naive partner, where the student knows more and where it is its teacher's equal.

    Four settings each: with the loss and without, at a gap; the same teacher teaching its own model.
    """
    found: list[Comparison] = []
    for confident, naive in against(without_confidence)(settings, limits):
        own = [partner(s, settings, s.method, student_model=s.fields["weak_model"]) for s in (confident, naive)]
        if own[0] is not None and own[1] is not None:
            found.append((confident, naive, own[0], own[1]))
    return found


def _more_help(confident: Means, naive: Means, own_confident: Means, own_naive: Means) -> float:
    """Compute how much more error the loss removes where the student knows more than where it is its teacher's equal."""
    return (naive["student"] - confident["student"]) - (own_naive["student"] - own_confident["student"])


def _fitted(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    """Pair students of labels at a fitted temperature with those of the labels as they are."""
    return against(lambda s: (replace(s.method, temperature=1.0), {}) if s.method.temperature == "fit" else None)(
        settings, limits
    )


def _calibrates(tempered: Means, _plain: Means) -> float:
    return tempered["weak_calibration"] - tempered["label_calibration"]


def _chosen_by_even_seeds(
    table: DataFrame, choice: Callable[[list[Setting]], Sequence[Comparison]], statistic: Callable[..., float]
) -> tuple[float, Any, int] | None:
    """Measure on odd seeds the comparison of all tasks with the least statistic on even seeds; None without a comparison."""
    found = [comparison for _, settings in by_task(table, settings_of) for comparison in choice(settings)]
    if not found:
        return None
    seeds = sorted(set.intersection(*(set(s.seeds) for comparison in found for s in comparison)))
    members = [[s.values[[s.seeds.index(seed) for seed in seeds]] for s in comparison] for comparison in found]
    ends, width = np.cumsum([len(group) for group in members])[:-1], members[0][0].shape[1]
    together = np.concatenate([np.stack(group, axis=1) for group in members], axis=1).reshape(len(seeds), -1)
    odd = np.asarray(seeds, dtype=np.float64) % 2
    halves = np.stack([1.0 - odd, odd], axis=1)
    values = np.concatenate([halves[:, :, None] * together[:, None, :], halves[:, :, None]], axis=2)

    def of_means(means: Any) -> float:
        with np.errstate(divide="ignore", invalid="ignore"):
            even, later = (means[:, :-1] / means[:, -1:]).reshape(2, -1, width)
        first = [statistic(*map(named, group)) for group in np.split(even, ends)]
        if not np.isfinite(first).any():
            return float("nan")
        return statistic(*map(named, np.split(later, ends)[int(np.nanargmin(first))]))

    return over_means(seeds, values, of_means)


def _chain_loses(table: DataFrame, limits: Thresholds) -> Verdict:
    """Test that the chain that does worst, among all tasks and ladders, recovers less than the single hop."""

    def chains(settings: list[Setting]) -> list[Comparison]:
        return against(lambda s: None if s.fields.get("chain") is None else (s.method, {"chain": None}))(settings, limits)

    found = _chosen_by_even_seeds(table, chains, more_pgr)
    if found is None:
        return untestable("no chain with a single hop beside it at the gap that is asked for")
    value, interval, seeds = found
    return below("PGR of the worst chain - of its single hop", value, interval, limits["difference"], seeds)


_ERRORS = dict.fromkeys(
    ("teacher_up", "teacher_down", "teacher_noisy", "student_noisy", "flipped"),
    "agreements are compared; errors only say whether there is a gap",
)
_COPIES = {
    "student_is_teacher": "a student that only imitates repeats all of its teacher's errors",
    "student_shuffled": "students of all settings copy alike",
}
_MIXED = {"student_shuffled": "tasks whose students change places have the same median, nearly"}
_SCALED = dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of all errors of the teacher leaves the slope's sign")
_NEEDS = {"student_error_01": 2}
_METHODS = {**_NEEDS, "method": 2}

ANALYSES: tuple[Claim, ...] = (
    Claim(
        "structured_errors",
        "Errors at items that another model is sure of are corrected far less than as many of the same kind at random items.",
        "appendix, Figs. 25 and 26",
        median(_planted("sure"), _less_pgr, "PGR on errors at random items - at sure ones", above, "difference"),
        needs=_METHODS,
        thresholds={"difference": 0.2, **decides(10)},
        basis="difference: a fifth of the gap; narrowed to sure errors, from long, hard and sure ones, after a look at a part "
        f"of errors.yaml; stronger.yaml came after; {GAP}",
        overlooks=ANY_ORDER | PAIRED | AVERAGED,
    ),
    Claim(
        "hard_errors",
        "Not every structure is worse than none: errors at items that are hard for another model are corrected better than as "
        "many at random items.",
        "appendix, Figs. 25 and 26, which the paper does not say of hard items",
        median(_planted("hard"), more_pgr, "PGR on errors at hard items - at random ones", above, "difference"),
        needs=_METHODS,
        thresholds={"difference": 0.0, **decides(10)},
        basis=f"seen first on seeds 100 to 102 and on a part of errors.yaml; stronger.yaml came after; {SIGN}",
        overlooks=ANY_ORDER | PAIRED | TEACHER_AVERAGED,
    ),
    Claim(
        "shared_errors",
        "The student repeats its weak model's errors more often than the ceiling, which has not seen them, makes them on the "
        "same items.",
        "Fig. 8",
        median(_shared, _beyond_ceiling, "agreement with errors of the student - of the ceiling", above, "difference"),
        needs={**_NEEDS, "ceiling_agreement_wrong": 2},
        thresholds={"difference": 0.0, **decides()},
        basis=SIGN,
        overlooks=ANY_ORDER | _ERRORS | _COPIES,
    ),
    Claim(
        "agreement_slope",
        "The larger the student, the less often it repeats its weak model's errors.",
        "Fig. 8",
        median(_students, _slope_of_copying, "slope of the agreement with errors per doubling of the student", below, "slope"),
        needs={**_NEEDS, "student_model": 3, "student_parameters": 3},
        thresholds={"slope": 0.0, "models": 3, **decides()},
        basis=f"models: a slope through two sizes is a difference; {SIGN}",
        overlooks=ANY_ORDER | _ERRORS,
    ),
    Claim(
        "larger_gap",
        "The larger the gap between weak model and ceiling, the smaller the part of it that a student recovers.",
        "Fig. 3",
        median(_gaps, _slope_of_pgr, "slope of the PGR over the gap", below, "slope"),
        needs=_NEEDS,
        thresholds={"slope": 0.0, "teachers": 3, **decides()},
        basis=f"teachers: as models of agreement_slope; {SIGN}",
        overlooks=ANY_ORDER | _SCALED,
    ),
    Claim(
        "median_task",
        "The median over tasks of the PGR is above a fifth.",
        "Figs. 3 and 5",
        _median_task,
        needs={**_NEEDS, "task": 4},
        thresholds={"pgr": 0.2, "tasks": 4, **decides()},
        basis=f'pgr: the paper\'s "usually more than 20 %"; tasks: fewer have no middle; {GAP}',
        overlooks=ANY_ORDER | ROOM | AVERAGED | _MIXED,
    ),
    Claim(
        "confidence_knows",
        "The confidence loss does more for a student that knows more than its teacher than for its teacher's equal.",
        "section 4.3, Fig. 5",
        median(_knowing, _more_help, "error removed at a gap - by a student that is its teacher's equal", above, "error"),
        needs={**_METHODS, "student_model": 2},
        thresholds={"error": 0.0, **decides()},
        basis=f"that it helps at all was a half of this claim until a look at confidence.yaml, and is claim confidence; {SIGN}",
        overlooks=ANY_ORDER | PAIRED | TEACHER_AVERAGED,
    ),
    Claim(
        "fit_calibrates",
        "Weak labels at the temperature that suits held-out truth best are better calibrated than they were.",
        "not in the paper: a setting of our own",
        median(_fitted, _calibrates, "calibration error of the weak labels - at the fitted temperature", above, "error"),
        needs={"method": 2, "fitted_temperature": 2},
        thresholds={"error": 0.0, **decides()},
        basis=SIGN,
        overlooks=NO_STUDENT | ROOM | TEACHER_AVERAGED | {"flipped": NO_STUDENT["student_is_teacher"]},
    ),
    Claim(
        "fit_helps",
        "A student of weak labels at the temperature that suits held-out truth best recovers more.",
        "not in the paper: a setting of our own",
        median(_fitted, more_pgr, "PGR at the fitted temperature - without", above, "difference"),
        needs={**_METHODS, "fitted_temperature": 2},
        thresholds={"difference": 0.0, **decides()},
        basis=SIGN,
        overlooks=ANY_ORDER | PAIRED | TEACHER_AVERAGED,
    ),
    Claim(
        "chain_loses",
        "Chains do not always win: there is a ladder on which the single hop recovers more.",
        "section 4.3: little help on language tasks, none for reward models",
        _chain_loses,
        needs={**_NEEDS, "chain": 1},
        thresholds={"difference": 0.0, **decides(16)},
        basis=f"seeds: half of them choose the ladder; {SIGN}",
        overlooks=ANY_ORDER | PAIRED,
    ),
)
"""Claims about analyses, in the order of the paper."""
