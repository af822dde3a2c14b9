"""Losses of a student on weak labels: a registered function of about ten lines each.

    @loss("mine", strength=0.5)
    def mine(logits, targets, progress, strength): ...

``logits`` (B, K) carry the gradient, ``targets`` (B, K) are weak probabilities, ``progress`` in [0, 1] is the share of steps
done. The result is the mean over the whole batch: the loop never hands over a part of it, because thresholds are taken over the
batch. Packages add losses through the entry-point group ``w2s_sweep.losses``. In a file or package of your own import from
:mod:`w2s.finetune.losses`: ``from w2s.finetune.losses import Number, OneOf, cross_entropy, loss``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from w2s.errors import FieldError, nearest
from w2s.finetune.objectives.options import Number, OneOf, Options
from w2s.plugins import Registry
from w2s.user_files import told

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "LOSSES",
    "Loss",
    "Number",
    "OneOf",
    "check_loss",
    "coefficient",
    "concentration",
    "cross_entropy",
    "dirichlet_divergence",
    "find_loss",
    "hardened",
    "loss",
]

Function = Callable[..., "Tensor"]


@dataclass(frozen=True)
class Loss:
    """A loss by name with the options it knows.

    ``separable``: a mean over rows of which each depends on its own logits alone, so a batch can be done in pieces.
    """

    name: str
    function: Function
    options: Options
    separable: bool = False

    def with_options(self, given: Mapping[str, Any]) -> Callable[[Tensor, Tensor, float], Tensor]:
        """Bind options; raise :class:`FieldError` for an option that the loss does not have, or a value that it cannot have."""
        bound = self.options.checked(f"loss {self.name!r}", given)
        return lambda logits, targets, progress: self.function(logits, targets, progress, **bound)


LOSSES: Registry[Loss] = Registry("loss", "w2s_sweep.losses")
"""All losses by name."""


def loss(name: str, *, separable: bool = False, **options: Any) -> Callable[[Function], Function]:
    """Register a loss under a name, with the defaults of its options, or a :class:`OneOf` or :class:`Number` that has one."""

    def register(function: Function) -> Function:
        LOSSES.known[name] = Loss(name, function, Options(options), separable)
        return function

    return register


def find_loss(name: str) -> Loss:
    """Return a loss by name; raise :class:`FieldError` with the nearest name."""
    return LOSSES.find(name)


def check_loss(name: str, options: Mapping[str, Any], classes: int) -> None:
    """Raise :class:`FieldError` unless a loss gives a training what it needs: a finite scalar with a finite gradient.

    The loss is tried on two rows. The losses of this module need no trial, and without Torch there is none.
    """
    found = find_loss(name)
    if found.function.__module__ == __name__ or importlib.util.find_spec("torch") is None:
        return
    bound = found.with_options(options)
    try:
        problem = _trouble(bound, classes)
    except Exception as error:
        problem = f"raised {told(error)}"
    if problem:
        raise FieldError(f"loss {name!r}, tried on two rows of {classes} classes, {problem}")


def _trouble(function: Callable[[Tensor, Tensor, float], Tensor], classes: int) -> str:
    import torch

    logits = torch.linspace(-1.0, 1.0, 2 * classes).reshape(2, classes).requires_grad_()
    targets = 0.5 * torch.eye(classes)[:2] + 0.5 / classes
    for progress in (0.0, 0.5):
        value = function(logits, targets, progress)
        if not isinstance(value, torch.Tensor) or value.ndim:
            shape = f" of shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else ""
            return f"gave a {type(value).__name__}{shape}, not a scalar: end it with .mean()"
        (gradient,) = torch.autograd.grad(value, logits)
        if not (value.isfinite() and gradient.isfinite().all()):
            return f"gave {float(value.detach())}, or a gradient that is not finite, at progress {progress}"
    return ""


def coefficient(schedule: str, progress: float, peak: float, warmup: float) -> float:
    """Compute the weight of the student's own opinion at a share ``progress`` of the training.

    ``paper``: linear from 0 to ``peak`` over the first ``warmup`` of training, then constant (Burns et al. 2023). ``oai_code``:
    the released code, which rises to ``peak * warmup`` and then jumps to ``peak``. ``constant``: ``peak``.
    """
    if schedule == "paper":
        return peak * min(1.0, progress / warmup) if warmup > 0 else peak
    if schedule == "oai_code":
        return peak * (1.0 if progress > warmup else progress)
    if schedule == "constant":
        return peak
    raise FieldError(f"schedule {schedule!r} is not one of: paper, oai_code, constant{nearest(schedule, _SCHEDULES)}")


_SCHEDULES = ("paper", "oai_code", "constant")
_THRESHOLDS = ("median", "weak_prior", "argmax")


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Compute -sum_k q_k log p_k per row, (B,)."""
    return -(targets * logits.log_softmax(dim=1)).sum(dim=1)


