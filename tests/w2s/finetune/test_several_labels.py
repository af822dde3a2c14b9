"""Methods that keep several supervisors apart: hand values, permutations to the bit, whole launches, kills."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid, kill_in_training, run, same_rows  # noqa: E402
from small_trainings import numbered  # noqa: E402
from test_learned_weights import Rows, head, small  # noqa: E402

from sweeper import launch  # noqa: E402
from sweeper.errors import Exit, GridError  # noqa: E402
from sweeper.grid.read import load_grid  # noqa: E402
from sweeper.plan.artifacts import used_calls  # noqa: E402
from sweeper.plan.cut import make_plan  # noqa: E402
from w2s.finetune.objectives.bayesian import Bayesian  # noqa: E402
from w2s.finetune.objectives.learned_dpo import LearnedDPO  # noqa: E402
from w2s.finetune.objectives.learned_weights import LearnedWeights  # noqa: E402
from w2s.finetune.objectives.losses import dirichlet_divergence, evidential  # noqa: E402
from w2s.finetune.training.loop import Recipe, Trainer  # noqa: E402


def test_the_evidential_loss_by_hand():
    """Logits (2, -1) are evidence (3, 1): log 4 - log 3, and no evidence for another class to take back."""
    logits, first = torch.tensor([[2.0, -1.0]]), torch.tensor([[1.0, 0.0]])
    for progress in (0.0, 1.0):
        assert float(evidential(logits, first, progress, strength=1.0, evidence="relu")) == pytest.approx(0.287682, abs=1e-6)
    assert float(dirichlet_divergence(torch.tensor([3.0, 1.0]))) == pytest.approx(0.431946, abs=1e-6)
    assert float(dirichlet_divergence(torch.ones(4))) == pytest.approx(0.0, abs=1e-6)
    other = evidential(
        logits, first.flip(1), 0.5, strength=1.0, evidence="relu"
    )  # log 4 - log 1, and half the divergence of (3, 1)
    assert float(other) == pytest.approx(math.log(4) + 0.5 * 0.431946, abs=1e-5)


def test_the_bayesian_mix_by_hand():
    """Halves: of two supervisors' mean, and of the own class, whose loss is 0.287682; at progress 0."""
    labels = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]])
    objective = Bayesian(numbered(1), [0], labels, gamma=0.5, warmup=0.0, evidence="relu")
    logits = torch.tensor([[2.0, -1.0]], requires_grad=True)
    mean = 0.55 * math.log(4 / 3) + 0.45 * math.log(4)
    value = objective.loss(logits, np.array([0]), 0.0)
    assert float(value.detach()) == pytest.approx(0.5 * mean + 0.5 * 0.287682, abs=1e-6)
    value.backward()
    assert logits.grad[0, 1] == 0.0  # no evidence, no gradient
    later = Bayesian(numbered(1), [0], labels, gamma=0.5, evidence="relu")  # its own class has no weight at the start
    assert float(later.loss(logits, np.array([0]), 0.0).detach()) == pytest.approx(mean, abs=1e-6)
    soft = Bayesian(numbered(1), [0], labels, gamma=0.0, evidence="relu")
    assert float(soft.loss(logits, np.array([0]), 1.0).detach()) == pytest.approx(mean + 0.45 * 0.431946, abs=1e-5)
    sure = Bayesian(numbered(1), [0], labels, weights="entropy")
    assert sure.shares[0] > sure.shares[1]


def test_evidence_of_logits_at_zero_has_a_gradient():
    """A head starts at zeros, and with relu it would stay there."""
    for evidence, least in (("softplus", 0.05), ("relu", 0.0)):
        logits = torch.zeros(1, 2, requires_grad=True)
        evidential(logits, torch.tensor([[1.0, 0.0]]), 0.0, strength=1.0, evidence=evidence).backward()
        assert (float(-logits.grad[0, 0]) > 0) == (least > 0)
        assert float(-logits.grad[0, 0]) >= least


