"""Columns of a finetune's row: what every training says, and what methods say, null for other methods."""

from __future__ import annotations

from collections.abc import Mapping

from w2s.finetune.evaluation.chosen_labels import CHOICE_COLUMNS
from w2s.finetune.evaluation.classification import ClassificationEvaluation
from w2s.finetune.evaluation.generation import GenerationEvaluation
from w2s.finetune.evaluation.preference import PreferenceEvaluation
from w2s.measure.deception import DECEPTION_COLUMNS

__all__ = ["COLUMNS"]

_TRAINING = {
    "selected_by": "string",
    "stopped_at": "int64",
    "cut_items": "int64",
    "dropped_items": "int64",
    "tokens": "int64",
    "train_seconds": "double",
    "peak_bytes": "int64",
}
_TUNING = {"weak_validation_error_01": "double", "strong_validation_error_01": "double"}
"""Of models that learned from true labels, on validation items: by these rates and epochs are chosen, never by test items."""
_SUPERVISORS = {
    "weak_errors_01": "string",
    "learned_weights": "string",
    "agreed_items": "double",
    "self_labelled": "double",
    "kept_items": "double",
    "effective_items": "double",
}
_SIZES = {"weak_parameters": "int64", "student_parameters": "int64"}
"""Weights of the models, without those of layers that are cut off; of several teachers the sum."""
_ADJUSTED = dict.fromkeys(("adjusted_ceiling_error", "adjusted_ceiling_error_01", "adjusted_pgr_01"), "double")
"""Of a ceiling that had what a method gives its student beside labels, and the PGR against it."""
_CORRECTIONS = {
    **dict.fromkeys(("upstream_accuracy", "stacked_accuracy", "stacked_expected"), "double"),
    **dict.fromkeys(("fix_rate", "break_rate", "edit_rate", "edit_precision", "copy_rate"), "double"),
    "rounds_edits": "string",
}
"""Of methods that correct answers (:mod:`w2s.finetune.inference.corrections`)."""
_WEAK_PAIR = {
    **{f"{texts}_{what}": "double" for texts in ("unaligned", "aligned", "contrast") for what in ("reward", "error_01")},
    "contrast_implicit": "double",
}
"""Of methods that contrast a weak model before and after its alignment."""

COLUMNS: Mapping[str, str] = {
    **ClassificationEvaluation.columns,
    **_TRAINING,
    **_TUNING,
    **_SUPERVISORS,
    **_ADJUSTED,
    **CHOICE_COLUMNS,
    **PreferenceEvaluation.columns,
    **GenerationEvaluation.columns,
    **DECEPTION_COLUMNS,
    **_CORRECTIONS,
    **_WEAK_PAIR,
    **_SIZES,
    "fitted_temperature": "double",
    "accuracy_by_step": "string",
}
"""All columns by name, with their types. Those after the training's are null where there are no several supervisors, no
method that says them, no pairs, or no prompts."""
