"""Claims of the regression and feature studies: each holds on a table that obeys it and fails on one that does not."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from w2s.claims.claim import Claim, Verdict, decide
from w2s.laws.gaussian import GEOMETRY, Geometry
from w2s.studies.dong2025.features.study import Features
from w2s.studies.dong2025.regression.study import Regression
from w2s.theory import dong2025 as theory

MODELS = ("weak", "student", "strong", "ceiling")
BASE: dict[str, Any] = {
    "d_weak": 40, "d_strong": 20, "d_overlap": 10.0, "overlap": "aligned", "signal": 1.0, "rho_weak": 0.0, "rho_strong": 0.0,
    "noise": 1.0, "n_labeled": 80, "n_transfer": 60, "student_filter": "ridge", "ridge": 0.0, "time": np.nan, "ridge_weak": 0.0,
    "risk": "excess", "evaluate": "fresh", "ceiling": "labeled+transfer", "design": "wishart",
}  # fmt: skip
CLAIMS = {claim.id: claim for study in (Regression, Features) for claim in study.claims}
Change = Callable[[pd.DataFrame], Any]


def closed_form(seeds: int = 200, scatter: float = 0.1, **fields: Any) -> pd.DataFrame:
    """Rows whose errors are the closed forms times independent factors of mean 1; lists are axes."""
    axes = {name: value for name, value in fields.items() if isinstance(value, list)}
    cells = [BASE | fields | dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    frame = pd.DataFrame(cells)
    products = np.array([theory.target_products(Geometry(**{name: cell[name] for name in GEOMETRY})) for cell in cells])
    names = ("d_weak", "d_strong", "d_overlap", "signal", "rho_weak", "rho_strong", "noise", "n_labeled", "n_transfer")
    given = {name: frame[name].to_numpy() for name in (*names, "evaluate", "risk", "ceiling")}
    for model, values in theory.errors(**given, products=products).items():
        frame[f"{model}_error_theory"] = values
    rng = np.random.Generator(np.random.Philox(key=len(frame)))
    rows = pd.concat([frame.assign(seed=seed) for seed in range(seeds)], ignore_index=True)
    for model in MODELS:
        factors = 1.0 + scatter * rng.standard_normal(len(rows))
        rows[f"{model}_error"] = rows[f"{model}_error_theory"] * factors
    rows["misfit"] = (rows["student_error"] - rows["weak_error"]).abs()
    rows["status"] = "ok"
    rows.attrs["w2s"] = {"fields": list(BASE)}
    return rows


def changed(rows: pd.DataFrame, **columns: Change) -> pd.DataFrame:
    found = rows.assign(**columns)
    found.attrs = rows.attrs
    return found


def judged(name: str, rows: pd.DataFrame) -> Verdict:
    return decide(CLAIMS[name], rows)


def variances(evaluate: str, scatter: float = 0.1) -> pd.DataFrame:
    return closed_form(scatter=scatter, signal=0.0, evaluate=[evaluate], d_overlap=[0.0, 10.0])


def swapped(rows: pd.DataFrame) -> pd.DataFrame:
    """The student's variance by the formula of the other risk."""
    names = ("d_weak", "d_strong", "d_overlap", "n_labeled", "n_transfer")
    sizes = [rows[name] for name in names]
    inside, fresh = theory.in_sample_variance_student(*sizes), theory.fresh_variance_student(*sizes)
    factor = inside / fresh if rows["evaluate"].iloc[0] == "fresh" else fresh / inside
    return changed(rows, student_error=lambda r: r["student_error"] * factor)


@pytest.mark.parametrize(("name", "evaluate"), [("student_in_sample", "transfer"), ("student_fresh", "fresh")])
def test_the_students_two_variances_are_told_apart(name: str, evaluate: str) -> None:
    rows = variances(evaluate)
    assert judged(name, rows).outcome == "holds"
    assert judged(name, swapped(rows)).outcome == "fails"
    few = rows[rows["seed"] < 150]
    assert judged(name, few).outcome == "untestable"
    assert judged(name, variances(evaluate, scatter=0.9)).outcome == "untestable"  # standard errors above 2 %
    alike = closed_form(signal=0.0, evaluate=[evaluate], n_transfer=5000)
    assert judged(name, alike).outcome == "unresolved"  # agrees with both formulas
    regularised = changed(rows, ridge=lambda r: 0.1 + 0 * r["ridge"])
    assert judged(name, regularised).outcome == "untestable"


