"""Which truth every method reads, and what ``launch --blind`` makes of it."""

from __future__ import annotations

import pytest
import yaml

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid

from sweeper.errors import GridError
from sweeper.grid.read import load_grid
from sweeper.plan.artifacts import check_blind
from sweeper.plan.cut import make_plan
from w2s.finetune.methods.registry import METHODS

LABELLED = {"aligner", "boosted", "cong", "consistent", "critic", "search", "selective", "wspo"}
"""Methods that read the truth of labelled items, which the teacher is trained on."""
NOTHING = {
    *("bayesian", "co_supervised", "confident_only", "conflicting", "dpo", "dpo_learned", "ensemble_learned"),
    *("generative", "naive", "overlap", "reliable", "robust", "self_labels"),
}
"""Methods that read no truth."""
SIMULATIONS = {"planted"}
"""Words that move errors by the truth of transfer items: simulations, no methods."""
PROMPTS = {"aligner", "cong", "search", "wspo"}
PAIRS = {"dpo", "dpo_learned", "generative"}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("blind"))


def test_no_method_declares_more_than_the_truth_of_labelled_items():
    found = {name: set(METHODS.find(name).uses) for name in METHODS.builtin}
    assert {name for name, uses in found.items() if uses == {"truth:labeled"}} == LABELLED
    assert {name for name, uses in found.items() if not uses} == NOTHING
    assert {name for name, uses in found.items() if uses == {"truth:transfer"}} == SIMULATIONS
    assert set(found) == LABELLED | NOTHING | SIMULATIONS


@pytest.mark.parametrize("name", sorted((LABELLED | NOTHING) - PROMPTS - PAIRS))
def test_blind_takes_every_method_of_classification(place, name):
    check_blind(make_plan(load_grid(grid(place, name, method=name))))


@pytest.mark.parametrize("name", sorted(PROMPTS))
def test_blind_takes_every_method_of_prompts(place, name):
    content = yaml.safe_load(grid(place, name, method=name, max_length=32, answer_length=7).read_text())
    made = {"task": "struck_digits", "weak_model": "made:decoder-1x16", "student_model": "made:decoder-2x16"}
    left = {key: value for key, value in content["fixed"].items() if not key.endswith("_column")}
    check_blind(make_plan(load_grid({**content, "fixed": left | made})))


@pytest.mark.parametrize(
    "given",
    [
        {"method": "selective + stop(oracle)", "n_validation": 20, "evaluate_every": 2},
        {"control": "flip"},
        {"method": "planted(where=long)"},
        {"method": "confidence + temper(fit)", "n_validation": 20},
    ],
)
def test_blind_refuses_what_reads_more(place, given):
    with pytest.raises(GridError, match=r"truth of (validation|the transfer|transfer) items"):
        check_blind(make_plan(load_grid(grid(place, "more", **given))))