def dpo_of(labels, ratios, progress, **more):
    objective = LearnedDPO(numbered(1), [0], torch.tensor([labels]), reference=torch.zeros(1, 2), **more)
    return objective, objective.loss(torch.tensor([ratios], requires_grad=True), np.array([0]), progress)


def test_learned_dpo_by_hand():
    """Log-odds -2.197225 and 1.386294 have the mean -0.405465: the first reply, at beta .1 + .2."""
    labels = [[0.9, 0.1], [0.2, 0.8]]
    objective, value = dpo_of(labels, [1.0, -1.0], 0.5, rate=0.1, easy=0.0)
    assert float(value.detach()) == pytest.approx(math.log1p(math.exp(-0.6)), abs=1e-6)
    value.backward()
    assert objective.weights.grad.tolist() == pytest.approx([-0.609504, 0.609504], abs=1e-5)
    _, swapped = dpo_of([row[::-1] for row in labels], [-1.0, 1.0], 0.5, easy=0.0)
    assert float(swapped.detach()) == pytest.approx(float(value.detach()), abs=1e-6)
    _, wrong = dpo_of(labels, [-1.0, 1.0], 0.5, easy=0.0)  # a policy that prefers the other reply pays
    assert float(wrong.detach()) == pytest.approx(math.log1p(math.exp(0.6)), abs=1e-6)


def test_learned_dpo_starts_on_agreed_pairs_at_beta():
    _, alone = dpo_of([[0.9, 0.1], [0.8, 0.2]], [1.0, -1.0], 0.0, easy=0.5)
    assert float(alone.detach()) == pytest.approx(math.log1p(math.exp(-0.2)), abs=1e-6)
    objective, disputed = dpo_of([[0.9, 0.1], [0.2, 0.8]], [1.0, -1.0], 0.0, easy=0.5)
    disputed.backward()
    assert (float(disputed.detach()), objective.weights.grad.tolist()) == (0.0, [0.0, 0.0])


def train(features, labels, kind=LearnedWeights, epochs=6, **more):
    objective = kind(numbered(len(features)), range(len(features)), labels, **more)
    trainer = Trainer(Rows(features, labels.shape[-1]), objective, Recipe(epochs=epochs, batch=16, learning_rate=1e-2), 0)
    trainer.run()
    return trainer


@pytest.mark.parametrize("order", [[2, 0, 1], [2, 1, 0]])
@pytest.mark.parametrize("more", [{}, {"start": "random", "floor": 0.5}, {"start": "entropy", "restarts": 3}, {"each": "item"}])
def test_permuting_supervisors_permutes_weights_and_no_other_bit(order, more):
    features, given = small()
    one, other = (train(features, labels, rate=0.5, easy=0.2, **more) for labels in (given, given[:, order]))
    assert torch.equal(head(one), head(other))
    assert torch.equal(one.objective.simplex.shown()[order], other.objective.simplex.shown())


def test_what_holds_weights_back():
    features, given = small()
    free = train(features, given, rate=0.5, easy=0.0).objective.weights.detach()
    slowed = train(features, given, rate=0.5, easy=0.0, decay=1.0).objective.weights.detach()
    held = train(features, given, rate=5.0, easy=0.0, floor=0.9).objective.weights.detach()
    assert (slowed - 1 / 3).abs().max() < (free - 1 / 3).abs().max()
    assert float(-(held * held.log()).sum()) >= 0.9 * math.log(3) - 1e-9
    again = np.array([row["learned"] for row in train(features, given, rate=0.5, easy=0.0, restarts=6).curve])
    assert np.abs(again[[3, 7, 11]] - 1 / 3).max() > 1e-3  # the last step of an epoch
    np.testing.assert_allclose(again[4], again[0], atol=0.1)  # the first step after one starts from uniform weights


