"""What corrections do to accuracy, as tests on a table. Errors are shares of wrong answers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from w2s.claims.claim import Claim, Thresholds, Verdict, below, within, worst
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING
from w2s.claims.settings import largest_distance, worst_mean
from w2s.theory import aligner2024 as theory

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _accounting(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[table["rounds"] == 1]
    right = 1.0 - rows["weak_error"]
    accounted = right * (1.0 - rows["break_rate"].fillna(0.0)) + rows["weak_error"] * rows["fix_rate"].fillna(0.0)
    seeds = rows["seed"].nunique()
    found = [
        largest_distance("accuracy - (a (1 - b) + (1 - a) f)", 1.0 - rows["student_error"] - accounted, limits["most"], seeds),
        largest_distance("the same in the last of several rounds", table["accounting_gap"], limits["most"], seeds),
    ]
    return worst(found, "needs one round of corrections")


def _expected(table: DataFrame, limits: Thresholds) -> Verdict:
    def off(rows: DataFrame) -> Any:
        right = theory.accuracy_after(1.0 - rows["weak_error"], rows["fix"], rows["breaks"], rows["rounds"])
        return rows["student_error"].to_numpy(float) - (1.0 - right)

    bounds = (-limits["off"], limits["off"])
    return worst_mean(
        table[table["rounds"] > 0],
        off,
        lambda name, value, interval, seeds: within(name, value, interval, bounds, seeds),
        "error after corrections - closed form, from the upstream's own error",
        "needs corrections",
    )


def _nothing(table: DataFrame, limits: Thresholds) -> Verdict:
    still = ((table["fix"] == 0) & (table["breaks"] == 0)) | (table["rounds"] == 0)
    rows = table[still]
    changed: Any = rows["student_error"] - rows["weak_error"]
    return largest_distance("gain of no correction", changed, limits["most"], rows["seed"].nunique())


def _harm(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = table[
        (table["fix"] / (table["fix"] + table["breaks"]) < table["accuracy"] - limits["apart"]) & (table["rounds"] > 0)
    ]
    return worst_mean(
        rows,
        lambda part: part["gain"].to_numpy(float),
        lambda name, value, interval, seeds: below(name, value, interval, 0.0, seeds),
        "gain of a model better than f / (f + b)",
        "needs models that are better than what corrections lead to",
    )


_ONE_SIDED = {
    "student_constant": "wrong answers alone are a loss too",
    **dict.fromkeys(("teacher_up", "teacher_down"), "a tenth of a good model's error is less than what corrections break"),
}

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "accounting",
        "accuracy after corrections is a (1 - b) + (1 - a) f: what was right and not broken, and what was fixed",
        "accounting of corrections, derived",
        _accounting,
        {"fix_rate": 1},
        {"most": 1e-12},
        basis="rounding",
        overlooks=NO_CEILING,
    ),
    Claim(
        "closed_form",
        "over rounds the error goes to b / (f + b), and its distance shrinks by 1 - f - b a round",
        "iterated bootstrap, derived",
        _expected,
        {"student_error": 1},
        {"off": 0.01, "seeds": 8},
        basis="off: a fifth of the five points of accuracy that a corrector should bring",
        overlooks=ANY_ORDER | NO_CEILING,
    ),
    Claim(
        "no_edits_change_nothing",
        "a corrector that fixes and breaks nothing leaves every error as it was, in any number of rounds",
        "copying is the zero of the method",
        _nothing,
        {"student_error": 1},
        {"most": 1e-12},
        basis="rounding: the same answers",
        overlooks={"student_is_teacher": "this is what is claimed", "flipped": "both errors are the same"} | NO_CEILING,
    ),
    Claim(
        "good_models_are_harmed",
        "a corrector makes a model worse whose accuracy is above f / (f + b)",
        "why the copying warm-up is needed, derived",
        _harm,
        {"gain": 1},
        {"apart": 0.02, "seeds": 8},
        basis="apart: models that are better than that by more than sampling; the sentence is about a sign",
        overlooks=ANY_ORDER | AVERAGED | NO_CEILING | _ONE_SIDED,
    ),
)
