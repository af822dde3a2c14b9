"""The training loop: plain Torch, one step after another, exact to resume.

A step takes one batch. Its loss is taken over the whole batch, however small the pieces are that fit into memory: the batch's
logits come first, without graph; the loss gives their gradient; then every piece is run again and takes its share of it. (A
separable loss needs no second pass.) Batches, learning rate and noise are functions of seed and step, so a resumed training
goes on with the bits of an uninterrupted one.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from w2s.finetune.losses import cross_entropy, find_loss
from w2s.finetune.tokens import Encoded, evaluation_batches, training_batches

__all__ = ["Recipe", "Trainer", "device_for", "learning_rate", "predict_rows"]

_MOMENTS = ("step", "exp_avg", "exp_avg_sq")


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes
    ----------
    loss, options : a registered loss and its options.
    epochs, batch : passes over the items, rows per step.
    learning_rate, schedule, warmup : peak rate, ``cosine`` | ``linear`` to zero | ``constant``, share of steps rising to it.
    weight_decay : of AdamW, on matrices alone.
    micro_batch : rows that go through the model at once; None: the whole batch. Halved when memory runs out.
    dropout : whether the model's own dropout is on.
    clip : largest norm of the gradient; None: no limit.
    evaluate_every : steps between predictions that are kept for curves and early stopping; None: none.
    stop : ``end``, or ``legal``: keep the weights of the evaluation that agrees best with the *given labels* of the
        validation items; truth is not looked at.

    """

    loss: str = "xent"
    options: dict[str, Any] = field(default_factory=dict)
    epochs: int = 2
    batch: int = 32
    learning_rate: float = 5e-5
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    warmup: float = 0.0
    weight_decay: float = 0.0
    micro_batch: int | None = None
    dropout: bool = False
    clip: float | None = None
    evaluate_every: int | None = None
    stop: Literal["end", "legal"] = "end"


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Rate of step 0..steps-1: a rise over the first ``warmup`` share, then the schedule over what is left."""
    rising = round(recipe.warmup * steps)
    if step < rising:
        return recipe.learning_rate * (step + 1) / rising
    share = (step - rising) / max(1, steps - rising)
    factor = {"cosine": 0.5 * (1.0 + math.cos(math.pi * share)), "linear": 1.0 - share, "constant": 1.0}[recipe.schedule]
    return recipe.learning_rate * factor


def device_for() -> torch.device:
    """Return the GPU that this process may use, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@torch.no_grad()
