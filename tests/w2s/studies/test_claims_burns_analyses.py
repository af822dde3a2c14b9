"""Every claim about the analyses of finetuned students: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from made_rows import joined
from sabotaged import faults

from w2s.claims.claim import Claim, decide
from w2s.studies.burns2023.text.analyses import ANALYSES

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in ANALYSES}
FIELDS = ("task", "weak_model", "student_model", "chain", "method", "n_labeled", "n_validation")
NOISE = 0.003
TASKS = ("first", "second", "third", "fourth")


def setting(
    method: str = "naive", *, pgr: float = 0.5, wrong: float = 0.6, ceiling_wrong: float = 0.4, weak: float = 0.3,
    ceiling: float = 0.1, student: float | None = None, size: float = 2e7, calibrated: float = 0.1, seeds: int = 16,
    **fields: Any,
) -> pd.DataFrame:  # fmt: skip
    """Rows of one setting; ``student`` is its error where there is no gap for a PGR."""
    task, n_labeled = str(fields.get("task", "first")), int(fields.get("n_labeled", 500))
    shared = np.random.default_rng([sum(map(ord, task)), n_labeled]).standard_normal((2, seeds))
    name = f"{method}{fields.get('student_model')}{fields.get('chain')}{task}"
    own = np.random.default_rng([sum(map(ord, name)), int(1000 * abs(pgr))]).standard_normal((4, seeds))
    error = weak - pgr * (weak - ceiling) if student is None else student
    values = {
        "weak_error_01": weak + NOISE * shared[0],
        "ceiling_error_01": ceiling + NOISE * shared[1],
        "student_error_01": error + NOISE * own[0],
        "agreement_right": 0.95 + NOISE * own[1],
        "agreement_wrong": wrong + NOISE * own[2],
        "ceiling_agreement_wrong": ceiling_wrong + NOISE * own[3],
        "weak_calibration": 0.1 + NOISE * shared[0],
        "label_calibration": calibrated + NOISE * own[1],
        "fitted_temperature": 0.5 + NOISE * own[0] if "temper(fit)" in method else np.nan,
        "student_parameters": size,
    }
    base = {"task": "first", "weak_model": "small", "student_model": "large", "chain": None, "method": method}
    base |= {"n_labeled": 500, "n_validation": 100, "status": "ok", "seed": np.arange(seeds)}
    found = pd.DataFrame({**values, **base, **fields})
    found.attrs["w2s"] = {"fields": [*FIELDS, "seed"]}
    return found


def planted(**pgr: float) -> pd.DataFrame:
    return joined(*(setting("planted" if where == "random" else f"planted(where={where})", pgr=p) for where, p in pgr.items()))


def students(*wrong: float) -> pd.DataFrame:
    return joined(*(setting(student_model=f"m{k}", size=1e7 * 2**k, wrong=w) for k, w in enumerate(wrong)))


def gaps(*pgr: float) -> pd.DataFrame:
    return joined(*(setting(n_labeled=100 * (3 - k), weak=0.2 + 0.05 * k, pgr=p) for k, p in enumerate(pgr)))


def confident(help_: float, own: float) -> pd.DataFrame:
    own_model = {"student_model": "small", "ceiling": 0.3}
    return joined(
        setting(student=0.2), setting("confidence", student=0.2 - help_),
        setting(student=0.3, **own_model), setting("confidence", student=0.3 - own, **own_model),
    )  # fmt: skip


def tempered(pgr: float, calibrated: float) -> pd.DataFrame:
    return joined(setting(), setting("temper(fit)", pgr=pgr, calibrated=calibrated))


def chains(*pgr: float) -> pd.DataFrame:
    return joined(setting(), *(setting(chain=f"c{k}", pgr=p) for k, p in enumerate(pgr)))


CASES = {
    "structured_errors": (planted(random=0.9, sure=-0.5), planted(random=0.9, sure=0.8)),
    "hard_errors": (planted(random=0.4, hard=0.7), planted(random=0.7, hard=0.4)),
    "shared_errors": (setting(), setting(wrong=0.3)),
    "agreement_slope": (students(0.8, 0.7, 0.6), students(0.6, 0.7, 0.8)),
    "larger_gap": (gaps(0.8, 0.6, 0.4), gaps(0.4, 0.6, 0.8)),
    "median_task": (
        joined(*(setting(task=task, pgr=p) for task, p in zip(TASKS, (0.1, 0.5, 0.5, 0.9), strict=True))),
        joined(*(setting(task=task, pgr=p) for task, p in zip(TASKS, (0.1, 0.1, 0.1, 0.9), strict=True))),
    ),
    "confidence_knows": (confident(0.05, -0.02), confident(-0.05, 0.0)),
    "fit_calibrates": (tempered(0.5, 0.02), tempered(0.5, 0.2)),
    "fit_helps": (tempered(0.7, 0.02), tempered(0.3, 0.02)),
    "chain_loses": (chains(0.9, 0.2), chains(0.9, 0.8)),
}


def test_every_claim_has_a_case():
    assert set(CASES) == set(CLAIMS)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name):
    true, false = CASES[name]
    for rows, outcome in ((true, "holds"), (false, "fails")):
        found = decide(CLAIMS[name], rows)
        assert found.outcome == outcome, found.says
    other = true.assign(status="failed", task="fifth")
    assert decide(CLAIMS[name], joined(true, other)) == decide(CLAIMS[name], true)


@pytest.mark.parametrize("name", CASES)
def test_it_notices_the_sabotages_that_it_declares(name):
    true, false = CASES[name]
    claim = CLAIMS[name]
    rows = true if claim.expected == "holds" else false
    if name != "median_task":
        harder = {column: rows[column] + 0.15 for column in rows if column.endswith("error_01")}
        rows = joined(rows, rows.assign(task="harder", **harder))
    assert faults("burns2023.text", [claim], rows) == []


@pytest.mark.parametrize("name", CASES)
def test_a_table_that_cannot_tell_decides_nothing(name):
    claim, (true, _) = CLAIMS[name], CASES[name]
    assert decide(claim, true.iloc[:0]).outcome == "untestable"
    assert decide(claim, true.assign(ceiling_error_01=true["weak_error_01"] - 0.01)).outcome == "untestable"
    few = decide(claim, true[true["seed"] < 7])
    assert (few.outcome, "too few seeds: 7" in few.says) == ("unresolved", True)


def test_a_default_may_be_written_out():
    rows = planted(random=0.9, sure=-0.5)
    written = joined(rows.assign(method=rows["method"].replace("planted", "planted(where=random)")))
    assert decide(CLAIMS["structured_errors"], written) == decide(CLAIMS["structured_errors"], rows)


def test_slopes_are_those_of_least_squares():
    rows = students(0.8, 0.7, 0.75)
    means = rows.groupby("student_parameters")["agreement_wrong"].mean()
    slope = np.polyfit(np.log2(means.index.to_numpy()), means.to_numpy(), 1)[0]
    assert decide(CLAIMS["agreement_slope"], rows).statistic == pytest.approx(slope, rel=1e-9)
    rows = gaps(0.8, 0.4, 0.6)
    means = rows.groupby("n_labeled")[["weak_error_01", "student_error_01", "ceiling_error_01"]].mean()
    gap = means["weak_error_01"] - means["ceiling_error_01"]
    pgr = (means["weak_error_01"] - means["student_error_01"]) / gap
    assert decide(CLAIMS["larger_gap"], rows).statistic == pytest.approx(np.polyfit(gap, pgr, 1)[0], rel=1e-9)


def test_the_loss_must_do_more_where_the_student_knows_more():
    assert decide(CLAIMS["confidence_knows"], confident(0.05, 0.08)).outcome == "fails"
    assert (
        decide(CLAIMS["confidence_knows"], confident(-0.02, -0.08)).outcome == "holds"
    )  # it harms less; confidence asks for help


def test_seeds_that_choose_the_ladder_do_not_measure_it():
    """Among many equal chains the least on the same seeds is below zero; on other seeds it is not."""
    rows = chains(*[0.5] * 12)
    found = decide(CLAIMS["chain_loses"], rows)
    assert found.outcome == "unresolved"
    difference = [
        rows.loc[rows["chain"] == f"c{k}", "student_error_01"].mean()
        - rows.loc[rows["chain"].isna(), "student_error_01"].mean()
        for k in range(12)
    ]
    assert found.statistic > -max(difference) / 0.2


def test_four_tasks_are_needed_for_their_median():
    true, _ = CASES["median_task"]
    three = true[true["task"] != "fourth"]
    assert decide(CLAIMS["median_task"], joined(three)).outcome == "untestable"
    flat = true["task"] == "fourth"
    level = joined(true.assign(ceiling_error_01=true["ceiling_error_01"].where(~flat, true["weak_error_01"])))
    found = decide(CLAIMS["median_task"], level)
    assert (found.outcome, "3 tasks have a setting with a gap" in found.says) == ("untestable", True)
