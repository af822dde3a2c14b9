"""What the paper says of the four models' risks and of their ratios, as tests on a table.

Risks are compared with formulas, right and wrong (:mod:`w2s.studies.dong2025.regression.formulas`); ratios are followed along
counts, overlap and noise (:mod:`w2s.studies.dong2025.regression.ratio_trends`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from w2s.claims.claim import Claim, Thresholds, Verdict, below, untestable
from w2s.claims.overlooks import ANY_ORDER, AVERAGED, NO_CEILING, NO_STUDENT, STUDENT_AVERAGED, TEACHER_AVERAGED
from w2s.claims.sabotage import SABOTAGES
from w2s.studies.dong2025.regression.formulas import AGREEMENT, CALIBRATION, MODELS, Formula, agreement, calibration, plain
from w2s.studies.dong2025.regression.ratio_trends import log_opr, pgr, ratio_hump, ratio_steps
from w2s.theory import dong2025 as theory

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["CLAIMS"]

Values = npt.NDArray[np.float64]
Test = Callable[["DataFrame", Thresholds], Verdict]
_COUNTS = ("d_weak", "d_strong", "d_overlap", "n_labeled", "n_transfer", "noise")


def _rows_of(cells: DataFrame, model: str) -> tuple[Any, Any]:
    """Return the width of a model's features and the number of rows it is trained on."""
    if model == "weak":
        return cells["d_weak"], cells["n_labeled"]
    joined = (cells["ceiling"] == "labeled+transfer") * cells["n_labeled"] + cells["n_transfer"]
    return cells["d_strong"], cells["n_labeled"] if model == "strong" else joined


def _inside(model: str) -> Callable[[DataFrame], Values]:
    """Make the formula of the in-sample variance: sigma^2 d/n, or the paper's for the student."""

    def formula(cells: DataFrame) -> Values:
        if model == "student":
            return np.asarray(theory.in_sample_variance_student(*(cells[name] for name in _COUNTS)), dtype=float)
        width, rows = _rows_of(cells, model)
        return np.asarray(cells["noise"] ** 2 * width / rows, dtype=float)

    return formula


def _fresh(model: str) -> Callable[[DataFrame], Values]:
    """Make the formula of the variance on fresh inputs: sigma^2 d/(n - d - 1), or the student's own."""

    def formula(cells: DataFrame) -> Values:
        if model == "student":
            return np.asarray(theory.fresh_variance_student(*(cells[name] for name in _COUNTS)), dtype=float)
        width, rows = _rows_of(cells, model)
        return np.asarray(cells["noise"] ** 2 * width / (rows - width - 1), dtype=float)

    return formula


def _variance(evaluate: str, *models: str) -> Test:
    """Make a test of pure variance (a target of zero): the in-sample formula against the fresh one, or the other way round."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        rows = plain(table)
        rows = rows[(rows["signal"] == 0) & (rows["evaluate"] == evaluate)]
        pairs = [(model, _inside(model), _fresh(model)) for model in models]
        if evaluate == "fresh":
            pairs = [(model, fresh, inside) for model, inside, fresh in pairs]
        return agreement(f"{' and '.join(models)} variance", rows, [Formula(*pair) for pair in pairs], limits)

    return test


def _without_misfit_noise(model: str) -> Callable[[DataFrame], Values]:
    """Make a formula of the error on fresh inputs, in which what a model's features miss of the target is no label noise.

    This is the wrong formula: what they miss acts as noise of the labels too.
    """

    def formula(cells: DataFrame) -> Values:
        trained = "weak" if model == "student" else model
        rho = cells["rho_weak" if trained == "weak" else "rho_strong"] * cells["signal"]
        width, rows = _rows_of(cells, trained)
        share = width / (rows - width - 1)
        if model == "student":
            share = theory.fresh_variance_student(*(cells[name] for name in _COUNTS[:-1]))
        return np.asarray(cells["theory"] - rho * share, dtype=float)

    return formula


def _bias(model: str) -> Test:
    """Make a test of bias and variance together on fresh inputs, where the model's features miss a part of the target."""

    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        rho = "rho_weak" if model in ("weak", "student") else "rho_strong"
        rows = plain(table)
        rows = rows[(rows["signal"] > 0) & (rows[rho] > 0) & (rows["evaluate"] == "fresh")]
        right = Formula(model, lambda cells: cells["theory"].to_numpy(float), _without_misfit_noise(model))
        return agreement(f"{model} error", rows, [right], limits)

    return test