def test_weights_of_an_item_move_for_it_alone():
    _, given = small()
    objective = LearnedWeights(numbered(60), range(60), given, rate=5.0, easy=0.0, each="item")
    logits = torch.zeros(2, 2, requires_grad=True)
    objective.loss(logits + torch.tensor([0.5, -0.5]), np.array([3, 7]), 0.5).backward()
    objective.update(0.5)
    moved = (objective.weights.detach() != 1 / 3).any(dim=1)
    assert set(torch.nonzero(moved).flatten().tolist()) == {3, 7}
    assert len(objective.said()["weights"]) == 3


METHODS = {
    "ensemble_learned(rate=0.5, start=random, reset=epoch, floor=0.2)": "learned_weights",
    "bayesian(weights=entropy)": "student_error",
    "co_supervised": "kept_items",
    "boosted": "learned_weights",
    "reliable(sharpness=3)": "effective_items",
    "evidential": "student_error",
}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("several"))


@pytest.fixture(scope="module")
def rows(place):
    axes = {"method": ["naive", "reliable(sharpness=0)", *METHODS]}
    outcome, found = run(place, "methods", axes=axes, weak_models=["bert:1", "bert:2"], n_validation=20)
    assert (outcome.exit, set(found["status"])) == (Exit.DONE, {"ok"}), found["message"].tolist()
    return found.set_index("method")


def test_every_method_says_what_it_did(rows):
    for method, column in METHODS.items():
        assert rows.loc[method].notna()[column], method
    for method in ("bayesian(weights=entropy)", "co_supervised", "evidential"):
        assert rows.loc[method, "student_error"] != rows.loc["naive", "student_error"], method
    assert (
        rows.loc["reliable(sharpness=0)", "student_error"] == rows.loc["naive", "student_error"]
    )  # equal weights: every item once
    assert rows.loc["reliable(sharpness=0)", "effective_items"] == pytest.approx(1.0)
    assert 0 < rows.loc["reliable(sharpness=3)", "effective_items"] <= 1
    assert 0 < rows.loc["co_supervised", "kept_items"] <= 1
    for method in ("boosted", next(iter(METHODS))):
        assert sum(json.loads(rows.loc[method, "learned_weights"])) == pytest.approx(1.0)
    assert rows.loc["co_supervised", "tokens"] > 0


def test_new_options_leave_old_trainings_alone(place):
    path = grid(place, "plain", method="ensemble_learned(rate=0.5)", weak_models=["bert:1", "bert:2"])
    (found,) = [call for call in used_calls(make_plan(load_grid(path))) if "objective" in call.arguments.get("recipe", {})]
    assert found.arguments["recipe"]["objective"] == {"name": "learned_weights", "options": {"rate": 0.5, "easy": 0.3}}


def test_only_boosting_reads_truth_and_it_is_that_of_labelled_items(place):
    for method in ("bayesian", "co_supervised", "reliable", "boosted"):
        launch(grid(place, "methods", method=method, weak_models=["bert:1", "bert:2"], n_validation=20),
               out=place / "runs" / f"blind-{method}", blind=True)  # fmt: skip
    with pytest.raises(GridError, match="not both"):
        load_grid(grid(place, "both", method="boosted + ensemble(2)", weak_models=["bert:1", "bert:2"]))


@pytest.mark.slow
@pytest.mark.parametrize("method", [next(iter(METHODS)), "bayesian", "co_supervised"])
def test_a_launch_that_is_killed_in_a_training_ends_with_the_same_table(place, tmp_path, method):
    path = grid(place, "killed", method=method, weak_models=["bert:1", "bert:2"])
    out, whole = tmp_path / "killed" / "run", tmp_path / "whole" / "run"
    kill_in_training(path, out, lambda scratch: True, step=3)
    assert launch(path, out=out).exit == launch(path, out=whole).exit == Exit.DONE
    same_rows(out, whole)
