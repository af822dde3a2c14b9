"""The last layers of a model trained on states that are computed once, against the Hugging Face Trainer and all layers.

An encoder of twelve layers with random weights, in the shape of minilm-l6 (384 wide), two layers of which are trained, two
epochs in batches of 32, cross-entropy, one thread. Ours computes the states below the two layers once, as the artifact
`token_states` does, its file included, and then trains on them; in the account one pass serves ten trainings. The Trainer
freezes the same weights and runs the whole model in every training; it groups texts by length. The third side trains all layers
with our loop. Losses of the first two agree up to the order of batches. Bars: 2.3 x the Trainer, 4 x all layers, in processor
time of ten trainings.
"""

from __future__ import annotations

import copy
import json
import shutil
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _timing import options, quartiles, save, verdict
from finetune_speed import BATCH, LENGTH, RATE, SEED, Clock, Task, hugging_face

from w2s.artifacts import Store
from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.data.items import items
from w2s.finetune.data.tables import read_table
from w2s.finetune.data.tasks import TaskData
from w2s.finetune.data.tokens import encode
from w2s.finetune.inference.cached.token_states import read_token_rows, token_states
from w2s.finetune.models.build import Shape, build
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.objectives.classification import Classification
from w2s.finetune.training.loop import Recipe, Trainer

LAYERS, TOP, EPOCHS, TRAININGS = 12, 2, 2, 10
BARS = {"hugging face": 2.3, "all layers": 4.0}
COLUMNS = {"text": "text", "label": "label", "pair": None, "group": None}


def deep_model(place: Path) -> ModelFolder:
    """An encoder of twelve layers with random weights and the tokenizer of minilm-l6."""
    import transformers

    known = ModelFolder.find("minilm-l6").path
    config = transformers.AutoConfig.from_pretrained(known)
    config.num_hidden_layers = LAYERS
    torch.manual_seed(SEED)
    transformers.AutoModel.from_config(config).save_pretrained(place)
    for path in [*known.glob("tokenizer*"), *known.glob("vocab*"), *known.glob("special_tokens*")]:
        shutil.copyfile(path, place / path.name)
    return ModelFolder.find(str(place))


def main() -> None:
    parser = options(__doc__, "32 texts, one turn, no bars")
    parser.add_argument("--texts", type=int, help="a multiple of 32; default 256, with --quick 32")
    parser.add_argument("--repeats", type=int, help="turns; default 5, with --quick 1")
    chosen = parser.parse_args()
    count = chosen.texts or (32 if chosen.quick else 256)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        try:
            found = measure(Path(name), count, chosen.repeats or (1 if chosen.quick else 5))
        except (DataFileError, FieldError) as missing:
            sys.exit(print(f"skipped: {missing}"))
    show(found, bars=not chosen.quick)
    save(chosen.json, found)


def measure(place: Path, count: int, repeats: int) -> dict[str, Any]:
    """Processor seconds of every side, in turns."""
    base, task = deep_model(place / "model"), TaskData.find("sentence_polarity")
    sizes = {"labeled": count, "transfer": 0, "validation": 0, "test": 0}
    drawn = items(task=task, columns=COLUMNS, sizes=sizes, balance=True, seed=SEED)
    folder = Store(place / "store").ensure(drawn)
    table = read_table(folder, "items")
    texts = encode(load_tokenizer(base), table["text"].to_pylist(), [None] * len(table), LENGTH)
    targets = torch.tensor(np.random.default_rng(SEED).dirichlet((1.0, 1.0), size=len(table)), dtype=torch.float32)
    recipe = Recipe(epochs=EPOCHS, batch=BATCH, learning_rate=RATE, grouping=1_000_000)
    whole, seconds = build(base, Shape(2, head_init="normal"), SEED), {}
    upper = build(base, Shape(2, head_init="normal", tuning="top_layers", top=TOP), SEED)
    frozen = copy.deepcopy(whole)
    kept = {name for name, weight in upper.named_parameters() if weight.requires_grad}
    for name, weight in frozen.named_parameters():
        weight.requires_grad_(name in kept)
    given = Task(frozen, load_tokenizer(base), texts, targets, np.arange(len(texts)), steps=EPOCHS * -(-len(texts) // BATCH))
    losses = {}
    for turn in range(repeats):
        with Clock() as pass_clock:
            call = token_states(base=base, items=drawn, layer=LAYERS - TOP, max_length=LENGTH)
            states = Store(place / f"states-{turn}")
            states.ensure(drawn)
            rows = read_token_rows(states.ensure(call), folder)[1]
        for name, module, seen in (("cached", upper, rows), ("all layers", whole, texts)):
            trainer = Trainer(copy.deepcopy(module), Classification(seen, range(len(texts)), targets), recipe, SEED)
            with Clock() as clock:
                trainer.run()
            seconds.setdefault(name, []).append(clock.cpu)
            losses[name] = float(np.mean([row["loss"] for row in trainer.curve]))
        loss, clock, _ = hugging_face(replace(given, module=frozen), "group_by_length")
        seconds.setdefault("hugging face", []).append(clock.cpu)
        seconds.setdefault("the pass", []).append(pass_clock.cpu)
        losses["hugging face"] = loss[0]
    return {"seconds": seconds, "losses": losses, "texts": len(texts)}


def show(found: dict[str, Any], *, bars: bool) -> None:
    middle = {}
    for name, values in found["seconds"].items():
        low, middle[name], high = quartiles(values)
        print(f"  {name:14s} {middle[name]:7.2f} [{low:.2f}, {high:.2f}] s cpu")
    print(f"  mean losses: {json.dumps(found['losses'])}")
    assert abs(found["losses"]["cached"] - found["losses"]["hugging face"]) < 0.05, "the two do not train the same"
    ours = middle["the pass"] + TRAININGS * middle["cached"]
    for name, bar in BARS.items() if bars else ():
        verdict(
            f"{TRAININGS} trainings of {TOP} layers of {LAYERS} over {name}",
            TRAININGS * middle[name] / ours,
            bar,
            at_least=True,
        )


if __name__ == "__main__":
    main()
