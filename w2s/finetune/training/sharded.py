"""A training whose model is too large for one device: FSDP over the processes of one artifact call.

Every rank holds its share of all weights and moments and gathers one layer at a time. A batch's rows are dealt out; the logits
of all of them come together before the loss is taken, so that the loss sees the whole batch. Batches, rates and seeds are
those of :class:`w2s.finetune.training.loop.Trainer`; only the order of sums differs. Gradients are summed in float32.

    python -m w2s.finetune.training.sharded JOB RANK      one rank; started by train_sharded
"""

from __future__ import annotations

import functools
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from w2s.finetune.data.tokens import Index, evaluation_batches
from w2s.finetune.inference.forward import device_for, moved
from w2s.finetune.models.build import save
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.objectives.base import OBJECTIVES, find_objective
from w2s.finetune.objectives.losses import LOSSES, find_loss
from w2s.finetune.training.checkpoint import write_step
from w2s.finetune.training.checkpointing import stack_of
from w2s.finetune.training.loop import Matrix, Trainer
from w2s.finetune.training.ranks import OUT_OF_MEMORY, RankError, end_with_parent, run_ranks
from w2s.finetune.training.run import Training, account, write_results
from w2s.plugins import Registry
from w2s.user_files import import_file, source_path

__all__ = ["ShardedTrainer", "foreign_parts", "join_ranks", "learn_part", "main", "shard", "train_as_rank", "train_sharded"]

_ASK_EVERY = 8
"""Steps between questions whether a checkpoint is due: rank 0 answers for all, and an answer waits for the device."""

