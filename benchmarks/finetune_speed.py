"""Tokens a second of a finetune: ours, the released weak-to-strong loop's structure, and the Hugging Face Trainer.

One model, one set of texts, one epoch, batches of 32, cross-entropy, cosine rate, no dropout, one thread, in turns. The
released loop passes one text at a time through the model, keeps the graphs of the whole batch, takes the loss over the
stacked logits and steps with Adam; it is written anew here from its description, reads its rows from a `datasets` table as
the original does, and is spared its log file. The Hugging Face Trainer makes its batches as it does by default (random,
padded to the longest) or by its option `group_by_length`, and steps with fused AdamW; no clipping, no reports. On the same
batches in the same order our losses and those of the released loop are the same up to rounding. Bars: 1.5 x the released
loop, 1.3 x the faster of the Hugging Face Trainer's two ways, from 2048 texts on 1.1 x, in processor time. One thread:
Torch's; nothing else here computes. Where an epoch takes too long, ``--steps`` of one group of the Trainer (16 at 2048 texts,
50 at 8000) see all lengths.
"""

from __future__ import annotations

import copy
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from _timing import options, quartiles, save, verdict

from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.data.formatters import find_formatter
from w2s.finetune.data.tasks import TaskData, read_rows
from w2s.finetune.data.tokens import Encoded, encode, training_batches
from w2s.finetune.models import linears
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.objectives.losses import cross_entropy
from w2s.finetune.training.loop import Recipe, Trainer

BATCH, RATE, SEED, LENGTH = 32, 1e-4, 0, 128
BARS = {"released": 1.5, "hugging face": 1.3}
MANY, BAR_OF_MANY = 2048, 1.1
GROUPED = "hugging face, by length"
TOLERANCE = 1e-3  # nats between the losses of a step; rounding grows from 1e-7 with the steps


@dataclass(frozen=True)
class Task:
    """What all sides train on; ``order`` is that of our batches."""

    module: torch.nn.Module
    tokenizer: Any
    texts: Encoded
    targets: torch.Tensor
    order: np.ndarray
    grouping: int = 1_000_000
    steps: int | None = None


def load(model: str, count: int, grouping: int = 1_000_000) -> Task:
    """Texts of sentence_polarity with soft labels. Raises where model or data are missing."""
    base, task = ModelFolder.find(model), TaskData.find("sentence_polarity")
    formatter = find_formatter("sentence_polarity")
    examples = [formatter.read(row) for row in read_rows(task, "train", formatter)]
    chosen = [examples[k] for k in np.random.default_rng(SEED).permutation(len(examples))[:count]]
    tokenizer = load_tokenizer(base)
    texts = encode(tokenizer, [example.text for example in chosen], [None] * count, LENGTH)
    likely = torch.tensor([example.label for example in chosen], dtype=torch.float32)
    first = 0.9 * likely + 0.1 * (1 - likely)
    order = np.concatenate(training_batches(texts.lengths, BATCH, SEED, 0, grouping))
    module = build(base, Shape(2, head_init="normal"), SEED)
    return Task(module, tokenizer, texts, torch.stack([1 - first, first], dim=1), order, grouping)


Side = tuple[list[float], "Clock", int]
"""Losses by step, the clock, and the tokens that were trained on."""


def ours(task: Task) -> Side:
    objective = Classification(task.texts, range(len(task.texts)), task.targets)
    recipe = Recipe(epochs=1, batch=BATCH, learning_rate=RATE, grouping=task.grouping)
    with Clock() as clock:
        trainer = Trainer(copy.deepcopy(task.module), objective, recipe, SEED)
        trainer.steps = task.steps or trainer.steps
        trainer.run()
    return [row["loss"] for row in trainer.curve], clock, trainer.tokens


