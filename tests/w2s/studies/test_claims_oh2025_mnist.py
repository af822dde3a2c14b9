"""Every claim on images of digits: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from w2s.claims.claim import decide
from w2s.contract.cells import cell_fields
from w2s.studies.oh2025.mnist.study import Mnist

CLAIMS = {claim.id: claim for claim in Mnist.claims}
STEPS = (3, 5, 10, 40, 240)
CELL: dict[str, Any] = {"images": "i", "labels": "l", "p_hard": 0.3, "p_both": 0.6, "mu": 3.0, "nu": 5.0, "sigma": 0.05}
CELL |= {"n_labeled": 400, "teacher_rate": 0.05, "teacher_steps": 200, "n_transfer": 500, "student": "relu", "per_class": 10}
CELL |= {"init": 1e-3, "rate": 2.0, "n_test": 400, "n_validation": 100, "status": "ok"}
NUMBERS = {"weak_error": 0.17, "weak_error_easy": 0.02, "weak_error_hard": 0.5, "weak_error_both": 0.02}
CURVES = {
    "student_error": (0.08, 0.04, 0.05, 0.07, 0.13),
    "student_error_hard": (0.2, 0.08, 0.1, 0.2, 0.4),
    "label_correction": (0.8, 0.98, 0.9, 0.6, 0.1),
}


def table(seeds: int = 12, steps: tuple[int, ...] = STEPS, noise: float = 1e-3, **columns: Any) -> pd.DataFrame:
    """One student along its steps on many seeds, with its numbers a little different on each."""
    rng, found = np.random.default_rng(0), []
    for k, step in enumerate(steps):
        numbers = NUMBERS | {name: values[k] for name, values in CURVES.items()}
        numbers |= {
            name: value[k] if isinstance(value, tuple) else value for name, value in columns.items() if name != "p_both"
        }
        for seed in range(seeds):
            shaken = {name: value + noise * rng.standard_normal() for name, value in numbers.items()}
            found.append(CELL | {"step": step, "seed": seed, "p_both": columns.get("p_both", 0.6)} | shaken)
    frame = pd.DataFrame(found)
    frame.attrs["w2s"] = {"fields": list(cell_fields(Mnist.Cell))}
    return frame


CASES: dict[str, tuple[pd.DataFrame, tuple[pd.DataFrame, ...]]] = {
    "teacher_misses_hard_digits": (
        table(),
        (table(weak_error_hard=0.4), table(weak_error_hard=0.6), table(weak_error_easy=0.2), table(weak_error_both=0.2)),
    ),
    "hard_digits_are_learnt": (table(), (table(student_error_hard=0.49), table(student_error_hard=(0.1, 0.5, 0.1, 0.1, 0.1)))),
    "no_bridge_no_gain": (
        table(p_both=0.0, student_error_hard=0.5),
        (table(p_both=0.0, student_error_hard=(0.5, 0.3, 0.5, 0.5, 0.5)),),
    ),
    "labels_are_corrected": (table(), (table(label_correction=(0.99, 0.8, 0.99, 0.5, 0.1)),)),
    "correction_is_forgotten": (table(), (table(label_correction=(0.8, 0.98, 0.9, 0.7, 0.6)),)),
    "overtraining_costs": (table(), (table(student_error=(0.08, 0.04, 0.04, 0.04, 0.05)), table(student_error=0.05))),
}
BY_STEPS = tuple(name for name in CASES if name not in ("teacher_misses_hard_digits", "no_bridge_no_gain"))


def outcome(name: str, rows: pd.DataFrame) -> str:
    return decide(CLAIMS[name], rows).outcome


def test_every_claim_has_a_case() -> None:
    assert list(CASES) == list(CLAIMS)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name: str) -> None:
    true, false = CASES[name]
    assert outcome(name, true) == "holds", decide(CLAIMS[name], true).says
    for k, rows in enumerate(false):
        assert outcome(name, rows) == "fails", (k, decide(CLAIMS[name], rows).says)


@pytest.mark.parametrize("name", CASES)
def test_few_seeds_decide_nothing(name: str) -> None:
    fewer = CASES[name][0].query("seed < 5")
    assert outcome(name, fewer) == "unresolved"


@pytest.mark.parametrize("name", CASES)
def test_a_table_without_its_rows_is_untestable(name: str) -> None:
    assert outcome(name, CASES[name][0].iloc[:0]) == "untestable"


@pytest.mark.parametrize("name", BY_STEPS)
def test_curves_need_steps_and_inputs_with_both_digits(name: str) -> None:
    assert outcome(name, table(steps=STEPS[:2])) == "untestable"
    assert outcome(name, table(p_both=0.0)) == "untestable"
    assert "step selected by truth" in decide(CLAIMS[name], table()).says


def test_no_bridge_needs_students_without_bridges() -> None:
    assert outcome("no_bridge_no_gain", table()) == "untestable"


def test_only_what_the_theorem_says_of_all_labels_fails_here() -> None:
    assert [name for name, claim in CLAIMS.items() if claim.expected != "holds"] == ["labels_are_corrected"]


def test_figures_show_the_most_bridges_and_every_share() -> None:
    shares = [table(p_both=share, ceiling_error=0.01, train_fit=0.9, train_accuracy=0.9) for share in (0.0, 0.2, 0.6)]
    rows = pd.concat(shares, ignore_index=True)
    rows.attrs = shares[0].attrs
    steps, bridges = (figure.draw(rows) for figure in Mnist.figures)
    assert steps is not None
    assert bridges is not None
    assert "$p_b$ = 0.6" in " ".join(text.get_text() for text in steps.findobj(Text))
    labels = [text.get_text() for text in bridges.axes[0].get_legend().get_texts()]
    assert labels == ["student, 0", "student, 0.2", "student, 0.6", "teacher"]
    assert Mnist.figures[1].draw(shares[0]) is None
