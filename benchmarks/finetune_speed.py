"""Tokens a second of a finetune: ours, the released weak-to-strong loop's structure, and the Hugging Face Trainer.

One model, one set of texts, one epoch, batches of 32, cross-entropy, cosine rate, no dropout, one thread, in turns. The
released loop passes one text at a time through the model, keeps the graphs of the whole batch, takes the loss over the
stacked logits and steps with Adam; it is written anew here from its description, reads its rows from a `datasets` table as
the original does, and is spared its log file. The Hugging Face Trainer makes its batches as it does by default (random,
padded to the longest) or by its option `group_by_length`, and steps with fused AdamW; no clipping, no reports. On the same
batches in the same order our losses and those of the released loop are the same up to rounding. Bars: 1.5 x the released
loop, 1.0 x the faster of the Hugging Face Trainer's two ways, in processor time. One thread: Torch's; nothing else here
computes.
"""

from __future__ import annotations

import copy
import functools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from _timing import options, quartiles, save, verdict

from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.data.formatters import find_formatter
from w2s.finetune.data.tasks import TaskData, read_rows
from w2s.finetune.data.tokens import Encoded, encode, training_batches
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.objectives.losses import cross_entropy
from w2s.finetune.training.loop import Recipe, Trainer

BATCH, RATE, SEED, LENGTH = 32, 1e-4, 0, 128
BARS = {"released": 1.5, "hugging face": 1.0}
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


def load(model: str, count: int) -> Task:
    """Texts of sentence_polarity with soft labels. Raises where model or data are missing."""
    base, task = ModelFolder.find(model), TaskData.find("sentence_polarity")
    formatter = find_formatter("sentence_polarity")
    examples = [formatter.read(row) for row in read_rows(task, "train", formatter)]
    chosen = [examples[k] for k in np.random.default_rng(SEED).permutation(len(examples))[:count]]
    tokenizer = load_tokenizer(base)
    texts = encode(tokenizer, [example.text for example in chosen], [None] * count, LENGTH)
    likely = torch.tensor([example.label for example in chosen], dtype=torch.float32)
    first = 0.9 * likely + 0.1 * (1 - likely)
    order = np.concatenate(training_batches(texts.lengths, BATCH, SEED, 0))
    module = build(base, Shape(2, head_init="normal"), SEED)
    return Task(module, tokenizer, texts, torch.stack([1 - first, first], dim=1), order)


def ours(task: Task) -> tuple[list[float], Clock]:
    objective = Classification(task.texts, range(len(task.texts)), task.targets)
    trainer = Trainer(copy.deepcopy(task.module), objective, Recipe(epochs=1, batch=BATCH, learning_rate=RATE), SEED)
    with Clock() as clock:
        trainer.run()
    return [row["loss"] for row in trainer.curve], clock


def released(task: Task) -> tuple[list[float], Clock]:
    import datasets

    model = copy.deepcopy(task.module).eval()
    rows = datasets.Dataset.from_dict(
        {
            "input_ids": [list(task.texts.tokens[k]) for k in task.order],
            "soft_label": [task.targets[k].tolist() for k in task.order],
        }
    )
    steps = len(rows) // BATCH
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
    return losses, clock


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
        self.module = copy.deepcopy(module)
        for layer in self.modules():
            if isinstance(layer, torch.nn.Dropout):
                layer.p = 0.0

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        logits = self.module(input_ids, attention_mask)
        return {"loss": cross_entropy(logits, labels).mean(), "logits": logits}


def hugging_face(task: Task, batches: str = "random") -> tuple[list[float], Clock]:
    import transformers

    clock = Clock()

    class Timed(transformers.TrainerCallback):
        def on_train_begin(self, *_given: Any, **_more: Any) -> None:
            clock.__enter__()

        def on_train_end(self, *_given: Any, **_more: Any) -> None:
            clock.__exit__()

    pad = transformers.DataCollatorWithPadding(task.tokenizer)

    def collate(rows: list[dict[str, Any]]) -> dict[str, Any]:
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
        return [trainer.train().training_loss], clock


