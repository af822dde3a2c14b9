"""What the paper says of finetuned students, as tests on a table.

Errors are shares of wrong answers on the test items. Settings whose student is its teacher's model, or whose gap between weak
model and ceiling is below ``gap``, are left out: a PGR without a gap is noise. Methods are compared in pairs of settings that
differ in nothing else, seed by seed. A task has the median of its settings or pairs; the worst task decides.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.claims.claim import Claim, Thresholds, Verdict, above, below
from w2s.claims.comparisons import worst_task
from w2s.studies.burns2023.text.finetune_settings import Comparison, Means, Setting, extremes, named, partner, settings_of

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Choice = Callable[[list[Setting], Thresholds], list[Comparison]]
Statistic = Callable[..., float]
Decide = Callable[[str, float, tuple[float, float], Any, int], Verdict]


def _gap(means: Means) -> float:
    return means["weak"] - means["ceiling"]


def _gain(means: Means) -> float:
    return means["weak"] - means["student"]


def _pgr(means: Means, model: str = "student") -> float:
    """PGR: ratio of means over seeds."""
    return (means["weak"] - means[model]) / _gap(means) if _gap(means) > 0 else np.nan


def _surplus_of_flips(means: Means) -> float:
    return _pgr(means, "flip") - _pgr(means)


def _difference_of_agreement(means: Means) -> float:
    return means["right"] - means["wrong"]


def _more_pgr(first: Means, second: Means) -> float:
    return _pgr(first) - _pgr(second)


def _more_copied(first: Means, second: Means) -> float:
    return first["wrong"] - second["wrong"]


def _pairs(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    """Naive students of another model than their teacher's; with a gap, where one is asked for."""
    least = limits.get("gap", -np.inf)
    return [(s,) for s in settings if s.is_naive and s.is_weak_to_strong and s.gap >= least]


