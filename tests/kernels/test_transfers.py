"""Arrays stay on the device from the first one that is sent to the last result that is fetched; the exceptions are listed."""

from __future__ import annotations

from typing import Any

import device as stand_in
import numpy as np
import pytest
from cuda_build import Shim
from device import DEVICE, DeviceArray, Transfers

from sweeper import load_grid
from w2s.contract.block import Block
from w2s_kernels import NUMPY

CELL = {"d_weak": 9, "d_overlap": 4.0, "rho_weak": 0.1, "noise": 0.7, "ridge_weak": 0.01}
SAMPLES = {"n_labeled": [40, 10], "n_transfer": [60], "d_strong": [12]}
STUDENTS = {"student_filter": ["ridge", "flow"], "ridge": [1e-3, 0.1], "time": [3.0]}
VIEWS = {"evaluate": ["fresh", "transfer", "labeled"], "risk": ["excess", "noisy"], "ceiling": ["transfer", "labeled+transfer"]}
"""Every way to measure errors, every ceiling, and a teacher with fewer rows than the strong features."""

DIGITS = {"data": "digits", "task": "classification", "d_strong": 40, "d_weak": 15, "n_labeled": 60, "n_transfer": 120}
DIGITS |= {"n_test": 150, "n_validation": 50}
GEOMETRY, FILTERS = "w2s.studies.dong2025.regression.solve:Family.__init__", "w2s_kernels.spectral.filters:_sent"
RESULTS = "w2s.studies.dong2025.regression.solve:Family.solve"


