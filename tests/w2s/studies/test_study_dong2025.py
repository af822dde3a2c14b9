"""Dong et al. 2025: simulated risks against closed forms, against explicit rows, and under changes that must not matter."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from solving import one, solve

import w2s
from sweeper import GridError, launch, load_grid
from sweeper.worker.solve import solve_rows
from w2s.laws.gaussian import Geometry, latent_sample
from w2s.theory import dong2025 as theory
from w2s_kernels import NUMPY

Matrix = npt.NDArray[np.float64]
STUDY = "dong2025.regression"
MODELS = ("weak", "student", "strong", "ceiling")
SHAPES = ("d_weak", "d_strong", "d_overlap", "n_labeled", "n_transfer")
PAPER = [
    # the shape, the student's variance on its own inputs and on fresh ones
    ((40, 20, 10.0, 80, 60), 0.51282, 0.65089),
    ((40, 20, 6.55, 100, 200), 0.16771, 0.17436),
    ((40, 20, 20.0, 100, 200), 0.37288, 0.37686),
    ((40, 20, 0.0, 60, 100), 0.42105, 0.53298),
]
ACCEPTED, SPREAD = 1000, 200


def launched(out: Path, parts: list[dict[str, Any]], **shared: Any) -> pd.DataFrame:
    """Rows of sub-grids with seeds of their own, so that no two of them share a draw; ``part`` numbers them."""
    seeds = shared.pop("seeds")
    grids = [{"fixed": part, "seeds": [100_000 * k + i for i in range(seeds)]} for k, part in enumerate(parts)]
    outcome = launch({"study": STUDY, "grids": grids, **shared}, executor="inline", out=out)
    assert outcome.exit == 0
    rows = w2s.load(out)
    assert set(rows["status"]) == {"ok"}
    return rows.assign(part=rows["seed"] // 100_000)


# ---------------------------------------------------------------- the paper's numbers


@pytest.fixture(scope="module")
def accepted(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    parts = [dict(zip(SHAPES, shape, strict=True)) for shape, _, _ in PAPER]
    out = tmp_path_factory.mktemp("accepted") / "run"
    return launched(out, parts, seeds=ACCEPTED, fixed={"signal": 0.0}, axes={"evaluate": ["fresh", "transfer"]})


@pytest.mark.parametrize("evaluate", ["fresh", "transfer"])
@pytest.mark.parametrize("number", range(len(PAPER)))
def test_student_variance_is_the_papers(accepted: pd.DataFrame, number: int, evaluate: str) -> None:
    rows = accepted[(accepted["part"] == number) & (accepted["evaluate"] == evaluate)]
    _, inside, fresh = PAPER[number]
    right, wrong = (fresh, inside) if evaluate == "fresh" else (inside, fresh)
    mean, se = rows["student_error"].mean(), rows["student_error"].sem()
    assert len(rows) == ACCEPTED
    assert rows["student_error_theory"].to_numpy() == pytest.approx(right, abs=5e-6)
    assert se <= 0.02 * right
    assert abs(mean - right) <= 4 * se
    if abs(right - wrong) > 0.2 * right:
        # d_s/N in place of d_s/(N - d_s - 1), or the other way round
        assert abs(mean - wrong) > 4 * se


def test_the_two_forms_differ_where_they_are_told_apart() -> None:
    apart = [abs(fresh - inside) > 0.2 * inside for _, inside, fresh in PAPER]
    assert apart == [True, False, False, True]


@pytest.mark.parametrize("model", ["weak", "strong", "ceiling"])
def test_other_models_have_their_variance(accepted: pd.DataFrame, model: str) -> None:
    for _, rows in accepted.groupby(["part", "evaluate"]):
        right = rows[f"{model}_error_theory"].iloc[0]
        mean, se = rows[f"{model}_error"].mean(), rows[f"{model}_error"].sem()
        assert se <= 0.02 * right
        assert abs(mean - right) <= 4 * se


# ---------------------------------------------------------------- bias and variance, everywhere


def configurations() -> list[dict[str, Any]]:
    """Targets shared, strong only, weak only and unseen; aligned and spread overlap; more strong or more weak features."""
    rng, found = np.random.default_rng(20_250), list[dict[str, Any]]()
    while len(found) < 48:
        d_weak, d_strong = int(rng.integers(3, 13)), int(rng.integers(3, 11))
        overlap = ("aligned", "spread")[len(found) % 2]
        d_overlap = round(float(rng.uniform(0.2, 0.95)) * min(d_weak, d_strong), 2)
        rho = [round(float(r), 2) for r in rng.uniform(0, 0.6, 2)]
        if overlap == "spread":
            rho[int(d_weak > d_strong)] = 1.0
        part = {"d_weak": d_weak, "d_strong": d_strong, "d_overlap": d_overlap, "overlap": overlap}
        part |= {"rho_weak": rho[0], "rho_strong": rho[1]}
        if Geometry(signal=1.0, **part).problem() is None:
            part |= {"noise": round(float(rng.uniform(0.3, 1.5)), 2)}
            part |= {"n_labeled": d_weak + int(rng.integers(20, 60)), "n_transfer": d_strong + int(rng.integers(20, 60))}
            found.append(part)
    return found


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """(mean - theory) / se for each configuration, view and model with a closed form."""
    axes = {"evaluate": ["fresh", "transfer", "labeled"], "ceiling": ["transfer", "labeled+transfer"]}
    rows = launched(tmp_path_factory.mktemp("spread") / "run", configurations(), seeds=SPREAD, axes=axes)
    found = []
    for (part, evaluate, ceiling), cell in rows.groupby(["part", "evaluate", "ceiling"]):
        for model in MODELS if ceiling == "transfer" else ("ceiling",):
            mean, se, right = (
                cell[f"{model}_error"].mean(),
                cell[f"{model}_error"].sem(),
                cell[f"{model}_error_theory"].iloc[0],
            )
            found.append({"part": part, "evaluate": evaluate, "ceiling": ceiling, "model": model, "theory": right})
            found[-1] |= {"z": (mean - right) / se, "mean": mean, "se": se}
    return pd.DataFrame(found)


def test_every_view_but_one_has_a_closed_form(scores: pd.DataFrame) -> None:
    missing = scores[scores["theory"].isna()]
    assert set(zip(missing["evaluate"], missing["model"], strict=True)) == {("labeled", "student")}


def test_bias_and_variance_agree_with_theory(scores: pd.DataFrame) -> None:
    known = scores.dropna()
    assert len(known) > 600
    assert known["z"].abs().max() < 5
    assert 0.8 <= known["z"].std() <= 1.25
    assert abs(known["z"].mean()) <= 0.2


@pytest.mark.parametrize("evaluate", ["fresh", "transfer", "labeled"])
@pytest.mark.parametrize("model", MODELS)
def test_each_closed_form_alone(scores: pd.DataFrame, evaluate: str, model: str) -> None:
    part = scores[(scores["evaluate"] == evaluate) & (scores["model"] == model)].dropna()
    if (evaluate, model) == ("labeled", "student"):
        assert part.empty
        return
    # 48 independent configurations: the mean of z has standard error 0.14, its sd 0.10.
    by_part = part.groupby("part")["z"].mean()
    assert abs(by_part.mean()) <= 4 * 0.145
    assert 0.6 <= part["z"].std() <= 1.4


@pytest.mark.parametrize("model", ["student", "ceiling"])
@pytest.mark.parametrize("evaluate", ["fresh", "transfer"])
def test_the_form_of_the_other_inputs_is_rejected(scores: pd.DataFrame, model: str, evaluate: str) -> None:
    rows = scores[(scores["model"] == model) & (scores["ceiling"] == "transfer")].set_index("part")
    here, there = rows[rows["evaluate"] == evaluate], rows[rows["evaluate"] == {"fresh": "transfer"}.get(evaluate, "fresh")]
    z = (here["mean"] - there["theory"]) / here["se"]
    assert abs(z.mean()) > 2 or z.std() > 2


# ---------------------------------------------------------------- targets along partly shared directions


@pytest.mark.parametrize("square", [0.2, 0.7, 0.95])
def test_a_student_across_an_angle_misses_its_sine_to_the_fourth(square: float) -> None:
    """One direction each, cos^2 t in common, f* = s: the teacher learns cos t of w, of which the student sees cos^2 t of s."""
    cell = {"d_weak": 1, "d_strong": 1, "d_overlap": square, "rho_weak": round(1 - square, 12), "rho_strong": 0.0}
    far = one(STUDY, design="wishart", n_labeled=2 * 10**9, n_transfer=2 * 10**9, noise=0.0, **cell)
    assert far["student_error"] == pytest.approx((1 - square) ** 2, rel=1e-3)
    assert far["student_error_theory"] == pytest.approx((1 - square) ** 2, rel=1e-6)
    assert far["weak_error"] == pytest.approx(1 - square, rel=1e-3)
    assert far["student_error"] < far["weak_error"]
    other = one(STUDY, design="wishart", n_labeled=2 * 10**9, n_transfer=2 * 10**9, noise=0.0, **(cell | _swapped(cell)))
    assert other["student_error"] == pytest.approx(1 - square, rel=1e-3)  # f* = w: the student misses what w has beyond s


def _swapped(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {"rho_weak": cell["rho_strong"], "rho_strong": cell["rho_weak"]}


PARTLY: list[dict[str, Any]] = [
    {"d_weak": 1, "d_strong": 1, "d_overlap": 0.7, "rho_weak": 0.3, "rho_strong": 0.0},
    {"d_weak": 3, "d_strong": 3, "d_overlap": 2.7, "rho_weak": 0.12, "rho_strong": 0.0},
    {"d_weak": 5, "d_strong": 4, "d_overlap": 2.0, "overlap": "spread", "rho_weak": 0.2, "rho_strong": 0.3},
    {"d_weak": 2, "d_strong": 4, "d_overlap": 1.5, "rho_weak": 0.05, "rho_strong": 0.2},
    {"d_weak": 3, "d_strong": 2, "d_overlap": 0.6, "overlap": "spread", "rho_weak": 0.6, "rho_strong": 0.1},
]


@pytest.mark.parametrize("evaluate", ["fresh", "transfer"])
def test_partly_shared_targets_have_the_closed_forms(evaluate: str, tmp_path: Path) -> None:
    """The nearest wrong formula leaves out |s - Cu|^2: what the student would find in its own directions, and its teacher not."""
    for part in PARTLY:
        assert Geometry(signal=1.0, **({"overlap": "aligned"} | part))._without_pairs() is None  # nothing else would do
    rows = launched(tmp_path / "run", PARTLY, seeds=600, fixed={"n_labeled": 40, "n_transfer": 50, "evaluate": evaluate})
    rejected = 0
    for _, cell in rows.groupby("part"):
        for model in MODELS:
            mean, se, right = cell[f"{model}_error"].mean(), cell[f"{model}_error"].sem(), cell[f"{model}_error_theory"].iloc[0]
            assert abs(mean - right) <= 4 * se, (model, mean, right, se)
        geometry = Geometry(
            **{name: cell[name].iloc[0] for name in (*SHAPES[:3], "overlap", "signal", "rho_weak", "rho_strong")}
        )
        bias = theory.target_products(geometry)[2]
        student, se = cell["student_error"].mean(), cell["student_error"].sem()
        rejected += abs(student - (cell["student_error_theory"].iloc[0] - bias)) > 4 * se
    assert rejected == len(PARTLY)


# ---------------------------------------------------------------- explicit rows

CELL: dict[str, Any] = {
    "d_weak": 7,
    "d_strong": 5,
    "d_overlap": 2.4,
    "overlap": "aligned",
    "signal": 1.3,
    "rho_weak": 0.2,
    "rho_strong": 0.1,
    "noise": 0.6,
    "n_labeled": 23,
    "n_transfer": 31,
    "ridge_weak": 0.0,
    "student_filter": "ridge",
    "ridge": 0.0,
}
CELLS: list[dict[str, Any]] = [
    {},
    {"ridge": 0.3, "ridge_weak": 0.05},
    {"d_weak": 4, "d_strong": 9, "overlap": "spread", "rho_weak": 1.0, "rho_strong": 0.3},
    {"student_filter": "flow", "time": 2.5, "noise": 0.0},
    {"student_filter": "steps", "steps": 17, "step_size": 0.2, "ridge_weak": 1.5},
    {"d_weak": 6, "d_strong": 6, "d_overlap": 0.0, "n_transfer": 1100, "rho_weak": 0.7, "rho_strong": 0.8},
    {"signal": 0.0, "rho_weak": 0.0, "rho_strong": 0.0, "n_labeled": 1500, "ridge": 2.0},
]


def maps(cell: Mapping[str, Any]) -> tuple[Matrix, Matrix]:
    """Weak and strong features as maps of [s, e, t], written out pair by pair."""
    d_weak, d_strong = cell["d_weak"], cell["d_strong"]
    pairs, left = min(d_weak, d_strong), float(cell["d_overlap"])
    weak, strong = np.zeros((d_weak, d_strong + d_weak + 1)), np.zeros((d_strong, d_strong + d_weak + 1))
    for i in range(d_strong):
        strong[i, i] = 1.0
    for i in range(d_weak):
        square = 0.0
        if i < pairs:
            square = left / pairs if cell["overlap"] == "spread" else min(max(left - i, 0.0), 1.0)
            weak[i, i] = np.sqrt(square)
        weak[i, d_strong + i] = np.sqrt(1.0 - square)
    return weak, strong


def fit(X: Matrix, y: Matrix, cell: Mapping[str, Any]) -> Matrix:
    """Coefficients from rows, each filter by its definition."""
    n, d = X.shape
    if cell["student_filter"] == "ridge":
        tall = np.vstack([X / np.sqrt(n), np.sqrt(cell["ridge"]) * np.eye(d)])
        return np.linalg.lstsq(tall, np.concatenate([y / np.sqrt(n), np.zeros(d)]), rcond=None)[0]
    if cell["student_filter"] == "steps":
        theta = np.zeros(d)
        for _ in range(cell["steps"]):
            theta = theta - cell["step_size"] * (X.T @ (X @ theta - y) / n)
        return theta
    from scipy.linalg import expm

    gram = X.T @ X / n
    return (np.eye(d) - expm(-cell["time"] * gram)) @ np.linalg.solve(gram, X.T @ y / n)


def explicit(cell: Mapping[str, Any], evaluate: str, risk: str, ceiling: str, seed: int) -> dict[str, float]:
    weak_map, strong_map = maps(cell)
    goal = Geometry(**{k: cell[k] for k in (*SHAPES[:3], "overlap", "signal", "rho_weak", "rho_strong")}).target()
    latent, y, noise = {}, {}, {}
    for role in ("labeled", "transfer"):
        sample = latent_sample(role, seed, cell[f"n_{role}"], cell["d_strong"], cell["d_weak"], NUMPY)
        latent[role], noise[role] = sample[:, :-1], cell["noise"] * sample[:, -1]
        y[role] = latent[role] @ goal + noise[role]
    ridge = {"student_filter": "ridge", "ridge": cell["ridge_weak"]}
    weak = weak_map.T @ fit(latent["labeled"] @ weak_map.T, y["labeled"], ridge)
    strong = strong_map.T @ fit(latent["labeled"] @ strong_map.T, y["labeled"], cell)  # the student's filter
    student = strong_map.T @ fit(latent["transfer"] @ strong_map.T, latent["transfer"] @ weak, cell)
    rows, truth = latent["transfer"], y["transfer"]
    if ceiling == "labeled+transfer":
        rows, truth = np.vstack([latent["labeled"], rows]), np.concatenate([y["labeled"], truth])
    top = strong_map.T @ fit(rows @ strong_map.T, truth, cell)

    def error(model: Matrix, target: Matrix, noisy: bool) -> float:
        if evaluate == "fresh":
            return float((model - target) @ (model - target)) + noisy * cell["noise"] ** 2
        return float(np.mean((latent[evaluate] @ (model - target) - noisy * noise[evaluate]) ** 2))

    found = {
        f"{name}_error": error(m, goal, risk == "noisy") for name, m in zip(MODELS, (weak, student, strong, top), strict=True)
    }
    return found | {"misfit": error(student, weak, False), "gain": found["weak_error"] - found["student_error"]}


@pytest.mark.parametrize("change", CELLS, ids=[",".join(cell) or "plain" for cell in CELLS])
def test_rows_written_out_give_the_same_errors(change: dict[str, Any]) -> None:
    cell = {k: v for k, v in (CELL | change).items() if k != "ridge" or "student_filter" not in change}
    axes = {
        "evaluate": ["fresh", "transfer", "labeled"],
        "risk": ["excess", "noisy"],
        "ceiling": ["transfer", "labeled+transfer"],
    }
    rows = solve(STUDY, axes=axes, seeds=[3, 11], **cell)
    assert len(rows) == 24
    scale = max(rows["weak_error"].max(), cell["signal"])
    for row in rows.to_dict("records"):
        wanted = explicit(cell, row["evaluate"], row["risk"], row["ceiling"], row["seed"])
        for name, value in wanted.items():
            assert row[name] == pytest.approx(value, rel=1e-9, abs=1e-12 * scale), name


# ---------------------------------------------------------------- what must not matter

NUMBERS = ["weak_error", "student_error", "strong_error", "ceiling_error", "gain", "misfit"]


def same(first: pd.DataFrame, second: pd.DataFrame, rel: float = 1e-9) -> None:
    """Cells that both tables have agree; the second has no others."""
    both = second.merge(first, on="cell_id", suffixes=("", "_first"))
    assert len(both) == len(second) > 0
    for name in NUMBERS:
        scale = both[["weak_error", "student_error"]].max(axis=1)
        assert (abs(both[name] - both[f"{name}_first"]) <= rel * scale).all(), name


GRID: dict[str, Any] = {
    "d_weak": [4, 9],
    "d_strong": [6, 12],
    "n_labeled": [20, 57],
    "n_transfer": [25, 2100],
    "ridge": [0.0, 0.1],
    "evaluate": ["fresh", "transfer"],
}


@pytest.mark.parametrize("name", ["d_weak", "d_strong", "n_labeled", "n_transfer", "ridge", "evaluate", "seed"])
@pytest.mark.parametrize("kept", [0, 1])
def test_other_cells_of_a_block_do_not_matter(name: str, kept: int) -> None:
    fixed = {"d_overlap": 2.5, "rho_weak": 0.2, "noise": 0.5}
    whole = solve(STUDY, axes=GRID, seeds=[5, 8], **fixed)
    if name == "seed":
        same(whole, solve(STUDY, axes=GRID, seeds=[[5, 8][kept]], **fixed))
    else:
        axes = GRID | {name: [GRID[name][kept]]}
        same(whole, solve(STUDY, axes=axes, seeds=[5, 8], **fixed))


def test_zipped_fields_make_no_other_combinations() -> None:
    """Widths and counts that move together would be singular when crossed."""
    pairs = {"d_weak": [4, 9, 30], "n_labeled": [18, 20, 70], "d_strong": [12, 4, 6], "n_transfer": [20, 7, 9]}
    fixed = {"d_overlap": 2.5, "rho_weak": 0.2, "noise": 0.5}
    grid = load_grid({"study": STUDY, "zip": pairs, "fixed": fixed, "axes": {"ridge": [0.0, 0.2]}, "seeds": 3})
    rows = solve_rows(grid.study, grid.parts[0].block, NUMPY).to_pandas()
    assert set(rows["status"]) == {"ok"}
    for k in range(3):
        same(rows, solve(STUDY, axes={"ridge": [0.0, 0.2]}, seeds=3, **fixed, **{name: pairs[name][k] for name in pairs}))


def test_errors_have_the_unit_of_squared_labels() -> None:
    cell = CELL | {"ridge": 0.2, "ridge_weak": 0.1}
    first = solve(STUDY, seeds=4, **cell)
    second = solve(STUDY, seeds=4, **(cell | {"signal": 9 * cell["signal"], "noise": 3 * cell["noise"]}))
    for name in NUMBERS:
        np.testing.assert_allclose(second[name], 9 * first[name], rtol=1e-11)
    np.testing.assert_allclose(second["pgr"], first["pgr"], rtol=1e-9)


def test_same_features_give_the_same_model_on_its_own_inputs() -> None:
    rows = solve(
        STUDY, axes={"n_labeled": [20, 60]}, seeds=5, d_weak=8, d_strong=8, d_overlap=8, evaluate="transfer", n_transfer=30
    )
    assert (rows["misfit"] <= 1e-12 * rows["weak_error"]).all()
    assert (rows["gain"].abs() <= 1e-12 * rows["weak_error"]).all()
    np.testing.assert_allclose(rows["student_error"], rows["weak_error"], rtol=1e-12)


def test_without_noise_and_with_everything_in_reach_nothing_is_missed() -> None:
    row = one(STUDY, d_weak=5, d_strong=5, d_overlap=2, noise=0.0, n_labeled=20, n_transfer=30)
    assert max(row[name] for name in ("weak_error", "student_error", "strong_error", "ceiling_error")) < 1e-24


@pytest.mark.parametrize("evaluate", ["fresh", "transfer", "labeled"])
def test_gain_is_the_difference_of_errors(evaluate: str) -> None:
    rows = solve(
        STUDY,
        axes={"ridge": [0.0, 0.1, 3.0], "risk": ["excess", "noisy"]},
        seeds=6,
        evaluate=evaluate,
        **{k: v for k, v in CELL.items() if k != "ridge"},
    )
    np.testing.assert_allclose(rows["gain"], rows["weak_error"] - rows["student_error"], rtol=0, atol=1e-12)


def test_ridgeless_student_on_its_inputs_gains_by_pythagoras() -> None:
    # The student is a projection of f_w on the student's span; when f* lies in the span, gain = misfit exactly.
    rows = solve(STUDY, seeds=6, evaluate="transfer", **(CELL | {"rho_strong": 0.0}))
    np.testing.assert_allclose(rows["gain"], rows["misfit"], rtol=1e-10)


def test_theory_is_null_where_a_penalty_is_at_work() -> None:
    rows = solve(
        STUDY,
        axes={"ridge": [0.0, 0.1], "ridge_weak": [0.0, 0.1]},
        **{k: v for k, v in CELL.items() if k not in ("ridge", "ridge_weak")},
    )
    weak, student = rows["ridge_weak"] == 0, rows["ridge"] == 0
    known = {"weak": weak, "strong": student, "ceiling": student, "student": weak & student}
    for model, where in known.items():
        assert (rows[f"{model}_error_theory"].notna() == where).all()
    for name in ("pgr_theory", "opr_theory"):
        assert (rows[name].notna() == (weak & student)).all()


def test_theory_columns_match_the_module() -> None:
    row = one(STUDY, d_weak=40, d_strong=20, d_overlap=10, n_labeled=80, n_transfer=60, signal=0.0)
    assert row["student_error_theory"] == theory.fresh_variance_student(40, 20, 10, 80, 60)
    assert row["opr_theory"] == pytest.approx(row["strong_error_theory"] / row["student_error_theory"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_labeled": 8}, "n_labeled must exceed d_weak + 1"),
        ({"n_transfer": 6}, "n_transfer must exceed d_strong + 1"),
        ({"d_overlap": 5.5}, "d_overlap must not exceed"),
        ({"d_overlap": 0.5, "rho_weak": 0.0}, "no target has rho_weak = 0 and rho_strong = 0.1 here"),
        ({"signal": 0.0}, "need a signal"),
        ({"d_weak": 2, "d_overlap": 2.0, "rho_weak": 0.1, "rho_strong": 0.3}, "rho_weak can be 0.3 to 1"),
    ],
)
def test_impossible_cells_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(GridError, match=message.replace("+", r"\+")):
        solve(STUDY, **(CELL | change))
