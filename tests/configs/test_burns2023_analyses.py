"""The analyses of burns2023.text on real texts: verdicts on rows of configs/burns2023/errors.yaml and gap.yaml, which are recorded.

The rows are those of sentence_polarity and subjectivity; the runs take half an hour on a busy core.
"""

from __future__ import annotations

import pytest
from sabotaged import recorded

from w2s.claims.claim import decide
from w2s.studies.burns2023.text.analyses import ANALYSES

CLAIMS = {claim.id: claim for claim in ANALYSES}


@pytest.mark.parametrize(
    ("name", "outcome", "seeds", "statistic"),
    [
        ("structured_errors", "holds", 10, 0.80),
        ("shared_errors", "holds", 8, 0.15),
        ("agreement_slope", "holds", 8, -0.35),
        ("larger_gap", "holds", 8, -3.7),
    ],
)
def test_verdicts_are_those_that_the_page_gives(name, outcome, seeds, statistic):
    rows = recorded("burns2023.text")
    planted = rows["method"].str.startswith("planted")
    part = rows[rows["seed"] < seeds] if name == "structured_errors" else rows[~planted & (rows["seed"] < seeds)]
    part.attrs = rows.attrs
    found = decide(CLAIMS[name], part)
    assert (found.outcome, found.seeds) == (outcome, seeds), found.says
    assert found.statistic == pytest.approx(statistic, rel=0.1)


def test_errors_at_sure_items_make_students_worse_than_their_teachers():
    rows = recorded("burns2023.text")
    sure = rows[rows["method"] == "planted(where=sure)"]
    assert sure.groupby("task").apply(lambda g: g["student_error_01"].mean() > g["weak_error_01"].mean()).all()
