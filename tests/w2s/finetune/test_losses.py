"""Losses against numbers worked out by hand, and the laws they must keep."""

from __future__ import annotations

import math
import re
from importlib.metadata import EntryPoint

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s import plugins
from w2s.errors import FieldError
from w2s.finetune.data.formatters import find_formatter
from w2s.finetune.objectives import losses
from w2s.finetune.objectives.options import Options

torch = pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")

P0 = torch.tensor([0.9, 0.6, 0.4, 0.2], dtype=torch.float64)
LOGITS = torch.stack([P0, 1 - P0], dim=1).log()
WEAK = torch.tensor([[0.8, 0.2], [0.3, 0.7], [0.6, 0.4], [0.1, 0.9]], dtype=torch.float64)
SKEWED = torch.tensor([[0.9, 0.1], [0.7, 0.3], [0.8, 0.2], [0.6, 0.4]], dtype=torch.float64)


def value(name, logits=LOGITS, targets=WEAK, progress=1.0, **options):
    return float(losses.find_loss(name).with_options(options)(logits, targets, progress))


def near(expected):
    return pytest.approx(expected, abs=1e-6)


def test_cross_entropy_by_row():
    assert losses.cross_entropy(LOGITS, WEAK).tolist() == near([0.544805, 0.794651, 0.754105, 0.361773])
    assert value("xent") == near(0.613834)


@pytest.mark.parametrize(("alpha", "expected"), [(0.05, 0.600019), (0.25, 0.544760), (0.5, 0.475686), (0.75, 0.406613)])
def test_confidence_of_the_released_code(alpha, expected):
    found = value("confidence", schedule="constant", threshold="weak_prior", alpha_max=alpha)
    assert found == near(expected)


def test_threshold_of_the_released_code_follows_the_weak_prior():
    p0 = LOGITS.softmax(dim=1)[:, 0]
    assert float(torch.quantile(p0, WEAK[:, 1].mean())) == near(0.53)
    assert losses.hardened(LOGITS, WEAK, "weak_prior")[:, 1].tolist() == [0, 0, 1, 1]
    assert losses.hardened(LOGITS, SKEWED, "weak_prior")[:, 1].tolist() == [0, 0, 0, 1]
    assert value("confidence", targets=SKEWED, schedule="constant", threshold="weak_prior", alpha_max=0.5) == near(0.575411)


@pytest.mark.parametrize(("alpha", "beta", "expected"), [(1, 1, 0.474136), (1, 0.5, 0.520311), (0.5, 1, 0.489816)])
def test_product(alpha, beta, expected):
    assert value("product", alpha=alpha, beta=beta) == near(expected)


def test_losses_of_later_work():
    assert value("entropy", schedule="constant", alpha_max=0.5) == near(0.578355)
    assert value("window", radius=0.15) == near(0.387189)
    assert value("kl") == near(0.0864933)
    assert value("adaptive", temperature=1.0) == near(0.488864)


def test_a_window_without_rows_is_zero_with_zero_gradient():
    logits = LOGITS.clone().requires_grad_()
    found = losses.find_loss("window").with_options({"radius": 0.0})(logits, WEAK, 1.0)
    found.backward()
    assert float(found.detach()) == 0.0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def gradient(name, logits, targets, **options):
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(losses.find_loss(name).with_options(options)(leaf, targets, 1.0), leaf)[0]


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0])
def test_the_entropy_loss_is_naive_at_a_smaller_step(alpha):
    found = gradient("entropy", LOGITS, WEAK, schedule="constant", alpha_max=alpha)
    assert torch.allclose(found, (1 - alpha) * gradient("xent", LOGITS, WEAK), atol=1e-15)


