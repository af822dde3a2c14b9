"""How a student gets its labels and its training: registered functions that build artifact calls with a kit.

Imported by studies of finetunes. A new method is a module of about twenty lines here, with its name in ``registry.METHODS``.
"""

from w2s.finetune.methods.registry import method
from w2s.finetune.objectives.options import Number, NumberOr, OneOf

__all__ = ["Number", "NumberOr", "OneOf", "method"]
