"""Robust training of classifiers and a conflicting aim: closed forms of a linear head, laws, and grids of tiny models."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

from finetune_grids import finetune_place, grid, kill_in_training, run, same_rows  # noqa: E402
from small_trainings import numbered  # noqa: E402

import w2s  # noqa: E402
from sweeper import launch  # noqa: E402
from sweeper.errors import Exit, GridError  # noqa: E402
from sweeper.grid.read import load_grid  # noqa: E402
from sweeper.plan.artifacts import used_calls  # noqa: E402
from sweeper.plan.cut import make_plan  # noqa: E402
from w2s.errors import FieldError  # noqa: E402
from w2s.finetune.methods.text import parse_method  # noqa: E402
from w2s.finetune.objectives.classification import Classification  # noqa: E402
from w2s.finetune.objectives.conflicting import Conflicting  # noqa: E402
from w2s.finetune.objectives.robust import Robust  # noqa: E402
from w2s.finetune.training.checkpoint import latest_step  # noqa: E402
from w2s.finetune.training.loop import Recipe, Trainer  # noqa: E402
from w2s.measure.deception import DECEPTION_COLUMNS  # noqa: E402


class Head(torch.nn.Module):
    """A linear student on given features, which go through `entry`: the token of a text is its row."""

    def __init__(self, features, weight, bias):
        super().__init__()
        self.register_buffer("features", features)
        self.entry = torch.nn.Identity()
        self.head = torch.nn.Linear(features.shape[1], len(bias))
        with torch.no_grad():
            self.head.weight.copy_(torch.as_tensor(weight))
            self.head.bias.copy_(torch.as_tensor(bias))

    def forward(self, input_ids, attention_mask):
        return self.head(self.entry(self.features[input_ids[:, 0]]))


ITEM = Head(torch.tensor([[1.0, 2.0]]), [[1.0, -2.0], [0.5, 1.0]], [0.0, 0.1])
FIRST = torch.tensor([[1.0, 0.0]])


def test_an_attack_on_a_linear_head_is_the_worst_corner():
    """Sheet: logits (-3, 2.6) at (1, 2). The gap z_1 - z_0 has the slope (-.5, 3), so the worst corner is (.5, 2.5)."""
    objective = Robust(numbered(1), [0], FIRST, eps=0.5, steps=3)
    found = objective.outputs(ITEM, np.array([0])).detach()
    gaps = (found[0, :, 1] - found[0, :, 0]).tolist()
    assert gaps == pytest.approx([5.6, 5.6 + 0.5 * 3.5], abs=1e-6)
    expected = np.log1p(np.exp(gaps)).sum()
    assert float(objective.loss(found, np.array([0]), 0.0)) == pytest.approx(expected, abs=1e-5)


def test_the_penalty_is_the_square_of_the_slope_of_the_sheet():
    objective = Robust(numbered(1), [0], FIRST, kind="penalty", strength=0.1)
    found = objective.outputs(ITEM, np.array([0])).detach()
    assert float(found[0, 2]) == pytest.approx(0.496316**2 + 2.977895**2, abs=1e-5)
    plain = Classification(numbered(1), [0], FIRST).loss(found[:, :2], np.array([0]), 0.0)
    assert float(objective.loss(found, np.array([0]), 0.0)) == pytest.approx(float(plain) + 0.1 * float(found[0, 2]), abs=1e-6)


def problem(seed=0, count=48):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 5, generator=generator)
    classes = (features @ torch.randn(5, 2, generator=generator)).argmax(dim=1)
    return features, torch.nn.functional.one_hot(classes, 2).float() * 0.8 + 0.1


def train(objective_kind, micro=None, loss="xent", **more):
    features, labels = problem()
    objective = objective_kind(numbered(len(features)), range(len(features)), labels, loss, **more)
    recipe = Recipe(epochs=3, batch=16, micro_batch=micro, learning_rate=1e-2, schedule="constant")
    trainer = Trainer(Head(features, 0.1 * np.ones((2, 5)), np.zeros(2)), objective, recipe, 1)
    trainer.run()
    return torch.cat([weight.detach().reshape(-1) for weight in trainer.weights.values()]).numpy()


@pytest.mark.parametrize("kind", ["attack", "penalty"])
def test_without_strength_it_is_the_naive_student_bit_for_bit(kind):
    assert np.array_equal(train(Robust, kind=kind, strength=0.0), train(Classification))


def test_an_attack_of_no_width_is_the_loss_twice():
    objective = Robust(numbered(1), [0], FIRST, eps=0.0)
    found = objective.outputs(ITEM, np.array([0])).detach()
    assert torch.equal(found[:, 0], found[:, 1])
    plain = Classification(numbered(1), [0], FIRST).loss(found[:, 0], np.array([0]), 0.0)
    assert float(objective.loss(found, np.array([0]), 0.0)) == pytest.approx(2 * float(plain))


@pytest.mark.parametrize("loss", ["xent", "confidence"])
@pytest.mark.parametrize("kind", ["attack", "penalty"])
def test_pieces_of_a_batch_give_the_gradient_of_the_whole(kind, loss):
    np.testing.assert_allclose(train(Robust, 5, loss, kind=kind), train(Robust, None, loss, kind=kind), atol=1e-5)


def test_robust_training_moves_weights_elsewhere():
    assert not np.allclose(train(Robust, eps=0.5), train(Classification), atol=1e-3)
    smaller = [np.linalg.norm(train(Robust, kind="penalty", strength=s)[:10]) for s in (0.0, 1.0, 10.0)]
    assert smaller[0] > smaller[1] > smaller[2]


def test_a_conflicting_aim_by_hand():
    objective = Conflicting(numbered(1), [0], FIRST, weight=0.5, wanted=1)
    logits = torch.tensor([[0.8, 0.2]]).log()
    assert float(objective.loss(logits, np.array([0]), 0.0)) == pytest.approx(
        -(np.log(0.8) + 0.5 * np.log(0.2)) / 1.5, abs=1e-6
    )


def test_a_large_conflict_answers_the_wanted_class():
    features, labels = problem()
    weights = train(Conflicting, weight=20.0, wanted=1)
    logits = features.numpy() @ weights[:10].reshape(2, 5).T + weights[10:]
    assert (logits.argmax(axis=1) == 1).mean() > (labels.argmax(dim=1) == 1).float().mean()


# grids


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with a task of one's own and tiny models."""
    return finetune_place(tmp_path_factory.mktemp("robust"))


