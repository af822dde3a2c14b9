"""The training loop: plain Torch, one step after another, exact to resume.

A step takes one batch. Its loss is taken over the whole batch, however small the pieces are that fit into memory: the batch's
logits come first, without graph; the loss gives their gradient; then every piece is run again and takes its share of it. (A
separable loss needs no second pass.) Batches, learning rate and noise are functions of seed and step, so a resumed training
goes on with the bits of an uninterrupted one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from torch import Tensor, nn

from w2s.finetune.data.tokens import Encoded, evaluation_batches, training_batches
from w2s.finetune.objectives.losses import cross_entropy, find_loss
from w2s.finetune.training.checkpoint import latest_step, write_step
from w2s.finetune.training.recipe import Recipe, learning_rate

__all__ = ["Recipe", "Trainer", "device_for", "learning_rate", "predict_rows", "probabilities_of"]

Matrix = npt.NDArray[np.float64]
_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


def device_for() -> torch.device:
    """Return the GPU that this process may use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def predict_rows(module: nn.Module, texts: Encoded, rows: Sequence[int], tokens: int = 8192) -> Matrix:
    """Class probabilities (n, K) float64 of some items, in their order."""
    chosen = np.asarray(rows, dtype=np.int64)
    found: dict[int, Matrix] = {}
    for places in evaluation_batches(texts.lengths[chosen], tokens):
        found |= dict(zip(places.tolist(), probabilities_of(module, texts, chosen[places]), strict=True))
    return np.stack([found[k] for k in range(len(chosen))])


@torch.no_grad()
def probabilities_of(module: nn.Module, texts: Encoded, rows: Any) -> Matrix:
    """Class probabilities (B, K) float64 of one batch, without dropout."""
    device = next(module.parameters()).device
    training = module.training
    module.eval()
    ids, mask = (_moved(tensor, device) for tensor in texts.batch(rows))
    with _autocast(device):
        logits = module(ids, mask)
    module.train(training)
    values: Matrix = logits.double().softmax(dim=1).cpu().numpy()
    return values


