"""The range that a column's name says: of every column of every built-in study."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from w2s import summarize
from w2s.contract.columns import metric_columns
from w2s.glossary.look_up import meaning_of
from w2s.measure.scales import CORRELATION, POSITIVE, REAL, SHARE, Scale, scale_of
from w2s.studies.registry import find_study, study_names

WITHOUT_RANGE = {
    "gains, and differences of errors": "gain cross_term teacher_cross accounting_gap bound_excess bound_slack selection_score",
    "ratios of means": "pgr pgr_01 pgr_flip_01 pgr_probe_01 adjusted_pgr_01 opr",
    "rewards": """weak_reward student_reward strong_reward ceiling_reward base_reward top_reward decoded_reward aligned_reward
        unaligned_reward contrast_reward weak_implicit student_implicit decoded_implicit contrast_implicit""",
    "CAPA, at most 1 and without a lower end": "similarity similarity_hard similarity_itself similarity_trained",
    "projections": "aligned_easy aligned_hard",
    "counts": """n_evaluated n_items n_transfer cut_items dropped_items induced_errors known_both known_neither known_strong_only
        known_weak_only held_out_bytes held_out_tokens tokens tokens_seen prompt_tokens vocabulary_size spikes_weak
        spikes_strong kept_theory stopped_at train_steps student_iterations""",
    "sizes and dimensions": """parameters weak_parameters student_parameters weak_rank student_rank weak_width student_width
        d_weak d_strong d_weak_99 d_strong_99 d_weak_99_centred d_strong_99_centred d_overlap_99 d_overlap_99_centred
        d_overlap_projected d_overlap_projected_sd d_weak_principal d_strong_principal""",
    "settings that were chosen or fitted": """weak_ridge strong_ridge ceiling_ridge gamma_weak gamma_strong fitted_temperature
        judge_threshold time_scaled""",
    "how a fit went": "student_loss student_gradient_norm largest_gradient",
    "cost": "peak_bytes prompt_seconds train_seconds tokens_per_second",
    "functions of the setting alone": """benign_theory regime_theory chernoff_theory evidence_theory finite_size_theory
        omega_theory lower_u_theory upper_u_theory rate_theory ratio_theory""",
}
"""Columns whose intervals may end anywhere, by reason. A column of a new study goes here or into `scale_of`."""


def numeric_columns() -> set[str]:
    columns = [metric_columns(find_study(name)).items() for name in study_names()]
    return {name for some in columns for name, kind in some if kind in ("double", "int64")}


def test_every_column_has_a_range_or_a_reason_for_none() -> None:
    listed = [name for names in WITHOUT_RANGE.values() for name in names.split()]
    assert len(listed) == len(set(listed))
    inner = {name.removesuffix("_theory").removesuffix("_low").removesuffix("_high"): name for name in numeric_columns()}
    without = {column for name, column in inner.items() if scale_of(column) is REAL and name not in listed}
    assert without <= set(listed), "say where these lie"
    assert {name for name in listed if scale_of(name) is not REAL or name not in {*inner, *inner.values()}} == set()


def test_what_the_glossary_calls_a_share_is_one() -> None:
    shares = {name for name in numeric_columns() if (meaning_of(name) or ("", ""))[1] == "share"}
    assert {name for name in shares if scale_of(name) is not SHARE} == {"gain_01", "gain_01_low", "gain_01_high"} & shares


@pytest.mark.parametrize(
    ("name", "scale"),
    [
        ("student_error_hard", SHARE),
        ("judge_auroc_theory", SHARE),
        ("weak_error_01_low", SHARE),
        ("weak_distance_squared", POSITIVE),
        ("weak_error", POSITIVE),
        ("corr_hard_weak", CORRELATION),
        ("gain_01", CORRELATION),
        ("gain_low", REAL),
        ("my_number", REAL),
    ],
)
def test_names_say_ranges(name: str, scale: Scale) -> None:
    assert scale_of(name) is scale


@pytest.mark.parametrize(("name", "low", "high"), [("student_error_hard", 0, 1), ("weak_distance_squared", 0, np.inf)])
def test_intervals_of_summaries_stay_in_the_range(name: str, low: float, high: float) -> None:
    rows = pd.DataFrame({"seed": range(3), "status": "ok", name: [0.0, 0.5, 1.0]})
    found = summarize(rows, by=[], metrics=[name]).iloc[0]
    assert low == found[f"{name}_low"] < found[f"{name}_high"] <= high
