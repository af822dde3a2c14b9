"""Columns that every table has, and the ends that names of columns may have."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["ENDS", "MODELS", "OF_MODELS", "ROWS"]

ROWS: Mapping[str, str] = {
    "cell_id": "identity of the cell: 128 bits of its study, version and fields",
    "study": "study that the cell belongs to",
    "version": "version of the study that made the row",
    "seed": "replicate: names the random streams of every role",
    "status": "ok, singular, ill_conditioned, nonfinite or failed; w2s-sweep explain status says more",
    "message": "what is to be said of the row: the error of a failed one, a remark about a choice",
    "traceback": "calls that led to the error of a failed row, outermost first; null in other rows",
    "gain": "weak_error - student_error: what the student has over the weak model; positive: the student errs less",
    "gain_01": "accuracy that the student has over the weak model, weak_error_01 - student_error_01; positive: it is "
    "right more often [share]",
    "misfit": "distance between the student and the labels that it was trained on, of the kind of the error",
    "weak_distance": "distance between the student and the outputs of the weak model, of the kind of the error",
    "pgr": "performance gap recovered: gain / (weak_error - ceiling_error); null where its status is not ok",
    "pgr_01": "performance gap recovered by 0-1 errors: gain_01 / (weak_error_01 - ceiling_error_01)",
    "pgr_status": "ok; gap_nonpositive: the ceiling is no better than the weak model; nonfinite: an input is no number",
    "pgr_01_status": "ok; gap_nonpositive: the ceiling errs as often as the weak model or more; nonfinite: an input is none",
    "disagreement": "share of rows on which student and weak model name different classes [share]",
    "opr": "strong_error / student_error: many weak labels against few true ones, for one way to learn",
    "solver": "factorisation that solved the cell; teacher+student where they differ",
    "backend": "kernels that computed the row: numpy, numba or cupy",
    "blas": "linear algebra library behind the kernels",
    "dtype": "precision of the computation",
    "condition": "condition number of the systems that were solved; above 1e12 the status is ill_conditioned",
    "threads": "threads that the block ran on",
    "elapsed_s": "time of the block divided by its cells [s]",
    "code_digest": "digest of code outside this package that made the row; null where there is none",
}

MODELS: Mapping[str, str] = {
    "weak": "the weak model",
    "student": "the student",
    "strong": "the strong baseline",
    "ceiling": "the ceiling",
}
"""Models by the word that begins a column's name."""

OF_MODELS: Mapping[str, str] = {
    "error": "error, of the study's kind",
    "error_01": "share of wrong classes [share]",
    "error_theory": "error by the closed form of the paper",
    "error_easy": "share of wrong answers on inputs with the easy signal alone [share]",
    "error_hard": "share of wrong answers on inputs with the hard signal alone [share]",
    "error_both": "share of wrong answers on inputs with both signals [share]",
    "error_in": "share of wrong classes on items that are not shifted [share]",
    "error_bad": "share of wrong classes on covered points with wrong labels [share]",
    "error_uncovered": "share of wrong classes on points that the weak labels do not cover [share]",
    "train_error": "share of wrong answers on the rows it was fitted to [share]",
    "validation_error": "error on the validation rows, by their true labels",
    "validation_error_01": "share of wrong classes on the validation items, by their true labels [share]",
    "validation_misfit": "misfit on the validation rows; no truth is in it",
    "validation_weak_distance": "distance to the weak model's outputs on the validation rows; no truth is in it",
    "flip_error_01": "error of one more, trained on as many wrong labels at random items [share]",
    "fit_error": "misfit on its own rows",
    "ridge": "ridge that it was fitted with; null where its filter is no ridge [feature power]",
    "rank": "rank of the features that it was fitted to",
    "power": "mean square norm of the features as its fit sees them",
    "width": "number of its inputs",
    "parameters": "number of its weights, without layers that are cut off",
    "iterations": "iterations of its fit",
    "gradient_norm": "norm of the gradient at the end of its fit",
    "brier": "mean squared distance between its probabilities and the true class",
    "calibration": "expected calibration error of its probabilities [share]",
    "agreement_right": "share of items on which it agrees with the weak model where that is right [share]",
    "agreement_wrong": "share of items on which it agrees with the weak model where that is wrong [share]",
    "pair_accuracy": "share of pairs that it orders as the truth does [share]",
    "reward": "mean true reward of its answers",
    "implicit": "implicit reward per token, of the alignment, of its texts",
    "divergence": "divergence of its texts from the language, per text [nats]",
    "loss": "loss at the end of its training",
    "edit_rate": "share of prompts to which it answers otherwise than the weak model [share]",
    "attacked": "share of wrong answers that an attack on the masked inputs finds [share]",
    "certified": "share of wrong answers that bounds do not exclude, whatever the masked inputs are [share]",
    "intact": "share of wrong answers on inputs with the decoy of their own class [share]",
    "slopes": "mean square of the slopes on the masked inputs",
    "worst_class": "share of wrong answers on the class that it does worst on [share]",
    "worst_pair": "share of wrong answers on the pair of class and decoy that it does worst on [share]",
    "cosine": "cosine between its weights and the target's",
    "variation": "mean total variation between its probabilities and the truth's",
    "99": "number of directions that hold 99 % of the energy of its features",
}
"""What is said of a model, by what follows its word in a column's name."""

ENDS: Mapping[str, str] = {
    "_low": "lower end of the interval of 95 % over items: {}",
    "_high": "upper end of the interval of 95 % over items: {}",
    "_theory": "{}, by the closed form of the paper",
    "_centred": "{}, after the mean is taken away",
    "_sd": "standard deviation over projections: {}",
}
"""Ends of names that change the meaning of what is before them."""