def _calibrated(which: int) -> Test:
    def test(table: DataFrame, limits: Thresholds) -> Verdict:
        found = calibration(plain(table), limits)
        return (
            found[which]
            if found
            else untestable(f"needs {limits['draws']:g} independent draws of {limits['seeds']:g} seeds each")
        )

    return test


def _same_features(table: DataFrame, limits: Thresholds) -> Verdict:
    rows = plain(table)
    same = (rows["d_weak"] == rows["d_strong"]) & (rows["d_overlap"] == rows["d_weak"]) & (rows["evaluate"] == "transfer")
    rows = rows[same]
    if not len(rows):
        return untestable("no row has d_weak = d_strong = d_overlap and evaluate: transfer")
    distance = np.maximum(np.abs(rows["student_error"] / rows["weak_error"] - 1.0), rows["misfit"] / rows["weak_error"])
    value = float(distance.max())
    name = f"largest relative distance of student and weak model, {len(rows):,} rows"
    return below(name, value, (value, value), limits["most"], int(rows["seed"].nunique()))


_SIGN = "the sentence is about a direction"
_NEAR = (
    "se: four standard errors, less than one in ten thousand by luck; precision and apart: so narrow that the nearest wrong "
    "formula "
    "is eight of them away; seeds: heavy tails are means of hundreds before they are normal"
)
_BATCHES = (
    "mean and sd: at most .13 and .09 are the standard errors of 60 draws, and less as a draw averages the scores of several "
    "cells "
    "and models; the bounds are 1.5 and 2 to 3 of these; seeds and draws: fewer tell nothing about a spread"
)
_DIRECTION = {"seeds": 8}
_HUMP = {"least": 0.0, "near": 1.5, "far": 20.0, "seeds": 8}
_HUMP_BASIS = f"{_SIGN}; near and far: the labelled counts must reach from the teacher's peak to where its bias is all"

_SCALED = ("teacher_up", "teacher_down")
_STUDENT_ALONE = dict.fromkeys(
    (*_SCALED, "teacher_noisy"), "the sentence is about the student, whose teacher the formula knows"
)
_OF_STUDENT = ANY_ORDER | _STUDENT_ALONE | STUDENT_AVERAGED
_OF_TEACHER = NO_STUDENT | TEACHER_AVERAGED
_OF_OTHERS = dict.fromkeys(
    (name for name in SABOTAGES if name not in NO_CEILING), "the sentence is about models that have seen true labels alone"
)
_BIAS = {
    "weak": _OF_TEACHER | NO_CEILING,
    "student": _OF_STUDENT | NO_CEILING,
    "strong": _OF_OTHERS,
    "ceiling": _OF_OTHERS,
}
_WIDE = {"ceiling_is_teacher": "the teacher's errors on fresh inputs scatter too much to be tested; in sample they do not"}
_NO_SPREAD = {"student_constant": "errors without spread have no z-score, and those of the other models stand"}
_SAME = dict.fromkeys(("student_is_teacher", "flipped"), "the sentence says that both are one")
_FACTOR = dict.fromkeys(_SCALED, "the direction of a ratio along an axis does not depend on a factor of one error")
_OF_OPR = dict.fromkeys((*_SCALED, "teacher_noisy"), "no error of the teacher is in OPR")
_MOVES = {"ceiling_is_teacher": "the student's error moves the ratio, whatever it is compared with"}
_HIGH = dict.fromkeys(_SCALED, "the hump is higher, and the student farther ahead, than a tenth")
_BETTER = {"student_is_ceiling": "more transfer rows make the ceiling better too; pgr_rises_with_transfer notices it"}
_FAR = dict.fromkeys((*_SCALED, "teacher_noisy", "student_noisy", "flipped"), "it fails by more than this")

