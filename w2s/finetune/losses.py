"""Losses of a student on weak labels: a registered function of about ten lines each.

    @loss("mine", strength=0.5)
    def mine(logits, targets, progress, strength): ...

``logits`` (B, K) carry the gradient, ``targets`` (B, K) are weak probabilities, ``progress`` in [0, 1] is the share of steps
done. The result is the mean over the whole batch: the loop never hands over a part of it, because thresholds are taken over the
batch. Packages add losses through the entry-point group ``w2s_sweep.losses``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from w2s.cells import FieldError, nearest

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Loss", "coefficient", "find_loss", "loss", "loss_names"]

Function = Callable[..., "Tensor"]
_REGISTERED: dict[str, Loss] = {}


@dataclass(frozen=True)
class Loss:
    """A loss by name with the options it knows and their defaults.

    ``separable``: a mean over rows of which each depends on its own logits alone, so a batch can be done in pieces.
    """

    name: str
    function: Function
    options: Mapping[str, Any] = field(default_factory=dict)
    separable: bool = False

    def with_options(self, given: Mapping[str, Any]) -> Callable[[Tensor, Tensor, float], Tensor]:
        """Bind options; raise :class:`FieldError` for one the loss does not have."""
        for name in given:
            if name not in self.options:
                known = ", ".join(self.options) or "none"
                raise FieldError(f"loss {self.name!r} has no option {name!r}{nearest(name, self.options)}; known: {known}")
        bound = {**self.options, **given}
        return lambda logits, targets, progress: self.function(logits, targets, progress, **bound)


def loss(name: str, *, separable: bool = False, **options: Any) -> Callable[[Function], Function]:
    """Register a loss under a name, with the defaults of its options."""

    def register(function: Function) -> Function:
        _REGISTERED[name] = Loss(name, function, options, separable)
        return function

    return register


def find_loss(name: str) -> Loss:
    """Return a loss by name; raise :class:`FieldError` with the nearest name."""
    if name not in _REGISTERED:
        for point in entry_points(group="w2s_sweep.losses"):
            if point.name == name:
                point.load()
    if name not in _REGISTERED:
        raise FieldError(f"unknown loss {name!r}{nearest(name, loss_names())}; known: {', '.join(loss_names())}")
    return _REGISTERED[name]


def loss_names() -> list[str]:
    """Names of all losses."""
    return sorted({*_REGISTERED, *(point.name for point in entry_points(group="w2s_sweep.losses"))})


def coefficient(schedule: str, progress: float, peak: float, warmup: float) -> float:
    """Weight of the student's own opinion at a share ``progress`` of the training.

    ``paper``: linear from 0 to ``peak`` over the first ``warmup`` of training, then constant (Burns et al. 2023). ``oai_code``:
    the released code, which creeps to ``peak * warmup`` and jumps to ``peak`` behind it. ``constant``: ``peak``.
    """
    if schedule == "paper":
        return peak * min(1.0, progress / warmup) if warmup > 0 else peak
    if schedule == "oai_code":
        return peak * (1.0 if progress > warmup else progress)
    if schedule == "constant":
        return peak
    raise FieldError(f"schedule {schedule!r} is not one of: paper, oai_code, constant{nearest(schedule, _SCHEDULES)}")


_SCHEDULES = ("paper", "oai_code", "constant")


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """-sum_k q_k log p_k per row, (B,)."""
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1)


@loss("xent", separable=True)
def xent(logits: Tensor, targets: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """Naive finetuning: cross-entropy against the weak probabilities."""
    return cross_entropy(logits, targets).mean()


@loss("kl", separable=True)
def kl(logits: Tensor, targets: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """KL(weak || student): cross-entropy less the entropy of the labels, which has no gradient."""
    return (cross_entropy(logits, targets) + targets.xlogy(targets).sum(dim=1)).mean()


@loss("confidence", schedule="paper", threshold="median", alpha_max=0.75, warmup=0.2)
def confidence(
    logits: Tensor, targets: Tensor, progress: float, schedule: str, threshold: str, alpha_max: float, warmup: float
) -> Tensor:
    """(1 - a) CE(f, weak) + a CE(f, hardened f): Burns et al. 2023, with the schedule and threshold of paper or released code.

    Without a coefficient it is exactly ``xent``, bit for bit.
    """
    alpha = coefficient(schedule, progress, alpha_max, warmup)
    if alpha == 0.0:
        return cross_entropy(logits, targets).mean()
    own = hardened(logits.detach(), targets, threshold)
    return cross_entropy(logits, (1.0 - alpha) * targets + alpha * own).mean()


def hardened(logits: Tensor, targets: Tensor, threshold: str) -> Tensor:
    """One-hot opinions of the student, (B, K), without gradient.

    Two classes, ``median``: the upper half of the batch by p_1 is class 1, exactly B // 2 rows, ties by place. ``weak_prior``:
    class 0 where p_0 reaches its quantile at the weak labels' mean of class 1 (interpolated), as in the released code.
    ``argmax``, and always with more than two classes: the most probable class.
    """
    import torch

    if threshold not in ("median", "weak_prior", "argmax"):
        raise FieldError(f"threshold {threshold!r} is not one of: median, weak_prior, argmax")
    if logits.shape[1] != 2 or threshold == "argmax":
        return torch.nn.functional.one_hot(logits.argmax(dim=1), logits.shape[1]).to(targets.dtype)
    if threshold == "median":
        margin = logits[:, 1] - logits[:, 0]
        first = torch.zeros(len(logits), dtype=torch.bool, device=logits.device)
        first[margin.argsort(descending=True, stable=True)[: len(logits) // 2]] = True
    else:
        p0 = logits.softmax(dim=1)[:, 0]
        first = p0 < torch.quantile(p0, targets[:, 1].mean().to(p0.dtype))
    return torch.nn.functional.one_hot(first.long(), 2).to(targets.dtype)


@loss("product", separable=True, alpha=1.0, beta=1.0)
def product(logits: Tensor, targets: Tensor, progress: float, alpha: float, beta: float) -> Tensor:  # noqa: ARG001
    """CE against the normalised product student^beta weak^alpha, without gradient through it; released code of Burns et al."""
    own = beta * logits.detach().log_softmax(dim=1) + alpha * targets.clamp_min(1e-30).log()
    return cross_entropy(logits, own.softmax(dim=1)).mean()


@loss("entropy", separable=True, schedule="paper", alpha_max=0.5, warmup=0.2)
def entropy(logits: Tensor, targets: Tensor, progress: float, schedule: str, alpha_max: float, warmup: float) -> Tensor:
    """CE against (1 - a) weak + a (the student's own probabilities, detached): EleutherAI's entropy loss."""
    alpha = coefficient(schedule, progress, alpha_max, warmup)
    if alpha == 0.0:
        return cross_entropy(logits, targets).mean()
    return cross_entropy(logits, (1.0 - alpha) * targets + alpha * logits.detach().softmax(dim=1)).mean()


@loss("window", separable=True, radius=0.15)
def window(logits: Tensor, targets: Tensor, progress: float, radius: float) -> Tensor:  # noqa: ARG001
    """CE on rows where the student is uncertain, max p < 1/2 + radius, divided by the whole batch; zero when there is none."""
    keep = logits.detach().softmax(dim=1).max(dim=1).values < 0.5 + radius
    return (cross_entropy(logits, targets) * keep).sum() / len(logits)


@loss("adaptive", separable=True, temperature=1.0)
def adaptive(logits: Tensor, targets: Tensor, progress: float, temperature: float) -> Tensor:  # noqa: ARG001
    """Guo et al. 2024 (arXiv 2402.03749): each row weighs its own opinion by how well it fits against the weak one's."""
    import torch

    own = torch.nn.functional.one_hot(logits.detach().argmax(dim=1), logits.shape[1]).to(targets.dtype)
    weak = torch.nn.functional.one_hot(targets.argmax(dim=1), logits.shape[1]).to(targets.dtype)
    fits = torch.stack([cross_entropy(logits.detach(), own), cross_entropy(logits.detach(), weak)], dim=1)
    alpha = (fits / temperature).softmax(dim=1)[:, 0]
    return ((1.0 - alpha) * cross_entropy(logits, targets) + alpha * cross_entropy(logits, own)).mean()


@loss("reverse_xent", separable=True, floor=1e-6)
def reverse_xent(logits: Tensor, targets: Tensor, progress: float, floor: float) -> Tensor:  # noqa: ARG001
    """-sum_k p_k log q_k, the roles swapped (arXiv 2505.24313); weak probabilities are cut at ``floor``."""
    return -(logits.softmax(dim=1) * targets.clamp_min(floor).log()).sum(dim=1).mean()
