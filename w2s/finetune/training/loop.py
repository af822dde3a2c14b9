"""The training loop: plain Torch, one step after another, exact to resume.

A step takes one batch. Its loss is taken over the whole batch, however small the pieces are that fit into memory: the batch's
outputs come first, without graph; the loss gives their gradient; then every piece is run again and takes its share of it. (A
separable objective needs no second pass.) Batches, learning rate and noise are functions of seed and step, so a resumed
training ends with the bits of an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from w2s.artifacts import StepTeller
from w2s.finetune.data.tokens import training_batches
from w2s.finetune.inference.forward import device_for, in_batches
from w2s.finetune.objectives.base import Objective
from w2s.finetune.training.checkpointing import recompute_layers
from w2s.finetune.training.masters import Masters
from w2s.finetune.training.recipe import Recipe, learning_rate
from w2s.finetune.training.state import Resumable
from w2s.finetune.training.used_rows import UsedRows, used_rows
from w2s_kernels import stream

__all__ = ["Recipe", "Trainer", "learning_rate"]

Matrix = npt.NDArray[np.float64]


class Trainer(Resumable):
    """One training: a module, an objective with its examples, a recipe and a seed.

    ``checkpoint`` is the folder of the state from which a training resumes that was ended, and where it tells how far it is;
    None: neither is kept.
    """

    def __init__(
        self,
        module: nn.Module,
        objective: Objective,
        recipe: Recipe,
        seed: int,
        *,
        checkpoint: Path | None = None,
        note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        super().__init__()
        self.device = device_for()
        self.module, self.objective, self.recipe, self.seed = module.to(self.device), objective.to(self.device), recipe, seed
        self.checkpoint, self.note = checkpoint, note
        self._narrowed = self._narrow()
        if recipe.checkpointing:
            recompute_layers(self.module)
        self.masters = Masters({name: weight for name, weight in module.named_parameters() if weight.requires_grad})
        self.weights = self.masters.whole
        matrices = [weight for weight in self.weights.values() if weight.ndim > 1]
        others = [weight for weight in self.weights.values() if weight.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.learning_rate, fused=True)
        self.micro = min(recipe.micro_batch or recipe.batch, recipe.batch)
        self.per_epoch = -(-len(objective.lengths) // recipe.batch)
        self.steps = self.per_epoch * recipe.epochs
        self.devices = 1
        self.tells = True
        # Of the last steps, still on the device: reading one waits for it.
        self._losses: list[Tensor] = []
        self._traces: list[Tensor] = []
        self._started = 0.0

    @property
    def separable(self) -> bool:
        """Whether a batch may be done in pieces with one pass: what an objective learns needs the whole batch."""
        return self.objective.separable and not self.objective.learned()

    @property
    def progress(self) -> float:
        """Share of the steps that are done."""
        return self.step / self.steps

    def run(self, checkpoint_seconds: float = 60.0) -> None:
        """Train to the end, from the checkpoint if there is one."""
        self._restore()
        self.module.train(self.recipe.dropout is not None)
        self._started = self._saved = time.perf_counter()
        teller = StepTeller(self.checkpoint if self.tells else None, "tokens", self.tokens)
        batches: list[Any] = []
        while self.step < self.steps:
            epoch, place = divmod(self.step, self.per_epoch)
            if place == 0 or not batches:
                batches = training_batches(self.objective.lengths, self.recipe.batch, self.seed, epoch, self.recipe.grouping)
            self._step(batches[place])
            self.step += 1
            teller.tell(self.step, self.steps, self.tokens)
            every = self.recipe.evaluate_every
            if every and (self.step % every == 0 or self.step == self.steps):
                self._settle()
                self._evaluate()
                self._started = time.perf_counter()
            if self._save_is_due(checkpoint_seconds):
                self._settle()
                self._save()
                self._started = self._saved = time.perf_counter()
        self._settle()
        if self.recipe.stop == "legal" and self.best is not None:
            self._load(self.best[2])
        self._widen()

    def predict(self, rows: Sequence[int]) -> Matrix:
        """Predict some items with the model as it is now, (n, width)."""
        return in_batches(self.objective.texts, rows, lambda chosen: self.objective.predicted(self.module, chosen))

    def held_weights(self) -> int:
        """Count the weights that the device holds."""
        return sum(weight.numel() for weight in self.module.parameters())

    def _narrow(self) -> UsedRows | None:
        """Leave out the rows of the embedding table that stay as they are."""
        return used_rows(self.module, self.objective, self.recipe)

    def _widen(self) -> None:
        """Put the whole table back."""
        if self._narrowed is not None:
            table = self._narrowed.whole()
            self.module.backbone.set_input_embeddings(table)  # type: ignore[operator, union-attr]
            self.weights[self._narrowed.name], self._narrowed = table.weight, None

    def _load(self, values: Mapping[str, Tensor]) -> None:
        super()._load(values)
        self.masters.give_values()

    def _placed(self, value: Tensor, weight: Tensor) -> Tensor:
        if self._narrowed is not None and weight is self._narrowed.weight and value.ndim and len(value) > len(weight):
            value = value[self._narrowed.tokens.cpu()]  # a checkpoint of an earlier release has every row
        return super()._placed(value, weight)

    def _step(self, batch: Any) -> None:
        rate, progress = learning_rate(self.recipe, self.step, self.steps), self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._losses.append(self._gradient_that_fits(batch))
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self.recipe.clip)
        self.optimizer.step()
        self.masters.give_values()
        self.objective.update(progress)
        if (trace := self.objective.traced()) is not None:
            self._traces.append(trace.clone())
        self.tokens += int(self.objective.lengths[batch].sum())
        self.curve.append({"step": self.step, "loss": math.nan, "learning_rate": rate})

    def _settle(self) -> None:
        """Wait for the device; then write the losses of the last steps into the curve and add up the seconds."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        for name, pending in (("loss", self._losses), ("learned", self._traces)):
            values = torch.stack(pending).tolist() if pending else []
            for row, value in zip(self.curve[len(self.curve) - len(values) :], values, strict=True):
                row[name] = value
            pending.clear()
        self.seconds += time.perf_counter() - self._started

    def _gradient_that_fits(self, batch: Any) -> Tensor:
        while True:
            try:
                return self._gradient(batch)
            except torch.OutOfMemoryError:
                if not self._can_halve():
                    raise
            # Outside the handler, where the error no longer holds the tensors of the attempt.
            self.micro = -(-self.micro // 2)
            self.note(f"out of memory: {self.micro} rows at once from step {self.step}")
            self._clear()
            torch.cuda.empty_cache()

    def _can_halve(self) -> bool:
        return self.micro > 1

    def _clear(self) -> None:
        """Reset all gradients."""
        self.optimizer.zero_grad(set_to_none=True)
        self.masters.drop_gradients()
        for tensor in self.objective.learned().values():
            tensor.grad = None

    def _gradient(self, batch: Any) -> Tensor:
        """Compute the gradient of the loss over the whole batch; return the loss, a scalar.

        The gradient is left in the trained tensors.
        """
        self._clear()
        pieces = [slice(k, k + self.micro) for k in range(0, len(batch), self.micro)]
        if len(pieces) == 1 or self.separable:
            return self._gradient_by_pieces(batch, pieces)
        with torch.no_grad():
            whole = torch.cat([self._outputs(batch[piece], piece.start) for piece in pieces])
        value, gradient = self._gradient_of_outputs(whole, batch)
        for piece in pieces:
            self._backward(self._outputs(batch[piece], piece.start), gradient[piece])
        return value

    def _gradient_by_pieces(self, batch: Any, pieces: Sequence[slice]) -> Tensor:
        total = torch.zeros((), device=self.device)
        for piece in pieces:
            share = len(batch[piece]) / len(batch)
            value = share * self.objective.loss(self._outputs(batch[piece], piece.start), batch[piece], self.progress)
            self._backward(value)
            total += value.detach()
        return total

    def _backward(self, value: Tensor, gradient: Tensor | None = None) -> None:
        """Add the gradient of a value to that of the trained weights."""
        value.backward(gradient)  # type: ignore[no-untyped-call]
        self.masters.take_gradients()

    def _gradient_of_outputs(self, outputs: Tensor, batch: Any) -> tuple[Tensor, Tensor]:
        """Compute the loss of a whole batch and its gradient with respect to the batch's outputs, (B, ...).

        The tensors that the objective learns get their gradients too.
        """
        outputs = outputs.detach().requires_grad_()
        value, learned = self.objective.loss(outputs, batch, self.progress), list(self.objective.learned().values())
        gradient, *others = torch.autograd.grad(value, [outputs, *learned], allow_unused=bool(learned))
        for tensor, own in zip(learned, others, strict=True):
            tensor.grad = own
        return value.detach(), gradient

    def _outputs(self, places: Any, first: int) -> Tensor:
        """Compute outputs (b, ...) float32 of some examples; ``first``, their place in the batch, decides their noise."""
        if self.recipe.dropout is not None:  # the same noise in both passes, and after a resume
            torch.manual_seed(stream("dropout", str(self.step), str(first), seed=self.seed).key[0])
        return self.objective.outputs(self.module, places)

    def _evaluate(self) -> None:
        if len(self.objective.kept):
            self.evaluations.append((self.step, self.predict(self.objective.kept)))
        found = self.objective.validated(self.predict)
        self.curve[-1] |= found
        if self.recipe.stop != "legal" or "validation_agreement" not in found:
            return
        agreement = found["validation_agreement"]
        if self.best is None or agreement > self.best[0]:
            self.best = (agreement, self.step, {name: tensor.detach().clone() for name, tensor in self._trained().items()})
