"""Columns of finetunes, prompts, ladders, chess and scored files."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FINETUNES"]

_SCORES = {
    "n_items": "items that are scored",
    "agreement": "share of items on which student and weak model name one class [share]",
    "agreement_right": "share of items on which student and weak model name one class, where the weak model is right [share]",
    "agreement_wrong": "share of items on which student and weak model name one class, where the weak model is wrong [share]",
    "misfit_squared": "mean squared distance of probabilities between student and its labels",
    "weak_distance_squared": "mean squared distance of probabilities between student and weak model",
    "pgr_flip_01": "PGR of a student trained on as many wrong labels at random items",
    "pgr_probe_01": "PGR of a probe of the prompted model's states",
    "chance_error_01": "share of wrong answers of a draw at random [share]",
}
_TRAINING = {
    "selected_by": "what chose the student's checkpoint",
    "stopped_at": "step of the student that is scored",
    "cut_items": "items longer than the model takes, which were cut",
    "dropped_items": "rows of the task that are no items: empty, without a label, listed twice",
    "tokens": "tokens that the trainings, or prompts, read",
    "train_seconds": "time of the trainings [s]",
    "train_steps": "steps of the training",
    "peak_bytes": "most memory that a training held [bytes]",
    "accuracy_by_step": "test accuracy of the student by step, a JSON list",
    "weak_errors_01": "errors of the teachers where there are several, a JSON list",
    "learned_weights": "weights that were learned for supervisors or items, a JSON list",
    "agreed_items": "share of items on which all supervisors agree [share]",
    "self_labelled": "share of items whose label the model replaced by its own [share]",
    "kept_items": "share of items that the student was trained on [share]",
    "effective_items": "items that the weights amount to: (sum w)^2 / sum w^2 over their number [share]",
    "adjusted_ceiling_error": "error of a ceiling that had what the method gives its student beside labels",
    "adjusted_ceiling_error_01": "share of wrong classes of a ceiling that had what the method gives its student "
    "beside labels [share]",
    "adjusted_pgr_01": "PGR against a ceiling that had what the method gives its student beside labels",
    "label_accuracy": "share of right labels that the student was trained on [share]",
    "label_calibration": "expected calibration error of the labels [share]",
    "label_error_01": "share of wrong labels that the student was trained on [share]",
    "fitted_temperature": "temperature fitted to the labels on held-out truth",
}
_CHOICES = {
    "kept_share": "share of items whose label was kept [share]",
    "selected_share": "share of items that got an answer of the model's own [share]",
    "judge_threshold": "threshold of the judge that selects items for the model's own answers",
    "judge_auroc": "area under the curve of the judge, for right against wrong own answers",
    "own_accuracy": "share of right own answers on all items [share]",
    "own_accuracy_selected": "share of right own answers on selected items [share]",
    "weak_label_accuracy": "share of right weak labels on all items [share]",
    "weak_accuracy_rest": "share of right weak labels on items without an own answer, before smoothing [share]",
    "smoothed_accuracy_rest": "share of right labels on items without an own answer, after smoothing [share]",
    "known_both": "test items that ceiling and weak model know",
    "known_strong_only": "test items that the ceiling alone knows",
    "known_weak_only": "test items that the weak model alone knows",
    "known_neither": "test items that neither ceiling nor weak model knows",
    "induced_errors": "items on which the student was led to err",
    "deception": "share of induced errors that only the strong model knows, where a supervisor cannot see them [share]",
    "deception_base": "share of items that only the strong model knows, among all that the honest student has right [share]",
}
_TEXTS = {
    "upstream_accuracy": "share of right answers before correction [share]",
    "stacked_accuracy": "share of right corrected answers [share]",
    "stacked_expected": "a (1 - b) + (1 - a) f, of the accuracy a before correction, break rate b and fix rate f [share]",
    "fix_rate": "share of wrong answers that are made right [share]",
    "break_rate": "share of right answers that are made wrong [share]",
    "edit_rate": "share of answers that are changed [share]",
    "edit_precision": "share of edits that fix [share]",
    "copy_rate": "share of answers that the corrector copies after its warm-up [share]",
    "rounds_edits": "edit rates by round, a JSON list",
    "unaligned_reward": "mean true reward of the weak model before its alignment",
    "unaligned_error_01": "share of wrong answers of the weak model before its alignment [share]",
    "aligned_reward": "mean true reward of the weak model after its alignment",
    "aligned_error_01": "share of wrong answers of the weak model after its alignment [share]",
    "contrast_reward": "mean true reward of the texts that the student learned from",
    "contrast_error_01": "share of wrong texts that the student learned from [share]",
    "contrast_implicit": "implicit reward per token of the texts that the student learned from",
    "shown_accuracy": "share of right labels in the student's prompt [share]",
    "largest_class": "share of test items that get the student's most frequent answer [share]",
    "largest_class_ceiling": "share of test items that get the ceiling's most frequent answer [share]",
    "prompt_seconds": "time of the prompted answers [s]",
    "prompt_tokens": "tokens of the prompt before the item",
    "probe_error_01": "share of wrong classes of a probe of the prompted student's states [share]",
    "probe_ceiling_error_01": "share of wrong classes of a probe of the prompted ceiling's states [share]",
    "probe_weak_error_01": "share of wrong classes of a probe fitted to weak labels, before finetuning [share]",
    "probe_truth_error_01": "share of wrong classes of a probe fitted to the truth, before finetuning [share]",
    "tuned_probe_error_01": "share of wrong classes of a probe after the finetuning on weak labels [share]",
    "largest_gradient": "largest gradient at the end of the fits",
}
_LADDERS = {
    "size": "model of the ladder: LAYERSxWIDTH",
    "parameters": "number of weights of the model",
    "bits_per_byte": "cross-entropy on held-out text [bits per byte]",
    "other_bits_per_byte": "cross-entropy on the other text [bits per byte]",
    "held_out_bytes": "bytes of held-out text",
    "held_out_tokens": "tokens of held-out text",
    "tokens_seen": "tokens that the training read",
    "tokens_per_second": "pace of the training [tokens per s]",
    "vocabulary_size": "entries of the tokenizer",
    "model": "key of the model's artifact",
}
FINETUNES: Mapping[str, str] = {**_SCORES, **_TRAINING, **_CHOICES, **_TEXTS, **_LADDERS}
"""Meaning by name of the column."""
