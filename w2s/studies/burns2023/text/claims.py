"""What the paper says of finetuned students, as tests on a table (:mod:`w2s.studies.burns2023.text.comparisons` says how).

The claims here are about the main figures; those about its analyses are in :mod:`w2s.studies.burns2023.text.analyses`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from w2s.claims.claim import Claim, Thresholds, above, below
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_STUDENT, TEACHER_AVERAGED
from w2s.studies.burns2023.text.analyses import ANALYSES
from w2s.studies.burns2023.text.comparisons import (
    GAP,
    PAIRED,
    ROOM,
    SIGN,
    against,
    both,
    copied,
    decides,
    gain_of,
    gap_of,
    median,
    more_pgr,
    pairs,
    pgr_of,
    without_confidence,
)
from w2s.studies.burns2023.text.finetune_settings import Comparison, Means, Setting, extremes
from w2s.studies.burns2023.typical import typical_pgr

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]


def _surplus_of_flips(means: Means) -> float:
    return pgr_of(means, "flip") - pgr_of(means)


def _difference_of_agreement(means: Means) -> float:
    return means["right"] - means["wrong"]


def _more_copied(first: Means, second: Means) -> float:
    return first["wrong"] - second["wrong"]


def _more_kept(first: Means, second: Means) -> float:
    """Compute how much more of a teacher's errors than of its right answers is kept."""
    return _difference_of_agreement(second) - _difference_of_agreement(first)


