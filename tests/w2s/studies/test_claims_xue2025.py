"""Every claim of the two studies of Xue et al. 2025: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from w2s.claims.claim import Claim, Verdict
from w2s.claims.claim import decide as decided
from w2s.contract.cells import cell_fields
from w2s.measure.ranking import rank_correlation
from w2s.studies.xue2025.features.study import Features
from w2s.studies.xue2025.orders import digest, over_models
from w2s.studies.xue2025.toy.study import Toy

TOY = {claim.id: claim for claim in Toy.claims}
FEATURES = {claim.id: claim for claim in Features.claims}
Part = Callable[[float], float]
FIELDS = {*cell_fields(Toy.Cell), *cell_fields(Features.Cell)}


def tagged(table: pd.DataFrame) -> pd.DataFrame:
    """Say which columns are cell fields, as the metadata of a run do."""
    table.attrs["w2s"] = {"fields": [name for name in table if name in FIELDS]}
    return table


def decide(claim: Claim, table: pd.DataFrame) -> Verdict:
    return decided(claim, tagged(table))


def noisy(rng: np.random.Generator, value: float) -> float:
    return value * (1 + 0.02 * rng.standard_normal())


def toy(
    gap: Part = lambda p: 1.0,
    *,
    seeds: int = 10,
    axis: str = "d_weak",
    values: Sequence[float] = (2, 4, 6, 8),
    full: float = 0.4,
    limit: float = 1.0,
    bound: float = 0.97,
    **cell: Any,
) -> pd.DataFrame:
    """Rows whose PredGap is ``gap`` times the formula, which is the part p of the directions that the weak model misses."""
    rng, rows = np.random.default_rng(0), []
    for value in values:
        part = 1 - value / 10 if axis == "d_weak" else 1 - value**2
        for seed in range(seeds):
            theory = noisy(rng, part)
            measured = theory * gap(part) * (1 + 0.01 * rng.standard_normal())
            rows.append({axis: value, "seed": seed, "pred_gap_theory": theory, "pred_gap": measured, "score_trace": theory})
    frame = pd.DataFrame(rows)
    fixed = {
        "latent": 10,
        "d_weak": 10,
        "cosine": 1.0,
        "principal": "latent",
        "share": np.nan,
        "ridge": 0.01,
        "ridge_weak": 0.01,
    }
    fixed |= {
        "tail_width": 1500,
        "n_labeled": 800,
        "n_transfer": 800,
        "gamma_strong": 0.006,
        "gamma_weak": 0.006,
        "status": "ok",
    }
    for name, constant in (fixed | cell).items():
        if name not in frame or name in cell:
            frame[name] = constant
    frame["score_operator"] = bound if axis == "d_weak" else frame["pred_gap_theory"]
    frame["pred_gap_bound_theory"] = frame["score_operator"] * 1.0
    frame["pred_gap_full_theory"] = full * frame["pred_gap_theory"]
    frame["same_sample_gap"] = frame["pred_gap_full_theory"]
    frame["pred_gap_limit_theory"] = limit * frame["pred_gap_theory"]
    frame["ceiling_error"], frame["misfit"], frame["student_fit_error"] = 0.001, 0.05, 0.02
    jitter = 1 + 0.01 * rng.standard_normal(len(frame))
    frame = frame.assign(student_error=frame["pred_gap"] * jitter + 0.001, weak_error=frame["pred_gap"] + 0.05)
    return frame.assign(misfit=frame["misfit"] * jitter)


def interpolating(fit: float = 0.0001, gap: float = 1.0) -> pd.DataFrame:
    return toy(lambda part: gap, ridge=1e-4, tail_width=8000).assign(student_fit_error=fit)


def moved(frame: pd.DataFrame, column: str, by: float) -> pd.DataFrame:
    found = frame.copy()
    found.loc[found.index[-1], column] += by
    return found


def disordered(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """In one seed two weak models have changed places."""
    found = frame.reset_index(drop=True)
    axis = "d_weak" if found["d_weak"].nunique() > 1 else "cosine"
    first, second = (found.index[(found["seed"] == 3) & (found[axis] == value)][0] for value in found[axis].unique()[:2])
    found.loc[[first, second], column] = found.loc[[second, first], column].to_numpy()
    return found


COSINES = {"axis": "cosine", "values": (0.3, 0.5, 0.7, 0.9)}
CASES: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
    "same_sample_identity": (toy(), moved(toy(), "same_sample_gap", 2e-10)),
    "principal_kernels_predict": (toy(), toy(lambda part: 1.3 if part < 0.5 else 1.0)),
    "eigengap_predicts": (toy(principal="eigengap"), toy(lambda part: 0.8, principal="eigengap")),
    "full_kernels_understate": (toy(), toy(full=0.7)),
    "fitted_and_forgotten": (interpolating(), interpolating(gap=1.4)),
    "closed_form_of_many_rows": (toy(), toy(limit=0.8)),
    "student_error_is_ceiling_plus_gap": (toy(), toy().assign(student_error=lambda f: 1.2 * f["student_error"])),
    "prediction_orders_students": (toy(), disordered(toy(), "pred_gap_theory")),
    "trace_score_orders_students": (toy(), disordered(toy(), "score_trace")),
    "operator_score_orders_partial_sights": (toy(**COSINES), disordered(toy(**COSINES), "score_operator")),
    "operator_score_saturates": (
        toy().assign(score_operator=lambda f: 1 - 1e-3 * f["score_trace"]),
        toy().assign(score_operator=lambda f: f["score_trace"]),
    ),
    "gap_below_label_free_bound": (toy(), toy(bound=0.5)),
}


def verdict(name: str, table: pd.DataFrame) -> Verdict:
    return decide(TOY[name], table)


def test_every_claim_has_a_case() -> None:
    assert set(CASES) == set(TOY)
    assert set(REAL) == set(FEATURES)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name: str) -> None:
    true, false = CASES[name]
    held, failed = verdict(name, true), verdict(name, false)
    assert (held.outcome, failed.outcome) == ("holds", "fails"), (held.says, failed.says)


@pytest.mark.parametrize("name", CASES)
def test_a_table_without_its_rows_is_untestable(name: str) -> None:
    assert verdict(name, CASES[name][0].iloc[:0]).outcome == "untestable"
    if name != "same_sample_identity":
        other = toy(**COSINES) if name != "operator_score_orders_partial_sights" else toy()
        assert verdict(name, other).outcome == "untestable"


def test_a_student_that_misses_its_own_labels_does_not_fit_them() -> None:
    assert verdict("fitted_and_forgotten", interpolating(fit=0.04)).outcome == "fails"
    assert verdict("fitted_and_forgotten", toy()).outcome == "untestable"


def test_ridges_below_gamma_and_wide_ones_do_not_count() -> None:
    wrong = pd.concat([toy(), toy(lambda part: 2.0, ridge=1e-4)])
    assert verdict("principal_kernels_predict", wrong).outcome == "holds"
    wide = toy(ridge=0.1).assign(student_error=lambda f: 1.2 * f["student_error"])
    assert verdict("student_error_is_ceiling_plus_gap", pd.concat([toy(), wide])).outcome == "holds"


def test_few_seeds_decide_nothing() -> None:
    assert verdict("principal_kernels_predict", toy(seeds=7)).outcome == "unresolved"
    assert verdict("prediction_orders_students", toy(seeds=7)).outcome == "unresolved"


def real(
    order: float = 1.0, *, models: int = 12, seeds: int = 10, part: float = 1.0, least: float = 0.3, jitter: float = 0.1
) -> pd.DataFrame:
    """Weak models 1, 2, ...: errors rise with the number, scores too, up to a noise in the model that grows as ``order`` falls."""
    rng = np.random.default_rng(4)
    places = np.arange(1, models + 1) / models
    score = order * places + (1 - order) * rng.permutation(places)
    rows = []
    for seed in range(seeds):
        gap = places * (1 + jitter * rng.standard_normal(models))
        rows.append(
            pd.DataFrame(
                {"weak_features": [f"means:{k}" for k in range(models)], "seed": seed, "pred_gap": gap, "score": score}
            )
        )
    frame = pd.concat(rows, ignore_index=True)
    # The formula has the order of the score and, but for the least weak model, the size of PredGap.
    frame["pred_gap_theory"] = frame["score"] * part
    frame.loc[frame["weak_features"] == "means:0", "pred_gap_theory"] *= least
    frame = frame.assign(score_trace=frame["score"], score_operator=frame["score"], d_weak=np.nan, data="digits", status="ok")
    frame = frame.assign(d_weak_principal=np.where(frame["weak_features"] == "means:0", 90, 5), n_labeled=400)
    return frame.assign(student_error=frame["pred_gap"] + 0.1, weak_error=frame["pred_gap"] + 0.2, pred_gap_full_theory=0.9)


REAL: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
    "formula_orders_students": (real(), real(0.0)),
    "formula_orders_gaps": (real(), real(0.0)),
    "trace_score_orders_students": (real(), real(0.0)),
    "operator_score_orders_students": (real(), real(0.0)),
    "formula_near_gap_of_narrow_models": (real(jitter=0.02), real(part=0.6, jitter=0.02)),
    "formula_is_the_gap": (real(least=1.0, jitter=0.02), real(jitter=0.02)),
}


@pytest.mark.parametrize("name", REAL)
def test_a_claim_on_real_features_holds_and_fails(name: str) -> None:
    held, failed = (decide(FEATURES[name], table) for table in REAL[name])
    assert (held.outcome, failed.outcome) == ("holds", "fails"), (held.says, failed.says)
    few = REAL[name][0]
    assert decide(FEATURES[name], few[few["weak_features"] <= "means:4"]).outcome == "untestable"
    assert decide(FEATURES[name], few[few["seed"] < 7]).outcome == "unresolved"


def test_the_worst_data_set_decides() -> None:
    both = pd.concat([real(), real(0.0).assign(data="data:sms_spam/test.jsonl.gz")])
    found = decide(FEATURES["formula_orders_students"], both)
    assert (found.outcome, "sms_spam/test" in found.says) == ("fails", True)


def test_splits_of_one_data_set_are_averaged() -> None:
    """Two published splits, one in order and one in reverse: the mean is near zero, neither split decides alone."""
    reverse = real().assign(split="b")
    reverse["pred_gap_theory"] = 2.0 - reverse["pred_gap_theory"]
    found = decide(FEATURES["formula_orders_students"], pd.concat([real().assign(split="a"), reverse]))
    assert found.outcome == "fails"
    assert found.statistic is not None
    assert abs(found.statistic) < 0.1


def test_rank_correlations_are_spearmans() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        first, second = rng.integers(0, 6, (2, 15)).astype(float)
        assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    first, second = rng.normal(size=(2, 30))
    assert rank_correlation(first, second) == pytest.approx(spearmanr(first, second).statistic, abs=1e-12)
    assert np.isnan(rank_correlation([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))
    assert np.isnan(rank_correlation([1.0, np.nan], [1.0, 2.0]))


def test_the_interval_over_models_covers() -> None:
    """Samples of 25 pairs from a normal law with a known rank correlation: 95 % of the intervals hold it, nearly."""
    rng, pearson = np.random.default_rng(2), 0.7
    truth = 6 / np.pi * np.arcsin(pearson / 2)
    hits = []
    for _ in range(600):
        x, e = rng.normal(size=(2, 25))
        low, high = over_models(rank_correlation(x, pearson * x + np.sqrt(1 - pearson**2) * e), 25)
        hits.append(low < truth < high)
    assert 0.92 < np.mean(hits) < 0.98
    assert np.isnan(over_models(0.5, 3)).all()


def test_the_digest_says_what_each_interval_is_about() -> None:
    found = digest(tagged(real()))
    assert list(found["score"]) == ["formula", "formula, full kernels", "trace score", "operator score", "weak error"]
    assert set(found["weak models"]) == {12}
    assert found["over seeds"].str.startswith("[").all()
    assert "over models" in found.attrs["caption"]
