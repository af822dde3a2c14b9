"""Students of wrong and silent teachers: written out point by point, other cuts, expansion by brute force, claims."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pandas as pd
import pytest
from accounting import check_account
from small_studies import check_cuts
from solving import solve

from sweeper import GridError, load_grid
from w2s.claims.claim import decide
from w2s.studies.lang2024.correction.expansion import expansion, neighbours
from w2s.studies.lang2024.correction.sample import Sample, Teachers
from w2s.studies.lang2024.correction.study import Correction
from w2s.theory import lang2024 as theory
from w2s_kernels import NUMPY, normals, stream, uniforms

STUDY = "lang2024.correction"
CLAIMS = {claim.id: claim for claim in Correction.claims}
CELL: dict[str, Any] = {"d": 3, "n_transfer": 120, "n_test": 200, "d_strong": 20, "teacher_error": 0.3}
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "student_error_bad", "student_error_uncovered"]
NUMBERS += ["coverage", "expansion_correction", "expansion_coverage"]


def points(role: str, seed: int, count: int, cell: dict[str, Any]) -> Any:
    """Points, classes, labels and whether they are given, one at a time."""

    def drawn(what: str) -> Any:
        return uniforms(stream("lang2024", role, what, seed=seed), count, 1, NUMPY)[:, 0]

    noise = normals(stream("lang2024", role, "points", seed=seed), count, cell["d"], NUMPY)
    part, alpha = cell.get("structured", 0.0), cell["teacher_error"]
    threshold = np.inf if alpha * part == 0 else float(theory.region_threshold(alpha * part, 0.6))
    rate = (alpha - alpha * part) / (1 - alpha * part)
    x, y, labels, given = [], [], [], []
    for k, (side, flip, gap) in enumerate(zip(drawn("class"), drawn("flips"), drawn("gaps"), strict=True)):
        y.append(-1.0 if side < 0.5 else 1.0)
        x.append(0.6 * noise[k] + np.array([1.2 * y[k], *[0.0] * (cell["d"] - 1)]))
        labels.append(-y[k] if x[k][1] > threshold or flip < rate else y[k])
        where, share = cell.get("abstains", "nowhere"), cell.get("abstain", 0.0)
        silent = gap < share if where == "random" else where == "across" and x[k][2] > theory.region_threshold(share, 0.6)
        given.append(not silent)
    return np.array(x), np.array(y), np.array(labels), np.array(given)


def explicit(seed: int, cell: dict[str, Any]) -> dict[str, float]:
    x, y, labels, given = points("train", seed, cell["n_transfer"], cell)
    xt, yt, labels_t, given_t = points("test", seed, cell["n_test"], cell)
    count = cell["d_strong"]
    frequencies = normals(stream("lang2024", "frequencies", seed=seed), count, cell["d"], NUMPY)
    phases = 2 * np.pi * uniforms(stream("lang2024", "phases", seed=seed), count, 1, NUMPY)[:, 0]

    def features(x: Any) -> Any:
        return np.sqrt(2 / count) * np.cos(x @ frequencies.T + phases)

    def student(targets: Any) -> Any:
        rows = features(x[given])
        stacked = np.vstack([rows, np.sqrt(len(rows) * 1e-3) * np.eye(count)])
        weights = np.linalg.lstsq(stacked, np.append(targets[given], np.zeros(count)), rcond=None)[0]
        return np.where(features(xt) @ weights > 0, 1.0, -1.0)

    answer, best, bad = student(labels), student(y), (labels_t != yt) & given_t
    found = {
        "weak_error": (labels_t != yt)[given_t].mean(),
        "student_error": (answer != yt)[given_t].mean(),
        "ceiling_error": (best != yt)[given_t].mean(),
        "misfit": (answer != labels_t)[given_t].mean(),
        "student_error_bad": (answer != yt)[bad].mean(),
        "coverage": given_t.mean(),
    }
    if not given_t.all():
        found["student_error_uncovered"] = (answer != yt)[~given_t].mean()
    return found


@pytest.mark.parametrize("change", [
    {},
    {"structured": 1.0},
    {"structured": 0.5, "abstains": "random", "abstain": 0.4},
    {"structured": 1.0, "abstains": "across", "abstain": 0.6, "teacher_error": 0.2},
])  # fmt: skip
def test_students_written_out_have_the_same_errors(change: dict[str, Any]) -> None:
    cell = CELL | change
    rows = solve(STUDY, seeds=[0, 5], **cell)
    assert set(rows["status"]) == {"ok"}
    for row in rows.to_dict("records"):
        for name, value in explicit(row["seed"], cell).items():
            assert row[name] == pytest.approx(value, abs=1e-12), name


def test_other_cells_of_a_block_do_not_matter() -> None:
    axes = {
        "teacher_error": [0.0, 0.2, 0.4],
        "structured": [0.0, 0.6],
        "abstains": ["nowhere", "random", "along"],
        "abstain": [0.3],
    }
    small = {key: value for key, value in CELL.items() if key != "teacher_error"}
    whole = check_cuts(STUDY, axes, NUMBERS, ("teacher_error", "structured"), **small)
    silent = whole[whole["teacher_error"] == 0]
    assert (silent["weak_error"] == 0).all()
    assert silent["student_error_bad"].isna().all()
    assert (silent["student_error"] == silent["ceiling_error"]).all()
    assert whole[whole["abstains"] == "nowhere"]["student_error_uncovered"].isna().all()


def test_masses_are_what_they_say_and_nested() -> None:
    world = {"d": 3, "distance": 1.2, "spread": 0.6}
    sample = Sample.of("test", 1, 40_000, world, NUMPY)
    levels = [{"teacher_error": alpha, "structured": part} for alpha in (0.1, 0.3) for part in (0.0, 0.5, 1.0)]
    wrong = sample.labels(Teachers.of(levels), NUMPY) != sample.y
    for column, level in zip(wrong.T, levels, strict=True):
        assert column.mean() == pytest.approx(level["teacher_error"], abs=4 * np.sqrt(0.25 / 40_000))
    assert not (wrong[:, 0] & ~wrong[:, 3]).any()
    assert not (wrong[:, 2] & ~wrong[:, 5]).any()
    for where in ("random", "across", "along"):
        few, many = (sample.covered(where, share, NUMPY) for share in (0.2, 0.6))
        assert 1 - few.mean() == pytest.approx(0.2, abs=0.01)
        assert 1 - many.mean() == pytest.approx(0.6, abs=0.01)
        assert (many <= few).all()
    assert sample.y[sample.covered("along", 0.3, NUMPY) == 0].mean() > 0.99


def test_expansion_by_brute_force() -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((60, 2))
    a, b = x[:, 0] < 0.2, x[:, 0] >= 0.2
    least = np.inf
    for axis, sign, part in itertools.product((0, 1), (1, -1), (0.25, 0.5)):
        inside = sorted(np.flatnonzero(b), key=lambda k: sign * x[k, axis])
        size = round(part * len(inside))
        reached = [i for i in np.flatnonzero(a) if any(np.linalg.norm(x[i] - x[k]) <= 0.7 for k in inside[:size])]
        least = min(least, len(reached) / a.sum() / (size / b.sum()))
    assert expansion(x, neighbours(x, 0.7), a, b) == pytest.approx(least)
    assert expansion(x, neighbours(x, 100.0), a, b) == pytest.approx(b.sum() / round(0.5 * b.sum()))
    assert expansion(x, neighbours(x, 0.0), a, b) == 0.0
    assert np.isnan(expansion(x, neighbours(x, 1.0), a, np.zeros(60, dtype=bool)))


@pytest.mark.parametrize(("change", "message"), [
    ({"teacher_error": 0.6}, "less than or equal to 0.49"),
    ({"abstain": 0.2}, "abstain"),
    ({"abstains": "somewhere"}, "nowhere, random, across, along"),
    ({"d": 2}, "greater than or equal to 3"),
    ({"ridge": 0.0}, "ridge"),
])  # fmt: skip
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message):
        solve(STUDY, **(CELL | change))


def test_costs_are_the_sum_of_pieces() -> None:
    axes = {"teacher_error": [0.1, 0.2], "abstains": ["nowhere", "random"], "abstain": [0.1, 0.3]}
    check_account(STUDY, load_grid({"study": STUDY, "axes": axes, "seeds": 2}).parts[0].block)


# ---------------------------------------------------------------- claims


def table(students: dict[float, float], *, expansions: dict[float, float] | None = None, **fixed: Any) -> pd.DataFrame:
    """Students with an error of some ratio to the teacher's, by the part of its errors in a region."""
    rng, rows = np.random.default_rng(2), []
    for alpha, part, seed in itertools.product((0.1, 0.2), students, range(16)):
        noise = 1 + 0.02 * rng.standard_normal(3)
        student, bad = students[part] * alpha * noise[0], 0.5 * noise[1]
        spread = (expansions or {}).get(part, 1.0) * noise[2]
        rows.append({"teacher_error": alpha, "structured": part, "seed": seed, "weak_error": alpha, "student_error": student,
                     "student_error_bad": bad, "misfit": student - alpha * (2 * bad - 1), "expansion_correction": spread,
                     "student_error_uncovered": np.nan})  # fmt: skip
    cell = {"d": 5, "distance": 1.2, "spread": 0.6, "n_transfer": 2000, "d_strong": 300, "bandwidth": 1.0, "ridge": 1e-3}
    frame = pd.DataFrame(rows).assign(**(cell | {"abstains": "nowhere", "abstain": np.nan, "status": "ok"} | fixed))
    frame.attrs["w2s"] = {"fields": ["teacher_error", "structured", "abstains", "abstain", "seed"]}
    return frame


