"""Every claim on ridge, weighted ridge and networks: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Verdict, decide
from w2s.contract.cells import cell_fields
from w2s.studies.moniri2025.limits import crossing
from w2s.studies.registry import find_study
from w2s.theory import moniri2025 as theory
from w2s.theory.moniri2025 import spectra

SEEDS = 48
CLAIMS = {
    (name, claim.id): claim
    for name in ("ridge", "weighted", "multi_index")
    for claim in find_study(f"moniri2025.{name}").claims
}
Change = Callable[[pd.DataFrame], pd.DataFrame]


def product(**axes: Any) -> pd.DataFrame:
    lists = {name: values if isinstance(values, list) else [values] for name, values in axes.items()}
    return pd.DataFrame(itertools.product(*lists.values(), range(SEEDS)), columns=[*lists, "seed"])


def seen(frame: pd.DataFrame, weak: Any, student: Any, study: str) -> pd.DataFrame:
    """Errors that scatter about their limits by two parts in a hundred, student and teacher of a seed together."""
    rng = np.random.default_rng(0)
    luck = 1.0 + 0.02 * rng.standard_normal(SEEDS)[frame["seed"]]
    own = 1.0 + 0.05 * rng.standard_normal(len(frame))
    weak, student = np.broadcast_to(weak, len(frame)), np.broadcast_to(student, len(frame))
    given = luck * (weak - own * (weak - student))
    frame = frame.assign(weak_error=weak * luck, student_error=given, status="ok", finite_size_theory=0.01)
    frame = frame.assign(weak_error_theory=weak, student_error_theory=student, misfit=0.1)
    frame.attrs["w2s"] = {"fields": list(cell_fields(find_study(f"moniri2025.{study}").Cell))}
    return derived(frame)


def derived(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(gain=frame["weak_error"] - frame["student_error"])


def ridge(**axes: Any) -> pd.DataFrame:
    plain: dict[str, Any] = {"d": 100, "decay": 0.0, "target_decay": 0.0, "signal": 1.0, "noise_variance": 0.5}
    plain |= {"n_labeled": 200, "ridge_weak": 0.1, "sample": "fresh", "n_transfer": 200, "ridge": 0.1}
    f = product(**(plain | axes))
    ratios = f["d"] / f["n_labeled"], f["d"] / f["n_transfer"]
    numbers = [f[name] for name in ("ridge_weak", "ridge", "signal", "noise_variance")]
    found = theory.ridge(*ratios, *numbers)
    if (f["sample"] == "same").all():
        found = theory.same_sample(ratios[0], *numbers)
        f = f.assign(n_transfer=np.nan)
    if (f["decay"] > 0).all():
        levels = np.arange(1, 101) ** -f["decay"].to_numpy()[:, None]
        levels = levels / levels.mean(axis=1)[:, None]
        rows = f["n_labeled"], f["n_transfer"]
        found = spectra.general(levels, np.full(100, 0.01), *rows, f["ridge_weak"], f["ridge"], f["noise_variance"])
    f = seen(f, *found, "ridge")
    ceiling = theory.ridge(ratios[1], ratios[1], f["ridge"], f["ridge"], f["signal"], f["noise_variance"]).teacher
    return f.assign(ceiling_error_theory=ceiling, ceiling_error=ceiling * (1 + 0.02 * (f["seed"] % 5 - 2)))


def weighted(**axes: Any) -> pd.DataFrame:
    plain: dict[str, Any] = {"d": 100, "decay": 0.0, "share": 1.0, "signal": 1.0, "noise_variance": 0.5, "n_labeled": 200}
    plain |= {
        "ridge_weak": 0.25,
        "ratio_weak": 1.0,
        "n_transfer": 300,
        "ridge": [0.03, 0.1, 0.2],
        "ratio": [0.3, 1.0, 2.0, 5.0],
    }
    f = product(**(plain | axes))
    first = np.arange(100) < 50
    weights = [
        np.where(first, 1 / f[name].to_numpy()[:, None], f[name].to_numpy()[:, None]) for name in ("ratio_weak", "ratio")
    ]
    rows = f["n_labeled"], f["n_transfer"]
    goal = np.where(first, 0.02, 0.0)
    found = spectra.weighted(np.ones(100), goal, *weights, *rows, f["ridge_weak"], f["ridge"], f["noise_variance"])
    return seen(f, *found, "weighted")


def networks(**axes: Any) -> pd.DataFrame:
    plain: dict[str, Any] = {
        name: spec.default for name, spec in cell_fields(find_study("moniri2025.multi_index").Cell).items()
    }
    plain.pop("seed")
    f = product(**(plain | {"head": ["readout", "kept"]} | axes))
    kept, far = f["head"] == "kept", 0.1 * np.minimum(f["step"] / 6.0, 1.0) + 0.15 * np.minimum(f["pretraining"] / 2.0, 1.0)
    f = seen(f, 0.6, np.where(kept, 0.6 - far, 0.61), "multi_index")
    easy = 0.6 * np.minimum(f["step"] / 6.0, 1.0)
    f = f.assign(easy_weak=0.57, hard_weak=0.05, easy_before=0.01, hard_before=0.99, easy_after=easy, hard_after=0.99)
    f = f.assign(easy_weak_theory=f["easy_weak"], easy_after_theory=easy, corr_hard=np.where(kept, 0.7, 0.05))
    scatter = np.random.default_rng(1).normal(0, 0.01, (len(f), 4))
    names = ["easy_weak", "easy_after", "hard_after", "corr_hard"]
    return f.assign(**{name: f[name] + scatter[:, k] for k, name in enumerate(names)})


def times(**factors: float) -> Change:
    return lambda frame: derived(frame.assign(**{name: frame[name] * factor for name, factor in factors.items()}))


def student(of: Callable[[pd.DataFrame], Any]) -> Change:
    """Give the student other errors, a little different for every seed: what is the same for all decides nothing."""
    return lambda frame: derived(frame.assign(student_error=of(frame) + 1e-3 * (frame["seed"] % 5 - 2)))


def column(name: str, of: Callable[[pd.DataFrame], Any]) -> Change:
    return lambda frame: frame.assign(**{name: of(frame)})


def gain_that_ends(field: str, at: float) -> Change:
    """A gain that falls along a field and is zero at a value of it, nearly: not at the same for every seed."""

    def gain(frame: pd.DataFrame) -> Any:
        return 0.1 * np.log(at / frame[field].clip(lower=1e-9)) + 0.01 * (frame["seed"] % 5 - 2)

    return student(lambda frame: frame["weak_error"] - gain(frame))


SWEEP = ridge(ridge_weak=[0.05, 0.1, 0.15, 0.25, 0.4, 0.7], ridge=[0.0, 0.003, 0.03, 0.1, 0.2, 0.4, 0.8])
LIMITS = ridge(n_labeled=[50, 200], n_transfer=[50, 200], ridge_weak=[0.01, 0.3], ridge=[0.001, 0.3])
FEW = ridge(noise_variance=2.0, ridge_weak=[0.001, 0.25], n_transfer=[33, 67], ridge=[1e-4])
SAME = ridge(sample="same", ridge_weak=[0.01, 0.1], ridge=[0.03, 0.3])
GENERAL = ridge(decay=1.0, n_transfer=[50, 200], ridge_weak=[0.01, 0.3], ridge=[0.03, 0.3])
TUNED, TEACHERS = weighted(), weighted(ratio_weak=[0.5, 3.0], ratio=1.0)
NETS = networks(step=[0.2, 6.0], pretraining=[0.0, 2.0])
BEST = float(theory.ridge(0.5, 0.5, 0.25, 0.1).teacher)

CASES: dict[tuple[str, str], tuple[pd.DataFrame, Change]] = {
    ("ridge", "teacher_limit"): (LIMITS, times(weak_error=1.2)),
    ("ridge", "ceiling_limit"): (LIMITS, column("ceiling_error", lambda frame: 0.8 * frame["ceiling_error"])),
    ("ridge", "student_limit"): (LIMITS, times(student_error=0.85)),
    ("ridge", "same_sample_limit"): (SAME, times(student_error=1.15)),
    ("ridge", "general_limit"): (GENERAL, times(student_error=1.2)),
    ("ridge", "projection"): (FEW, student(lambda frame: frame["weak_error"])),
    ("ridge", "under_regularised_gains"): (SWEEP, student(lambda frame: frame["weak_error"] + 0.01)),
    ("ridge", "over_regularised_loses"): (SWEEP, student(lambda frame: frame["weak_error"] - 0.01)),
    ("ridge", "sign_change"): (SWEEP, gain_that_ends("ridge_weak", 0.6)),
    ("ridge", "gain_boundary"): (SWEEP, gain_that_ends("ridge", 0.015)),
    ("ridge", "never_below_best_teacher"): (SWEEP, student(lambda frame: 0.0 * frame["student_error"] + 0.9 * BEST * (1 + 1e-3 * (frame["seed"] % 7)))),
    ("ridge", "projection_sign"): (FEW, student(lambda frame: 2.0 * frame["weak_error"] - frame["student_error"])),
    ("ridge", "no_ridge"): (
        SWEEP.assign(
            student_error=SWEEP["student_error"].where(SWEEP["ridge"] > 0, SWEEP["weak_error"]),
            misfit=SWEEP["misfit"].where(SWEEP["ridge"] > 0, 0.0),
        ),
        column("student_error", lambda frame: frame["student_error"] + 1e-7),
    ),
    ("weighted", "weighted_limit"): (TUNED, times(student_error=1.25)),
    ("weighted", "weighted_teacher_limit"): (TEACHERS, times(weak_error=0.8)),
    ("weighted", "gains_over_tuned_teacher"): (TUNED, student(lambda frame: frame["weak_error"] * 1.01)),
    ("weighted", "gain_rises_with_ratio"): (TUNED, student(lambda frame: frame["weak_error"] * (0.8 + 0.02 * frame["ratio"]))),
    ("weighted", "no_gain_without_weights"): (TUNED, times(student_error=0.8)),
    ("weighted", "wrong_weights_lose"): (TUNED, student(lambda frame: frame["weak_error"] * (0.8 + 0.02 * frame["ratio"]))),
    ("multi_index", "features_as_predicted"): (NETS, column("easy_after", lambda frame: frame["easy_after"] + 0.3)),
    ("multi_index", "both_features"): (NETS, column("hard_after", lambda frame: frame["hard_weak"] + 0.1 * frame["hard_after"])),
    ("multi_index", "kept_head_gains"): (NETS, student(lambda frame: frame["weak_error"] * 0.95)),
    ("multi_index", "readout_does_not_gain"): (NETS, student(lambda frame: frame["weak_error"] * 0.8)),
    ("multi_index", "hard_component_kept"): (NETS, column("corr_hard", lambda frame: frame["corr_hard"].mean() + 0.1 * frame["corr_hard"])),
    ("multi_index", "gain_rises_with_step"): (NETS, student(lambda frame: frame["weak_error"] * 0.9 + 1e-3 * frame["step"] * (frame["seed"] % 3))),
    ("multi_index", "gain_rises_with_pretraining"): (NETS, student(lambda frame: frame["weak_error"] * 0.9 + 1e-3 * frame["pretraining"] * (frame["seed"] % 3))),
}  # fmt: skip


def verdict(key: tuple[str, str], table: pd.DataFrame) -> Verdict:
    return decide(CLAIMS[key], table)


def test_every_claim_has_a_case() -> None:
    assert set(CASES) == set(CLAIMS)
    assert len(CLAIMS) >= 12


@pytest.mark.parametrize("key", CASES, ids="-".join)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(key: tuple[str, str]) -> None:
    table, change = CASES[key]
    found = verdict(key, table)
    assert found.outcome == "holds", found.says
    wrong = change(table)
    wrong.attrs = table.attrs
    found = verdict(key, wrong)
    assert found.outcome == "fails", found.says


ELSEWHERE = {
    "ridge": {
        "student_limit": SAME,
        "same_sample_limit": LIMITS,
        "general_limit": LIMITS,
        "projection": SWEEP,
        "teacher_limit": SAME,
    }
    | dict.fromkeys(["under_regularised_gains", "over_regularised_loses", "sign_change", "gain_boundary", "no_ridge"], FEW)
    | {"never_below_best_teacher": LIMITS, "projection_sign": SWEEP},
    "weighted": {"weighted_limit": TEACHERS, "weighted_teacher_limit": TUNED}
    | dict.fromkeys(
        ["gains_over_tuned_teacher", "gain_rises_with_ratio", "no_gain_without_weights", "wrong_weights_lose"], TEACHERS
    ),
    "multi_index": dict.fromkeys(
        ["both_features", "kept_head_gains", "readout_does_not_gain", "hard_component_kept"], NETS[NETS["step"] < 1]
    )
    | dict.fromkeys(["gain_rises_with_step", "gain_rises_with_pretraining"], NETS[NETS["head"] == "readout"]),
}


@pytest.mark.parametrize("key", CASES, ids="-".join)
def test_a_table_without_its_rows_is_untestable(key: tuple[str, str]) -> None:
    name, claim = key
    assert verdict(key, CASES[key][0].iloc[:0]).outcome == "untestable"
    if claim in ELSEWHERE[name]:
        table = ELSEWHERE[name][claim]
        table.attrs = CASES[key][0].attrs
        assert verdict(key, table).outcome == "untestable"


@pytest.mark.parametrize("key", [key for key, claim in CLAIMS.items() if "seeds" in claim.thresholds], ids="-".join)
def test_few_seeds_decide_nothing(key: tuple[str, str]) -> None:
    table = CASES[key][0]
    few = table[table["seed"] < 5]
    few.attrs = table.attrs
    assert verdict(key, few).outcome in ("unresolved", "untestable")


def test_a_right_limit_that_rejects_no_wrong_one_decides_nothing() -> None:
    """Where the student has as good as infinitely many rows, the nearest wrong formula is the right one."""
    assert verdict(("ridge", "student_limit"), ridge(n_transfer=10**9)).outcome == "unresolved"


def test_a_missing_error_decides_nothing() -> None:
    key = ("ridge", "teacher_limit")
    table = CASES[key][0]
    whole = verdict(key, table)
    assert (whole.outcome, whole.intervals, 0 < whole.chance < 0.1) == ("holds", 0, True)
    holed = table.assign(weak_error=table["weak_error"].where(table.index != table.index[0]))
    holed.attrs = table.attrs
    found = verdict(key, holed)
    assert (found.outcome, "is missing in 1 of" in found.says) == ("unresolved", True)


def test_where_means_fall_through_zero() -> None:
    levels = np.array([0.01, 0.1, 1.0])
    assert crossing(levels, np.array([1.0, 1.0, -1.0])) == pytest.approx(np.sqrt(0.1))
    assert crossing(levels, np.array([3.0, -1.0, -1.0])) == pytest.approx(0.01 * 10**0.75)
    assert np.isnan(crossing(levels, np.array([-1.0, -1.0, 1.0])))