@loss("xent", separable=True)
def xent(logits: Tensor, targets: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """Compute the cross-entropy against the weak probabilities: naive finetuning."""
    return cross_entropy(logits, targets).mean()


@loss("kl", separable=True)
def kl(logits: Tensor, targets: Tensor, progress: float) -> Tensor:  # noqa: ARG001
    """Compute KL(weak || student): cross-entropy less the entropy of the labels, which has no gradient."""
    return (cross_entropy(logits, targets) + targets.xlogy(targets).sum(dim=1)).mean()


@loss(
    "confidence",
    schedule=OneOf(*_SCHEDULES),
    threshold=OneOf(*_THRESHOLDS),
    alpha_max=Number(0.75, high=1),
    warmup=Number(0.2, high=1),
)
def confidence(
    logits: Tensor, targets: Tensor, progress: float, schedule: str, threshold: str, alpha_max: float, warmup: float
) -> Tensor:
    """Compute (1 - a) CE(f, weak) + a CE(f, hardened f) of Burns et al. 2023.

    Schedule and threshold are those of the paper or of the released code. At a = 0 it is exactly ``xent``, bit for bit.
    """
    alpha = coefficient(schedule, progress, alpha_max, warmup)
    if alpha == 0.0:
        return cross_entropy(logits, targets).mean()
    own = hardened(logits.detach(), targets, threshold)
    return cross_entropy(logits, (1.0 - alpha) * targets + alpha * own).mean()


def hardened(logits: Tensor, targets: Tensor, threshold: str) -> Tensor:
    """Make the student's opinions one-hot, (B, K), without gradient.

    Two classes, ``median``: the upper half of the batch by p_1 is class 1, exactly B // 2 rows, ties by place. ``weak_prior``:
    class 0 where p_0 reaches its quantile at the weak labels' mean of class 1 (interpolated), as in the released code.
    ``argmax``, and always with more than two classes: the most probable class.
    """
    import torch

    if threshold not in _THRESHOLDS:
        raise FieldError(f"threshold {threshold!r} is not one of: {', '.join(_THRESHOLDS)}{nearest(threshold, _THRESHOLDS)}")
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


@loss("product", separable=True, alpha=Number(1.0), beta=Number(1.0))
def product(logits: Tensor, targets: Tensor, progress: float, alpha: float, beta: float) -> Tensor:  # noqa: ARG001
    """Compute the CE against the normalised product student^beta weak^alpha, which passes no gradient.

    Source: the released code of Burns et al.
    """
    own = beta * logits.detach().log_softmax(dim=1) + alpha * targets.clamp_min(1e-30).log()
    return cross_entropy(logits, own.softmax(dim=1)).mean()


@loss("entropy", separable=True, schedule=OneOf(*_SCHEDULES), alpha_max=Number(0.5, high=1), warmup=Number(0.2, high=1))
def entropy(logits: Tensor, targets: Tensor, progress: float, schedule: str, alpha_max: float, warmup: float) -> Tensor:
    """Compute the CE against (1 - a) weak + a (the student's own probabilities, detached): EleutherAI's entropy loss.

    With p the student's and q the weak probabilities of a row, its gradient by the logits is (1 - a) (p - q): that of ``xent``
    times 1 - a. So it is naive finetuning at a smaller step, and no entropy is lowered; :func:`entropy_penalty` lowers it.
    """
    alpha = coefficient(schedule, progress, alpha_max, warmup)
    if alpha == 0.0:
        return cross_entropy(logits, targets).mean()
    return cross_entropy(logits, (1.0 - alpha) * targets + alpha * logits.detach().softmax(dim=1)).mean()


@loss("entropy_penalty", separable=True, alpha=Number(0.5))
def entropy_penalty(logits: Tensor, targets: Tensor, progress: float, alpha: float) -> Tensor:  # noqa: ARG001
    """Compute CE(f, weak) + alpha H(f), with H(f) = -sum_k p_k log p_k in nats: an unsure student pays for it.

    The gradient by the logits of a row is p - q - alpha p (log p + H), so beside imitating the student is pushed towards the
    class that it believes in already. This is how overviews write the confidence loss; Burns et al. harden f instead
    (:func:`confidence`). Without ``alpha`` it is exactly ``xent``, bit for bit.
    """
    if alpha == 0.0:
        return cross_entropy(logits, targets).mean()
    logs = logits.log_softmax(dim=1)
    return (-(targets * logs).sum(dim=1) - alpha * (logs.exp() * logs).sum(dim=1)).mean()


@loss("window", separable=True, radius=Number(0.15, high=0.5))
def window(logits: Tensor, targets: Tensor, progress: float, radius: float) -> Tensor:  # noqa: ARG001
    """Compute the CE on rows where the student is uncertain, max p < 1/2 + radius, divided by the whole batch.

    The loss is zero when there is no such row.
    """
    keep = logits.detach().softmax(dim=1).max(dim=1).values < 0.5 + radius
    return (cross_entropy(logits, targets) * keep).sum() / len(logits)


@loss("adaptive", separable=True, temperature=Number(1.0, above=True))
def adaptive(logits: Tensor, targets: Tensor, progress: float, temperature: float) -> Tensor:  # noqa: ARG001
    """Compute (1 - a) CE(f, weak) + a CE(f, hardened f) with a weight a for each row.

    a is the first part of the softmax, at ``temperature``, of the row's CE against its own hardened opinion and against the
    hardened weak one (Guo et al. 2024, arXiv 2402.03749).
    """
    import torch

    own = torch.nn.functional.one_hot(logits.detach().argmax(dim=1), logits.shape[1]).to(targets.dtype)
    weak = torch.nn.functional.one_hot(targets.argmax(dim=1), logits.shape[1]).to(targets.dtype)
    fits = torch.stack([cross_entropy(logits.detach(), own), cross_entropy(logits.detach(), weak)], dim=1)
    alpha = (fits / temperature).softmax(dim=1)[:, 0]
    return ((1.0 - alpha) * cross_entropy(logits, targets) + alpha * cross_entropy(logits, own)).mean()


@loss("reverse_xent", separable=True, floor=Number(1e-6, high=1, above=True))
def reverse_xent(logits: Tensor, targets: Tensor, progress: float, floor: float) -> Tensor:  # noqa: ARG001
    """Compute -sum_k p_k log q_k, the roles swapped (arXiv 2505.24313); weak probabilities are cut at ``floor``."""
    return -(logits.softmax(dim=1) * targets.clamp_min(floor).log()).sum(dim=1).mean()


@loss("evidential", separable=True, strength=Number(1.0), evidence=OneOf("softplus", "relu"))
def evidential(logits: Tensor, targets: Tensor, progress: float, strength: float, evidence: str = "softplus") -> Tensor:
    """Compute sum_c y_c (log S - log a_c) + strength progress KL(Dir(y + (1 - y) a) || Dir(1)).

    Here a = evidence(logits) + 1 and S = sum a: a are the parameters of a Dirichlet distribution, and the second term takes
    back, as training goes on, the evidence for other classes than the labels'. Predictions stay the softmax of the logits,
    whose most probable class is that of a (with ``relu`` wherever one logit is positive).

    Source: Cui et al., arXiv 2406.03199, whose code has ``relu``. A class whose logit is zero or less has no gradient there, so
    a head that starts at zeros never learns; ``softplus``, log(1 + e^z), has one everywhere.
    """
    alpha = concentration(logits, evidence)
    fit = (targets * (alpha.sum(dim=1, keepdim=True).log() - alpha.log())).sum(dim=1)
    return (fit + strength * progress * dirichlet_divergence(targets + (1.0 - targets) * alpha)).mean()


def concentration(logits: Tensor, evidence: str) -> Tensor:
    """Compute parameters 1 + evidence of a Dirichlet distribution from logits (..., K): ``softplus`` or ``relu`` of them."""
    import torch

    return (torch.nn.functional.softplus(logits) if evidence == "softplus" else logits.relu()) + 1.0


def dirichlet_divergence(alpha: Tensor) -> Tensor:
    """Compute KL(Dir(alpha) || Dir(1)) in nats, (...,), of parameters (..., K) > 0."""
    import torch

    total, count = alpha.sum(dim=-1), torch.as_tensor(float(alpha.shape[-1]), dtype=alpha.dtype, device=alpha.device)
    spread = ((alpha - 1.0) * (alpha.digamma() - total.digamma()[..., None])).sum(dim=-1)
    return total.lgamma() - count.lgamma() - alpha.lgamma().sum(dim=-1) + spread