CLAIMS: tuple[Claim, ...] = (
    Claim(
        "student_in_sample",
        "on its own inputs the student's variance is sigma^2/(n - d_w - 1) (d_sw + (d_s/N)(d_w - d_sw))",
        "Theorem 1, variance",
        _variance("transfer", "student"),
        thresholds=AGREEMENT,
        basis=_NEAR,
        overlooks=_OF_STUDENT | NO_CEILING,
    ),
    Claim(
        "student_fresh",
        "on fresh inputs d_s/N of that variance becomes d_s/(N - d_s - 1)",
        "Theorem 1, on fresh inputs",
        _variance("fresh", "student"),
        thresholds=AGREEMENT,
        basis=_NEAR,
        overlooks=_OF_STUDENT | NO_CEILING,
    ),
    Claim(
        "baselines_in_sample",
        "in-sample variances: weak sigma^2 d_w/n, strong sigma^2 d_s/n, ceiling sigma^2 d_s/(n + N)",
        "section 3, variances",
        _variance("labeled", "weak", "strong", "ceiling"),
        thresholds=AGREEMENT,
        basis=_NEAR,
        overlooks=_OF_TEACHER,
    ),
    Claim(
        "baselines_fresh",
        "on fresh inputs each d/n of those variances becomes d/(n - d - 1)",
        "section 3, on fresh inputs",
        _variance("fresh", "weak", "strong", "ceiling"),
        thresholds=AGREEMENT,
        basis=_NEAR,
        overlooks=_OF_TEACHER | _WIDE,
    ),
    *(
        Claim(
            f"bias_{model}",
            f"{model}: what the features miss of the target adds to the bias, and to the label noise as well",
            "bias and variance, exact for Gaussian features",
            _bias(model),
            thresholds=AGREEMENT,
            basis=_NEAR,
            overlooks=_BIAS[model],
        )
        for model in MODELS
    ),
    Claim(
        "z_scores_spread",
        "simulated means scatter about the closed forms as their standard errors say",
        "all formulas",
        _calibrated(0),
        thresholds=CALIBRATION,
        basis=_BATCHES,
        overlooks=_NO_SPREAD | ANY_ORDER | AVERAGED,
    ),
    Claim(
        "z_scores_mean",
        "simulated means have no common deviation from the closed forms",
        "all formulas",
        _calibrated(1),
        thresholds=CALIBRATION,
        basis=_BATCHES,
        overlooks=_NO_SPREAD | ANY_ORDER | AVERAGED,
    ),
    Claim(
        "same_features",
        "a student with its teacher's features is its teacher on its own inputs",
        "Theorem 1 at d_s = d_w = d_sw",
        _same_features,
        thresholds={"most": 1e-9},
        basis="rounding",
        overlooks=_SAME | NO_CEILING,
    ),
    Claim(
        "less_overlap_more_pgr",
        "the smaller the correlation dimension, the larger PGR, once N is well above d_s (on fresh inputs: above 2 d_s + 1)",
        "Theorem 1, synthetic regression",
        ratio_steps("PGR", "d_overlap", pgr, rises=False, kept="many_transfers", say=" of N well above d_s"),
        {"d_overlap": 2},
        {"most": 0.0, "times": 3.0, **_DIRECTION},
        basis=f"{_SIGN}; times: by the closed forms nothing is gained up to N = 2 d_s + 1",
        overlooks=ANY_ORDER | _FACTOR,
    ),
    Claim(
        "less_overlap_more_opr",
        "the smaller the correlation dimension, the larger OPR, once N is well above d_s (on fresh inputs: above 2 d_s + 1)",
        "Theorem 1, synthetic regression",
        ratio_steps("log OPR", "d_overlap", log_opr, rises=False, kept="many_transfers", say=" of N well above d_s"),
        {"d_overlap": 2},
        {"most": 0.0, "times": 3.0, **_DIRECTION},
        basis=f"{_SIGN}; times: by the closed forms nothing is gained up to N = 2 d_s + 1",
        overlooks=ANY_ORDER | _OF_OPR | _MOVES,
    ),
    Claim(
        "opr_hump",
        "OPR rises with the labelled count, where the weak features' bias is small, and falls again once it matters; at the "
        "peak the "
        "student is ahead of its teacher",
        "scaling in n",
        ratio_hump("log OPR", log_opr, "variance_first", "with 0 < rho_weak < sigma^2 d_sw/d_w from near d_weak to far beyond"),
        {"n_labeled": 5},
        _HUMP,
        basis=_HUMP_BASIS,
        overlooks=_HIGH | AVERAGED,
    ),
    Claim(
        "pgr_hump",
        "so does PGR where the weak features' bias is below the ceiling's variance",
        "scaling in n",
        ratio_hump("PGR", pgr, "small_bias", "with 0 < rho_weak < sigma^2 d_s/N from near d_weak to far beyond"),
        {"n_labeled": 5},
        _HUMP,
        basis=_HUMP_BASIS,
        overlooks=ANY_ORDER | _HIGH | AVERAGED,
    ),
    Claim(
        "opr_rises_with_transfer",
        "OPR rises with the transfer count",
        "scaling in N",
        ratio_steps("log OPR", "n_transfer", log_opr, rises=True),
        {"n_transfer": 2},
        {"least": 0.0, **_DIRECTION},
        basis=_SIGN,
        overlooks=_BETTER | _OF_OPR | _MOVES,
    ),
    Claim(
        "pgr_rises_with_transfer",
        "PGR rises with the transfer count and is positive at the largest one, where labels are few",
        "scaling in N",
        ratio_steps("PGR", "n_transfer", pgr, rises=True, kept="few_labels", say=" of few labels", ahead=True),
        {"n_transfer": 2},
        {"least": 0.0, "times": 2.0, **_DIRECTION},
        basis=f"{_SIGN}; times: few labels are up to 2 d_w, where the teacher's variance is its error",
        overlooks=_FACTOR,
    ),
    Claim(
        "pgr_rises_with_transfer_at_many_labels",
        "PGR rises with the transfer count, where labels are many",
        "scaling in N",
        ratio_steps("PGR", "n_transfer", pgr, rises=True, kept="many_labels", say=" of many labels"),
        {"n_transfer": 2},
        {"least": 0.0, "times": 4.0, **_DIRECTION},
        expected="fails_at_this_scale",
        reason=(
            "the ceiling is trained on the labelled and the transfer rows together: where the weak variance is small, more of "
            "them help the ceiling more than the student, in the closed forms as in the simulation"
        ),
        basis=f"{_SIGN}; times: beyond the paper's own counts, which end at 4 d_w",
        overlooks=ANY_ORDER | _FAR,
    ),
    Claim(
        "noise_raises_pgr",
        "the student recovers the larger part of the gap the more label noise there is, and some of it at the most, where the "
        "teacher's variance is then larger than its bias",
        "label-noise sweep",
        ratio_steps("PGR", "noise", pgr, rises=True, kept="noisy", say=" of more variance than bias at its end", ahead=True),
        {"noise": 2},
        {"least": 0.0, **_DIRECTION},
        basis=f"{_SIGN}; a student on 200 rows can be worse than a teacher that is all bias; the gain itself grows with the "
        "noise's power for any student, so it is taken relative to the gap",
        overlooks=_FACTOR,
    ),
)
