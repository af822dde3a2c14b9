"""What the paper says of correctors, as tests on a table. Accuracies are shares of test prompts whose answer passes its check.

Variants of the method are compared in pairs that differ in one option, seed by seed; the worst setting decides.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, within, worst
from w2s.claims.overlooks import ANY_ORDER, NO_CEILING, NO_STUDENT, STUDENT_AVERAGED, TEACHER_AVERAGED
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import largest_distance
from w2s.studies.aligner2024.strings.variants import paired, variants

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _stacked(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for variant in variants(table):
        if variant.is_plain:
            rows = variant.rows
            for name, accuracy, least in (
                ("the answers that are corrected", rows["upstream_accuracy"], limits["least"]),
                ("the small model", 1.0 - rows["weak_error_01"], 0.0),
            ):
                value, interval, seeds = over_means(rows["seed"], (rows["stacked_accuracy"] - accuracy).to_numpy(float), float)
                found.append(above(f"accuracy of corrections - of {name}", value, interval, least, seeds))
    return worst(found, "needs a corrector with a warm-up")


def _kept_share(means: npt.NDArray[np.float64]) -> float:
    student, upstream, stacked = means
    return float((student - upstream) / (stacked - upstream)) if stacked > upstream else float("nan")


def _keeps(mode: str) -> Callable[[DataFrame, Thresholds], Verdict]:
    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        found = []
        for variant in variants(table):
            own = variant.options
            if own["writer"] == "aligner" and own["rounds"] == 1 and own["mode"] == mode and own["warmup"] > 0:
                rows = variant.rows
                values = np.stack([1.0 - rows["student_error_01"], rows["upstream_accuracy"], rows["stacked_accuracy"]], axis=1)
                value, interval, seeds = over_means(rows["seed"], values, _kept_share)
                found.append(
                    above("share of the corrections' gain that the student has", value, interval, limits["least"], seeds)
                )
        return worst(found, f"needs a corrector with a warm-up, and mode={mode}")

    return test


def _accounting(table: DataFrame, limits: Thresholds) -> Verdict:
    known = variants(table)
    gaps = [(v.rows["stacked_accuracy"] - v.rows["stacked_expected"]).to_numpy(float) for v in known]
    still = [v for v in known if v.options["rounds"] == 0]
    moved = [(1.0 - v.rows["student_error_01"] - v.rows["upstream_accuracy"]).to_numpy(float) for v in still]
    seeds = table["seed"].nunique()
    found = [
        largest_distance("accuracy - (a (1 - b) + (1 - a) f)", np.concatenate([np.empty(0), *gaps]), limits["most"], seeds),
        largest_distance("change without a round", np.concatenate([np.empty(0), *moved]), limits["most"], seeds),
    ]
    return worst(found, "needs corrections")


def _self_training(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for variant in variants(table):
        if variant.options["writer"] == "self" and variant.options["rounds"] == 1:
            rows = variant.rows
            gained = (1.0 - rows["student_error_01"] - rows["upstream_accuracy"]).to_numpy(float)
            value, interval, seeds = over_means(rows["seed"], gained, float)
            name = "gain of a model that learns its own answers"
            found.append(within(name, value, interval, (-limits["most"], limits["most"]), seeds))
    return worst(found, "needs writer=self")


def _corrections_teach(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for plain, other in paired(table, lambda options: options["writer"] == "weak", ("writer", "warmup")):
        worse = (other["student_error_01"] - plain["student_error_01"]).to_numpy(float)
        value, interval, seeds = over_means(plain.index, worse, float)
        found.append(above("error of the student of weak answers - of corrections", value, interval, limits["least"], seeds))
    return worst(found, "needs writer=weak beside a corrector")


def _warmup(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for plain, other in paired(table, lambda options: options["warmup"] == 0, ("warmup",)):
        broken = (other["break_rate"] - plain["break_rate"]).to_numpy(float)
        gained = (1.0 - other["student_error_01"] - other["upstream_accuracy"]).to_numpy(float)
        for name, values, least in (
            ("share of right answers broken, without a warm-up - with one", broken, 0.0),
            ("gain of the student without a warm-up", gained, limits["least"]),
        ):
            value, interval, seeds = over_means(plain.index, values, float)
            found.append(above(name, value, interval, least, seeds))
    return worst(found, "needs warmup=0 beside a warm-up")


def _second_round(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for once, twice in paired(table, lambda options: options["rounds"] == 2, ("rounds",)):
        gained = (once["student_error_01"] - twice["student_error_01"]).to_numpy(float)
        value, interval, seeds = over_means(once.index, gained, float)
        found.append(above("error after one round - after two", value, interval, limits["least"], seeds))
    return worst(found, "needs rounds=2 beside one round")


_NO_TEACHER = dict.fromkeys(
    ("teacher_up", "teacher_down", "teacher_noisy"), "the weak model's own answers are not in the sentence"
)
_ABOVE = dict.fromkeys(("teacher_up", "flipped"), "one-sided: corrections are right more often than the student's answers too")
_BEST = {"student_is_ceiling": "one-sided: the ceiling is better than the sentence asks"}
_BAD = dict.fromkeys(
    ("student_is_teacher", "student_constant", "flipped"), "the sentence fails: such students have half of the gain as little"
)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "corrections_gain",
        "corrections of a small model are right more often, by five points or more, than the answers that it corrects, and more"
        " often than what a model of its size answers by itself",
        "abstract, main table",
        _stacked,
        {"stacked_accuracy": 1, "weak_error_01": 1},
        {"least": 0.05, "seeds": 8},
        basis="five points: the least that is worth a second model; beside a small model's answers it is about a direction",
        overlooks=NO_STUDENT | TEACHER_AVERAGED | NO_CEILING | _ABOVE,
    ),
    Claim(
        "student_keeps_the_gain",
        "the strong model that learned corrections has half of their gain or more, without the corrector",
        "weak-to-strong finetuning, abstract of version 1",
        _keeps("sft"),
        {"stacked_accuracy": 1, "student_error_01": 1},
        {"least": 0.5, "seeds": 8},
        basis="half of the gain: below it the corrector would better stay",
        overlooks=_NO_TEACHER | STUDENT_AVERAGED | NO_CEILING | _BEST,
    ),
    Claim(
        "dpo_keeps_the_gain",
        "so has the strong model that prefers corrections to its own answers",
        "weak-to-strong finetuning by DPO",
        _keeps("dpo"),
        {"stacked_accuracy": 1, "student_error_01": 1},
        {"least": 0.5, "seeds": 8},
        basis="half of the gain: below it the corrector would better stay",
        expected="fails_at_this_scale",
        reason="DPO makes decoders this small worse than they were, at both rates that we tried: 0.01 and 0.04 of the cell's",
        overlooks=_NO_TEACHER | ANY_ORDER | STUDENT_AVERAGED | NO_CEILING | _BAD,
    ),
    Claim(
        "accounting",
        "the accuracy of corrections is what was right and not broken and what was fixed; without a round nothing changes",
        "accounting of corrections, derived",
        _accounting,
        {"stacked_expected": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=_NO_TEACHER | NO_CEILING,
    ),
    Claim(
        "corrections_teach_more",
        "the strong model learns more from corrections of its answers than from a small model's own answers",
        "why corrections are learned and not answers",
        _corrections_teach,
        {"student_error_01": 1},
        {"least": 0.05, "seeds": 8},
        basis="five points, as for the corrections themselves",
        overlooks=_NO_TEACHER | ANY_ORDER | STUDENT_AVERAGED | NO_CEILING,
    ),
    Claim(
        "own_answers_teach_nothing",
        "a strong model that learns its own answers stays as good as it was, within three points",
        "control of ours: copying is the zero of the method",
        _self_training,
        {"upstream_accuracy": 1, "student_error_01": 1},
        {"most": 0.03, "seeds": 8},
        basis="three points: 1.3 standard errors of an accuracy of one half on 500 prompts",
        overlooks=_NO_TEACHER | NO_CEILING,
    ),
    Claim(
        "warmup_breaks_less",
        "without the copying warm-up the corrector breaks more right answers; its student still gains five points or more",
        "ablation of the warm-up",
        _warmup,
        {"break_rate": 1, "student_error_01": 1},
        {"least": 0.05, "seeds": 8},
        basis="five points, as for the corrections themselves; what is broken has a direction alone",
        overlooks=_NO_TEACHER | ANY_ORDER | STUDENT_AVERAGED | NO_CEILING | _BEST,
    ),
    Claim(
        "second_round_gains",
        "a second round of corrections, by the same corrector, makes the strong model better",
        "iterated bootstrap",
        _second_round,
        {"student_error_01": 1},
        {"least": 0.0, "seeds": 8},
        basis="the sentence is about a direction",
        expected="fails_at_this_scale",
        reason="the corrector has seen the errors of the first model alone: of the second one's answers it fixes 2 % and breaks"
        " a fifth, signs among them that no first answer had",
        overlooks=_NO_TEACHER | NO_CEILING,
    ),
)
