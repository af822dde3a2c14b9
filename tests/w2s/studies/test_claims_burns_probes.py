"""Every claim of the probe study: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sabotaged import faults, recorded

from w2s.claims.claim import Claim, decide
from w2s.claims.comparisons import by_task
from w2s.studies.burns2023.probes.claims import CLAIMS as ALL
from w2s.studies.burns2023.probes.figures import FIGURES
from w2s.studies.burns2023.probes.probe_settings import is_nested, settings_of

CLAIMS: dict[str, Claim] = {claim.id: claim for claim in ALL}
STRENGTHS = (0.001, 0.01, 0.1)


def table(
    *,
    pgr=(0.6, 0.5, 0.3),
    flip=(1.0, 0.9, 0.7),
    right=0.9,
    wrong=0.5,
    weak=0.3,
    ceiling=0.1,
    seeds=16,
    nested=False,
    noise=0.003,
    tasks=("first",),
):
    """A logistic student at three strengths (or nested closed forms), errors a little different by seed."""
    rng = np.random.default_rng(0)
    rows = []
    for task in tasks:
        for seed in range(seeds):
            for at, strength in enumerate(STRENGTHS):
                teacher, top = weak + noise * rng.standard_normal(), ceiling + noise * rng.standard_normal()
                gap = weak - ceiling
                student, flipped = (weak - gap * share[at] + noise * rng.standard_normal() for share in (pgr, flip))
                # The strong baseline is best at the middle strength.
                values = {"weak_error_01": teacher, "student_error_01": student, "ceiling_error_01": top}
                values |= {"strong_error_01": top + 0.05 * (at != 1), "student_flip_error_01": flipped}
                values |= {"agreement_right": right + noise * rng.standard_normal(), "agreement_wrong": wrong}
                rows.append({"task": task, "seed": seed, "strength": strength, **values})
    frame = pd.DataFrame(rows)
    frame["c"] = np.nan if nested else frame["strength"]
    frame["ridge"] = 1e-6 / frame["strength"] if nested else np.nan
    fixed = {"weak_model": "m", "weak_layer": 5 if nested else 0, "weak_dims": 32.0 if nested else np.nan, "student_model": "m"}
    fixed |= {"student_layer": 5, "student_dims": np.nan, "head": "closed_form" if nested else "logistic"}
    fixed |= {"labels": "soft", "method": "naive", "status": "ok", "ridge_weak": np.nan, "c_weak": 0.01}
    found = frame.drop(columns="strength").assign(**fixed)
    found.attrs["w2s"] = {"fields": ["task", "c", "ridge", *fixed]}
    return found


def only_one_task(**changed):
    """The second task is another one."""
    return pd.concat([table(), table(**changed, tasks=("second",))])


CASES = {
    "recovers": (table(), table(pgr=(-0.2, -0.3, -0.4)), only_one_task(pgr=(-0.2, -0.3, -0.4))),
    "typical_pgr": (
        table(tasks=("first", "third")),
        table(pgr=(0.9, 0.9, 0.9), tasks=("first", "third")),
        pd.concat([table(), table(pgr=(1.2, 1.2, 1.2), tasks=("second",))]),  # the median of two tasks is between them
    ),
    "regularisation": (table(), table(pgr=(0.3, 0.5, 0.6)), only_one_task(pgr=(0.3, 0.5, 0.6))),
    "agreement": (table(), table(wrong=0.85), only_one_task(wrong=0.85)),
    "random_errors": (table(), table(flip=(0.5, 0.4, 0.2)), only_one_task(flip=(0.5, 0.4, 0.2))),
    "nested": (
        table(nested=True, pgr=(0.6, 0.3, 0.0)),  # the smallest ridge comes last
        table(nested=True, pgr=(0.0, 0.3, 0.6)),
        pd.concat([table(nested=True, pgr=(0.6, 0.3, 0.0)), table(nested=True, pgr=(0.0, 0.3, 0.6)).assign(task="third")]),
    ),
}


def test_every_claim_has_a_case():
    assert set(CASES) == set(CLAIMS)
    assert len(CLAIMS) == len(ALL)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name):
    true, false, in_one_task = CASES[name]
    assert decide(CLAIMS[name], true).outcome == "holds"
    for rows in (false, in_one_task):
        found = decide(CLAIMS[name], rows)
        assert found.outcome == "fails", found.says


@pytest.mark.parametrize("name", CASES)
def test_it_notices_the_sabotages_that_it_declares(name):
    """On rows of configs/burns2023/small/probes.yaml that were recorded."""
    assert faults("burns2023.probes", [CLAIMS[name]], recorded("burns2023.probes")) == []


def test_a_student_that_errs_on_its_own_copies_nothing():
    """However much better it follows a right teacher than a wrong one: any good student does."""
    assert decide(CLAIMS["agreement"], table(pgr=(0.8,) * 3, right=0.86, wrong=0.14)).outcome == "unresolved"
    assert decide(CLAIMS["agreement"], table(pgr=(0.8,) * 3, right=0.86, wrong=0.1)).outcome == "fails"


@pytest.mark.parametrize("name", CASES)
def test_a_table_that_cannot_tell_is_untestable(name):
    claim, (true, *_) = CLAIMS[name], CASES[name]
    assert decide(claim, true.iloc[:0]).outcome == "untestable"
    assert decide(claim, true.assign(ceiling_error_01=true["weak_error_01"] - 0.01)).outcome == "untestable"  # no gap
    other = table(nested=name != "nested")
    assert decide(claim, other).outcome == "untestable"


@pytest.mark.parametrize("name", CASES)
def test_few_seeds_resolve_nothing(name):
    true = CASES[name][0]
    assert decide(CLAIMS[name], true[true["seed"] == 0]).outcome in ("unresolved", "untestable")
    found = decide(CLAIMS[name], true[true["seed"] < 7])
    assert (found.outcome, "too few seeds: 7, 8 needed" in found.says) == ("unresolved", True)


def test_the_expected_failure_has_its_reason():
    assert [claim.id for claim in ALL if claim.expected != "holds"] == ["random_errors"]
    assert CLAIMS["random_errors"].as_expected(decide(CLAIMS["random_errors"], CASES["random_errors"][1]))


def test_the_strength_is_chosen_by_the_strong_baseline():
    ((_, (setting,)),) = by_task(table(), settings_of)
    assert setting.strengths[setting.chosen] == 0.01
    found = decide(CLAIMS["recovers"], table(pgr=(0.9, 0.5, 0.9)))
    assert found.statistic == pytest.approx(0.5, abs=0.03)


def test_nested_rows_are_those_in_which_the_teacher_sees_a_part():
    rows = table(nested=True)
    assert is_nested(rows).all()
    assert is_nested(rows.assign(weak_layer=np.nan, student_layer=np.nan)).all()
    for other in ({"weak_layer": 4}, {"weak_model": "other"}, {"weak_dims": np.nan}, {"student_dims": 32.0}):
        assert not is_nested(rows.assign(**other)).any()


def test_settings_are_told_apart_and_missing_strengths_are_dropped_by_seed():
    rows = pd.concat([table(), table(weak=0.35).assign(weak_dims=64.0)])
    for _, settings in by_task(rows, settings_of):
        assert [setting.name for setting in settings] == ["weak_dims = 64.0", "weak_dims = nan"]
    whole = table()
    rows = whole[~((whole["seed"] == 3) & (whole["c"] == 0.1))]
    assert all(
        3 not in setting.seeds and len(setting.seeds) == 15
        for _, settings in by_task(rows, settings_of)
        for setting in settings
    )


def test_figures_are_drawn_of_tables_that_have_their_axes():
    drawn = {figure.id: figure.draw for figure in FIGURES}
    rows = pd.concat([table(weak=weak).assign(weak_dims=dims) for weak, dims in ((0.3, 16.0), (0.25, 32.0), (0.2, np.nan))])
    (panel,) = drawn["strength"](rows).axes
    assert [line.get_label() for line in panel.get_lines()] == ["teacher", "student", "student of random errors", "ceiling"]
    assert panel.get_title() == "first\nweak dims = 16"  # the widest gap
    assert len(drawn["ladder"](rows).axes) == 1
    assert drawn["ladder"](table()) is None
    assert drawn["strength"](table(nested=True)) is None
    assert drawn["strength"](rows[rows["c"] == 0.1]) is None