class Clock:
    """Wall and processor seconds between entering and leaving."""

    def __enter__(self) -> Clock:
        self.wall, self.cpu = -time.perf_counter(), -time.process_time()
        return self

    def __exit__(self, *_error: object) -> None:
        self.wall, self.cpu = self.wall + time.perf_counter(), self.cpu + time.process_time()


SIDES: dict[str, Callable[[Task], tuple[list[float], Clock]]] = {
    "ours": ours,
    "released": released,
    "hugging face": hugging_face,
    GROUPED: functools.partial(hugging_face, batches="group_by_length"),
}


def measure(task: Task, repeats: int) -> dict[str, Any]:
    """Seconds of every side in turns, one unmeasured turn first; losses of the last turn."""
    wall: dict[str, list[float]] = {name: [] for name in SIDES}
    cpu: dict[str, list[float]] = {name: [] for name in SIDES}
    losses = {}
    for turn in range(repeats + 1):
        for name, side in SIDES.items():
            losses[name], clock = side(task)
            if turn:
                wall[name].append(clock.wall)
                cpu[name].append(clock.cpu)
    return {"tokens": int(task.texts.lengths.sum()), "wall": wall, "cpu": cpu, "losses": losses}


def show(model: str, found: dict[str, Any], *, bars: bool) -> None:
    texts, tokens = len(found["losses"]["ours"]) * BATCH, found["tokens"]
    print(f"{model}, {texts} texts, {tokens} tokens, {len(found['cpu']['ours'])} turns; seconds: median [quartiles]")
    for name in SIDES:
        low, middle, high = quartiles(found["cpu"][name])
        clock = quartiles(found["wall"][name])[1]
        print(
            f"  {name:24s} {middle:7.2f} [{low:.2f}, {high:.2f}] cpu {clock:7.2f} wall {tokens / middle:9,.0f} tokens/s of cpu"
        )
    apart = float(np.abs(np.subtract(found["losses"]["ours"], found["losses"]["released"])).max())
    ends = ", ".join(f"{name} {np.mean(values):.4f}" for name, values in found["losses"].items())
    print(f"  mean loss: {ends}; ours and released at most {apart:.1e} apart at any step")
    assert apart <= TOLERANCE, "the two loops do not train the same"
    means = [float(np.mean(values)) for values in found["losses"].values()]
    assert np.ptp(means) <= 0.05, "a side does not train the same"  # other batches, one epoch: some hundredths of a nat
    if not bars:
        return
    middle = {name: quartiles(values)[1] for name, values in found["cpu"].items()}
    middle["hugging face"] = min(middle["hugging face"], middle[GROUPED])
    for name, bar in BARS.items():
        verdict(f"finetune of {model}: tokens/s of ours over {name}", middle[name] / middle["ours"], bar, at_least=True)


def main() -> None:
    parser = options(__doc__, "one layer, 96 texts, one turn, no bars")
    parser.add_argument("--model", help="default: minilm-l6, with --quick its first layer")
    parser.add_argument("--texts", type=int, help="a multiple of 32; default 256, with --quick 96")
    parser.add_argument("--repeats", type=int, help="measured turns; default 11, with --quick 1")
    chosen = parser.parse_args()
    model = chosen.model or ("minilm-l6:1" if chosen.quick else "minilm-l6")
    torch.set_num_threads(1)
    try:
        task = load(model, chosen.texts or (96 if chosen.quick else 256))
    except (DataFileError, FieldError) as missing:
        sys.exit(print(f"skipped: {missing}"))
    found = measure(task, chosen.repeats or (1 if chosen.quick else 11))
    show(model, found, bars=not chosen.quick)
    save(chosen.json, found)


if __name__ == "__main__":
    main()
