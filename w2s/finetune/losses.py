"""Losses under the name that losses in files and packages import: see `w2s.finetune.objectives.losses`."""

from w2s.finetune.objectives.losses import Number, OneOf, cross_entropy, loss

__all__ = ["Number", "OneOf", "cross_entropy", "loss"]
