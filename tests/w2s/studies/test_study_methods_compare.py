"""Methods beside each other: the table and its conclusions, the figure, and claims on recorded rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sabotaged import RECORDED, faults, recorded

from w2s.claims.claim import decide
from w2s.contract.cells import cell_fields
from w2s.studies.methods.compare.study import Compare
from w2s.studies.methods.compare.table import against_naive, baseline_of
from w2s.studies.registry import find_study

STUDY = "methods.compare"


def table(shifts: dict[str, float], tasks: tuple[str, ...] = ("one", "two"), seeds: int = 12) -> pd.DataFrame:
    """Rows of students whose errors are those of naive and a shift."""
    draws = np.random.default_rng(0)
    rows = []
    for task in tasks:
        for seed in range(seeds):
            own = draws.normal(0, 0.01)
            for method, shift in shifts.items():
                error = 0.25 + own + shift + draws.normal(0, 0.003)
                row = {"task": task, "method": method, "seed": seed, "weak_model": "a", "student_model": "b", "status": "ok"}
                errors = {"weak": 0.3 + own, "student": error, "strong": 0.24 + own, "ceiling": 0.2 + own}
                for name, value in errors.items():
                    row |= {
                        f"{name}_error_01": value,
                        f"{name}_error_01_low": value - 0.02,
                        f"{name}_error_01_high": value + 0.02,
                    }
                rows.append(row)
    found = pd.DataFrame(rows)
    fields = list(cell_fields(Compare.Cell))
    found = found.reindex(columns=list(dict.fromkeys([*found, *fields])))
    found.attrs["w2s"] = {"fields": fields, "seeds_draw": "test_part"}
    return found


def test_the_table_has_a_line_for_every_method_and_model_and_says_what_follows() -> None:
    found = against_naive(table({"naive": 0.0, "confidence": -0.03, "entropy": 0.03}))
    assert len(found) == 2 * (3 + 3)
    said = found.set_index(["task", "method"])["conclusion"]
    for task in ("one", "two"):
        assert (said[task, "confidence"], said[task, "entropy"], said[task, "naive"]) == ("better", "worse", "-")
    assert "Holm's correction over 4 comparisons" in found.attrs["caption"]
    assert found.loc[found["method"] == "(ceiling)", "error, points"].str.startswith("20 [").any()


def test_without_naive_there_are_errors_alone() -> None:
    found = against_naive(table({"confidence": -0.03, "entropy": 0.03}))
    assert "conclusion" not in found
    assert baseline_of(table({"entropy": 0.0})) is None
    assert baseline_of(table({"xent": 0.0, "entropy": 0.0})) == "xent"  # another word for naive


def test_the_figure_is_drawn_where_there_is_something_to_compare() -> None:
    (figure,) = Compare.figures
    drawn = figure.draw(table({"naive": 0.0, "confidence": -0.03}))
    assert drawn is not None
    assert [ax.get_title().split("\n")[0] for ax in drawn.axes] == ["one", "two"]
    assert figure.draw(table({"naive": 0.0})) is None
    assert figure.draw(table({"naive": 0.0, "confidence": 0.0}, seeds=1)) is None


@pytest.mark.parametrize(
    ("name", "shifts"),
    [
        ("selective_better", {"naive": 0.0, "selective": 0.01}),
        ("selective_beats_confidence", {"naive": 0.0, "confidence": -0.02, "selective": -0.01}),
        ("own_answers_matter", {"naive": 0.0, "selective": 0.0, "selective(knows=off)": -0.01}),
        ("naive_gains", {"naive": 0.06}),
    ],
)
def test_claims_can_fail(name: str, shifts: dict[str, float]) -> None:
    claim = next(claim for claim in Compare.claims if claim.id == name)
    assert decide(claim, table(shifts)).outcome == "fails"


def test_no_claim_rests_on_one_task() -> None:
    """A method has to be better on every task."""
    rows = pd.concat([table({"naive": 0.0, "selective": -0.03}, ("one",)), table({"naive": 0.0, "selective": 0.03}, ("two",))])
    rows.attrs["w2s"] = {"fields": list(cell_fields(Compare.Cell))}
    claim = next(claim for claim in Compare.claims if claim.id == "selective_better")
    assert decide(claim, rows).outcome == "fails"


def test_recorded_rows_decide_every_claim_and_claims_notice_what_they_declare() -> None:
    rows = recorded(STUDY)
    assert (RECORDED / f"{STUDY}.parquet").stat().st_size < 200_000
    assert [c.id for c in Compare.claims if not c.as_expected(decide(c, rows))] == []
    assert faults(STUDY, find_study(STUDY).claims, rows) == []
