"""Kinds of tasks: claims on made tables, each noticing what it says it notices, and the figure."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sabotaged import DOCTORS
from small_studies import drawn

from w2s.claims import SABOTAGES, overlooked
from w2s.claims.claim import decide
from w2s.contract.cells import cell_fields
from w2s.studies.burns2023.reward.claims import kind_of
from w2s.studies.burns2023.reward.study import Reward

STUDY = "burns2023.reward"
CLAIMS = {claim.id: claim for claim in Reward.claims}
TRUE = {
    ("hh_harmless", "naive"): (0.45, 0.44, 0.39),
    ("hh_harmless", "generative"): (0.45, 0.42, 0.39),
    ("subjectivity", "naive"): (0.35, 0.24, 0.2),
    ("subjectivity_words", "naive"): (0.36, 0.26, 0.21),
}


def table(
    means: dict[tuple[str, str], tuple[float, float, float]],
    *,
    stage: float = 0.03,
    words: float = 0.03,
    classes: float = 0.002,
) -> pd.DataFrame:
    """Rows of 16 seeds; ``stage`` is what the adjusted ceiling is better by, ``words`` the spread of students of words."""
    rng = np.random.default_rng(5)
    rows = []
    for (task, method), (weak, student, ceiling) in means.items():
        for seed in range(16):
            apart = rng.standard_normal(3) * (0.002, words if task.endswith("_words") else classes, 0.002)
            w, s, c = np.array([weak, student, ceiling]) + apart
            row = {
                "task": task,
                "method": method,
                "seed": seed,
                "weak_error_01": w,
                "student_error_01": s,
                "ceiling_error_01": c,
            }
            row |= {
                "adjusted_ceiling_error_01": c - stage + 0.002 * rng.standard_normal() if method == "generative" else np.nan
            }
            names = {"weak": w, "student": s, "ceiling": c, "strong": c}
            row |= {f"{name}_error": value for name, value in names.items()} | {"strong_error_01": c}
            rows.append(row | {"weak_model": "made:decoder-1x16", "student_model": "made:decoder-1x32", "status": "ok"})
    found = pd.DataFrame(rows).reindex(columns=list(dict.fromkeys([*rows[0], *cell_fields(Reward.Cell)])))
    found.attrs["w2s"] = {"fields": list(cell_fields(Reward.Cell))}
    return found


def changed(**means: tuple[float, float, float]) -> dict[tuple[str, str], tuple[float, float, float]]:
    return TRUE | {("hh_harmless", name): value for name, value in means.items()}


FALSE = {
    "reward_gap": table(changed(naive=(0.45, 0.4, 0.2))),
    "reward_is_weakest": table(changed(naive=(0.45, 0.39, 0.39))),
    "typical_pgr": table(changed(naive=(0.45, 0.4, 0.39))),
    "generative_stage": table(changed(generative=(0.45, 0.448, 0.39))),
    "generative_ceiling": table(TRUE, stage=-0.03),
    "words_vary_more": table(TRUE, words=0.002, classes=0.03),
}


@pytest.mark.parametrize("name", FALSE)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(name: str) -> None:
    assert set(FALSE) == set(CLAIMS)
    claim = CLAIMS[name]
    assert decide(claim, table(TRUE)).outcome == "holds"
    assert decide(claim, FALSE[name]).outcome == "fails"
    few = table(TRUE)
    assert decide(claim, few[few["seed"] < 5]).outcome == "unresolved"
    one = few[few["task"] == "subjectivity"]
    one.attrs = few.attrs
    assert decide(claim, one).outcome == "untestable"


@pytest.mark.parametrize("name", FALSE)
def test_a_gap_that_is_too_small_decides_nothing(name: str) -> None:
    flat = table(
        {key: (ceiling + 0.004, ceiling + 0.002, ceiling) for key, (_, _, ceiling) in TRUE.items()}, stage=0.0, words=0.002
    )
    assert decide(CLAIMS[name], flat).outcome in ("untestable", "unresolved", "fails")


@pytest.mark.parametrize("name", FALSE)
def test_claims_notice_what_they_declare(name: str) -> None:
    claim, rows = CLAIMS[name], table(TRUE)
    found = set(overlooked(claim, rows, DOCTORS[STUDY]))
    assert found == set(claim.overlooks)
    assert found < set(SABOTAGES)


def test_kinds_and_the_figure() -> None:
    assert [kind_of(task) for task, _ in TRUE] == ["reward", "reward", "classes", "words"]
    assert drawn(STUDY, table(TRUE)) == ["kinds"]
