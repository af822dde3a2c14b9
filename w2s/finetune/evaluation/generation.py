"""Answers to prompts against a programmatic check: shares of failed checks, missing reward, how far answers agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from w2s.finetune.data.answers import Score, checked, written
from w2s.finetune.evaluation.base import Evaluation, Seen
from w2s.finetune.evaluation.training_labels import UNKNOWN_LABELS
from w2s.measure.item_intervals import item_intervals

__all__ = ["GenerationEvaluation"]

Vector = npt.NDArray[np.float64]

_MODELS = ("weak", "student", "strong", "ceiling")


class GenerationEvaluation(Evaluation[list[str]]):
    """Answers against a check.

    The declared error of a model is 1 - its mean score; ``error_01`` is the share of answers that fail the check (a score below
    1). Distances between two models, the misfit among them, are shares of prompts to which their answers differ.
    """

    columns: ClassVar[Mapping[str, str]] = {
        **{f"{model}_reward": "double" for model in _MODELS},
        "weak_edit_rate": "double",
        "strong_edit_rate": "double",
    }
    """Mean scores, and shares of test prompts to which the student answers otherwise than weak model and strong baseline."""

    def __init__(self, score: Score) -> None:
        self.score = score

    def read(self, predictions: Path, ids: list[str]) -> list[str]:
        """Read the answers to some prompts from ``generations.arrow``."""
        return written(predictions, ids)

    def row(self, truth: Sequence[str], seen: Seen[list[str]]) -> dict[str, Any]:
        """Compute every column; ``truth`` are the prompts, from which the check finds what is right."""
        answers = dict(zip(_MODELS, (seen.weak[0], seen.student, seen.strong, seen.ceiling), strict=True))
        scores = {name: checked(self.score, truth, texts) for name, texts in answers.items()}
        failed = {name: values < 1.0 for name, values in scores.items()}
        other = {name: _differ(answers["student"], answers[name]) for name in ("weak", "strong")}
        terms: dict[str, Vector] = {f"{name}_error": 1.0 - values for name, values in scores.items()}
        terms |= {f"{name}_error_01": values.astype(np.float64) for name, values in failed.items()}
        terms |= {"weak_distance": other["weak"].astype(np.float64), "agreement": (~other["weak"]).astype(np.float64)}
        given = seen.labels
        followed = np.full(len(truth), np.nan) if given is None else _differ(answers["student"], given).astype(np.float64)
        terms["misfit"] = followed
        terms["same_wrong"] = (~other["weak"] & failed["weak"]).astype(np.float64)
        row: dict[str, Any] = {name: float(values.mean()) for name, values in terms.items() if name != "same_wrong"}
        row |= {f"{name}_reward": float(values.mean()) for name, values in scores.items()}
        row |= {f"{name}_edit_rate": float(values.mean()) for name, values in other.items()}
        same = ~other["weak"]
        row |= {"agreement_right": _share(same, ~failed["weak"]), "agreement_wrong": _share(same, failed["weak"])}
        row |= {"disagreement": row["weak_distance"], "n_items": len(truth), **item_intervals(terms)}
        return row | ({"message": UNKNOWN_LABELS} if seen.labels is None else {})


def _differ(first: Sequence[str], second: Sequence[str]) -> npt.NDArray[np.bool_]:
    return np.array([a != b for a, b in zip(first, second, strict=True)], dtype=bool)


def _share(hits: npt.NDArray[np.bool_], among: npt.NDArray[np.bool_]) -> float:
    return float(hits[among].mean()) if among.any() else float("nan")
