"""Judges of answers on a frozen model's states: trained on labelled items, applied to others. An artifact."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Work, artifact
from w2s.finetune.choices.written import write_scores
from w2s.finetune.data.labels import fold_of, part_ids
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.inference.hidden_states import read_features
from w2s.labels.judges import Sight, fit_judge, judged_features, threshold_for
from w2s.measure.ranking import auroc

__all__ = ["judge"]

Matrix = npt.NDArray[np.float64]


@artifact(version=1, name="w2s.judge")
def judge(
    work: Work,
    *,
    features: Path,
    layer: int,
    items: Path,
    truth: Path,
    answers: tuple[Path, ...],
    asked: Path,
    asked_table: str,
    part: str,
    sees: Sight,
    ridge: float,
    folds: int,
    seed: int,
    rivals: tuple[Path, ...] = (),
    rule: Literal["best", "not_worse"] = "best",
) -> None:
    """Fit P(an answer is right) on labelled items, and score answers to the items of a part.

    Parameters
    ----------
    truth : one-hot truth of the labelled items.
    answers : predictions of them by models that have not seen them; their mean answers.
    asked : answers to the items of ``part``: a folder with ``asked_table``, ``predictions`` or ``labels``.
    sees, ridge : as in :mod:`w2s.labels.judges`. Right and wrong answers weigh as much as each other.
    folds, seed : the threshold is chosen on scores of labelled items by judges that have not seen them.
    rivals : predictions of the labelled items, by models that have not seen them, that own answers would replace.

    Writes ``scores.arrow`` and ``judge.json``: ``threshold`` by ``rule`` where there are rivals, ``auroc`` on labelled items
    by folds (null where all answers are right, or wrong), and ``right``, the share of right answers among them.
    """
    known = read_table(truth, "labels")
    ids = known["item_id"].to_pylist()
    classes = probabilities(known).argmax(axis=1)
    given = _mean(answers, ids)
    right = (given.argmax(axis=1) == classes).astype(np.float64)
    rows = judged_features(read_features(features, layer, ids), given, sees)
    fold = fold_of(len(ids), folds, seed)
    scores = np.empty(len(ids))
    for k in range(folds):
        others, own = fold != k, fold == k
        scores[own] = fit_judge(rows[None, others], right[None, others], ridge).at(rows[None, own])[0]
    wanted = part_ids(items, part)
    table = join(wanted, read_table(asked, asked_table))
    there = judged_features(read_features(features, layer, wanted), probabilities(table), sees)
    write_scores(work.folder, wanted, fit_judge(rows[None], right[None], ridge).at(there[None])[0])
    area = float(auroc(scores, right))
    account = {"auroc": None if np.isnan(area) else area, "right": float(right.mean())}
    if rivals:
        weak = _mean(rivals, ids).argmax(axis=1) == classes
        account["threshold"] = threshold_for(scores, right, weak, rule)
    (work.folder / "judge.json").write_text(json.dumps(account), encoding="utf-8")


def _mean(folders: tuple[Path, ...], ids: list[str]) -> Matrix:
    return np.asarray(np.mean([probabilities(join(ids, read_table(folder, "predictions"))) for folder in folders], axis=0))