@pytest.fixture
def transfers(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> Transfers:
    return stand_in.install(shim, monkeypatch)


def solved(study: str, axes: dict[str, Any], seeds: int = 3, **fixed: Any) -> tuple[Any, Block]:
    grid = load_grid({"study": study, "fixed": fixed, "axes": axes, "seeds": seeds})
    return grid.study(), grid.parts[0].block


def agree(study: Any, block: Block) -> None:
    """The device gives the rows of NumPy."""
    got, want = study.solve(block, DEVICE), study.solve(block, NUMPY)
    assert set(got) == set(want)
    for name, values in want.items():
        assert type(got[name]) is np.ndarray
        if name == "solver":
            continue  # how a row was made: on a device rows are decomposed, on the host their Gram is
        if values.dtype == object:
            np.testing.assert_array_equal(got[name], values)
        else:
            np.testing.assert_allclose(got[name], values, rtol=1e-5 if name == "condition" else 1e-7, atol=1e-10)


def test_the_stand_in_refuses_what_cupy_refuses(transfers: Transfers) -> None:
    there = DEVICE.xp.asarray(np.ones(3))
    for wrong in (
        lambda: there + np.ones(3),
        lambda: np.asarray(there),
        lambda: there[np.arange(2)],
        lambda: np.ones(3) * there,
    ):
        with pytest.raises(TypeError, match=r"Unsupported type|Implicit conversion"):
            wrong()
    assert isinstance(there + 1.0, DeviceArray)
    assert bool((there == 1.0).all())
    assert float(DEVICE.to_numpy(there)[0]) == 1.0
    assert [kind for kind, _ in transfers.log] == ["sent", "read", "fetched"]


REGRESSION: dict[str, tuple[dict[str, Any], dict[str, Any], int, dict[str, int], dict[str, int]]] = {
    # axes, fixed, filter lists, and what else is sent and fetched, with the reason
    "one factor for each ridge": ({"ridge": [1e-3, 0.1]}, {}, 0, {}, {}),
    "spectrum": (STUDENTS, {}, 1, {}, {}),
    "mixed precision": ({"ridge": [1e-3, 0.1]}, {"precision": "mixed"}, 0, {}, {}),
    # Chi quantiles are SciPy's, on the host: uniforms come down and diagonals go up, once a seed and role. The order of the
    # columns is sent once for all.
    "factors drawn directly": (
        {"ridge": [1e-3, 0.1]},
        {"design": "wishart"},
        0,
        {"w2s_kernels.wishart:gram": 6, "w2s_kernels.wishart:_sent": 1},
        {"w2s_kernels.wishart:_diagonals": 6},
    ),
}


@pytest.mark.parametrize("case", REGRESSION)
def test_regression_sends_its_geometry_and_fetches_its_results(case: str, transfers: Transfers) -> None:
    """Geometry: targets, labels with and without repetition, cosines, two index lists. Results: six errors for each view and one
    condition number, fetched when they are final. A list of filters of a spectrum is four arrays, sent once."""
    axes, fixed, lists, more_sent, more_fetched = REGRESSION[case]
    study, block = solved("dong2025.regression", SAMPLES | VIEWS | axes, **(CELL | fixed))
    agree(study, block)
    views = int(np.prod([len(values) for values in VIEWS.values()]))
    assert transfers.counts("sent") == {GEOMETRY: 6} | ({FILTERS: 4 * lists} if lists else {}) | more_sent
    assert transfers.counts("fetched") == {RESULTS: 6 * views + 1} | more_fetched
    order = [transfer for transfer in transfers.log if transfer[0] != "read"]
    assert all(kind == "fetched" for kind, _ in order[order.index(("fetched", RESULTS)) :])


def test_probes_send_rows_and_labels_and_fetch_outputs(transfers: Transfers) -> None:
    """Tables, preprocessing, label rules and metrics are NumPy's, on the host. So rows that are factored or predicted and the
    labels that a fit is asked for go up; outputs come down, with each probe's rank and condition number. Nothing that a kernel
    made is sent: spectra, coordinates and bases stay."""
    axes = {"ridge": [1e-2, 1.0], "labels": ["soft", "hard"]}
    study, block = solved("probe.table", axes, **DIGITS)
    agree(study, block)
    # Labels by both rules are one fit. One basis of a probe serves them, ceilings, the tuned ridge and validation rows; students'
    # outputs are one array for each label rule, those of the strong baseline three: tried ridges, the tuned one, the students'.
    probes, fits, bases, predictions = 9, 12, 9, 6 + 9
    assert transfers.counts("sent") == {
        "w2s.probes.rows:RowProbe.__init__": probes,
        "w2s.probes.rows:RowProbe.project": fits,
        "w2s.probes.rows:RowProbe.basis": bases,
        FILTERS: 4 * 2,
    }
    assert transfers.counts("fetched") == {
        "w2s.probes.rows:RowProbe.rank": probes,
        "w2s.probes.rows:RowProbe.condition": probes,
        "w2s.probes.rows:Prediction.by_row": predictions,
        "w2s.laws.feature_maps:_relu": 6,  # weights of random features, which are applied to the host's table
        "w2s.laws.table:split_rows": 9,  # permutations of row numbers, for each set of sizes that is asked for
    }


def test_random_features_send_nothing_but_filters(transfers: Transfers) -> None:
    """Units are drawn on the device; what is fetched are powers, cross terms, projections and errors, (T,) or (T, L) each."""
    axes = {"student_filter": ["flow", "ridge"], "time": [30.0], "ridge": [0.1]}
    study, block = solved("medvedev2025.random_features", axes, seeds=1, model="relu", d=6, d_weak=14, d_strong=40)
    agree(study, block)
    assert transfers.counts("sent") == {FILTERS: 4}
    assert transfers.counts("fetched") == {
        "w2s.studies.medvedev2025.random_features.solve:fit_teachers": 3,
        "w2s.studies.medvedev2025.random_features.students:from_gram": 4,
        "w2s.studies.medvedev2025.random_features.solve:student_errors": 2,
    }


def test_the_toy_of_predicted_gaps_fetches_factors_and_errors(transfers: Transfers) -> None:
    """Rows, kernels and heads stay; coefficients of the target go up, once a seed. What comes down are spectra and overlaps of
    principal directions, conditions, and errors of teachers and students."""
    axes = {"d_weak": [2, 3], "principal": ["latent", "eigengap"], "ridge": [0.01, 0.1]}
    sizes = {"latent": 4, "tail_width": 30, "n_labeled": 14, "n_transfer": 16}
    study, block = solved("xue2025.toy", axes, seeds=1, **sizes)
    agree(study, block)
    solve, principal = "w2s.studies.xue2025.toy.solve:_World", "w2s.studies.xue2025.principal:Pair.of"
    assert set(transfers.counts("sent")) <= {"w2s.studies.xue2025.toy.world:draw", f"{solve}.__init__"}
    assert {name.partition(".<")[0] for name in transfers.counts("fetched")} <= {
        *(f"{solve}.{name}" for name in ("teach", "learn", "_weak_distance", "_principal")),
        principal,
    }


def test_predicted_gaps_of_probes_agree_and_send_weak_rows_and_labels(transfers: Transfers) -> None:
    """Beside what the probe study moves: the weak features and labels of the transfer rows go up, spectra and overlaps come down."""
    study, block = solved("xue2025.features", {"weak_features": ["means:8", "relu"]}, seeds=1, ridge=0.01, **DIGITS)
    agree(study, block)
    gaps, principal = "w2s.studies.xue2025.features.gaps", "w2s.studies.xue2025.principal:Pair.of"
    assert {name for name in transfers.counts("sent") if "xue2025" in name} == {f"{gaps}:_weak", f"{gaps}:_pair"}
    fetched = {name.partition(".<")[0] for name in transfers.counts("fetched") if "xue2025" in name}
    assert fetched == {f"{gaps}:_weak", f"{gaps}:_strong", principal}


@pytest.mark.parametrize("study", ["ridge", "weighted"])
def test_ridge_students_send_laws_and_fetch_sums(study: str, transfers: Transfers) -> None:
    """Eigenvalues, targets and weights go up with the chi quantiles of the designs; errors and condition numbers come down."""
    own = {"ratio": [1.0, 3.0], "share": [0.8]} if study == "weighted" else {"decay": [0.0, 1.0]}
    axes = {"ridge_weak": [0.1, 0.2], "ridge": [0.1, 0.3], **own}
    made, block = solved(f"moniri2025.{study}", axes, d=8, n_labeled=20, n_transfer=6)
    agree(made, block)
    fits = "w2s.studies.moniri2025.ridge_fits"
    assert set(transfers.counts("sent")) == {
        *(f"{fits}:{name}" for name in ("draw_designs", "fit_truth", "fit_teacher", "_products", "Truth.labels")),
        *("w2s_kernels.wishart:gram", "w2s_kernels.wishart:_sent", FILTERS),
    }
    assert set(transfers.counts("fetched")) == {
        *(f"{fits}:{name}" for name in ("fit_truth", "fit_teacher", "conditions", "deficient")),
        *("w2s_kernels.wishart:_diagonals", "w2s.studies.moniri2025.ridge_block:_World._theory"),
    }


def test_networks_send_their_target_and_fetch_scores(transfers: Transfers) -> None:
    """Layers and samples are drawn on the device; errors, correlations and the top two directions come down."""
    axes = {"head": ["readout", "kept"], "ridge": [0.1, 0.3]}
    made, block = solved("moniri2025.multi_index", axes, d=8, d_weak=12, d_strong=16, n_labeled=30, n_transfer=40, seeds=2)
    agree(made, block)
    solve = "w2s.studies.moniri2025.multi_index.solve:_Run"
    assert set(transfers.counts("sent")) == {f"{solve}._scores"}
    assert set(transfers.counts("fetched")) == {
        *(f"{solve}.{name}" for name in ("_scores", "_expected", "student")),
        "w2s.studies.moniri2025.multi_index.networks:projections",
    }
