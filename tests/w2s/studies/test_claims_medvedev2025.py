"""Every claim of the random feature study: a table where it holds, one where it is false, one that cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Claim, Verdict, decide
from w2s.studies.medvedev2025.random_features.stopping_curves import Curves
from w2s.studies.medvedev2025.random_features.study import RandomFeatures
from w2s.theory import medvedev2025 as theory

CLAIMS = {claim.id: claim for claim in RandomFeatures.claims}
WIDTHS = (16, 32, 64, 128)
TIMES = (0.0, 1.0, 2.0, 4.0, 8.0, float("inf"))
Loss = Callable[[float], float]


def verdict(name: str, table: pd.DataFrame) -> Verdict:
    return decide(CLAIMS[name], table)


def table(
    best: Loss,
    *,
    weak: Loss = lambda width: 8.0 / (8.0 + width),
    seeds: int = 8,
    widths: Sequence[int] = WIDTHS,
    by: str = "d_weak",
    **cell: Any,
) -> pd.DataFrame:
    """Stopped students whose best error is ``best`` of the teacher's error (by d_strong: of the width), a little different by seed."""
    rows = []
    rng = np.random.default_rng(0)
    for width in widths:
        for seed in range(seeds):
            loss = weak(width) * (1 + 0.02 * rng.standard_normal()) if by == "d_weak" else 0.2
            least = best(loss if by == "d_weak" else width) * (1 + 0.02 * rng.standard_normal())
            curve = {
                0.0: 1.0,
                1.0: 0.5 * (1 + least),
                2.0: 2 * least,
                4.0: least,
                8.0: 1.5 * least,
                float("inf"): loss if by == "d_weak" else max(loss, 1.2 * least),
            }
            rows += [
                {by: width, "seed": seed, "time": time, "weak_error": loss, "student_error": curve[time]} for time in TIMES
            ]
    frame = pd.DataFrame(rows)
    fixed = {
        "model": "relu",
        "student": "infinite",
        "d": 32,
        "d_weak": 64,
        "d_strong": np.nan,
        "student_filter": "flow",
        "ridge": np.nan,
    }
    fixed |= {"quadratic": 0.0, "quartic": 0.0, "decay": np.nan, "status": "ok", "teacher_cross": 1e-16}
    for name, value in (fixed | cell).items():
        if name not in frame or name in cell:
            frame[name] = value
    frame["lower_bound_theory"] = theory.lower_bound(frame["weak_error"])
    frame["student_error_theory"] = np.where(frame["time"] == np.inf, frame["student_error"], np.nan)
    return frame


def linear(factor: float, widths: Sequence[int] = (32, 256)) -> pd.DataFrame:
    frame = table(
        lambda loss: factor * loss**2, weak=lambda width: 0.7 / np.sqrt(width), widths=widths, model="linear", decay=2 / 3
    )
    frame["student_error_theory"] = frame["student_error"]
    return frame.assign(d=(frame["d_weak"] ** 1.5).round())


def finite(ratio: Loss) -> pd.DataFrame:
    return table(lambda width: 0.2 * ratio(width), by="d_strong", widths=(64, 128, 256), student="finite")


def changed(frame: pd.DataFrame, column: str, amount: float) -> pd.DataFrame:
    """One number of the table is a little off, where it is not null."""
    frame = frame.reset_index(drop=True)
    place = frame.index[frame[column].notna()][-1]
    frame.loc[place, column] += amount
    return frame


CASES: dict[str, tuple[pd.DataFrame, pd.DataFrame]] = {
    "exponent": (table(lambda loss: loss**1.95), table(lambda loss: loss**1.5)),
    "exponent_above_proved": (table(lambda loss: loss**1.7), table(lambda loss: loss**1.2)),
    "wider_teacher_better_ratio": (table(lambda loss: loss**1.9), table(lambda loss: 0.2 * loss**0.7)),
    "wider_student_better_ratio": (finite(lambda width: 40 / width), finite(lambda width: 0.4 if width < 200 else 0.6)),
    "no_gain_at_equal_width": (finite(lambda width: 1.3), finite(lambda width: 0.8)),
    "anchor": (table(lambda loss: 0.33 * loss), table(lambda loss: 0.6 * loss)),
    "quadratic_rate": (linear(1.2), linear(1.9)),
    "lower_bound": (table(lambda loss: loss**1.9), table(lambda loss: 0.7 * loss**2)),
    "lower_bound_approached": (linear(1.05), linear(1.4)),
    "linear_closed_form": (linear(1.2), changed(linear(1.2), "student_error", 2e-10)),
    "late_infinite": (table(lambda loss: loss), changed(table(lambda loss: loss), "student_error", 2e-9)),
    "late_finite": (finite(lambda width: 1.0), changed(finite(lambda width: 1.0), "student_error_theory", 2e-9)),
    "starts_at_one": (table(lambda loss: loss), changed(table(lambda loss: loss)[lambda f: f["time"] == 0], "student_error", 2e-12)),
    "teacher_is_a_projection": (table(lambda loss: loss), changed(table(lambda loss: loss), "teacher_cross", 2e-8)),
}  # fmt: skip


def test_every_claim_has_a_case() -> None:
    assert set(CASES) == set(CLAIMS)
    assert len(CLAIMS) == len(RandomFeatures.claims)


