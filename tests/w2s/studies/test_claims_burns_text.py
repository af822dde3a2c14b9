"""Every claim about finetuned students: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_rows import joined
from sabotaged import faults

from w2s.claims.claim import Claim, decide
from w2s.claims.comparisons import by_task, median_over
from w2s.studies.burns2023.text.analyses import ANALYSES
from w2s.studies.burns2023.text.claims import CLAIMS as ALL
from w2s.studies.burns2023.text.finetune_settings import extremes, named, partner, settings_of
from w2s.studies.burns2023.text.study import Text

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in ALL if claim not in ANALYSES}
"""Those about the main figures; test_claims_burns_analyses.py has the others."""
FIELDS = (
    "task",
    "weak_model",
    "student_model",
    "chain",
    "method",
    "labels",
    "n_labeled",
    "n_validation",
    "lora_rank",
    "control",
)
NOISE = 0.003


def setting(
    method: str = "naive", *, pgr: float = 0.5, flip: float = np.nan, right: float = 0.95, wrong: float = 0.5,
    weak: float = 0.3, ceiling: float = 0.1, seeds: int = 16, **fields: Any,
) -> pd.DataFrame:  # fmt: skip
    """Rows of one setting: weak model and ceiling have draws of their own, which all settings of a task share."""
    shared = np.random.default_rng(0).standard_normal((2, seeds))
    name = method + str(fields.get("student_model", ""))
    own = np.random.default_rng(sum(map(ord, name)) + int(1000 * pgr)).standard_normal((4, seeds))
    teacher, top = weak + NOISE * shared[0], ceiling + NOISE * shared[1]
    values = {
        "weak_error_01": teacher,
        "ceiling_error_01": top,
        "student_error_01": teacher - pgr * (weak - ceiling) + NOISE * own[0],
        "student_flip_error_01": teacher - flip * (weak - ceiling) + NOISE * own[1],
        "agreement_right": right + NOISE * own[2],
        "agreement_wrong": wrong + NOISE * own[3],
    }
    base = {"task": "first", "weak_model": "small", "student_model": "large", "chain": None, "method": method, "labels": "soft"}
    base |= {
        "n_labeled": 500,
        "n_validation": 0,
        "lora_rank": np.nan,
        "control": "none",
        "status": "ok",
        "seed": np.arange(seeds),
    }
    found = pd.DataFrame({**values, **base, **fields})
    found.attrs["w2s"] = {"fields": [*FIELDS, "seed"]}
    return found


def two(first: dict[str, Any], second: dict[str, Any]) -> pd.DataFrame:
    return joined(setting(**first), setting(**second))


CONFIDENCE = {"method": "confidence"}
ORACLE, LEGAL = ({"method": f"naive + stop({when})", "n_validation": 40} for when in ("oracle", "legal"))
END = {"n_validation": 40}
MIDDLE = {"student_model": "middle", "ceiling": 0.15}

CASES = {
    "gap": (setting(), setting(ceiling=0.35)),
    "beats_weak": (setting(), setting(pgr=-0.3)),
    "recovers": (setting(), setting(pgr=0.05)),
    "typical_pgr": (two({"pgr": 0.4}, {"pgr": 0.6, "student_model": "other"}), setting(pgr=1.2)),
    "agreement": (setting(), setting(right=0.9, wrong=0.85)),
    "inverse_scaling": (two({"wrong": 0.5}, MIDDLE | {"wrong": 0.7}), two({"wrong": 0.7}, MIDDLE | {"wrong": 0.5})),
    "confidence": (two({}, CONFIDENCE | {"pgr": 0.8}), two({}, CONFIDENCE | {"pgr": 0.3})),
    "confidence_drops_errors": (two({}, CONFIDENCE | {"wrong": 0.4}), two({}, CONFIDENCE | {"wrong": 0.45, "right": 0.8})),
    "random_errors": (setting(flip=0.95, control="flip"), setting(flip=0.6, control="flip")),
    "overtraining": (two(ORACLE | {"pgr": 0.7}, END), two(ORACLE | {"pgr": 0.4}, END)),
    "oracle_stop": (two(ORACLE, LEGAL), two(ORACLE | {"pgr": 0.3}, LEGAL)),
    "bootstrapping": (two({"chain": "middle", "pgr": 0.7}, {}), two({"chain": "middle", "pgr": 0.2}, {})),
}
PAIRED = ("confidence", "confidence_drops_errors", "overtraining", "oracle_stop", "bootstrapping")


def test_every_claim_has_a_case():
    assert set(CASES) == set(CLAIMS)
    assert Text.claims is ALL
    assert len(CLAIMS) + len(ANALYSES) == len({claim.id for claim in ALL}) == len(ALL)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name):
    true, false = CASES[name]
    found = decide(CLAIMS[name], true)
    assert found.outcome == "holds", found.says
    for rows in (false, joined(true, false.assign(task="second"))):
        found = decide(CLAIMS[name], rows)
        assert found.outcome == "fails", found.says


@pytest.mark.parametrize("name", CASES)
def test_it_notices_the_sabotages_that_it_declares(name):
    true, false = CASES[name]
    claim = CLAIMS[name]
    rows = true if claim.expected == "holds" else false
    harder = {column: rows[column] + 0.15 for column in rows if column.endswith("error_01")}
    both = joined(rows, rows.assign(task="harder", **harder))  # so that a shuffle has something to mix
    assert faults("burns2023.text", [claim], both) == []


@pytest.mark.parametrize("name", CASES)
def test_a_table_that_cannot_tell_is_untestable(name):
    claim, (true, _) = CLAIMS[name], CASES[name]
    assert decide(claim, true.iloc[:0]).outcome == "untestable"
    if name != "gap":
        assert decide(claim, true.assign(ceiling_error_01=true["weak_error_01"] - 0.01)).outcome == "untestable"
    own = true.assign(weak_model=true["student_model"])  # a student of its own size is no weak-to-strong student
    assert decide(claim, own).outcome == "untestable"


@pytest.mark.parametrize("name", CASES)
def test_few_seeds_that_disagree_resolve_nothing(name):
    true, false = CASES[name]
    assert decide(CLAIMS[name], joined(true[true["seed"] == 0], false[false["seed"] == 1])).outcome == "unresolved"
    found = decide(CLAIMS[name], true[true["seed"] < 7])
    assert (found.outcome, "too few seeds: 7, 8 needed" in found.says) == ("unresolved", True)


@pytest.mark.parametrize("name", CASES)
def test_failed_rows_do_not_count(name):
    true, false = CASES[name]
    assert decide(CLAIMS[name], joined(true, false.assign(status="failed", task="second"))) == decide(CLAIMS[name], true)


@pytest.mark.parametrize("name", PAIRED)
def test_only_settings_that_differ_in_nothing_else_are_compared(name):
    true, _ = CASES[name]
    treated = true["chain"].notna() if name == "bootstrapping" else true["method"] != "naive"
    treated &= ~true["method"].str.contains("legal")
    for column, value in (("labels", "hard"), ("n_labeled", 900), ("lora_rank", 8.0)):
        other = joined(true.assign(**{column: true[column].where(~treated, value)}))
        assert decide(CLAIMS[name], other).outcome == "untestable"
    control = joined(true.assign(control=true["control"].where(~treated, "flip")))  # trains one student more, no other
    assert decide(CLAIMS[name], control) == decide(CLAIMS[name], true)


def test_pairs_share_their_seeds_noise():
    """Seeds differ by far more than the methods do; within a seed the difference is clear."""
    rows = two({"pgr": 0.50}, CONFIDENCE | {"pgr": 0.56})
    rough = 0.05 * np.random.default_rng(3).standard_normal(16)
    rows["student_error_01"] += rough[rows["seed"]]
    assert decide(CLAIMS["confidence"], rows).outcome == "holds"
    apart = rows["student_error_01"].where(rows["method"] == "naive", rows["student_error_01"] - rough[rows["seed"]])
    assert decide(CLAIMS["confidence"], joined(rows.assign(student_error_01=apart))).outcome == "unresolved"


def test_a_student_that_errs_on_its_own_copies_nothing():
    """However much better it follows a right teacher than a wrong one: any good student does."""
    alone = setting(pgr=0.8, right=0.86, wrong=0.14)
    assert decide(CLAIMS["agreement"], alone).outcome == "unresolved"
    assert decide(CLAIMS["agreement"], setting(pgr=0.8, right=0.86, wrong=0.1)).outcome == "fails"
    stronger, weaker = {"pgr": 0.8, "wrong": 0.14}, MIDDLE | {"pgr": 0.8, "wrong": 0.2}
    assert decide(CLAIMS["inverse_scaling"], two(stronger, weaker)).outcome == "unresolved"


def test_dropping_errors_and_right_answers_alike_is_no_dropping_of_errors():
    alike = two({"right": 0.95, "wrong": 0.5}, CONFIDENCE | {"right": 0.85, "wrong": 0.4})
    assert decide(CLAIMS["confidence_drops_errors"], alike).outcome == "unresolved"


def test_what_is_known_to_fail_at_this_scale():
    assert [claim.id for claim in CLAIMS.values() if claim.expected != "holds"] == ["random_errors"]


def test_pgr_is_a_ratio_of_means_over_seeds():
    rows = setting()
    means = rows[["weak_error_01", "student_error_01", "ceiling_error_01"]].mean()
    exact = (means.iloc[0] - means.iloc[1]) / (means.iloc[0] - means.iloc[2])
    assert decide(CLAIMS["recovers"], rows).statistic == pytest.approx(exact, rel=1e-12)


def test_the_median_of_settings_speaks_for_a_task():
    rows = joined(*(setting(pgr=pgr, n_labeled=size) for size, pgr in ((100, 0.1), (200, 0.5), (400, 0.6))))
    found = decide(CLAIMS["recovers"], rows)
    assert found.statistic == pytest.approx(0.5, abs=0.02)
    assert "first, median of 3" in found.says
    ((_, settings),) = by_task(rows, settings_of)
    alone = joined(rows[~((rows["n_labeled"] == 400) & (rows["seed"] == 5))])
    ((_, fewer),) = by_task(alone, settings_of)
    assert median_over([(s,) for s in settings], lambda _, means: named(means[0])["weak"])[2] == 16
    assert median_over([(s,) for s in fewer], lambda _, means: named(means[0])["weak"])[2] == 15  # seeds that all of them have


def test_settings_without_a_seed_in_common_decide_nothing():
    rows = joined(setting(), setting(n_labeled=900).assign(seed=lambda r: r["seed"] + 100))
    assert decide(CLAIMS["recovers"], rows).outcome == "unresolved"


def test_other_methods_are_not_naive():
    others = ("confidence", "naive + stop(legal)", "ensemble(3)", "temper(0.5)")
    rows = joined(*(setting(method, pgr=-0.5) for method in others), setting(chain="middle", pgr=-0.5), setting())
    found = decide(CLAIMS["recovers"], rows)
    assert (found.outcome, "median of 1" in found.says) == ("holds", True)


def test_strongest_and_weakest_students_of_one_teacher():
    rows = joined(
        setting(student_model="a", ceiling=0.12), setting(student_model="b", ceiling=0.2), setting(student_model="c"),
        setting(student_model="a", n_labeled=900, ceiling=0.12), setting(student_model="b", n_labeled=900, ceiling=0.125),
    )  # fmt: skip
    ((_, settings),) = by_task(rows, settings_of)
    found = extremes(settings, 0.01)
    assert [(first.fields["student_model"], last.fields["student_model"]) for first, last in found] == [("c", "b")]
    assert partner(settings[0], settings, settings[0].method, student_model="none of them") is None
