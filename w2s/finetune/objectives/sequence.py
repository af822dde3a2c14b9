"""Texts as targets: next-token cross-entropy on a target behind a prompt, or on whole texts that come without a label.

With m_t = 1 on the tokens of the target and on the one that ends the text, the loss of a batch is
-sum m_t log p(x_t | x_<t) / sum m_t, in nats: the mean over the batch's target tokens. A prompt's token contributes exactly 0,
whatever the model thinks of it. Supervised finetuning on answers is this objective; so is the bound that an Aligner minimises
(Ji et al. 2024, arXiv 2402.02416), where the prompt holds a query with its first answer and the target is the correction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.answers import answers_of
from w2s.finetune.data.pairs import read_pairs
from w2s.finetune.data.tables import read_table
from w2s.finetune.data.targets import EncodedTargets, encode_targets
from w2s.finetune.data.tokens import Encoded
from w2s.finetune.inference.forward import logits_of, moved
from w2s.finetune.models.tokenizer import load_tokenizer
from w2s.finetune.objectives.base import Examples, Objective, Predict, Prompt, Source, Unlabelled, objective

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

__all__ = ["Language", "Sequences"]

Matrix = npt.NDArray[np.float64]


@objective("sequence")
class Sequences(Objective):
    """Next-token cross-entropy on targets.

    ``rows`` (n,) of ``texts`` are learned; ``held_out`` rows, whose targets were given too, are scored at evaluations.
    """

    examples: ClassVar[type[Examples]] = Prompt
    shape: ClassVar[Mapping[str, Any]] = {"head": "lm"}
    width = 1

    def __init__(
        self, texts: EncodedTargets, rows: Sequence[int], *, held_out: Sequence[int] = (), ids: Sequence[str] = ()
    ) -> None:
        import torch

        self.texts: EncodedTargets = texts
        self.rows = np.asarray(rows, dtype=np.int64)
        self.lengths, self.held_out, self.ids = texts.lengths[self.rows], tuple(held_out), ids
        self.counts = torch.from_numpy(texts.counts()).float()

    @classmethod
    def read(cls, source: Source) -> Self:
        """Read prompts, and their targets from ``answers.arrow``.

        Raises ValueError where other items have targets than were announced.
        """
        table, given = read_table(source.items, "items"), set(read_table(source.labels[0], "answers")["item_id"].to_pylist())
        rows = [row for row in table.select(["item_id", "text", "part"]).to_pylist() if row["item_id"] in given]
        ids = [row["item_id"] for row in rows]
        own = [k for k, row in enumerate(rows) if row["part"] == source.part]
        if len(own) != source.rows:
            announced = f"{source.rows} items of part {source.part!r} with targets were announced"
            raise ValueError(f"{announced}, there are {len(own)}")
        held_out = [k for k, row in enumerate(rows) if row["part"] == "validation"]
        prompts = [row["text"] for row in rows]
        texts = encode_targets(load_tokenizer(source.base), prompts, answers_of(source.labels[0], ids), source.max_length)
        return cls(texts, own, held_out=held_out, ids=ids)

    def to(self, device: torch.device) -> Self:
        """Move the counts of target tokens to a device."""
        self.counts = self.counts.to(device)
        return self

    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Compute the log-probabilities of targets, (b,) float32 in nats: sums over their tokens."""
        return self._sums(module, self.rows[places])

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:  # noqa: ARG002
        """Compute the mean of -log p over all target tokens of a batch, from the sums (b,)."""
        import torch

        return -outputs.sum() / self.counts[moved(torch.as_tensor(self.rows[places]), self.counts.device)].sum()

    def predicted(self, module: nn.Module, rows: Any) -> Matrix:
        """Compute the log-probabilities of targets, (b, 1) float64, without dropout."""
        import torch

        training = module.training
        module.eval()
        with torch.no_grad():
            found: Matrix = self._sums(module, np.asarray(rows))[:, None].double().cpu().numpy()
        module.train(training)
        return found

    def validated(self, predict: Predict) -> Mapping[str, float]:
        """Score held-out items by the mean of -log p over their target tokens, ``validation_loss``."""
        if not self.held_out:
            return {}
        tokens = float(self.texts.counts()[list(self.held_out)].sum())
        return {"validation_loss": -float(predict(self.held_out).sum()) / tokens}

    def _sums(self, module: nn.Module, rows: Any) -> Tensor:
        import torch

        found = logits_of(module, self.texts, rows, self.counts.device).float()
        # `where` and not a product: a prompt's token that the model finds impossible has log-probability -inf.
        return torch.where(moved(self.texts.targets(rows), self.counts.device), found, 0.0).sum(dim=1)


@objective("language")
class Language(Objective):
    """Next-token cross-entropy on the texts of pairs of replies: each prompt with its first reply, and with its second.

    The loss of a batch is the mean of -log p(x_t | x_<t) over all tokens but the first of each text, in nats. Which reply is
    preferred is not read. Burns et al. 2023 (arXiv 2312.09390), section 5.2: generative finetuning before reward modelling.
    """

    examples: ClassVar[type[Examples]] = Unlabelled
    shape: ClassVar[Mapping[str, Any]] = {"head": "lm"}
    width = 1

    def __init__(self, texts: Encoded, rows: Sequence[int]) -> None:
        self.texts: Encoded = texts
        self.rows = np.asarray(rows, dtype=np.int64)
        self.lengths = texts.lengths[self.rows]

    @classmethod
    def read(cls, source: Source) -> Self:
        """Read both texts of every pair of a part: two examples for an item.

        Raises ValueError where other items are there than were announced, KeyError for items that are no pairs.
        """
        _, texts, parts = read_pairs(source.base, source.items, source.max_length)
        own = [k for k, part in enumerate(parts) if part == source.part]
        if len(own) != source.rows:
            raise ValueError(f"{source.rows} items of part {source.part!r} were announced, there are {len(own)}")
        return cls(texts.sides, [2 * k + side for k in own for side in (0, 1)])

    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Compute the log-probabilities of texts, (b,) float32 in nats: sums over their tokens."""
        return self._sums(module, self.rows[places])

    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:  # noqa: ARG002
        """Compute the mean of -log p over all tokens of a batch but the first ones, from the sums (b,)."""
        return -outputs.sum() / float(max(1, int((self.lengths[places] - 1).sum())))

    def predicted(self, module: nn.Module, rows: Any) -> Matrix:
        """Compute the log-probabilities of texts, (b, 1) float64."""
        import torch

        with torch.no_grad():
            found: Matrix = self._sums(module, np.asarray(rows))[:, None].double().cpu().numpy()
        return found

    def _sums(self, module: nn.Module, rows: Any) -> Tensor:
        import torch

        device = next(module.parameters()).device
        found = logits_of(module, self.texts, rows, device).float()
        mask = moved(self.texts.batch(rows)[1], device).bool()
        return torch.where(mask, found, 0.0).sum(dim=1)