def _controlled(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    return [(s,) for (s,) in _pairs(settings, limits) if np.isfinite(s.means["flip"])]


def _students(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    return extremes([s for (s,) in _pairs(settings, limits)], limits["apart"])


def _against(changed: Callable[[Setting], tuple[Any, dict[str, Any]] | None]) -> Choice:
    """Settings with a gap and their partners: ``changed`` gives the partner's method and fields, None for no such setting."""

    def choice(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
        found: list[Comparison] = []
        for setting in settings:
            other = changed(setting)
            if other is None or not setting.is_weak_to_strong or setting.gap < limits["gap"]:
                continue
            same = partner(setting, settings, other[0], **other[1])
            found += [(setting, same)] if same is not None else []
        return found

    return choice


def _without_confidence(setting: Setting) -> tuple[Any, dict[str, Any]] | None:
    if setting.method.loss != "confidence":
        return None
    return replace(setting.method, loss="xent", options={}), {}


def _without_chain(setting: Setting) -> tuple[Any, dict[str, Any]] | None:
    return None if setting.fields.get("chain") is None else (setting.method, {"chain": None})


def _instead_of_the_truth(stop: Any) -> Callable[[Setting], tuple[Any, dict[str, Any]] | None]:
    return lambda setting: (replace(setting.method, stop=stop), {}) if setting.method.stop == "oracle" else None


def _median(choice: Choice, statistic: Statistic, name: str, decide: Decide, threshold: str) -> Callable[..., Verdict]:
    """Test: the median over a task's comparisons, above or below a threshold, in the worst task."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        return worst_task(
            table,
            settings_of,
            lambda settings: choice(settings, limits),
            lambda _, means: statistic(*map(named, means)),
            lambda what, value, interval, seeds: decide(f"{name}, {what}", value, interval, limits[threshold], seeds),
            "no setting, or no pair of settings, of this kind has the gap that is asked for",
        )

    return test


_NEEDS = {"student_error_01": 2, "seed": 2}
_METHODS = {**_NEEDS, "method": 2}
_CONFIDENCE, _CHAIN = _against(_without_confidence), _against(_without_chain)

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "gap",
        "A strong model finetuned on true labels is better than a weak one: there is a gap to recover.",
        "section 3, Fig. 3",
        _median(_pairs, _gap, "weak error - ceiling error", above, "error"),
        needs=_NEEDS,
        thresholds={"error": 0.0},
    ),
    Claim(
        "beats_weak",
        "A strong student finetuned on a weak model's labels is better than the weak model.",
        "Fig. 3",
        _median(_pairs, _gain, "weak error - student error", above, "error"),
        needs=_NEEDS,
        thresholds={"error": 0.0, "gap": 0.03},
    ),
    Claim(
        "recovers",
        "On language tasks naive finetuning usually recovers more than a fifth of the gap.",
        "Fig. 3",
        _median(_pairs, _pgr, "PGR", above, "pgr"),
        needs=_NEEDS,
        thresholds={"pgr": 0.2, "gap": 0.03},
    ),
    Claim(
        "agreement",
        "The student agrees less with its weak model where that is wrong than where it is right.",
        "Fig. 8",
        _median(_pairs, _difference_of_agreement, "agreement where the weak model is right - wrong", above, "difference"),
        needs={**_NEEDS, "agreement_wrong": 2},
        thresholds={"difference": 0.0, "gap": 0.03},
    ),
    Claim(
        "inverse_scaling",
        "The stronger the student, the less it agrees with its weak model's errors.",
        "Fig. 8",
        _median(_students, _more_copied, "agreement with errors, strongest - weakest student", below, "difference"),
        needs={**_NEEDS, "agreement_wrong": 2, "student_model": 2},
        thresholds={"difference": 0.0, "gap": 0.03, "apart": 0.01},
    ),
    Claim(
        "confidence",
        "The confidence loss recovers more of the gap than naive finetuning.",
        "Figs. 2 and 5",
        _median(_CONFIDENCE, _more_pgr, "PGR with the confidence loss - without", above, "difference"),
        needs=_METHODS,
        thresholds={"difference": 0.0, "gap": 0.03},
    ),
    Claim(
        "confidence_copies_less",
        "With the confidence loss the student agrees less with its weak model's errors.",
        "Fig. 8",
        _median(_CONFIDENCE, _more_copied, "agreement with errors, with the confidence loss - without", below, "difference"),
        needs={**_METHODS, "agreement_wrong": 2},
        thresholds={"difference": 0.0, "gap": 0.03},
    ),
    Claim(
        "random_errors",
        "Labels with as many errors at random places are corrected far better than a weak model's.",
        "appendix, Figs. 25 and 26",
        _median(_controlled, _surplus_of_flips, "PGR on random errors - PGR on the weak model's", above, "difference"),
        needs={**_NEEDS, "student_flip_error_01": 2},
        thresholds={"difference": 0.3, "gap": 0.03},
    ),
    Claim(
        "overtraining",
        "Students that stop at their best by the truth recover more than those that train to the end.",
        "Figs. 7 and 13",
        _median(
            _against(_instead_of_the_truth("end")), _more_pgr, "PGR stopped by the truth - at the end", above, "difference"
        ),
        needs=_METHODS,
        thresholds={"difference": 0.0, "gap": 0.03},
    ),
    Claim(
        "oracle_stop",
        "Stopping by the truth is an upper limit of stopping by weak labels.",
        "Fig. 13",
        _median(
            _against(_instead_of_the_truth("legal")),
            _more_pgr,
            "PGR stopped by the truth - by weak labels",
            above,
            "difference",
        ),
        needs=_METHODS,
        thresholds={"difference": -0.05, "gap": 0.03},  # the truth of some items is no truth about others
    ),
    Claim(
        "bootstrapping",
        "Models of sizes between weak model and student, each trained on the labels of the one before, recover more.",
        "Fig. 4, chess",
        _median(_CHAIN, _more_pgr, "PGR with a chain - without", above, "difference"),
        needs={**_NEEDS, "chain": 1},
        thresholds={"difference": 0.0, "gap": 0.03},
    ),
)
