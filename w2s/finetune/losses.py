"""What a loss in a file or package of your own imports; `w2s.finetune.objectives.losses` says how to write one."""

from w2s.finetune.objectives.losses import Number, OneOf, cross_entropy, loss

__all__ = ["Number", "OneOf", "cross_entropy", "loss"]