def test_grids_of_robust_and_conflicting_students(place):
    methods = ["naive", "robust(eps=0.5)", "robust(kind=penalty, strength=0)", "conflicting(weight=2)", "conflicting(weight=0)"]
    outcome, rows = run(place, "all", axes={"method": methods}, n_validation=40, epochs=2)
    assert (outcome.exit, rows["status"].unique().tolist()) == (Exit.DONE, ["ok"]), rows["message"].tolist()
    by = rows.set_index("method")
    assert by.loc["robust(kind=penalty, strength=0)", "student_error"] == by.loc["naive", "student_error"]
    assert by.loc["robust(eps=0.5)", "student_error"] != by.loc["naive", "student_error"]
    assert by.loc["conflicting(weight=0)", "student_error"] == by.loc["naive", "student_error"]
    assert by.loc["conflicting(weight=0)", "induced_errors"] == 0
    found = by.loc["conflicting(weight=2)"]
    assert found[["known_both", "known_strong_only", "known_weak_only", "known_neither"]].sum() == 100
    assert found["student_error"] != by.loc["naive", "student_error"]
    assert by.loc["naive", list(DECEPTION_COLUMNS)].isna().all()


def students(path, objective):
    calls = {call.key: call for call in used_calls(make_plan(load_grid(path))) if call.artifact.name == "w2s.train"}
    return [call for call in calls.values() if call.arguments["recipe"].get("objective", {}).get("name") == objective]


@pytest.mark.fault
@pytest.mark.parametrize(
    ("method", "objective"),
    [
        ("robust(eps=0.5)", "robust"),
        pytest.param("conflicting(weight=1)", "conflicting", marks=pytest.mark.slow),
    ],
)
def test_a_killed_training_ends_with_the_bits_of_an_uninterrupted_one(place, tmp_path, method, objective):
    path = grid(place, f"killed_{objective}", method=method, epochs=2, evaluate_every=3)
    (student,) = students(path, objective)
    assert launch(path, out=tmp_path / "whole" / "run").exit == Exit.DONE
    out = tmp_path / "killed" / "run"
    scratch = kill_in_training(path, out, lambda found: found.name == student.key)
    assert 2 <= latest_step(scratch)[1]["step"] < 12
    assert launch(path, out=out).exit == Exit.DONE
    same_rows(out, tmp_path / "whole" / "run")


def test_what_a_method_cannot_do_is_refused(place):
    with pytest.raises(FieldError, match="eps"):
        parse_method("robust(eps=-1)")
    with pytest.raises(FieldError, match="kind"):
        parse_method("robust(kind=bounds)")
    with pytest.raises((GridError, FieldError), match="no class of 2"):
        used_calls(make_plan(load_grid(grid(place, "wrong", method="conflicting(wanted=2)"))))


def test_rows_say_what_a_conflict_induced(place):
    rows = w2s.load(place / "runs" / "all")
    found = rows.set_index("method").loc["conflicting(weight=2)"]
    assert 0 <= found["induced_errors"] <= 100
    assert 0 <= found["deception_base"] <= 1