FALLS, RISES = {0.0: 1.2, 0.5: 0.6, 1.0: 0.2}, {0.0: 0.2, 0.5: 0.6, 1.0: 1.2}
SILENT = {"abstains": "across", "abstain": 0.5}
ONE_CLASS = {"abstains": "along", "abstain": 0.6}
CASES = {
    "region_errors_inherited": (table({0.0: 0.2, 1.0: 0.95}), table({0.0: 0.95, 1.0: 0.6})),
    "random_errors_corrected": (table({0.0: 0.2, 1.0: 0.95}), table({0.0: 0.8, 1.0: 0.2})),
    "structure_decides": (table(RISES, expansions=FALLS), table(FALLS, expansions=FALLS)),
    "coverage_expands": (
        table({0.0: 0.2}, **SILENT).assign(student_error_uncovered=lambda t: 1.5 * t["student_error"]),
        table({0.0: 0.2}, **SILENT).assign(student_error_uncovered=lambda t: 9.0 * t["student_error"]),
    ),
    "no_expansion_no_coverage": (
        table({0.0: 0.2}, **ONE_CLASS).assign(student_error_uncovered=lambda t: 0.6 + 3.0 * t["student_error"]),
        table({0.0: 0.2}, **ONE_CLASS).assign(student_error_uncovered=lambda t: 1.1 * t["student_error"]),
    ),
    "error_from_agreement": (table(RISES), table(RISES).assign(misfit=lambda t: t["misfit"] + 1e-6)),
}


@pytest.mark.parametrize("name", CASES)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(name: str) -> None:
    assert set(CASES) == set(CLAIMS)
    true, false = CASES[name]
    assert decide(CLAIMS[name], true).outcome == "holds", decide(CLAIMS[name], true).says
    assert decide(CLAIMS[name], false).outcome == "fails", decide(CLAIMS[name], false).says
    other = true.assign(abstains="elsewhere", student_error_bad=np.nan, expansion_correction=np.nan)
    assert decide(CLAIMS[name], other).outcome == "untestable"


def test_expansion_that_rises_contradicts_the_sentence() -> None:
    assert decide(CLAIMS["structure_decides"], table(RISES, expansions=RISES)).outcome == "fails"