class Trainer:
    """One training: a module, its items with their target probabilities, a recipe and a seed.

    ``kept`` are rows predicted at every evaluation; ``validation`` pairs rows with given labels for legal stopping.
    """

    def __init__(
        self,
        module: nn.Module,
        texts: Encoded,
        rows: Sequence[int],
        targets: Tensor,
        recipe: Recipe,
        seed: int,
        *,
        validation: tuple[Sequence[int], Tensor] | None = None,
        kept: Sequence[int] = (),
        checkpoint: Path | None = None,
        note: Callable[[str], None] = lambda _text: None,
    ) -> None:
        self.device = device_for()
        self.module, self.texts, self.recipe, self.seed = module.to(self.device), texts, recipe, seed
        self.rows, self.targets = np.asarray(rows, dtype=np.int64), targets.to(self.device)
        self.validation, self.kept, self.checkpoint, self.note = validation, kept, checkpoint, note
        loss = find_loss(recipe.loss)
        self.loss, self.separable = loss.with_options(recipe.options), loss.separable
        self.weights = {name: weight for name, weight in module.named_parameters() if weight.requires_grad}
        matrices = [weight for weight in self.weights.values() if weight.ndim > 1]
        others = [weight for weight in self.weights.values() if weight.ndim <= 1]
        groups = [{"params": matrices, "weight_decay": recipe.weight_decay}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=recipe.learning_rate, fused=True)
        self.micro = min(recipe.micro_batch or recipe.batch, recipe.batch)
        self.per_epoch = -(-len(self.rows) // recipe.batch)
        self.steps = self.per_epoch * recipe.epochs
        self.step, self.tokens, self.seconds = 0, 0, 0.0
        self.curve: list[dict[str, float]] = []
        self.evaluations: list[tuple[int, Matrix]] = []
        self.best: tuple[float, int, dict[str, Tensor]] | None = None
        self.devices = 1
        self._losses: list[Tensor] = []  # of the last steps, still on the device: reading one waits for it
        self._started = self._saved = 0.0

    def run(self, checkpoint_seconds: float = 60.0) -> None:
        """Train to the end, from the checkpoint if there is one."""
        self._restore()
        self.module.train(self.recipe.dropout)
        self._started = self._saved = time.perf_counter()
        batches: list[Any] = []
        while self.step < self.steps:
            epoch, place = divmod(self.step, self.per_epoch)
            if place == 0 or not batches:
                batches = training_batches(self.texts.lengths[self.rows], self.recipe.batch, self.seed, epoch)
            self._step(batches[place])
            self.step += 1
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

    def predict(self, rows: Sequence[int]) -> Matrix:
        """Class probabilities (n, K) of some items by the model as it is now."""
        return predict_rows(self.module, self.texts, rows)

    def held_weights(self) -> int:
        """Weights that the device holds."""
        return sum(weight.numel() for weight in self.module.parameters())

    def _step(self, batch: Any) -> None:
        rate = learning_rate(self.recipe, self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self._losses.append(self._gradient_that_fits(batch))
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self.recipe.clip)
        self.optimizer.step()
        self.tokens += int(self.texts.lengths[self.rows[batch]].sum())
        self.curve.append({"step": self.step, "loss": math.nan, "learning_rate": rate})

    def _settle(self) -> None:
        """Wait for the device: enter the losses of the last steps and the seconds they took."""
        if self.device.type == "cuda":
            torch.cuda.synchronize()
        values = torch.stack(self._losses).tolist() if self._losses else []
        for row, value in zip(self.curve[len(self.curve) - len(values) :], values, strict=True):
            row["loss"] = value
        self._losses = []
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
            self.optimizer.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()

    def _can_halve(self) -> bool:
        return self.micro > 1

    def _gradient(self, batch: Any) -> Tensor:
        """Leave the gradient of the loss over the whole batch in the weights; return the loss, a scalar."""
        self.optimizer.zero_grad(set_to_none=True)
        targets, progress = self.targets[self._index(batch)], self.step / self.steps
        pieces = [slice(k, k + self.micro) for k in range(0, len(batch), self.micro)]
        if len(pieces) == 1 or self.separable:
            return self._gradient_by_pieces(batch, pieces, targets, progress)
        with torch.no_grad():
            whole = torch.cat([self._logits(batch[piece], piece.start) for piece in pieces])
        value, gradient = self._gradient_of_logits(whole, targets, progress)
        for piece in pieces:
            self._logits(batch[piece], piece.start).backward(gradient[piece])  # type: ignore[no-untyped-call]
        return value

    def _gradient_by_pieces(self, batch: Any, pieces: Sequence[slice], targets: Tensor, progress: float) -> Tensor:
        total = torch.zeros((), device=self.device)
        for piece in pieces:
            share = len(batch[piece]) / len(batch)
            value = share * self.loss(self._logits(batch[piece], piece.start), targets[piece], progress)
            value.backward()  # type: ignore[no-untyped-call]
            total += value.detach()
        return total

    def _gradient_of_logits(self, logits: Tensor, targets: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        """The loss of a whole batch and its gradient with respect to the batch's logits, (B, K)."""
        logits = logits.detach().requires_grad_()
        value = self.loss(logits, targets, progress)
        (gradient,) = torch.autograd.grad(value, logits)
        return value.detach(), gradient

    def _index(self, places: Any) -> Tensor:
        return _moved(torch.as_tensor(places), self.device)

    def _logits(self, rows: Any, place: int) -> Tensor:
        """Logits (b, K) float32 of some rows; ``place``, where they stand in the batch, decides their noise."""
        ids, mask = (_moved(tensor, self.device) for tensor in self.texts.batch(self.rows[rows]))
        if self.recipe.dropout:  # the same noise in both passes, and after a resume
            torch.manual_seed((self.seed * 1_000_003 + self.step) * 4099 + place)
        with _autocast(self.device):
            logits: Tensor = self.module(ids, mask)
        return logits.float()

    def _evaluate(self) -> None:
        if len(self.kept):
            self.evaluations.append((self.step, self.predict(self.kept)))
        if self.validation is None:
            return
        rows, labels = self.validation
        found = torch.as_tensor(self.predict(rows))
        agreement = float((found.argmax(dim=1) == labels.argmax(dim=1)).double().mean())
        self.curve[-1] |= {
            "validation_agreement": agreement,
            "validation_loss": float(cross_entropy(found.clamp_min(1e-30).log(), labels.double()).mean()),
        }
        if self.recipe.stop == "legal" and (self.best is None or agreement > self.best[0]):
            self.best = (agreement, self.step, {name: weight.detach().clone() for name, weight in self.weights.items()})

    def _load(self, values: Mapping[str, Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(values[name])

    def _save_is_due(self, every: float) -> bool:
        return self.checkpoint is not None and time.perf_counter() - self._saved >= every

    def _state(self) -> Iterator[tuple[str, Tensor]]:
        """Weights, moments and best weights, by the names they have in a checkpoint."""
        for name, weight in self.weights.items():
            yield f"weight/{name}", weight
            moments = self.optimizer.state[weight]  # empty for a weight that no text has reached
            yield from ((f"{key}/{name}", moments[key]) for key in _MOMENTS if key in moments)
        if self.best is not None:
            yield from ((f"best/{name}", value) for name, value in self.best[2].items())

    def _save(self) -> None:
        assert self.checkpoint is not None
        write_step(self.checkpoint, self.step, dict(self._state()) | self._evaluated(), self._account())

    def _evaluated(self) -> dict[str, Tensor]:
        return {f"evaluation/{step:09d}": torch.as_tensor(values) for step, values in self.evaluations}

    def _account(self) -> dict[str, Any]:
        best = None if self.best is None else self.best[:2]
        return {"tokens": self.tokens, "seconds": self.seconds, "micro": self.micro, "best": best, "curve": self.curve}

    def _restore(self) -> None:
        found = None if self.checkpoint is None else latest_step(self.checkpoint)
        if found is None:
            return
        place, content = found
        with safe_open(place, framework="pt") as tensors:
            read = tensors.get_tensor
            self._load({name: self._placed(read(f"weight/{name}"), weight) for name, weight in self.weights.items()})
            named = set(tensors.keys())
            for name, weight in self.weights.items():
                moments = [key for key in _MOMENTS if f"{key}/{name}" in named]
                self.optimizer.state[weight] = {key: self._placed(read(f"{key}/{name}"), weight) for key in moments}
            if content["best"] is not None:
                best = {name: self._placed(read(f"best/{name}"), weight) for name, weight in self.weights.items()}
                self.best = (*content["best"], best)
            marks = sorted(name for name in named if name.startswith("evaluation/"))
            self.evaluations = [(int(name.partition("/")[2]), read(name).numpy()) for name in marks]
        self.step, self.tokens, self.seconds = content["step"], content["tokens"], content["seconds"]
        self.micro, self.curve = content["micro"], content["curve"]
        self.note(f"resumed at step {self.step} of {self.steps}")

    def _placed(self, value: Tensor, weight: Tensor) -> Tensor:
        """A tensor of a checkpoint where the weight it belongs to is."""
        return value.to(weight.device)


def _moved(tensor: Tensor, device: torch.device) -> Tensor:
    """The tensor on the device; from pinned memory, since any other copy waits for the work in the queue."""
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor


def _autocast(device: torch.device) -> Any:
    """bfloat16 products on a GPU, float32 on a CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
