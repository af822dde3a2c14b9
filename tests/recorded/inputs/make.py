"""Makes the invented inputs of the recorded grids: texts, molecules, predictions, and a small random BERT.

They are kept, since a file is known by its content: made anew under another library they could be other files, with other ids.
"""

from __future__ import annotations

import itertools
import shutil
import string
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent


def letters(place: Path) -> None:
    """Write 360 texts of letters with two classes, three classes, a second text and groups of three."""
    rng = np.random.default_rng(12)
    early = rng.integers(0, 2, 360)
    words = []
    for label in early:
        first = rng.random(rng.integers(4, 12)) < (0.75 if label else 0.25)
        words.append([string.ascii_lowercase[k] for k in rng.integers(0, 13, len(first)) + np.where(first, 0, 13)])
    share = np.array([np.mean([letter < "n" for letter in text]) for text in words])
    frame = pd.DataFrame({"letters": [" ".join(text) for text in words]})
    frame["answer"] = [" ".join(rng.permutation(text)[:3]) for text in words]
    frame["kind"] = np.where(early, "early", "late")
    frame["third"] = np.array(["low", "middle", "high"])[np.digitize(share, [0.36, 0.64])]
    frame["author"] = [f"author {k // 3}" for k in range(360)]
    frame.to_csv(place, index=False)


def molecules(place: Path) -> None:
    """Write 96 small molecules with an invented property and a published split."""
    heads, chains, tails = ("C", "CC(C)", "c1ccccc1", "N", "OCC", "ClC"), ("C", "CC", "CCO", "C(=O)N"), ("C", "O", "N", "F")
    smiles = ["".join(parts) for parts in itertools.product(heads, chains, tails)]
    rng = np.random.default_rng(13)
    value = [0.1 * len(word) - 0.7 * word.count("O") + 0.4 * word.count("c") + 0.3 * rng.standard_normal() for word in smiles]
    part = np.array(["train"] * 68 + ["valid"] * 14 + ["test"] * 14)[rng.permutation(96)]
    frame = pd.DataFrame({"smiles": smiles, "y": np.round(value, 3), "split_1": part})
    frame.to_csv(place, index=False)


def predictions(folder: Path) -> None:
    """Write what three models predict, as probabilities with seeds and groups, as classes, and as numbers."""
    rng = np.random.default_rng(14)
    parts = []
    for seed, group in itertools.product((0, 1), ("sums", "words")):
        truth = rng.integers(0, 2, 40)
        shared = rng.standard_normal(40)
        logits = {
            name: strength * (2 * truth - 1) + 0.6 * shared + rng.standard_normal(40)
            for name, strength in (("weak", 0.5), ("student", 0.9), ("ceiling", 1.4), ("strong", 0.7))
        }
        models = {name: np.round(1 / (1 + np.exp(-values)), 4) for name, values in logits.items()}
        parts.append(
            pd.DataFrame({"item_id": [f"q{k}" for k in range(40)], "seed": seed, "group": group, "truth": truth, **models})
        )
    whole = pd.concat(parts)
    whole.to_csv(folder / "probabilities.csv", index=False)
    one = whole[(whole["seed"] == 0) & (whole["group"] == "sums")].drop(columns=["seed", "group", "strong"])
    names = {"weak": "small", "student": "large", "ceiling": "best"}
    words = one.assign(**{name: np.where(one[name] > 0.5, "yes", "no") for name in names})
    words.assign(truth=np.where(one["truth"] == 1, "yes", "no")).rename(columns=names).to_csv(
        folder / "classes.csv", index=False
    )
    numbers = one.assign(**{name: np.round(3 * one[name] - 1, 3) for name in names})
    numbers.assign(truth=one["truth"] * 1.5 - 0.5).to_csv(folder / "values.csv", index=False)


def bert(place: Path) -> None:
    """Write a BERT of three layers with random weights, for texts of letters."""
    import torch
    import transformers

    place.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *string.ascii_lowercase]
    torch.manual_seed(0)
    sizes = {"hidden_size": 8, "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 16}
    config = transformers.BertConfig(vocab_size=len(words), max_position_embeddings=32, initializer_range=0.2, **sizes)
    transformers.BertModel(config).save_pretrained(place)
    (place / "vocab.txt").write_text("\n".join(words))
    transformers.BertTokenizerFast(str(place / "vocab.txt"), model_max_length=32).save_pretrained(place)


def main() -> None:
    letters(HERE / "letters.csv")
    molecules(HERE / "molecules.csv")
    predictions(HERE)
    shutil.rmtree(HERE / "bert", ignore_errors=True)
    bert(HERE / "bert")


if __name__ == "__main__":
    main()
