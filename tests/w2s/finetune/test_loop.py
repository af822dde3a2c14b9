"""The training loop: exact to resume, the same whatever the size of the pieces, and it learns."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")

from small_trainings import run_until  # noqa: E402

from w2s.finetune.data.tokens import Encoded  # noqa: E402
from w2s.finetune.inference.forward import predict_rows  # noqa: E402
from w2s.finetune.objectives.classification import Classification  # noqa: E402
from w2s.finetune.training.checkpoint import latest_step, write_step  # noqa: E402
from w2s.finetune.training.loop import Recipe, Trainer, learning_rate  # noqa: E402


class Bag(torch.nn.Module):
    """A bag of words with one hidden layer: enough to be trained, quick enough to be tested."""

    def __init__(self, seed=0, words=20, classes=2, noisy=0.0):
        super().__init__()
        torch.manual_seed(seed)
        self.words, self.hidden, self.head = torch.nn.Embedding(words, 8), torch.nn.Linear(8, 8), torch.nn.Linear(8, classes)
        self.drop = torch.nn.Dropout(noisy)

    def forward(self, input_ids, attention_mask):
        mean = (self.words(input_ids) * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)
        return self.head(self.drop(torch.tanh(self.hidden(mean))))


def problem(count=150, seed=0):
    """Texts of which class 1 has more high words; labels are soft."""
    generator = np.random.default_rng(seed)
    tokens = [tuple(generator.integers(1, 20, size=generator.integers(2, 9)).tolist()) for _ in range(count)]
    truth = np.array([np.mean(row) > 10 for row in tokens])
    weak = np.clip(np.where(truth, 0.8, 0.2) + 0.1 * generator.standard_normal(count), 0.01, 0.99)
    return Encoded(tuple(tokens), 0, 0), torch.tensor(np.stack([1 - weak, weak], axis=1), dtype=torch.float32), truth


def objective(recipe, count=100, **more):
    texts, targets, _ = problem()
    return Classification(texts, range(count), targets[:count], recipe.loss, recipe.options, **more)


def trained(recipe, *, noisy=0.0, checkpoint=None, stop_after=None, seed=3, note=lambda text: None, **more):
    trainer = Trainer(Bag(noisy=noisy), objective(recipe, **more), recipe, seed, checkpoint=checkpoint, note=note)
    return run_until(trainer, stop_after)


def weights(trainer):
    return torch.cat([weight.detach().reshape(-1) for weight in trainer.weights.values()])


def test_it_learns():
    texts, targets, truth = problem(count=800)
    learning = Classification(texts, range(600), targets[:600])
    trainer = Trainer(Bag(), learning, Recipe(epochs=10, batch=20, learning_rate=1e-2), seed=3)
    trainer.run()
    right = predict_rows(trainer.module, texts, range(600, 800)).argmax(axis=1) == truth[600:]
    assert right.mean() > 0.85
    floor = -float((targets[:600] * targets[:600].log()).sum(dim=1).mean())  # the entropy of the soft labels
    last = np.mean([row["loss"] for row in trainer.curve[-30:]])
    assert last - floor < 0.5 * (trainer.curve[0]["loss"] - floor)
    assert trainer.tokens == 10 * int(texts.lengths[:600].sum())


@pytest.mark.parametrize("loss", ["xent", "confidence", "product"])
@pytest.mark.parametrize("noisy", [0.0, 0.3])
def test_a_resumed_training_has_the_bits_of_an_uninterrupted_one(tmp_path, loss, noisy):
    _, targets, _ = problem()
    recipe = Recipe(
        loss=loss, epochs=3, batch=16, micro_batch=5, dropout=noisy or None, evaluate_every=4, weight_decay=0.1, clip=1.0
    )
    more = {"validation": (range(100, 150), targets[100:]), "kept": list(range(100, 150))}
    whole = trained(recipe, noisy=noisy, **more)
    for stop in (1, 9, 20):
        trained(recipe, noisy=noisy, checkpoint=tmp_path, stop_after=stop, **more)
    resumed = trained(recipe, noisy=noisy, checkpoint=tmp_path, **more)
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.curve == whole.curve
    assert resumed.tokens == whole.tokens
    assert [step for step, _ in resumed.evaluations] == [step for step, _ in whole.evaluations]
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(resumed.evaluations, whole.evaluations, strict=True))
    assert len(list(tmp_path.glob("step-*"))) == 1


@pytest.mark.parametrize("loss", ["xent", "confidence", "entropy", "product", "window"])
def test_the_loss_sees_the_whole_batch_whatever_fits_into_memory(loss):
    whole = trained(Recipe(loss=loss, epochs=2, batch=32))
    pieces = trained(Recipe(loss=loss, epochs=2, batch=32, micro_batch=7))
    assert weights(pieces).numpy() == pytest.approx(weights(whole).numpy(), abs=1e-5)
    assert [row["loss"] for row in pieces.curve] == pytest.approx([row["loss"] for row in whole.curve], rel=1e-5)


def test_without_a_coefficient_the_training_is_the_naive_one_bit_for_bit():
    naive = trained(Recipe(epochs=2, batch=16))
    other = trained(Recipe(loss="confidence", options={"alpha_max": 0.0}, epochs=2, batch=16))
    assert torch.equal(weights(naive), weights(other))


def test_out_of_memory_halves_the_pieces_and_goes_on():
    notes: list[str] = []
    recipe = Recipe(epochs=1, batch=16)

    class Small(Bag):
        def forward(self, input_ids, attention_mask):
            if self.training_rows is not None and len(input_ids) > self.training_rows:
                raise torch.OutOfMemoryError("too many rows")
            return super().forward(input_ids, attention_mask)

    module = Small()
    module.training_rows = 5
    trainer = Trainer(module, objective(recipe), recipe, 3, note=notes.append)
    trainer.run()
    assert trainer.micro == 4
    assert notes == ["out of memory: 8 rows at once from step 0", "out of memory: 4 rows at once from step 0"]
    assert weights(trainer).numpy() == pytest.approx(weights(trained(recipe)).numpy(), abs=1e-5)
    module = Small()
    module.training_rows = 0
    with pytest.raises(torch.OutOfMemoryError):
        Trainer(module, objective(recipe), recipe, 3).run()


def test_legal_stopping_keeps_the_weights_that_agree_best_with_the_given_labels():
    texts, targets, _ = problem()
    rows = list(range(100, 150))
    wrong = targets[100:].flip(1)  # labels that the training moves away from: the first evaluation agrees best
    trainer = trained(
        Recipe(epochs=20, batch=10, learning_rate=1e-2, evaluate_every=5, stop="legal"), validation=(rows, wrong), kept=rows
    )
    agreements = [row["validation_agreement"] for row in trainer.curve if "validation_agreement" in row]
    assert trainer.best is not None
    assert trainer.best[0] == max(agreements)
    assert trainer.best[1] == 5 * (1 + int(np.argmax(agreements)))
    step, values = trainer.evaluations[trainer.best[1] // 5 - 1]
    assert step == trainer.best[1]
    assert np.array_equal(predict_rows(trainer.module, texts, rows), values)


def test_schedules():
    cosine = [learning_rate(Recipe(learning_rate=2.0), k, 10) for k in range(10)]
    assert cosine[0] == 2.0
    assert cosine[5] == pytest.approx(1.0)
    assert cosine[9] == pytest.approx(1 + math.cos(math.pi * 0.9))
    rising = [learning_rate(Recipe(learning_rate=1.0, schedule="linear", warmup=0.5), k, 10) for k in range(10)]
    assert rising == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 0.8, 0.6, 0.4, 0.2])
    assert {learning_rate(Recipe(learning_rate=1.0, schedule="constant"), k, 7) for k in range(7)} == {1.0}


def test_predictions_come_in_the_order_asked():
    texts, _, _ = problem()
    module = Bag()
    rows = [7, 3, 149, 0]
    together = predict_rows(module, texts, rows, tokens=20)
    for k, row in enumerate(rows):
        assert together[k] == pytest.approx(predict_rows(module, texts, [row])[0], abs=1e-7)
    assert together.sum(axis=1) == pytest.approx(np.ones(4))


@pytest.mark.parametrize("damaged", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("earlier", [False, True])
def test_a_damaged_checkpoint_is_passed_over(tmp_path, damaged, earlier):
    recipe, notes = Recipe(epochs=2, batch=16), []
    whole = trained(recipe)
    trained(recipe, checkpoint=tmp_path, stop_after=3)
    copied = (tmp_path / "step-3").rename(tmp_path / "kept")
    trained(recipe, checkpoint=tmp_path, stop_after=9)
    if earlier:
        copied.rename(tmp_path / "step-3")
    path = tmp_path / "step-9" / damaged
    path.write_bytes(path.read_bytes()[:10] if earlier else b"")
    resumed = trained(recipe, checkpoint=tmp_path, note=notes.append)
    assert notes == (["resumed at step 3 of 14"] if earlier else [])
    assert torch.equal(weights(resumed), weights(whole))
    assert resumed.curve == whole.curve


def test_a_step_takes_the_place_of_one_that_cannot_be_read(tmp_path):
    write_step(tmp_path, 9, {"a": torch.ones(2)}, {"tokens": 1})
    (tmp_path / "step-9" / "state.json").write_text("")
    assert latest_step(tmp_path) is None
    write_step(tmp_path, 9, {"a": torch.ones(2)}, {"tokens": 2})
    assert latest_step(tmp_path) == (tmp_path / "step-9" / "state.safetensors", {"step": 9, "tokens": 2})
