"""What the paper says of correctors, as tests on a table. Accuracies are shares of test prompts whose answer passes its check.

Variants of the method are compared in pairs that differ in one option, seed by seed; the worst setting decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, above, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING
from w2s.claims.seed_intervals import over_means
from w2s.claims.settings import largest_distance
from w2s.studies.aligner2024.strings.variants import paired, variants

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Options = Mapping[str, Any]


def _differences(
    table: DataFrame, fits: Callable[[Options], bool], free: tuple[str, ...], worth: str, least: float, name: str, nothing: str
) -> Verdict:
    """Judge how much more of a column the partners of plain variants have: above ``least``."""
    found = []
    for plain, other in paired(table, fits, free):
        value, interval, seeds = over_means(plain.index, (other[worth] - plain[worth]).to_numpy(float), float)
        found.append(above(name, value, interval, least, seeds))
    return worst(found, nothing)


def _stacked(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for variant in variants(table):
        if variant.is_plain:
            rows = variant.rows
            best = np.maximum(rows["upstream_accuracy"], 1.0 - rows["weak_error_01"])
            value, interval, seeds = over_means(rows["seed"], (rows["stacked_accuracy"] - best).to_numpy(float), float)
            found.append(above("accuracy of corrections - the better of both models'", value, interval, limits["least"], seeds))
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
    return _differences(
        table,
        lambda options: options["writer"] == "weak",
        ("writer", "warmup"),
        "student_error_01",
        limits["least"],
        "error of the student of weak answers - of corrections",
        "needs writer=weak beside a corrector",
    )


def _warmup(table: DataFrame, limits: Thresholds) -> Verdict:
    found = [
        _differences(
            table,
            lambda options: options["warmup"] == 0 and options["writer"] == "aligner",
            ("warmup",),
            column,
            limits["least"],
            name,
            "needs warmup=0 beside a warm-up",
        )
        for column, name in (
            ("break_rate", "share of right answers broken, without a warm-up - with one"),
            ("student_error_01", "error of the student, without a warm-up - with one"),
        )
    ]
    return worst(found, "needs warmup=0 beside a warm-up")


def _second_round(table: DataFrame, limits: Thresholds) -> Verdict:
    found = []
    for once, twice in paired(table, lambda options: options["rounds"] == 2, ("rounds",)):
        gained = (once["student_error_01"] - twice["student_error_01"]).to_numpy(float)
        value, interval, seeds = over_means(once.index, gained, float)
        found.append(above("error after one round - after two", value, interval, limits["least"], seeds))
    return worst(found, "needs rounds=2 beside one round")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "corrections_gain",
        "corrections of a small model are right more often, by five points or more, than the answers that it corrects and than"
        " what a model of its size answers by itself",
        "abstract, main table",
        _stacked,
        {"stacked_accuracy": 1, "weak_error_01": 1},
        {"least": 0.05, "seeds": 8},
        basis="five points: the least that the sheet of this paper asks of every seed",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING,
    ),
    Claim(
        "student_keeps_the_gain",
        "the strong model that learned corrections has half of their gain or more, without the corrector",
        "weak-to-strong finetuning, abstract of version 1",
        _keeps("sft"),
        {"stacked_accuracy": 1, "student_error_01": 1},
        {"least": 0.5, "seeds": 8},
        basis="half: asked by the sheet of this paper",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING,
    ),
    Claim(
        "dpo_keeps_the_gain",
        "so has the strong model that prefers corrections to its own answers",
        "weak-to-strong finetuning by DPO",
        _keeps("dpo"),
        {"stacked_accuracy": 1, "student_error_01": 1},
        {"least": 0.5, "seeds": 8},
        basis="half: asked by the sheet of this paper",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING,
    ),
    Claim(
        "accounting",
        "the accuracy of corrections is what was right and not broken and what was fixed; without a round nothing changes",
        "accounting of corrections, derived",
        _accounting,
        {"stacked_expected": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=NO_CEILING,
    ),
    Claim(
        "corrections_teach_more",
        "the strong model learns more from corrections of its answers than from a small model's own answers",
        "why corrections are learned and not answers",
        _corrections_teach,
        {"student_error_01": 1},
        {"least": 0.05, "seeds": 8},
        basis="five points, as for the corrections themselves",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING,
    ),
    Claim(
        "own_answers_teach_nothing",
        "a strong model that learns its own answers stays as good as it was, within three points",
        "control of ours: copying is the zero of the method",
        _self_training,
        {"upstream_accuracy": 1, "student_error_01": 1},
        {"most": 0.03, "seeds": 8},
        basis="three points: 1.3 standard errors of an accuracy of one half on 500 prompts",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING,
    ),
    Claim(
        "warmup_helps",
        "without the copying warm-up the corrector breaks more right answers, and the student is worse",
        "ablation of the warm-up",
        _warmup,
        {"break_rate": 1, "student_error_01": 1},
        {"least": 0.0, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING,
    ),
    Claim(
        "second_round_gains",
        "a second round of corrections, by the same corrector, makes the strong model better",
        "iterated bootstrap",
        _second_round,
        {"student_error_01": 1},
        {"least": 0.0, "seeds": 8},
        basis="the sentence is about a direction",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING,
    ),
)
