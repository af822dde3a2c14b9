"""Weights of supervisors learned with the student: the paper's numbers, its laws, its three regimes, and an exact resume."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")

from small_trainings import numbered, run_until  # noqa: E402

from w2s.finetune.objectives.classification import Classification  # noqa: E402
from w2s.finetune.objectives.learned_weights import LearnedWeights  # noqa: E402
from w2s.finetune.training.checkpoint import latest_step  # noqa: E402
from w2s.finetune.training.loop import Recipe, Trainer  # noqa: E402


class Rows(torch.nn.Module):
    """A linear student on given features: the token of a text is its row."""

    def __init__(self, features, classes):
        super().__init__()
        self.register_buffer("features", features)
        self.head = torch.nn.Linear(features.shape[1], classes)
        torch.nn.init.zeros_(self.head.weight)
        torch.nn.init.zeros_(self.head.bias)

    def forward(self, input_ids, attention_mask):
        return self.head(self.features[input_ids[:, 0]])


def one_item(rate):
    """The sheet's single item: two supervisors, a student at (.8, .2), weights (.5, .5)."""
    given = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]], dtype=torch.float64)
    objective = LearnedWeights(numbered(1), [0], given, rate=rate, easy=0.0)
    logits = torch.tensor([[0.8, 0.2]], dtype=torch.float64).log().requires_grad_()
    value = objective.loss(logits, np.array([0]), 0.5)
    value.backward()
    return objective, float(value.detach()), logits.grad


@pytest.mark.parametrize(("rate", "expected"), [(0.1, [0.548520, 0.451480]), (1.0, [0.985203, 0.014797])])
def test_one_step_has_the_numbers_of_the_sheet(rate, expected):
    objective, value, gradient = one_item(rate)
    assert value == pytest.approx(0.846976, abs=1e-6)
    assert objective.weights.grad.tolist() == pytest.approx([-0.485203, 0.485203], abs=1e-6)
    assert gradient.tolist()[0] == pytest.approx([0.8 - 0.55, 0.2 - 0.45], abs=1e-12)  # student less the target (.55, .45)
    objective.update(0.5)
    assert objective.weights.tolist() == pytest.approx(expected, abs=1e-6)


def soft(classes, count, generator):
    """Labels (n, K) float32 with their largest entry at the given classes, between .55 and .95."""
    top = 0.55 + 0.4 * torch.rand(len(classes), generator=generator)
    rest = ((1 - top) / (count - 1))[:, None].expand(-1, count).clone()
    rest[torch.arange(len(classes)), classes] = top
    return rest


def regime(seed, accuracies=(0.75, 0.51, 0.35), shared=False, count=3000):
    """Five Gaussian classes in 64 dimensions, and supervisors with systematic errors (raven2025, section 5).

    A supervisor is wrong on one side of a direction of its own; its errors go to the class a fixed number of steps further, so
    that errors of two supervisors never coincide. ``shared``: all but the first make the same errors.
    """
    generator = torch.Generator().manual_seed(seed)
    means = 0.45 * torch.randn(5, 64, generator=generator)
    truth = torch.randint(5, (count,), generator=generator)
    features = means[truth] + torch.randn(count, 64, generator=generator)
    labels = []
    for k, accuracy in enumerate(accuracies):
        if k < 2 or not shared:
            side = features @ torch.randn(64, generator=generator)
        wrong, steps = side > side.quantile(accuracy), 1 + (min(k, 1) if shared else k)
        labels.append(soft(torch.where(wrong, (truth + steps) % 5, truth), 5, generator))
    return features, torch.stack(labels, dim=1), truth


def train(features, labels, kind=LearnedWeights, seed=0, epochs=30, **more):
    count = len(features)
    objective = kind(numbered(count), range(count), labels, **more)
    recipe = Recipe(epochs=epochs, batch=128, learning_rate=1e-2, schedule="constant")
    trainer = Trainer(Rows(features, labels.shape[-1]), objective, recipe, seed)
    trainer.run()
    return trainer


def test_independent_errors_give_most_weight_to_the_best_supervisor():
    found = [train(*regime(seed)[:2], seed=seed, rate=0.05, easy=0.3).objective.weights.detach() for seed in range(5)]
    assert sum(int(weights.argmax()) == 0 for weights in found) >= 4, found
    assert all(float(weights.sum()) == pytest.approx(1.0) and float(weights.min()) > 0 for weights in found)


def test_errors_that_two_share_draw_the_weight_to_them():
    """The method's documented failure: a majority that is wrong together fits itself best."""
    found = []
    for seed in range(3):
        features, given, _ = regime(seed, (0.69, 0.4, 0.4), shared=True)
        found.append(train(features, given, seed=seed, rate=0.01).objective.weights.tolist())
    assert all(weights[0] < 0.01 for weights in found), found