def predict_rows(module: nn.Module, texts: Encoded, rows: Sequence[int], tokens: int = 8192) -> np.ndarray[Any, Any]:
    """Class probabilities (n, K) float64 of some items, in their order."""
    device = next(module.parameters()).device
    training = module.training
    module.eval()
    chosen = np.asarray(rows, dtype=np.int64)
    found: dict[int, np.ndarray[Any, Any]] = {}
    for places in evaluation_batches(texts.lengths[chosen], tokens):
        ids, mask = (tensor.to(device) for tensor in texts.batch(chosen[places]))
        with _autocast(device):
            logits = module(ids, mask)
        values = logits.double().softmax(dim=1).cpu().numpy()
        found |= dict(zip(places.tolist(), values, strict=True))
    module.train(training)
    return np.stack([found[k] for k in range(len(chosen))])


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
        self.evaluations: list[tuple[int, np.ndarray[Any, Any]]] = []
        self.best: tuple[float, int, dict[str, Tensor]] | None = None

    def run(self, checkpoint_seconds: float = 60.0) -> None:
        """Train to the end, from the checkpoint if there is one."""
        self._restore()
        self.module.train(self.recipe.dropout)
        saved = time.monotonic()
        batches: list[Any] = []
        while self.step < self.steps:
            epoch, place = divmod(self.step, self.per_epoch)
            if place == 0 or not batches:
                batches = training_batches(self.texts.lengths[self.rows], self.recipe.batch, self.seed, epoch)
            start = time.perf_counter()
            self._step(batches[place])
            self.seconds += time.perf_counter() - start
            self.step += 1
            if self.recipe.evaluate_every and (self.step % self.recipe.evaluate_every == 0 or self.step == self.steps):
                self._evaluate()
            if self.checkpoint is not None and time.monotonic() - saved >= checkpoint_seconds:
                self._save()
                saved = time.monotonic()
        if self.recipe.stop == "legal" and self.best is not None:
            self._load(self.best[2])

    def _step(self, batch: Any) -> None:
        rate = learning_rate(self.recipe, self.step, self.steps)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        while True:
            try:
                value = self._gradient(batch)
                break
            except torch.OutOfMemoryError:
                if self.micro == 1:
                    raise
                self.micro = -(-self.micro // 2)
                self.note(f"out of memory: {self.micro} rows at once from step {self.step}")
                torch.cuda.empty_cache()
        if self.recipe.clip is not None:
            torch.nn.utils.clip_grad_norm_(list(self.weights.values()), self.recipe.clip)
        self.optimizer.step()
        self.tokens += int(self.texts.lengths[self.rows[batch]].sum())
        self.curve.append({"step": self.step, "loss": value, "learning_rate": rate})

    def _gradient(self, batch: Any) -> float:
        """Leave the gradient of the loss over the whole batch in the weights; return the loss."""
        self.optimizer.zero_grad(set_to_none=True)
        targets, progress = self.targets[torch.as_tensor(batch, device=self.device)], self.step / self.steps
        pieces = [slice(k, k + self.micro) for k in range(0, len(batch), self.micro)]
        if len(pieces) == 1 or self.separable:
            total = 0.0
            for piece in pieces:
                share = len(batch[piece]) / len(batch)
                value = share * self.loss(self._logits(batch[piece], piece), targets[piece], progress)
                value.backward()  # type: ignore[no-untyped-call]
                total += float(value.detach())
            return total
        with torch.no_grad():
            whole = torch.cat([self._logits(batch[piece], piece) for piece in pieces])
        whole.requires_grad_()
        value = self.loss(whole, targets, progress)
        (gradient,) = torch.autograd.grad(value, whole)
        for piece in pieces:
            self._logits(batch[piece], piece).backward(gradient[piece])  # type: ignore[no-untyped-call]
        return float(value.detach())

    def _logits(self, rows: Any, piece: slice) -> Tensor:
        ids, mask = (tensor.to(self.device, non_blocking=True) for tensor in self.texts.batch(self.rows[rows]))
        if self.recipe.dropout:  # the same noise in both passes, and after a resume
            torch.manual_seed((self.seed * 1_000_003 + self.step) * 4099 + piece.start)
        with _autocast(self.device):
            logits: Tensor = self.module(ids, mask)
        return logits.float()

    def _evaluate(self) -> None:
        if len(self.kept):
            self.evaluations.append((self.step, predict_rows(self.module, self.texts, self.kept)))
        if self.validation is None:
            return
        rows, labels = self.validation
        found = torch.as_tensor(predict_rows(self.module, self.texts, rows))
        agreement = float((found.argmax(dim=1) == labels.argmax(dim=1)).double().mean())
        self.curve[-1] |= {
            "validation_agreement": agreement,
            "validation_loss": float(cross_entropy(found.clamp_min(1e-30).log(), labels.double()).mean()),
        }
        if self.recipe.stop == "legal" and (self.best is None or agreement > self.best[0]):
            self.best = (agreement, self.step, {name: weight.detach().clone() for name, weight in self.weights.items()})

    def _load(self, values: dict[str, Tensor]) -> None:
        with torch.no_grad():
            for name, weight in self.weights.items():
                weight.copy_(values[name])

    def _save(self) -> None:
        """Write the state of a step: weights and moments as safetensors, the rest as JSON; a rename makes it count."""
        assert self.checkpoint is not None
        place = self.checkpoint / f"step-{self.step}"
        partial = self.checkpoint / f".step-{self.step}"
        partial.mkdir(parents=True, exist_ok=True)
        tensors: dict[str, Tensor] = {f"weight/{name}": weight for name, weight in self.weights.items()}
        for name, weight in self.weights.items():
            state = self.optimizer.state[weight]
            tensors |= {
                f"{key}/{name}": torch.as_tensor(state[key]) for key in ("step", "exp_avg", "exp_avg_sq") if key in state
            }
        if self.best is not None:
            tensors |= {f"best/{name}": value for name, value in self.best[2].items()}
        for step, values in self.evaluations:
            tensors[f"evaluation/{step:09d}"] = torch.as_tensor(values)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, partial / "state.safetensors")
        best = None if self.best is None else self.best[:2]
        content = {"step": self.step, "tokens": self.tokens, "seconds": self.seconds, "micro": self.micro}
        (partial / "state.json").write_text(json.dumps({**content, "best": best, "curve": self.curve}))
        partial.replace(place)
        for old in self.checkpoint.glob("step-*"):
            if old != place:
                for item in old.iterdir():
                    item.unlink()
                old.rmdir()

    def _restore(self) -> None:
        found = [] if self.checkpoint is None else list(self.checkpoint.glob("step-*"))
        if not found:
            return
        place = max(found, key=lambda folder: int(folder.name.removeprefix("step-")))
        content = json.loads((place / "state.json").read_text())
        tensors = load_file(place / "state.safetensors", device=str(self.device))
        self._load({name: tensors[f"weight/{name}"] for name in self.weights})
        for name, weight in self.weights.items():
            keys = [key for key in _MOMENTS if f"{key}/{name}" in tensors]
            if keys:
                self.optimizer.state[weight] = {key: tensors[f"{key}/{name}"] for key in keys}
        self.step, self.tokens, self.seconds = content["step"], content["tokens"], content["seconds"]
        self.micro, self.curve = content["micro"], content["curve"]
        marks = sorted(name for name in tensors if name.startswith("evaluation/"))
        self.evaluations = [(int(name.partition("/")[2]), tensors[name].cpu().numpy()) for name in marks]
        if content["best"] is not None:
            self.best = (*content["best"], {name: tensors[f"best/{name}"] for name in self.weights})
        self.note(f"resumed at step {self.step} of {self.steps}")


def _autocast(device: torch.device) -> Any:
    """bfloat16 products on a GPU, float32 on a CPU."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=device.type == "cuda")
