"""One rank of two that train small models together and alone; rank 0 prints how far apart they end. Run by test_sharded."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import torch

from w2s.finetune.data.tokens import Encoded
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.objectives.learned_weights import LearnedWeights
from w2s.finetune.training.loop import Recipe, Trainer
from w2s.finetune.training.ranks import end_with_parent
from w2s.finetune.training.sharded import ShardedTrainer, join_ranks

ITEMS, WORDS = 97, 21  # with batches of 16 the last one has a single row, and one rank none; 21 rows do not halve

CASES = {
    "naive": Recipe(epochs=2, batch=16, learning_rate=1e-2, weight_decay=0.1),
    "naive in pieces": Recipe(epochs=2, batch=16, micro_batch=3, learning_rate=1e-2),
    "confidence": Recipe(loss="confidence", epochs=2, batch=16, learning_rate=1e-2, clip=0.05),
    "confidence in pieces": Recipe(
        loss="confidence", options={"threshold": "weak_prior"}, epochs=2, batch=16, micro_batch=3, learning_rate=1e-2
    ),
    "legal": Recipe(epochs=3, batch=16, learning_rate=1e-2, evaluate_every=4, stop="legal", warmup=0.2, schedule="linear"),
}


CASES["learned weights"] = Recipe(epochs=2, batch=16, micro_batch=3, learning_rate=1e-2, objective={"name": "learned_weights"})
RESUMED = ("naive in pieces", "legal", "learned weights")


class Stack(torch.nn.Module):
    """Words, a stack of layers, a head; the words are frozen."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(WORDS, 8).requires_grad_(requires_grad=False)
        self.layers = torch.nn.ModuleList(torch.nn.Linear(8, 8) for _ in range(3))
        self.head = torch.nn.Linear(8, 2)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        state = (self.words(input_ids) * attention_mask[..., None]).sum(1) / attention_mask.sum(1, keepdim=True)
        for layer in self.layers:
            state = torch.tanh(layer(state))
        return self.head(state)


def problem() -> tuple[Encoded, torch.Tensor]:
    generator = np.random.default_rng(5)
    tokens = tuple(tuple(generator.integers(1, WORDS, size=generator.integers(2, 9)).tolist()) for _ in range(ITEMS + 40))
    weak = np.clip([np.mean(row) / WORDS for row in tokens], 0.01, 0.99)
    return Encoded(tokens, 0, 0), torch.tensor(np.stack([1 - weak, weak], axis=1), dtype=torch.float32)


def trained(kind: type[Trainer], recipe: Recipe, checkpoint: Path | None = None, **more: object) -> Trainer:
    texts, targets = problem()
    held_out = range(ITEMS, ITEMS + 40)
    validation = (held_out, targets[ITEMS:].flip(1) if recipe.stop == "legal" else targets[ITEMS:])
    labelled = {"validation": validation, "kept": held_out}
    if recipe.objective is None:
        objective = Classification(texts, range(ITEMS), targets[:ITEMS], recipe.loss, recipe.options, **labelled)
    else:
        several = torch.stack([targets, targets.flip(1), targets.flip(0)], dim=1)
        labelled["validation"] = (held_out, several[ITEMS:])
        objective = LearnedWeights(texts, range(ITEMS), several[:ITEMS], rate=0.2, easy=0.2, **labelled)
    trainer = kind(Stack(), objective, recipe, 3, checkpoint=checkpoint, **more)
    trainer.run(checkpoint_seconds=0.0)
    return trainer


def main(folder: Path, rank: int) -> None:
    end_with_parent()
    mesh = join_ranks(rank, 2, folder / "meeting")
    for name, recipe in CASES.items():
        alone = trained(Trainer, recipe)
        place = folder / name
        place.mkdir(exist_ok=True)
        together = trained(ShardedTrainer, recipe, place if name in RESUMED else None, mesh=mesh)
        whole, again = dict(together.whole_weights()), None
        if name in RESUMED:
            once_more = trained(ShardedTrainer, recipe, place, mesh=mesh)  # from the last checkpoint of the first
            resumed = dict(once_more.whole_weights())
            learned = [trainer.objective.said() for trainer in (once_more, together)]
            again = (
                learned[0] == learned[1]
                and all(torch.equal(whole[n], resumed[n]) for n in whole)
                and all(getattr(once_more, what) == getattr(together, what) for what in ("curve", "tokens", "step", "micro"))
            )
        held = together.held_weights()
        if rank == 0:
            result = {
                "case": name,
                "weights": max(float((whole[n].detach() - w.detach()).abs().max()) for n, w in alone.weights.items()),
                "moved": max(float((w.detach() - v).abs().max()) for w, v in zip(alone.weights.values(), start(), strict=True)),
                "loss": max(abs(a["loss"] - b["loss"]) for a, b in zip(alone.curve, together.curve, strict=True)),
                "steps": [len(alone.curve), len(together.curve)],
                "predictions": max(
                    [
                        0.0,
                        *(
                            float(np.abs(a - b).max())
                            for (_, a), (_, b) in zip(alone.evaluations, together.evaluations, strict=True)
                        ),
                    ]
                ),
                "resumed": again,
                "best": [trainer.best and trainer.best[:2] for trainer in (alone, together)],
                "held": held / alone.held_weights(),
                "tokens": [alone.tokens, together.tokens],
                "learned": [trainer.objective.said().get("weights", []) for trainer in (alone, together)],
            }
            print(json.dumps(result), flush=True)


def start() -> list[torch.Tensor]:
    return [weight.detach() for weight in Stack().parameters() if weight.requires_grad]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
    torch.distributed.barrier()
    sys.stdout.flush()
    os._exit(0)  # as ranks do: an interpreter that takes its process group down may abort when its peer has gone