def small(seed=0, count=60, supervisors=3):
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(count, 6, generator=generator)
    classes = (features @ torch.randn(6, 2, generator=generator)).argmax(dim=1)
    given = [soft(torch.where(torch.rand(count, generator=generator) < 0.25, 1 - classes, classes), 2, generator)]
    given += [soft(torch.randint(2, (count,), generator=generator), 2, generator) for _ in range(supervisors - 1)]
    return features, torch.stack(given, dim=1)


def head(trainer):
    return torch.cat([weight.detach().reshape(-1) for weight in trainer.weights.values()])


def test_one_supervisor_is_the_naive_student_bit_for_bit():
    features, given = small(supervisors=1)
    learned, naive = train(features, given, epochs=4), train(features, given[:, 0], Classification, epochs=4)
    assert torch.equal(head(learned), head(naive))
    assert [row["loss"] for row in learned.curve] == [row["loss"] for row in naive.curve]
    assert learned.objective.weights.tolist() == [1.0]


def test_without_rate_and_easy_phase_it_is_the_uniform_ensemble():
    features, given = small()
    learned = train(features, given, epochs=4, rate=0.0, easy=0.0)
    uniform = train(features, given.mean(dim=1), Classification, epochs=4)
    assert head(learned).numpy() == pytest.approx(head(uniform).numpy(), abs=1e-6)
    assert learned.objective.weights.tolist() == [1 / 3] * 3


def test_weights_do_not_move_while_only_easy_items_count():
    features, given = small()
    trainer = train(features, given, epochs=10, rate=0.5, easy=0.5)
    learned = np.array([row["learned"] for row in trainer.curve])
    half = trainer.steps // 2
    assert (learned[:half] == 1 / 3).all()
    assert (learned[half] != learned[half - 1]).any()
    assert learned.sum(axis=1) == pytest.approx(1.0)


def test_permuting_the_supervisors_permutes_the_weights():
    features, given = small()
    order = [2, 0, 1]
    one, other = (train(features, labels, epochs=6, rate=0.2) for labels in (given, given[:, order]))
    assert other.objective.weights.tolist() == pytest.approx(one.objective.weights[order].tolist(), abs=1e-6)


def test_a_batch_without_an_easy_item_has_no_gradient():
    given = torch.tensor([[[0.9, 0.1], [0.2, 0.8]]])
    objective = LearnedWeights(numbered(1), [0], given, easy=0.5)
    logits = torch.zeros(1, 2, requires_grad=True)
    value = objective.loss(logits, np.array([0]), 0.0)
    value.backward()
    assert (float(value.detach()), logits.grad.tolist()) == (0.0, [[0.0, 0.0]])
    objective.update(0.0)
    assert objective.weights.tolist() == [0.5, 0.5]
    assert objective.said()["agreed"] == 0.0


def test_the_mean_over_easy_items_divides_by_the_whole_batch():
    given = torch.tensor([[[0.9, 0.1], [0.2, 0.8]], [[0.7, 0.3], [0.9, 0.1]]])
    objective = LearnedWeights(numbered(2), range(2), given, easy=0.5)
    logits = torch.tensor([[0.3, 0.7], [0.6, 0.4]]).log()
    expected = -(0.8 * np.log(0.6) + 0.2 * np.log(0.4)) / 2  # the second item alone
    assert float(objective.loss(logits, np.arange(2), 0.0).detach()) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("micro", [None, 7])
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one(tmp_path, micro):
    features, given = small()

    def trainer(checkpoint=None, stop_after=None):
        rows, held_out = range(40), range(40, 60)
        objective = LearnedWeights(
            numbered(60), rows, given[:40], rate=0.2, validation=(held_out, given[40:]), kept=list(held_out)
        )
        recipe = Recipe(
            epochs=6, batch=16, micro_batch=micro, learning_rate=1e-2, evaluate_every=4, stop="legal", weight_decay=0.1
        )
        found = Trainer(Rows(features, 2), objective, recipe, 3, checkpoint=checkpoint)
        return run_until(found, stop_after)

    whole = trainer()
    for stop in (2, 9, 15):
        trainer(tmp_path, stop)
        assert latest_step(tmp_path)[1]["step"] == stop
    resumed = trainer(tmp_path)
    assert torch.equal(head(resumed), head(whole))
    assert torch.equal(resumed.objective.weights, whole.objective.weights)
    assert resumed.curve == whole.curve
    assert resumed.best[:2] == whole.best[:2]
    assert len({tuple(row["learned"]) for row in whole.curve}) > 5  # there was something to resume


def test_pieces_of_a_batch_learn_the_same_weights():
    features, given = small()

    def weights(micro):
        objective = LearnedWeights(numbered(60), range(60), given, rate=0.2, easy=0.2)
        trainer = Trainer(Rows(features, 2), objective, Recipe(epochs=5, batch=16, micro_batch=micro, learning_rate=1e-2), 0)
        trainer.run()
        return trainer.objective.weights.tolist()

    assert weights(5) == pytest.approx(weights(None), abs=1e-6)
