"""Probes before and after finetuning on weak labels: against probes by hand, what is refused, and its claims."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sabotaged import faults

from w2s.claims.claim import decide
from w2s.studies.burns2023.saliency.claims import CLAIMS

NOISE = 0.003


def table(seeds: int = 12, **means: float) -> pd.DataFrame:
    """Two tasks; the probe of the truth errs less after finetuning than before."""
    rng, parts = np.random.default_rng(0), []
    levels = {"weak": 0.35, "student": 0.3, "strong": 0.25, "ceiling": 0.15, "probe_truth": 0.25, "tuned_probe": 0.2} | means
    for k, task in enumerate(("first", "second")):
        rows = {f"{name}_error_01": level + 0.1 * k + NOISE * rng.standard_normal(seeds) for name, level in levels.items()}
        parts.append(pd.DataFrame({**rows, "task": task, "status": "ok", "seed": np.arange(seeds)}))
    found = pd.concat(parts, ignore_index=True)
    found.attrs["w2s"] = {"fields": ["task", "seed"]}
    return found


FALSE: dict[str, dict[str, float]] = {"salient": {"tuned_probe": 0.28}}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.id)
def test_claims_hold_where_they_are_true_and_fail_where_they_are_false(claim):
    assert decide(claim, table()).outcome == "holds"
    assert decide(claim, table(**FALSE[claim.id])).outcome == "fails"
    assert decide(claim, table(seeds=7)).outcome == "unresolved"
    assert decide(claim, table().drop(columns="tuned_probe_error_01")).outcome == "untestable"
    assert faults("burns2023.saliency", [claim], table()) == []


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
    pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")
    from finetune_grids import finetune_place

    return finetune_place(tmp_path_factory.mktemp("saliency"))


def saliency_grid(place: Any, name: str, **fixed: Any) -> Any:
    from finetune_grids import grid

    path = grid(place, name, **fixed)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"study": "burns2023.saliency"}))
    return path


def test_probes_are_those_of_the_states_before_and_after(place):
    import w2s
    from sweeper import launch
    from sweeper.grid.read import load_grid
    from w2s.artifacts import Store
    from w2s.finetune.data.labels import part_ids, truth_of
    from w2s.finetune.inference.hidden_states import read_features
    from w2s.probes.logistic import Logistic
    from w2s.studies.burns2023.saliency.solve import ladder
    from w2s.studies.burns2023.text.graph import cell_graph
    from w2s_kernels import NUMPY

    path = saliency_grid(place, "one", learning_rate=1e-2)
    launch(path, out=place / "runs" / "one")
    rows = w2s.load(place / "runs" / "one")
    assert list(rows["status"]) == ["ok"], rows["message"].tolist()
    (cell,) = load_grid(path).parts[0].block.cells()
    graph, store = cell_graph(cell, 2), Store(place / "runs" / ".w2s-store")
    found = ladder(cell, graph, 2)
    transfer, test = (part_ids(store.get(graph.items), part) for part in ("transfer", "test"))
    known, asked = (truth_of(store.get(graph.truth), ids) for ids in (transfer, test))
    states = {}
    for name, call in (("probe_truth", found.probe_truth), ("tuned_probe", found.tuned_probe)):
        folder, layer = store.get(call.arguments["features"]), call.arguments["layer"]
        seen, states[name] = read_features(folder, layer, transfer), read_features(folder, layer, test)
        fitted = Logistic(seen, "standardise", NUMPY).fit(np.eye(2)[known], 0.01)
        wrong = np.mean(fitted.at(states[name]).argmax(axis=1) != asked)
        assert rows[f"{name}_error_01"].item() == wrong
    assert not np.allclose(*states.values())  # finetuning has moved them


def test_a_model_that_stays_as_it_is_has_nothing_to_probe(place):
    from sweeper.errors import GridError
    from sweeper.grid.read import load_grid
    from sweeper.plan.cut import make_plan

    for given in ({"tuning": "frozen"}, {"tuning": "head_only"}, {"method": "confidence"}):
        with pytest.raises(GridError, match=r"features change only|that of method naive"):
            make_plan(load_grid(saliency_grid(place, "none", **given)))