def with_torchs_layers(module: torch.nn.Module) -> torch.nn.Module:
    """A copy of a model with the linear layers that peers have: ours multiply by oneDNN on some processors."""
    copied = copy.deepcopy(module)
    for part in copied.modules():
        if type(part).__module__ == linears.__name__:
            part.__class__ = type(part).__bases__[0]
    return copied


def released(task: Task) -> Side:
    import datasets

    model = with_torchs_layers(task.module).eval()
    rows = datasets.Dataset.from_dict(
        {
            "input_ids": [list(task.texts.tokens[k]) for k in task.order],
            "soft_label": [task.targets[k].tolist() for k in task.order],
        }
    )
    steps = task.steps or len(rows) // BATCH
    optimizer = torch.optim.Adam([weight for weight in model.parameters() if weight.requires_grad], lr=RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    losses, accuracies = [], []
    with Clock() as clock:
        stream = iter(rows)
        for _ in range(steps):
            logits, labels = zip(*one_by_one(model, stream), strict=True)
            stacked, wanted = torch.stack(logits), torch.stack(labels)
            loss = cross_entropy(stacked, wanted).mean()
            losses.append(loss.item())
            loss.backward()
            accuracies.append((stacked.argmax(dim=1) == wanted.argmax(dim=1)).float().mean().item())
            optimizer.step()
            optimizer.zero_grad()
            schedule.step()
    return losses, clock, int(task.texts.lengths[task.order[: steps * BATCH]].sum())


def one_by_one(model: torch.nn.Module, stream: Iterator[Any]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Logits and labels of the next batch, a minibatch of one text at a time."""
    for _ in range(BATCH):
        row = next(stream)
        ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(row["input_ids"])]).transpose(0, 1)
        yield model(ids, torch.ones_like(ids))[0], torch.tensor(row["soft_label"])


class WithLoss(torch.nn.Module):
    """The classifier as the Hugging Face Trainer wants it, which trains in training mode: dropout is taken out."""

    def __init__(self, module: torch.nn.Module) -> None:
        super().__init__()
        self.module = with_torchs_layers(module)
        for layer in self.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.module(input_ids, attention_mask)
        return {"loss": cross_entropy(logits, labels).mean(), "logits": logits}


def hugging_face(task: Task, batches: str = "random") -> Side:
    import transformers

    clock = Clock()

    class Timed(transformers.TrainerCallback):
        def on_train_begin(self, *_given: Any, **_more: Any) -> None:
            clock.__enter__()

        def on_train_end(self, *_given: Any, **_more: Any) -> None:
            clock.__exit__()

    pad, seen = transformers.DataCollatorWithPadding(task.tokenizer), []

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
        seen.append(sum(len(row["input_ids"]) for row in rows))
        return {
            **pad([{"input_ids": row["input_ids"]} for row in rows]),
            "labels": torch.stack([row["labels"] for row in rows]),
        }

    rows = [{"input_ids": list(ids), "labels": labels} for ids, labels in zip(task.texts.tokens, task.targets, strict=True)]
    with tempfile.TemporaryDirectory() as folder:
        given = transformers.TrainingArguments(
            folder,
            per_device_train_batch_size=BATCH,
            num_train_epochs=1,
            max_steps=task.steps or -1,
            learning_rate=RATE,
            lr_scheduler_type="cosine",
            optim="adamw_torch_fused",
            max_grad_norm=0.0,
            use_cpu=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
            dataloader_pin_memory=False,
            train_sampling_strategy=batches,
        )
        trainer = transformers.Trainer(WithLoss(task.module), given, collate, train_dataset=rows, callbacks=[Timed()])
        trainer.remove_callback(transformers.PrinterCallback)
        loss = trainer.train().training_loss
        return [loss], clock, sum(seen[: task.steps])


class Clock:
    """Wall and processor seconds between entering and leaving."""

    def __enter__(self) -> Clock:
        self.wall, self.cpu = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *_error: object) -> None:
        self.wall, self.cpu = self.wall + time.perf_counter(), self.cpu + time.process_time()


SIDES: dict[str, Callable[[Task], Side]] = {
    "ours": ours,
    "released": released,
    "hugging face": hugging_face,
    GROUPED: functools.partial(hugging_face, batches="group_by_length"),
}


def measure(task: Task, repeats: int, sides: list[str]) -> dict[str, Any]:
    """Seconds and tokens of every side in turns, one unmeasured turn of two steps first; losses of the last turn."""
    found: dict[str, Any] = {what: {name: [] for name in sides} for what in ("wall", "cpu", "tokens")} | {"losses": {}}
    for turn in range(repeats + 1):
        for name in sides:
            found["losses"][name], clock, tokens = SIDES[name](task if turn else replace(task, steps=2))
            if turn:
                found["wall"][name].append(clock.wall)
                found["cpu"][name].append(clock.cpu)
                found["tokens"][name].append(tokens)
    return found


def show(model: str, task: Task, found: dict[str, Any], *, bars: bool) -> None:
    print(
        f"{model}, {len(task.texts)} texts, {task.steps or 'all'} steps, {len(found['cpu']['ours'])} turns; median [quartiles]"
    )
    rates = {}
    for name, seconds in found["cpu"].items():
        low, middle, high = quartiles(seconds)
        rates[name] = quartiles([count / cpu for count, cpu in zip(found["tokens"][name], seconds, strict=True)])[1]
        clock = quartiles(found["wall"][name])[1]
        print(f"  {name:24s} {middle:7.2f} [{low:.2f}, {high:.2f}] s cpu {clock:7.2f} wall {rates[name]:9,.0f} tokens/s of cpu")
    if "released" in rates:
        apart = float(np.abs(np.subtract(found["losses"]["ours"], found["losses"]["released"])).max())
        print(f"  ours and released at most {apart:.1e} apart at any step")
        assert apart <= TOLERANCE, "the two loops do not train the same"
    means = {name: float(np.mean(values)) for name, values in found["losses"].items()}
    print(f"  mean loss: {', '.join(f'{name} {value:.4f}' for name, value in means.items())}")
    if task.steps is None:  # other batches, one epoch: some hundredths of a nat
        assert np.ptp(list(means.values())) <= 0.05, "a side does not train the same"
    if not bars:
        return
    bar = BARS | ({"hugging face": BAR_OF_MANY} if len(task.texts) >= MANY else {})
    for name, barred in bar.items():
        if peers := [rate for side, rate in rates.items() if side.startswith(name)]:
            verdict(f"finetune of {model}: tokens/s of ours over {name}", rates["ours"] / max(peers), barred, at_least=True)


def main() -> None:
    parser = options(__doc__, "one layer, 96 texts, one turn, no bars")
    parser.add_argument("--model", help="default: minilm-l6, with --quick its first layer")
    parser.add_argument("--texts", type=int, help="a multiple of 32; default 256, with --quick 96")
    parser.add_argument("--repeats", type=int, help="measured turns; default 11, with --quick 1")
    parser.add_argument("--steps", type=int, help="steps of a turn; default: an epoch")
    parser.add_argument("--grouping", type=int, default=1_000_000, help="batches that ours sorts together; default: all")
    parser.add_argument("--sides", help="only these beside ours, joined by ';'; default: all")
    chosen = parser.parse_args()
    model = chosen.model or ("minilm-l6:1" if chosen.quick else "minilm-l6")
    torch.set_num_threads(1)
    try:
        task = load(model, chosen.texts or (96 if chosen.quick else 256), chosen.grouping)
    except (DataFileError, FieldError) as missing:
        sys.exit(print(f"skipped: {missing}"))
    sides = ["ours", *chosen.sides.split(";")] if chosen.sides else list(SIDES)
    task = replace(task, steps=chosen.steps)
    found = measure(task, chosen.repeats or (1 if chosen.quick else 11), sides)
    show(model, task, found, bars=not chosen.quick)
    save(chosen.json, found)


if __name__ == "__main__":
    main()