def _controlled(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    return [(s,) for (s,) in pairs(settings, limits) if np.isfinite(s.means["flip"])]


def _students(settings: list[Setting], limits: Thresholds) -> list[Comparison]:
    return extremes([s for (s,) in pairs(settings, limits)], limits["apart"])


def _without_chain(setting: Setting) -> tuple[Any, dict[str, Any]] | None:
    return None if setting.fields.get("chain") is None else (setting.method, {"chain": None})


def _instead_of_the_truth(stop: Any) -> Callable[[Setting], tuple[Any, dict[str, Any]] | None]:
    return lambda setting: (replace(setting.method, stop=stop), {}) if setting.method.stop == "oracle" else None


def _naive_on_texts(table: DataFrame) -> DataFrame:
    """Keep naive students that are other models than their teachers, on tasks of single texts and questions."""
    plain = (table["method"] == "naive") & (table["weak_model"] != table["student_model"]) & ~table["task"].isin(_PAIRS)
    return table[plain & table["chain"].isna()] if "chain" in table else table[plain]


_PAIRS = ("hh_harmless",)
"""Tasks of reward models, a domain of its own."""
_NEEDS = {"student_error_01": 2}
_METHODS = {**_NEEDS, "method": 2}
_CONFIDENCE, _CHAIN = against(without_confidence), against(_without_chain)
_DECIDES = decides()
_COPIES = "agreement with the teacher's errors - the student's error"

_ONE_SIDED = {
    "student_is_ceiling": "one-sided: a student as good as the ceiling is better than its teacher too; agreement notices it"
}
_ALIKE = {"student_shuffled": "students of all settings copy alike"}
_AGREEMENTS = dict.fromkeys(
    ("teacher_up", "teacher_down", "teacher_noisy", "student_noisy", "flipped"),
    "errors do not enter agreements, and leave the copying far from zero",
)
_NO_BETTER = dict.fromkeys(
    ("student_is_ceiling", "student_shuffled", "teacher_noisy", "student_noisy"),
    "the sentence fails: random errors are corrected no better beside such a student either",
)
_TYPICAL = {
    "student_shuffled": "students of all settings of a task are alike, and their median stays in the range",
    **ANY_ORDER,
    **ROOM,
    **AVERAGED,
}
_NO_STUDENT = NO_STUDENT | {"flipped": NO_STUDENT["student_is_teacher"]}

_PAPER: tuple[Claim, ...] = (
    Claim(
        "gap",
        "A strong model finetuned on true labels is better than a weak one: there is a gap to recover.",
        "section 3, Fig. 3",
        median(pairs, gap_of, "weak error - ceiling error", above, "error"),
        needs={"ceiling_error_01": 1},
        thresholds={"error": 0.0, "seeds": 8},
        basis="the sentence is about a sign",
        overlooks=_NO_STUDENT | ROOM | TEACHER_AVERAGED,
    ),
    Claim(
        "beats_weak",
        "A strong student finetuned on a weak model's labels is better than the weak model.",
        "Fig. 3",
        median(pairs, gain_of, "weak error - student error", above, "error"),
        needs=_NEEDS,
        thresholds={"error": 0.0, **_DECIDES},
        basis=SIGN,
        overlooks=_ONE_SIDED | ANY_ORDER | ROOM | AVERAGED,
    ),
    Claim(
        "recovers",
        "On language tasks naive finetuning usually recovers more than a fifth of the gap.",
        "Fig. 3",
        median(pairs, pgr_of, "PGR", above, "pgr"),
        needs=_NEEDS,
        thresholds={"pgr": 0.2, **_DECIDES},
        basis=f'pgr: the paper\'s "usually more than 20 %"; {GAP}',
        overlooks=ANY_ORDER | ROOM | AVERAGED,
    ),
    typical_pgr("language tasks", 0.2, 0.7, _naive_on_texts, _TYPICAL),
    Claim(
        "agreement",
        "The student copies errors of its weak model, more than a student that errs on its own would agree with them, but it "
        "agrees "
        "far less with its weak model where that is wrong than where it is right.",
        "Fig. 8",
        both(
            median(pairs, _difference_of_agreement, "agreement where the weak model is right - wrong", above, "difference"),
            median(pairs, copied, _COPIES, above, "copied"),
        ),
        needs={**_NEEDS, "agreement_wrong": 2},
        thresholds={"difference": 0.2, "copied": 0.0, **_DECIDES},
        basis="difference: a fifth, as of the gap; copied: of two students that err independently one agrees with the "
        "other's errors "
        f"as often as it errs; {GAP}",
        overlooks=_ALIKE | ANY_ORDER | _AGREEMENTS,
    ),
    Claim(
        "inverse_scaling",
        "The stronger the student, the less it agrees with its weak model's errors, though it still copies some.",
        "Fig. 8",
        both(
            median(_students, _more_copied, "agreement with errors, strongest - weakest student", below, "difference"),
            median(_students, copied, f"{_COPIES}, strongest student", above, "copied"),
        ),
        needs={**_NEEDS, "agreement_wrong": 2, "student_model": 2},
        thresholds={"difference": 0.0, "copied": 0.0, **_DECIDES, "apart": 0.01},
        basis=f"{SIGN}; copied: as in agreement; apart: ceilings closer than a point are alike",
        overlooks=ANY_ORDER | _AGREEMENTS,
    ),
    Claim(
        "confidence",
        "The confidence loss recovers more of the gap than naive finetuning.",
        "Figs. 2 and 5",
        median(_CONFIDENCE, more_pgr, "PGR with the confidence loss - without", above, "difference"),
        needs=_METHODS,
        thresholds={"difference": 0.0, **_DECIDES},
        basis=SIGN,
        overlooks=ANY_ORDER | PAIRED | TEACHER_AVERAGED,
    ),
    Claim(
        "confidence_drops_errors",
        "With the confidence loss the student drops more of its weak model's errors than of its right answers.",
        "Fig. 8",
        median(
            _CONFIDENCE,
            _more_kept,
            "agreement on errors - on right answers, with the confidence loss - without",
            below,
            "difference",
        ),
        needs={**_METHODS, "agreement_wrong": 2},
        thresholds={"difference": 0.0, **_DECIDES},
        basis=SIGN,
        overlooks=ANY_ORDER | _AGREEMENTS,
    ),
    Claim(
        "random_errors",
        "Labels with as many errors at random places are corrected far better than a weak model's.",
        "appendix, Figs. 25 and 26",
        median(_controlled, _surplus_of_flips, "PGR on random errors - PGR on the weak model's", above, "difference"),
        needs={**_NEEDS, "student_flip_error_01": 2},
        thresholds={"difference": 0.3, **_DECIDES},
        expected="fails_at_this_scale",
        reason="2000 labels of which a quarter is wrong are too few for a head to average random errors: PGR .46 on random "
        "errors and .48 on the weak model's own (MiniLM to MPNet, 16 seeds)",
        basis=f"difference: half of what a model that knows the concept shows (0.97 against 0.26 to 0.5); {GAP}",
        overlooks=_NO_BETTER | ANY_ORDER | PAIRED,
    ),
    Claim(
        "overtraining",
        "Students that stop at their best by the truth recover more than those that train to the end.",
        "Figs. 7 and 13",
        median(against(_instead_of_the_truth("end")), more_pgr, "PGR stopped by the truth - at the end", above, "difference"),
        needs=_METHODS,
        thresholds={"difference": 0.0, **_DECIDES},
        basis=SIGN,
        overlooks=ANY_ORDER | PAIRED,
    ),
    Claim(
        "oracle_stop",
        "Stopping by the truth is an upper limit of stopping by weak labels.",
        "Fig. 13",
        median(
            against(_instead_of_the_truth("legal")),
            more_pgr,
            "PGR stopped by the truth - by weak labels",
            above,
            "difference",
        ),
        needs=_METHODS,
        thresholds={"difference": -0.05, **_DECIDES},
        basis=f"difference: the truth of validation items is no truth about test items, which may cost some points; {GAP}",
        overlooks=ANY_ORDER | PAIRED,
    ),
    Claim(
        "bootstrapping",
        "Models of sizes between weak model and student, each trained on the labels of the one before, recover more.",
        "Fig. 4, chess",
        median(_CHAIN, more_pgr, "PGR with a chain - without", above, "difference"),
        needs={**_NEEDS, "chain": 1},
        thresholds={"difference": 0.0, **_DECIDES},
        basis=SIGN,
        overlooks=ANY_ORDER | PAIRED | TEACHER_AVERAGED,
    ),
)

CLAIMS: tuple[Claim, ...] = (*_PAPER, *ANALYSES)
"""The paper's figures, then its analyses."""