@pytest.mark.parametrize(("name", "evaluate"), [("baselines_in_sample", "labeled"), ("baselines_fresh", "fresh")])
def test_variances_of_the_baselines(name: str, evaluate: str) -> None:
    rows = variances(evaluate).assign(student_error=1.0)
    assert judged(name, rows).outcome == "holds"
    for model, width, count in (("weak", 40, 80), ("strong", 20, 80), ("ceiling", 20, 140)):
        factor = (count - width - 1) / count
        other = factor if evaluate == "fresh" else 1 / factor
        wrong = rows.assign(**{f"{model}_error": rows[f"{model}_error"] * other})
        assert judged(name, wrong).outcome == "fails"


@pytest.mark.parametrize("model", MODELS)
def test_what_features_miss_is_noise_too(model: str) -> None:
    rows = closed_form(seeds=400, rho_weak=0.5, rho_strong=0.4, noise=0.3, n_labeled=[60, 120], n_transfer=100)
    name = f"bias_{model}"
    assert judged(name, rows).outcome == "holds"
    rho = 0.4 if model in ("strong", "ceiling") else 0.5
    sizes = {"weak": (40, rows["n_labeled"]), "strong": (20, rows["n_labeled"]), "ceiling": (20, rows["n_labeled"] + 100)}
    if model == "student":
        share = theory.fresh_variance_student(40, 20, 10, rows["n_labeled"], 100)
    else:
        width, count = sizes[model]
        share = width / (count - width - 1)
    assert judged(name, rows.assign(**{f"{model}_error": rows[f"{model}_error"] - rho * share})).outcome == "fails"
    assert judged(name, closed_form()).outcome == "untestable"  # nothing is missed


def test_z_scores_know_their_scale_and_centre() -> None:
    rows = closed_form(seeds=1000, d_strong=list(range(4, 29)), n_transfer=90, d_overlap=3.0)
    assert judged("z_scores_spread", rows).outcome == "holds"
    assert judged("z_scores_mean", rows).outcome == "holds"
    # Of 125 draws the mean is off by .2 in 2.5 % of the cases, the standard deviation by as much in far fewer.
    assert judged("z_scores_mean", rows).chance == pytest.approx(0.025, abs=0.001)
    assert 0 < judged("z_scores_spread", rows).chance < 0.005
    off = changed(rows, **{f"{m}_error": (lambda r, m=m: r[f"{m}_error"] * 1.003) for m in MODELS})
    assert judged("z_scores_mean", off).outcome == "fails"
    # One factor for all seeds of a batch and a cell: means scatter more than their standard errors say.
    batch = rows["seed"] // 200 + 7 * rows["d_strong"]
    rough = {m: 1.0 + 0.02 * np.random.Generator(np.random.Philox(key=k)).standard_normal(400) for k, m in enumerate(MODELS)}
    scattered = rows.assign(**{f"{m}_error": rows[f"{m}_error"] * rough[m][batch] for m in MODELS})
    scattered.attrs = rows.attrs
    assert judged("z_scores_spread", scattered).outcome == "fails"
    assert judged("z_scores_spread", rows[rows["seed"] < 300]).outcome == "untestable"
    assert (
        judged("z_scores_mean", changed(rows, design=lambda r: "rows")).outcome == "untestable"
    )  # five draws, however many cells


def test_the_same_features() -> None:
    rows = closed_form(seeds=3, d_weak=20, d_overlap=20.0, evaluate=["transfer"]).assign(misfit=0.0)
    rows.attrs["w2s"] = {"fields": list(BASE)}
    same = rows.assign(student_error=rows["weak_error"])
    assert judged("same_features", same).outcome == "holds"
    assert judged("same_features", rows).outcome == "fails"
    assert judged("same_features", same.assign(misfit=1e-6)).outcome == "fails"
    assert judged("same_features", closed_form(seeds=3)).outcome == "untestable"


SHAPED = {"d_weak": 25, "d_strong": 12, "noise": 0.5, "d_overlap": [3.0, 10.0]}


def along(axis: str, levels: list[Any], **fields: Any) -> pd.DataFrame:
    return closed_form(seeds=40, scatter=0.03, **(SHAPED | {"n_transfer": 300, "rho_weak": 0.001} | {axis: levels} | fields))


def mirrored(rows: pd.DataFrame, axis: str) -> pd.DataFrame:
    """The errors of the opposite end of an axis."""
    levels = sorted(rows[axis].unique())
    opposite = dict(zip(levels, reversed(levels), strict=True))
    found = rows.assign(**{axis: rows[axis].map(opposite)})
    found.attrs = rows.attrs
    return found


