"""Linear layers on a CPU, multiplied by oneDNN where Torch's MKL leaves half of the processor idle.

Torch multiplies float32 matrices on a CPU by Intel's MKL. On processors of other makers MKL takes its kernels for AVX2, which
use 256 of the 512 bits of AVX-512. oneDNN, which Torch carries too, uses all of them: products of the sizes of a finetune ran
at 215 GFLOP/s in place of 100 on one core of an AMD EPYC. Torch has no setting for this choice, so the layers ask for it.
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

__all__ = ["mkl_is_narrow", "with_onednn"]

_LEAST = 1_000_000
"""Multiplications from which on oneDNN, whose call costs 10 microseconds, is at least as fast as MKL."""


@functools.cache
def mkl_is_narrow() -> bool:
    """Tell whether this processor has AVX-512 and MKL would not use it, while oneDNN is there to do so."""
    found = torch.cpu.get_capabilities()
    if not found.get("avx512_f") or "Intel" in found.get("cpu_name", ""):
        return False
    return bool(torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]


def with_onednn(model: nn.Module) -> Any:
    """Let the linear layers of a model, GPT-2's transposed ones among them, multiply by oneDNN where MKL is half as wide.

    Their weights and names stay, their outputs and gradients are those of Torch's own layers up to rounding. Large float32
    products on a CPU alone go through oneDNN, all others as before. The model is changed in place and returned.
    """
    from transformers.pytorch_utils import Conv1D

    if mkl_is_narrow():
        taken: dict[type[nn.Module], type[nn.Module]] = {nn.Linear: _Linear, Conv1D: _transposed(Conv1D)}
        for part in model.modules():
            if type(part) in taken:
                part.__class__ = taken[type(part)]
    return model


class _Linear(nn.Linear):
    """A linear layer with weights (outputs, inputs)."""

    def forward(self, input: Tensor) -> Tensor:
        return _product(input, self.weight, self.bias) if _is_large(input, self.weight) else super().forward(input)


@functools.cache
def _transposed(kind: type[nn.Module]) -> type[nn.Module]:
    """Make the layer of GPT-2, whose weights are (inputs, outputs), from that of transformers."""

    class Transposed(kind):  # type: ignore[misc, valid-type]
        def forward(self, x: Tensor) -> Tensor:
            if _is_large(x, self.weight):
                return _product(x, self.weight.t(), self.bias)
            found: Tensor = super().forward(x)
            return found

    return Transposed


def _is_large(x: Tensor, weight: Tensor) -> bool:
    """Tell whether oneDNN may make a product and is worth its call."""
    plain = x.dtype == weight.dtype == torch.float32 and x.device.type == weight.device.type == "cpu"
    return plain and x.numel() // max(x.shape[-1], 1) * weight.numel() >= _LEAST and not torch.is_autocast_enabled("cpu")


def _product(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """Multiply inputs (..., k) by the transpose of weights (n, k), float32, and add a bias (n,): (..., n)."""
    found: Tensor = _Product.apply(x, weight, bias)  # type: ignore[no-untyped-call]
    return found


def _multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Call oneDNN's product."""
    found: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found


class _Product(torch.autograd.Function):
    """A product and its gradients, each of them one call; views of transposed matrices need no copy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        of_input, of_weight, _ = ctx.needs_input_grad
        ctx.save_for_backward(x if of_weight else None, weight if of_input else None)  # no more than the gradients need
        return _multiply(x, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, slope: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
        x, weight = ctx.saved_tensors
        rows = slope.reshape(-1, slope.shape[-1])
        of_input, of_weight, of_bias = ctx.needs_input_grad
        return (
            _multiply(slope, weight.t()) if of_input else None,
            _multiply(rows.t(), x.reshape(-1, x.shape[-1]).t()) if of_weight else None,
            rows.sum(dim=0) if of_bias else None,
        )
