"""What a training minimises: examples of one kind, a loss over what the model gives for them, and what is learned beside it.

    @objective("mine", rate=Number(0.05))
    class Mine(Classification): ...

A trainer asks an objective for the outputs of some examples, then for the loss of a whole batch of outputs; so the loss sees
the batch even where only a part of it fits into memory. An objective may own tensors that are learned together with the model:
it updates them after every step, and they are part of every checkpoint. Packages add objectives through the entry-point group
``w2s_sweep.objectives``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

import numpy as np
import numpy.typing as npt

from w2s.finetune.inference.cached.rows import read_cached_rows
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.objectives.options import Options
from w2s.plugins import Registry

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from w2s.artifacts import Call
    from w2s.finetune.data.tokens import Encoded

__all__ = [
    "OBJECTIVES",
    "Examples",
    "Labelled",
    "Objective",
    "Pair",
    "Prompt",
    "Source",
    "Unlabelled",
    "find_objective",
    "objective",
]

Matrix = npt.NDArray[np.float64]
Predict = Callable[[Sequence[int]], Matrix]
Kind = TypeVar("Kind", bound="type[Objective]")


@dataclass(frozen=True)
class Examples:
    """Items of one part and the artifact that says what is to be learned from them: what a method gives to a training.

    ``labels`` is one call, or one for each of several supervisors. ``rows`` is the number of items; None: all of the part.
    A subclass for each kind of example says which tables the calls hold.
    """

    part: str
    labels: Call | tuple[Call, ...]
    rows: int | None = None


@dataclass(frozen=True)
class Labelled(Examples):
    """Items with class probabilities: each call holds ``labels.arrow`` (item_id, p_0, ...)."""


@dataclass(frozen=True)
class Pair(Examples):
    """Pairs of replies with preference probabilities: ``labels.arrow`` (item_id, p_0, p_1), p_1 that of the second reply.

    For DPO a second call holds the log-probabilities of the replies under the reference: ``logprobs.arrow``.
    """


@dataclass(frozen=True)
class Prompt(Examples):
    """Prompts with target texts: ``answers.arrow`` (item_id, text). The prompts are the texts of the items."""


@dataclass(frozen=True)
class Unlabelled(Examples):
    """Items whose texts alone are learned: ``labels`` is the call that draws the items, and no label is read."""


@dataclass(frozen=True)
class Source:
    """Where an objective reads its examples when the training runs, and the options it was given.

    Attributes
    ----------
    base : the model, whose tokenizer cuts texts at ``max_length`` tokens.
    items, labels : folders of the finished artifacts; one of ``labels`` for each supervisor.
    part, rows : the items to learn from, and how many there are.
    loss, options : a registered loss and its options, for objectives that take one.
    settings : options of the objective itself.
    features, layer : the folder of features and their layer, or of states of tokens, in place of texts.

    """

    base: ModelFolder
    items: Path
    labels: tuple[Path, ...]
    part: str
    rows: int
    max_length: int
    loss: str
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    features: Path | None = None
    layer: int = 0

    def inputs(self, read: Callable[[ModelFolder, Path, int], Any]) -> Any:
        """Return item ids, what the model sees of the items, and their parts, in one order; ``read`` reads texts."""
        if self.features is None:
            return read(self.base, self.items, self.max_length)
        return read_cached_rows(self.features, self.layer, self.items)


class Objective(ABC):
    """Examples and their loss.

    Attributes
    ----------
    examples : the kind of examples that a method has to give.
    options : options of the objective, which :func:`objective` declares.
    shape : what it asks of the model, fields of :class:`w2s.finetune.models.build.Shape`.
    separable : whether the loss is a mean over examples of which each depends on its own outputs alone; then a batch can be
        done in pieces with one pass. An objective that learns something beside the model is never separable.
    sees_rows_alone : whether, of an embedding table, it sees no more than the rows of its texts' tokens.
    lengths : (n,) tokens of every example; batches are made from them.
    ids, texts : items by id and their tokens; ``kept`` are rows of them that are predicted at every evaluation.
    width : columns of a prediction.

    """

    examples: ClassVar[type[Examples]] = Labelled
    options: ClassVar[Options] = Options({})
    shape: ClassVar[Mapping[str, Any]] = {}
    separable: bool = False
    sees_rows_alone: ClassVar[bool] = False
    lengths: npt.NDArray[np.int64]
    texts: Encoded
    ids: Sequence[str] = ()
    kept: Sequence[int] = ()
    width: int

    @classmethod
    @abstractmethod
    def read(cls, source: Source) -> Self:
        """Read the examples of a training."""

    @abstractmethod
    def outputs(self, module: nn.Module, places: Any) -> Tensor:
        """Run the model on some examples; return (b, ...) float32, one row per example, with its graph."""

    @abstractmethod
    def loss(self, outputs: Tensor, places: Any, progress: float) -> Tensor:
        """Compute the loss, a scalar, of the outputs of a batch; ``progress`` in [0, 1] is the share of steps done."""

    @abstractmethod
    def predicted(self, module: nn.Module, rows: Any) -> Matrix:
        """Predict some rows of ``texts`` with the model as it is now: (b, width) float64."""

    def validated(self, predict: Predict) -> Mapping[str, float]:  # noqa: ARG002
        """Score the model on held-out examples that were given with the others; no truth is used.

        ``validation_agreement`` among the scores is what legal stopping maximises. ``predict`` predicts rows of ``texts``.
        """
        return {}

    def to(self, device: torch.device) -> Self:  # noqa: ARG002
        """Move targets and learned tensors to the device of the model."""
        return self

    def learned(self) -> Mapping[str, Tensor]:
        """Return the tensors that are learned beside the model, by name; each requires a gradient."""
        return {}

    def update(self, progress: float) -> None:  # noqa: ARG002
        """Update the learned tensors from their gradients, in place, after the step of the model."""
        return

    def traced(self) -> Tensor | None:
        """Return a short vector that the curve of the training shows by step; None where there is nothing to show."""
        return None

    def said(self) -> Mapping[str, Any]:
        """Return what was learned beside the model, as JSON values for the account of the training."""
        return {}


OBJECTIVES: Registry[type[Objective]] = Registry(
    "objective",
    "w2s_sweep.objectives",
    {
        "bayesian": "w2s.finetune.objectives.bayesian",
        "classification": "w2s.finetune.objectives.classification",
        "conflicting": "w2s.finetune.objectives.conflicting",
        "dpo": "w2s.finetune.objectives.preference",
        "learned_dpo": "w2s.finetune.objectives.learned_dpo",
        "language": "w2s.finetune.objectives.sequence",
        "learned_weights": "w2s.finetune.objectives.learned_weights",
        "reward": "w2s.finetune.objectives.preference",
        "robust": "w2s.finetune.objectives.robust",
        "sequence": "w2s.finetune.objectives.sequence",
        "wspo": "w2s.finetune.objectives.wspo",
    },
)
"""All objectives by name."""


def objective(name: str, **options: Any) -> Callable[[Kind], Kind]:
    """Register an objective under a name, with its options: defaults, or a ``OneOf`` or ``Number`` that has one."""

    def register(kind: Kind) -> Kind:
        kind.options = Options(options)
        OBJECTIVES.known[name] = kind
        return kind

    return register


def find_objective(name: str) -> type[Objective]:
    """Return an objective by name; raise :class:`w2s.errors.FieldError` with the nearest name."""
    return OBJECTIVES.find(name)