def entropy_penalty_in_numpy(logits, targets, alpha):
    """Value of CE(p, q) + alpha H(p), and its gradient p - q - alpha p (log p + H), by hand in float64."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = powers / powers.sum(axis=1, keepdims=True)
    entropy = -(p * np.log(p)).sum(axis=1, keepdims=True)
    value = -(targets * np.log(p)).sum(axis=1) + alpha * entropy[:, 0]
    return value.mean(), (p - targets - alpha * p * (np.log(p) + entropy)) / len(p)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("alpha", [0.0, 0.5, 3.0])
def test_the_entropy_penalty_adds_the_entropy(classes, alpha):
    rng = np.random.default_rng(classes)
    logits, targets = rng.normal(size=(7, classes)), rng.dirichlet(np.ones(classes), size=7)
    expected, slope = entropy_penalty_in_numpy(logits, targets, alpha)
    given = torch.as_tensor(logits), torch.as_tensor(targets)
    assert value("entropy_penalty", *given, alpha=alpha) == pytest.approx(expected, rel=1e-12)
    assert gradient("entropy_penalty", *given, alpha=alpha).numpy() == pytest.approx(slope, abs=1e-15)


def test_the_entropy_penalty_rewards_what_the_student_believes():
    """From labels that say nothing a step makes a student surer of its own class; the entropy loss never does."""
    logits, unsure = torch.tensor([[0.5, 0.0]], dtype=torch.float64), torch.full((1, 2), 0.5, dtype=torch.float64)
    assert gradient("entropy_penalty", logits, unsure, alpha=3.0)[0, 0] < 0 < gradient("xent", logits, unsure)[0, 0]
    assert gradient("entropy", logits, unsure, schedule="constant", alpha_max=1.0)[0, 0] >= 0
    assert torch.equal(gradient("entropy_penalty", LOGITS, WEAK, alpha=0.0), gradient("xent", LOGITS, WEAK))


@pytest.mark.parametrize(
    ("schedule", "peak", "warmup", "expected"),
    [
        ("oai_code", 0.5, 0.1, [0.025, 0.05, 0.5, 0.5]),
        ("paper", 0.5, 0.1, [0.25, 0.5, 0.5, 0.5]),
        ("paper", 0.75, 0.2, [0.1875, 0.375, 0.375004, 0.75]),
        ("paper", 0.75, 0.0, [0.75, 0.75, 0.75, 0.75]),
        ("constant", 0.3, 0.5, [0.3, 0.3, 0.3, 0.3]),
    ],
)
def test_schedules(schedule, peak, warmup, expected):
    assert [losses.coefficient(schedule, t, peak, warmup) for t in (0.05, 0.1, 0.100001, 0.5)] == near(expected)


def test_no_coefficient_is_the_naive_loss_bit_for_bit():
    torch.manual_seed(0)
    logits = torch.randn(33, 2, requires_grad=True)
    targets = torch.rand(33, 2).softmax(dim=1)
    gradients = []
    for name, options in (("xent", {}), ("confidence", {"alpha_max": 0.0}), ("entropy", {"alpha_max": 0.0})):
        found = losses.find_loss(name).with_options(options)(logits, targets, 0.7)
        gradients.append((found.detach(), *torch.autograd.grad(found, logits)))
    for other in gradients[1:]:
        assert all(torch.equal(a, b) for a, b in zip(gradients[0], other, strict=True))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.integers(0, 10_000), st.sampled_from(["confidence", "product", "entropy", "xent", "window"]))
def test_order_of_the_batch_does_not_matter(half, seed, name):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2 * half, 2, dtype=torch.float64, generator=generator)
    targets = torch.randn(2 * half, 2, dtype=torch.float64, generator=generator).softmax(dim=1)
    order = torch.randperm(2 * half, generator=generator)
    assert value(name, logits[order], targets[order], 0.6) == pytest.approx(value(name, logits, targets, 0.6), rel=1e-12)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 20), st.integers(0, 10_000))
def test_the_median_splits_the_batch_in_half_and_knows_no_class(half, seed):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(2 * half, 2, dtype=torch.float64, generator=generator)
    targets = torch.randn(2 * half, 2, dtype=torch.float64, generator=generator).softmax(dim=1)
    assert float(losses.hardened(logits, targets, "median")[:, 1].sum()) == half
    swapped = value("confidence", logits.flip(1), targets.flip(1), 0.6)
    assert swapped == pytest.approx(value("confidence", logits, targets, 0.6), rel=1e-12)


def test_no_gradient_through_the_students_own_opinion():
    logits = LOGITS.clone().requires_grad_()
    found = losses.find_loss("confidence").with_options({"schedule": "constant", "alpha_max": 0.5})(logits, WEAK, 1.0)
    (gradient,) = torch.autograd.grad(found, logits)
    target = 0.5 * WEAK + 0.5 * losses.hardened(LOGITS, WEAK, "median")
    assert torch.allclose(gradient, (logits.softmax(dim=1) - target) / 4, atol=1e-15)


def test_reverse_cross_entropy():
    expected = (
        -sum(
            p * math.log(w)
            for row, weak in zip(LOGITS.exp(), WEAK, strict=True)
            for p, w in zip(row.tolist(), weak.tolist(), strict=True)
        )
        / 4
    )
    assert value("reverse_xent") == pytest.approx(expected, rel=1e-12)


def test_more_than_two_classes_take_the_most_probable():
    logits = torch.tensor([[1.0, 2.0, 0.0], [3.0, 1.0, 2.0]])
    targets = torch.full((2, 3), 1 / 3)
    assert losses.hardened(logits, targets, "median").argmax(dim=1).tolist() == [1, 0]


def test_unknown_names_and_options_are_told():
    with pytest.raises(FieldError, match="did you mean 'confidence'"):
        losses.find_loss("confidense")
    with pytest.raises(FieldError, match="did you mean 'alpha_max'"):
        losses.find_loss("confidence").with_options({"alpha": 1.0})
    with pytest.raises(FieldError, match="did you mean 'paper'"):
        losses.coefficient("papper", 0.5, 1.0, 0.1)


@pytest.mark.parametrize(
    ("default", "fits", "fails", "said"),
    [
        (0.5, [1, -2.5], ["abc", True, float("nan"), float("inf"), None, [1]], "is not a finite number"),
        (3, [0.5], ["abc"], "is not a finite number"),
        ("soft", ["hard"], [1, False], "is not a word"),
        (False, [True], [0, 1.0, "true"], "is not True or False"),
        (None, [1, "word", False], [], ""),
        (float("inf"), [1, float("inf")], [], ""),
    ],
)
def test_a_plain_default_takes_values_of_its_kind(default, fits, fails, said):
    options = Options({"strength": default})
    assert options.checked("loss 'x'", {}) == {"strength": default}
    for value in [default, *fits]:
        assert options.checked("loss 'x'", {"strength": value}) == {"strength": value}
    for value in fails:
        with pytest.raises(FieldError, match=rf"^loss 'x': strength {re.escape(repr(value))} {said}$"):
            options.checked("loss 'x'", {"strength": value})


def test_a_loss_of_ones_own_is_a_registered_function():
    @losses.loss("test_brier", power=2.0)
    def brier(logits, targets, progress, power):
        return ((logits.softmax(dim=1) - targets).abs() ** power).sum(dim=1).mean()

    assert value("test_brier") == pytest.approx(float(((LOGITS.exp() - WEAK) ** 2).sum(dim=1).mean()))
    del losses.LOSSES.known["test_brier"]


def constant(logits, targets, progress):
    return torch.ones(())


def by_row(logits, targets, progress):
    return losses.cross_entropy(logits, targets)


def number(logits, targets, progress):
    return 0.5


def infinite(logits, targets, progress):
    return (logits / 0.0).sum()


def late_trouble(logits, targets, progress):
    return losses.cross_entropy(logits, targets).mean() * (1.0 if progress == 0 else math.nan)


@pytest.mark.parametrize(
    ("function", "complaint"),
    [
        (constant, "raised RuntimeError"),
        (by_row, r"gave a Tensor of shape \(2,\), not a scalar"),
        (number, "gave a float, not a scalar"),
        (infinite, "gave (nan|inf)"),
        (late_trouble, "gave nan, or a gradient that is not finite, at progress 0.5"),
    ],
)
def test_a_loss_of_ones_own_is_tried_before_anything_is_trained(monkeypatch, function, complaint):
    monkeypatch.setattr(losses.LOSSES, "known", dict(losses.LOSSES.known))
    losses.loss("mine")(function)
    with pytest.raises(FieldError, match=f"loss 'mine', tried on two rows of 3 classes, {complaint}"):
        losses.check_loss("mine", {}, 3)


def test_a_loss_that_can_train_passes(monkeypatch):
    monkeypatch.setattr(losses.LOSSES, "known", dict(losses.LOSSES.known))
    losses.loss("mine", scale=2.0)(lambda logits, targets, progress, scale: scale * by_row(logits, targets, progress).mean())
    losses.check_loss("mine", {"scale": 0.5}, 2)
    with pytest.raises(FieldError, match=r"^loss 'mine': scale 'abc' is not a finite number$"):
        losses.check_loss("mine", {"scale": "abc"}, 2)
    losses.loss("mine", parts=None)(lambda logits, targets, progress, parts: by_row(logits, targets).mean() * len(parts))
    with pytest.raises(FieldError, match="raised TypeError"):
        losses.check_loss("mine", {"parts": 0.5}, 2)


def test_where_there_is_no_torch_nothing_is_tried(monkeypatch):
    monkeypatch.setattr(losses.LOSSES, "known", dict(losses.LOSSES.known))
    losses.loss("mine")(constant)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    losses.check_loss("mine", {}, 2)


@pytest.mark.parametrize(
    ("group", "find"), [("w2s_sweep.losses", losses.find_loss), ("w2s_sweep.formatters", find_formatter)], ids=["loss", "task"]
)
def test_a_broken_entry_point_is_named(monkeypatch, group, find):
    point = EntryPoint("broken", "nowhere_to_be_found:thing", group)
    monkeypatch.setattr(plugins, "entry_points", lambda group: [point])
    expected = rf"entry point 'broken' of {group} \(nowhere_to_be_found:thing\) cannot be loaded: ModuleNotFoundError"
    with pytest.raises(FieldError, match=expected):
        find("broken")