LOOPBACK = {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
"""The ranks of a call are on one machine and speak to nobody else."""


def train_sharded(
    training: Training,
    shards: int,
    folder: Path,
    scratch: Path,
    note: Callable[[str], None],
    checkpoint_seconds: float = 60.0,
) -> None:
    """Train in ``shards`` processes, each on a device of its own, and write what a training on one device writes.

    When memory runs out, the processes start again from the last checkpoint with half the rows at once. Raises
    :class:`RankError` when a rank fails or is killed; ``scratch`` keeps the last checkpoint for the next attempt.
    """
    share = -(-int(training.recipe.get("batch", 32)) // shards)
    micro = min(int(training.recipe.get("micro_batch") or share), share)
    while True:
        try:
            attempt = replace(training, recipe={**training.recipe, "micro_batch": micro})
            return _run(attempt, shards, folder, scratch, note, checkpoint_seconds)
        except RankError as error:
            if not error.out_of_memory or micro == 1:
                raise
        micro = -(-micro // 2)
        note(f"out of memory: {micro} rows at once on each of {shards} devices from the last checkpoint")


def _run(
    training: Training, shards: int, folder: Path, scratch: Path, note: Callable[[str], None], checkpoint_seconds: float
) -> None:
    with tempfile.TemporaryDirectory(prefix="w2s-ranks-") as name:
        place = Path(name)
        base = {"name": training.base.name, "path": training.base.path, "sha256": training.base.sha256}
        job = {
            "training": {**vars(training), "base": base},
            "parts": foreign_parts(training.recipe),
            "shards": shards,
            "folder": folder,
            "scratch": scratch,
            "checkpoint_seconds": checkpoint_seconds,
        }
        (place / "job.json").write_text(json.dumps(job, default=os.fspath), encoding="utf-8")
        run_ranks(
            [sys.executable, "-m", "w2s.finetune.training.sharded", str(place / "job.json")], shards, place, note, LOOPBACK
        )


def join_ranks(rank: int, ranks: int, meeting: Path) -> DeviceMesh:
    """Join the other ranks through a file of this machine; each rank takes a GPU of its own where there are any, else the CPU.

    Raises ValueError when there are GPUs, but fewer than ranks.
    """
    device = device_for()
    if device.type == "cuda":
        if torch.cuda.device_count() < ranks:
            raise ValueError(
                f"a training in {ranks} shards needs {ranks} GPUs, this process may use {torch.cuda.device_count()}"
            )
        torch.cuda.set_device(rank)
    torch.set_num_threads(1)
    backend, own = ("nccl", torch.device("cuda", rank)) if device.type == "cuda" else ("gloo", None)
    address = meeting.absolute().as_uri()
    dist.init_process_group(backend, init_method=address, rank=rank, world_size=ranks, device_id=own)
    return init_device_mesh(device.type, (ranks,))


def shard(module: nn.Module, mesh: DeviceMesh) -> nn.Module:
    """Distribute the weights, layer by layer of the longest stack, then the rest; the module is changed in place.

    A layer moves to the device only to be cut, so that no device ever holds the whole model.
    """
    for layer in stack_of(module):
        fully_shard(layer, mesh=mesh, reshard_after_forward=True)
    # The root too gives its weights back after a forward pass: else a step that follows a mere prediction would not be seen.
    fully_shard(module, mesh=mesh, reshard_after_forward=True)
    return module


class ShardedTrainer(Trainer):
    """A :class:`Trainer` over all ranks of a mesh; all call the same methods in the same order.

    It takes the arguments of a Trainer, and the ``mesh``.
    """

    def __init__(self, module: nn.Module, *given: Any, mesh: DeviceMesh, **named: Any) -> None:
        self.mesh, self.rank = mesh, mesh.get_rank()
        super().__init__(shard(module, mesh), *given, **named)
        self.devices, self.tells = mesh.size(), self.rank == 0
        self.asked = self.micro = min(self.micro, -(-self.recipe.batch // self.devices))

    def _narrow(self) -> None:
        return  # weights are cut over the ranks already

    def held_weights(self) -> int:
        """Count the weights in the memory of a rank between steps; the most of any rank."""
        held = torch.tensor(sum(_local(weight).numel() for weight in self.module.parameters()), device=self.device)
        dist.all_reduce(held, dist.ReduceOp.MAX)
        return int(held)

    def predict(self, rows: Sequence[int]) -> Matrix:
        """Predict some rows with the model as it is now, (n, K).

        Ranks take batches in turns, and all ranks take part in every forward pass.
        """
        chosen = np.asarray(rows, dtype=np.int64)
        batches = list(evaluation_batches(self.objective.texts.lengths[chosen], 8192))
        values = np.zeros((len(chosen), self.objective.width))
        for first in range(0, len(batches), self.devices):
            own = first + self.rank
            places = batches[min(own, len(batches) - 1)]
            found = self.objective.predicted(self.module, chosen[places])
            if own < len(batches):
                values[places] = found
        together = torch.as_tensor(values, device=self.device)
        dist.all_reduce(together)  # a row is zero on all ranks but one
        return together.cpu().numpy()

    def whole_weights(self) -> Iterator[tuple[str, Tensor]]:
        """Yield the trained weights by name, gathered one after another.

        They are on the CPU of rank 0; on other ranks they are empty.
        """
        yield from ((name, self._whole(weight)) for name, weight in self.weights.items())

    def _gradient(self, batch: Any) -> Tensor:
        self._clear()
        own, real = self._share(len(batch))
        pieces = [slice(k, k + self.micro) for k in range(0, len(own), self.micro)]
        if self.separable and len(pieces) > 1:
            return self._gradient_of_share(batch, own, real)
        with torch.set_grad_enabled(len(pieces) == 1):
            outputs = [self._outputs(batch[own[piece]], int(own[piece.start])) for piece in pieces]
        value, gradient = self._gradient_of_outputs(self._gathered(torch.cat(outputs), len(batch)), batch)
        ours = gradient[moved(torch.as_tensor(own), self.device)] * self.devices  # FSDP takes the mean over ranks
        ours[real:] = 0.0
        for k, piece in enumerate(pieces):
            again = outputs[k] if len(pieces) == 1 else self._outputs(batch[own[piece]], int(own[piece.start]))
            self._backward(again, ours[piece])
        return value

    def _gradient_of_share(self, batch: Any, own: Index, real: int) -> Tensor:
        """Compute the gradient of a loss that does not need the whole batch, in one pass over pieces and ranks.

        Returns the loss, the sum of what each row adds.
        """
        total = torch.zeros((), device=self.device)
        for start in range(0, len(own), self.micro):
            places = own[start : start + self.micro]
            outputs = self._outputs(batch[places], int(places[0]))
            count = min(max(real - start, 0), len(places))
            value = 0.0 * outputs.sum()  # everyone goes back, also with nothing to say
            if count:
                value = count / len(batch) * self.objective.loss(outputs[:count], batch[places[:count]], self.progress)
            self._backward(value * self.devices)
            total += value.detach()
        dist.all_reduce(total)
        return total

    def _share(self, size: int) -> tuple[Index, int]:
        """Return the places of this rank's rows in a batch, and how many of them are its own.

        All ranks have equally many places; the last row of the batch is repeated where rows are missing.
        """
        width = -(-size // self.devices)
        first = self.rank * width
        return np.minimum(np.arange(first, first + width), size - 1), min(max(size - first, 0), width)

    def _gathered(self, outputs: Tensor, size: int) -> Tensor:
        """Gather the outputs (B, ...) of the whole batch from all ranks, in its order."""
        parts = [torch.empty_like(outputs) for _ in range(self.devices)]
        dist.all_gather(parts, outputs.detach().contiguous())
        return torch.cat(parts)[:size]

    def _can_halve(self) -> bool:
        return False  # the others wait for a rank that has failed: train_sharded begins again with smaller pieces

    def _save_is_due(self, every: float) -> bool:
        if self.checkpoint is None or self.step % _ASK_EVERY:
            return False
        due = torch.tensor(int(super()._save_is_due(every)), device=self.device)
        dist.broadcast(due, src=0)
        return bool(due)

    def _save(self) -> None:
        assert self.checkpoint is not None
        tensors = {name: self._whole(value) for name, value in self._state()}
        if self.rank == 0:
            write_step(self.checkpoint, self.step, tensors | self._evaluated(), self._account())

    def _restore(self) -> None:
        super()._restore()
        self.micro = min(self.micro, self.asked)

    def _whole(self, value: Tensor) -> Tensor:
        whole = value.full_tensor() if isinstance(value, DTensor) else value
        return whole.detach().cpu() if self.rank == 0 else torch.empty(0)

    def _placed(self, value: Tensor, weight: Tensor) -> Tensor:
        if value.ndim == 0 or not isinstance(weight, DTensor):  # a count of steps, what the objective learns: never cut
            return value.to(self.device)
        return distribute_tensor(value, self.mesh, weight.placements, src_data_rank=None)


def _local(weight: Tensor) -> Tensor:
    return weight.to_local() if isinstance(weight, DTensor) else weight


def train_as_rank(job: Mapping[str, Any], rank: int, meeting: Path) -> None:
    """Train as one rank with the others; rank 0 writes the whole model."""
    training = _training(job["training"])
    for kind, name, source in job["parts"]:
        learn_part(kind, name, source)
    mesh = join_ranks(rank, job["shards"], meeting)
    say = functools.partial(print, flush=True) if rank == 0 else lambda _text: None
    sharded = functools.partial(ShardedTrainer, mesh=mesh)
    trainer = training.trainer(sharded, Path(job["scratch"]), say)
    trainer.run(job["checkpoint_seconds"])
    said, weights = account(trainer), dict(trainer.whole_weights())
    if rank == 0:
        save(Path(job["folder"]), weights, training.base, training.whole_shape)
        write_results(Path(job["folder"]), trainer, said)
    # The group is not taken down: a rank whose peer has gone meanwhile may abort in it. The process ends right after this.
    dist.barrier()


def _training(given: Mapping[str, Any]) -> Training:
    """Read a training from a job file, where folders are texts."""
    base = ModelFolder(given["base"]["name"], Path(given["base"]["path"]), given["base"]["sha256"])
    folders = {name: Path(given[name]) for name in ("items", "start", "features") if given[name] is not None}
    return Training(**{**given, "base": base, "labels": tuple(map(Path, given["labels"])), **folders})


def foreign_parts(recipe: Mapping[str, Any]) -> list[list[str]]:
    """List the loss and the objective of a recipe with the files that register them: [kind, name, file]."""
    loss, name = str(recipe.get("loss", "xent")), (recipe.get("objective") or {}).get("name", "classification")
    parts = [["loss", loss, find_loss(loss).function], ["objective", name, find_objective(name)]]
    return [[kind, word, str(source_path(part) or "")] for kind, word, part in parts]


def learn_part(kind: str, name: str, source: str) -> None:
    """Run the user's file that registers a loss or an objective, which this process has not seen yet."""
    known: Mapping[str, Registry[Any]] = {"loss": LOSSES, "objective": OBJECTIVES}
    if not known[kind].has(name):
        import_file(Path(source))


def main(arguments: Sequence[str]) -> int:
    """Run one rank of a job file; the last line on standard error is the reason of a failure."""
    end_with_parent()
    place = Path(arguments[0])
    try:
        train_as_rank(json.loads(place.read_text(encoding="utf-8")), int(arguments[1]), place.with_name("meeting"))
    except Exception as error:
        traceback.print_exc()
        return OUT_OF_MEMORY if isinstance(error, torch.OutOfMemoryError) else 1
    return 0


if __name__ == "__main__":
    code = main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # a process group that has lost a rank can keep an interpreter from ending