COUNTS = [34, 60, 140, 400, 1500, 8000]


@pytest.mark.parametrize(
    ("name", "axis", "rows"),
    [
        ("less_overlap_more_pgr", "d_overlap", along("n_labeled", [60, 140])),
        ("less_overlap_more_opr", "d_overlap", along("n_labeled", [60, 140])),
        ("opr_rises_with_transfer", "n_transfer", along("n_transfer", [40, 120, 600], n_labeled=60)),
        ("pgr_rises_with_transfer", "n_transfer", along("n_transfer", [40, 120], n_labeled=40)),
        ("noise_raises_pgr", "noise", along("noise", [0.1, 0.2, 0.6], rho_weak=0.01)),
    ],
)  # fmt: skip
def test_ratios_go_one_way(name: str, axis: str, rows: pd.DataFrame) -> None:
    assert judged(name, rows).outcome == "holds"
    assert judged(name, mirrored(rows, axis)).outcome == "fails"
    one = rows[rows[axis] == rows[axis].min()]
    one.attrs = rows.attrs
    assert judged(name, one).outcome == "untestable"


@pytest.mark.parametrize("name", ["opr_hump", "pgr_hump"])
def test_humps(name: str) -> None:
    rows = along("n_labeled", COUNTS)
    assert judged(name, rows).outcome == "holds"
    for kept in (rows["n_labeled"] < 300, rows["n_labeled"] > 50):
        assert judged(name, rows[kept]).outcome == "untestable"  # the span is too short to see both sides
    # Errors in another order, so that the least ratio is in the middle.
    order = dict(zip(COUNTS, [140, 60, 34, 8000, 1500, 400], strict=True))
    turned = rows.assign(n_labeled=rows["n_labeled"].map(order))
    turned.attrs = rows.attrs
    assert judged(name, turned).outcome == "fails"
    assert judged(name, along("n_labeled", COUNTS, rho_weak=0.0)).outcome == "untestable"
    assert judged(name, along("n_labeled", COUNTS, rho_weak=0.2)).outcome == "untestable"  # bias from the start


def test_pgr_falls_with_transfer_at_many_labels() -> None:
    name, rows = "pgr_rises_with_transfer_at_many_labels", along("n_transfer", [120, 600], n_labeled=200)
    claim: Claim = CLAIMS[name]
    assert claim.as_expected(judged(name, rows))
    assert judged(name, rows).outcome == "fails"
    assert judged(name, mirrored(rows, "n_transfer")).outcome == "holds"
    assert judged(name, along("n_transfer", [120, 600], n_labeled=60)).outcome == "untestable"


def probes(slope: float) -> pd.DataFrame:
    """Five weak models whose PGR depends on 1 - d_sw/d_w with a slope."""
    rng = np.random.Generator(np.random.Philox(key=3))
    rows = []
    for seed, k in itertools.product(range(24), range(5)):
        pgr = 0.5 + slope * (k - 2) * 0.1 + 0.01 * rng.standard_normal()
        apart = {f"d_overlap_{way}": 50.0 - 10 * k for way in ("99", "99_centred")} | {
            "d_overlap_projected": 40.0 + 2 * (7 * k % 5)
        }
        row = {"seed": seed, "weak_features": f"means:{k}", "n_labeled": 100, "d_weak_99": 60, "d_weak_99_centred": 60}
        rows.append({**row, **apart, "weak_error": 1.0, "student_error": 1.0 - pgr, "ceiling_error": 0.0, "gain": pgr})
    frame = pd.DataFrame(rows).assign(d_weak=np.nan)
    frame.attrs["w2s"] = {"fields": ["weak_features", "d_weak", "n_labeled"]}
    return frame


@pytest.mark.parametrize("name", [claim.id for claim in Features.claims])
def test_pgr_is_ordered_as_the_dimensions_say(name: str) -> None:
    assert judged(name, probes(1.0)).outcome == "holds"
    assert judged(name, probes(-1.0)).outcome == "fails"
    few = probes(1.0)
    assert judged(name, few[few["weak_features"] < "means:3"]).outcome == "untestable"


def test_every_claim_is_tested_here() -> None:
    text, features = Path(__file__).read_text(), {claim.id for claim in Features.claims}
    assert all(name in text or name.startswith("bias_") or name in features for name in CLAIMS)