@pytest.mark.parametrize("name", CASES)
def test_it_holds_where_it_is_true_and_fails_where_it_is_false(name: str) -> None:
    true, false = CASES[name]
    assert verdict(name, true).outcome == "holds"
    found = verdict(name, false)
    assert found.outcome == "fails", found.says


@pytest.mark.parametrize("name", CASES)
def test_a_table_without_its_rows_is_untestable(name: str) -> None:
    claim: Claim = CLAIMS[name]
    empty = CASES[name][0].iloc[:0]
    assert decide(claim, empty).outcome == "untestable"
    other = {
        "linear_closed_form": finite(lambda width: 1.0),
        "late_infinite": finite(lambda width: 1.0),
        "late_finite": linear(1.2),
    }
    other |= {"starts_at_one": table(lambda loss: loss)[lambda f: f["time"] > 0], "anchor": table(lambda loss: loss, d=16)}
    other |= dict.fromkeys(["exponent", "exponent_above_proved", "wider_teacher_better_ratio"], finite(lambda width: 1.0))
    other |= dict.fromkeys(["wider_student_better_ratio", "quadratic_rate"], table(lambda loss: loss))
    other |= {"lower_bound_approached": linear(1.05, widths=(32, 128))}
    other |= {"no_gain_at_equal_width": finite(lambda width: 1.0)[lambda f: f["d_strong"] > 64]}
    if name in other:
        assert decide(claim, other[name]).outcome == "untestable"


@pytest.mark.parametrize(
    "name", ["exponent", "anchor", "wider_student_better_ratio", "no_gain_at_equal_width", "quadratic_rate"]
)
def test_who_chose_the_time_is_said(name: str) -> None:
    assert "selected by truth" in verdict(name, CASES[name][0]).says


def test_the_worst_setting_decides() -> None:
    both = pd.concat([table(lambda loss: loss**1.9), table(lambda loss: loss**1.5, d=16)])
    found = verdict("exponent", both)
    assert found.outcome == "fails"
    assert "d = 16" in found.says


def test_one_seed_decides_nothing_about_means() -> None:
    assert verdict("exponent", table(lambda loss: loss**1.9, seeds=1)).outcome == "unresolved"


def test_the_bound_is_exact_up_to_rounding() -> None:
    on_it = table(lambda loss: loss)
    on_it = on_it.assign(student_error=on_it["lower_bound_theory"])
    assert verdict("lower_bound", on_it).outcome == "holds"
    assert verdict("lower_bound", changed(on_it, "student_error", -2e-9)).outcome == "fails"


def test_only_the_papers_linear_network_has_the_quadratic_rate() -> None:
    others = [linear(1.9).assign(d=77), linear(1.9).assign(decay=0.3), linear(1.9, widths=(16,))]
    found = verdict("quadratic_rate", pd.concat([linear(1.2), *others]))
    assert found.outcome == "holds"
    assert found.statistic == verdict("quadratic_rate", linear(1.2)).statistic


def test_the_widest_teacher_is_asked_how_near_the_bound_is() -> None:
    """Narrow ones are farther from it, by the quadratic rate's own factor."""
    both = pd.concat([linear(1.4, widths=(32, 256)), linear(1.05, widths=(512,))])
    found = verdict("lower_bound_approached", both)
    assert (found.outcome, "d_weak = 512" in found.says) == ("holds", True)


def test_errors_are_averaged_before_the_best_time_is_taken() -> None:
    """Two seeds, each best at a time of its own: the best mean is .5, the mean of the best .1; logarithms come last."""
    student = np.array([[[0.1, 0.9]], [[0.9, 0.1]]])
    curves = Curves([16.0], [0, 1], np.array([[0.2], [0.8]]), student)
    seen: list[tuple[float, float]] = []
    curves.statistic(lambda weak, best: seen.append((float(weak[0]), float(best[0]))) or 0.0)
    assert seen[0] == pytest.approx((0.5, 0.5))


def test_errors_that_cannot_be_decide_no_exponent(capfd: pytest.CaptureFixture[str]) -> None:
    """Negative errors come from a mistake; the fit says nothing then, LAPACK not either, and other claims fail."""
    for name in ("exponent", "exponent_above_proved"):
        assert verdict(name, table(lambda loss: -(loss**2))).outcome == "unresolved"
        assert verdict(name, table(lambda loss: loss**2, weak=lambda width: -1.0 / width)).outcome == "unresolved"
    assert capfd.readouterr() == ("", "")
    assert verdict("lower_bound", table(lambda loss: -(loss**2))).outcome == "fails"


def test_ridge_students_count_for_the_bound_and_not_for_stopping() -> None:
    below = table(lambda loss: 0.5 * loss**2, student_filter="ridge").assign(time=np.nan, ridge=1e-3)
    assert verdict("lower_bound", below).outcome == "fails"
    assert verdict("exponent", pd.concat([CASES["exponent"][0], below])).outcome == "holds"


def test_other_targets_do_not_count_for_the_exponent() -> None:
    bent = table(lambda loss: loss**1.2, quadratic=0.5)
    assert verdict("exponent", pd.concat([CASES["exponent"][0], bent])).outcome == "holds"
