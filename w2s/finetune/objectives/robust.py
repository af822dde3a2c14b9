"""Robust training: a loss also where the inputs of the model are moved in a box, or with a penalty on slopes by them.

What is moved is what the model's first module gives: token embeddings of a language model, or whatever a module offers as
``entry``, such as the features before a linear head. A unit of the box is the root mean square of the embedding table, or of
the features of all items, so that eps means the same for models of any scale; 1 for a module that has neither.

Source: the losses of Heo et al. 2023 (arXiv 2303.06419) without a mask: for texts it is not known which tokens must not matter.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from w2s.finetune.data.tokens import Encoded
from w2s.finetune.objectives.base import Source, objective
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.objectives.losses import cross_entropy
from w2s.finetune.objectives.options import Number, OneOf

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Robust"]


class _Moved:
    """What is added to the outputs of a module while it is hooked: ``shift``, in units of the box; zero at first."""

    def __init__(self, unit: Tensor | float) -> None:
        self.unit = unit
        self.shift: Tensor | None = None

    def __call__(self, _module: nn.Module, _arguments: Any, out: Tensor) -> Tensor:
        import torch

        if self.shift is None:
            self.shift = torch.zeros_like(out, requires_grad=True)
        return out + self.unit * self.shift


@objective(
    "robust",
    kind=OneOf("attack", "penalty"),
    eps=Number(0.3),
    strength=Number(1.0),
    steps=Number(3, low=1, whole=True),
)
class Robust(Classification):
    """A registered loss L on soft labels with one more term, ``strength`` times the attack or the penalty.

    ``attack``   L at x', from `steps` steps of sign ascent on the cross-entropy, 2 eps / steps long and clipped to +- eps
    ``penalty``  the mean over items of |d/dx sum_c log p_c|^2, in units of the box

    ``strength`` 0 is plain classification, bit for bit; an attack with ``eps`` 0 is the loss twice. Cost a step: `steps` + 1
    passes forward and back for the attack, a second derivative for the penalty.
    """

    sees_rows_alone: ClassVar[bool] = False  # the box has the scale of the whole table

    def __init__(
        self,
        texts: Encoded,
        rows: Sequence[int],
        targets: Tensor,
        loss: str = "xent",
        options: Mapping[str, Any] | None = None,
        *,
        kind: str = "attack",
        eps: float = 0.3,
        strength: float = 1.0,
        steps: float = 3,
        **more: Any,
    ) -> None:
        super().__init__(texts, rows, targets, loss, options, **more)
        self.kind, self.eps, self.strength, self.steps = kind, eps, strength, int(steps)

    @classmethod
    def _more(cls, source: Source, ids: Sequence[str]) -> dict[str, Any]:  # noqa: ARG003
        return cls.options.checked("objective 'robust'", source.settings)

    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Compute logits and those at the moved inputs, (b, 2, K), or logits and the penalty, (b, K + 1), float32."""
        import torch

        if self.strength == 0.0:
            return super().outputs(module, places)
        with torch.enable_grad(), _hooked(module, getattr(self.texts, "scale", 1.0)) as moved:
            logits = super().outputs(module, places)
            shift = moved.shift
            if shift is None:
                raise ValueError("the model's first module was not run: its inputs cannot be moved")
            if self.kind == "penalty":
                (slope,) = torch.autograd.grad(logits.log_softmax(dim=1).sum(), shift, create_graph=True)
                return torch.cat([logits, slope.float().square().flatten(1).sum(dim=1, keepdim=True)], dim=1)
            targets, seen = self.targets[self._index(places)], logits
            for step in range(self.steps):
                (slope,) = torch.autograd.grad(cross_entropy(seen, targets).sum(), shift, retain_graph=step == 0)
                longer = shift.detach() + 2.0 / self.steps * self.eps * slope.sign()
                shift = moved.shift = longer.clamp(-self.eps, self.eps).requires_grad_()
                seen = super().outputs(module, places)
            return torch.stack([logits, seen], dim=1)

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the loss and the further term."""
        if self.strength == 0.0:
            return super().loss(outputs, places, progress)
        if self.kind == "penalty":
            return super().loss(outputs[:, :-1], places, progress) + self.strength * outputs[:, -1].mean()
        plain = super().loss(outputs[:, 0], places, progress)
        return plain + self.strength * super().loss(outputs[:, 1], places, progress)


@contextlib.contextmanager
def _hooked(module: nn.Module, scale: float) -> Iterator[_Moved]:
    """Move the outputs of a model's first module while the context lasts, by units of ``scale`` where it has no weight.

    Attention is computed by plain products meanwhile: the fused kernels have no second derivative.
    """
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel

    whole: Any = module
    entry = whole.entry if hasattr(whole, "entry") else whole.backbone.get_input_embeddings()
    weight = getattr(entry, "weight", None)
    unit: Any = scale
    if isinstance(weight, torch.Tensor):
        unit = weight.detach().float().square().mean().sqrt().to(weight.dtype)
    moved = _Moved(unit)
    handle = entry.register_forward_hook(moved)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield moved
    finally:
        handle.remove()
