"""Linear probes on features: class probabilities from a ridge in closed form, or from logistic regression on soft labels.

Both fit an intercept and scale features on their own training rows. Both are convex and have one solution, so there is no seed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

import w2s_kernels as kernels
from w2s.artifacts import Work, artifact
from w2s.finetune.data.labels import fold_of, labelled_ids, part_ids
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_table
from w2s.finetune.inference.hidden_states import read_features
from w2s.probes.gram_rows import RidgeProbe
from w2s.probes.logistic import CLIP, Head, Logistic, Probe
from w2s_kernels import NUMPY, Backend

__all__ = ["HEADS", "ClosedForm", "probe", "probe_by_folds"]

Matrix = npt.NDArray[np.float64]


@artifact(version=1, name="w2s.probe")
def probe(
    work: Work,
    *,
    features: Path,
    items: Path,
    labels: Path,
    layer: int,
    dims: int | None,
    head: str,
    strength: float,
    preprocess: str,
    parts: tuple[str, ...],
) -> None:
    """Fit a probe to all labelled items and predict some parts: ``predictions.arrow`` (item_id, p_0, ...), ``training.json``.

    ``strength`` is the ridge of ``closed_form``, or scikit-learn's C of ``logistic``; only the first ``dims`` coordinates are
    used.
    """
    given = read_table(labels, "labels")
    rows = read_features(features, layer, given["item_id"].to_pylist(), dims)
    fitted = HEADS[head](rows, preprocess, NUMPY).fit(probabilities(given), strength)
    wanted = [name for part in parts for name in part_ids(items, part)]
    values = fitted.at(read_features(features, layer, wanted, dims))
    write_table(work.folder, "predictions", probability_table(wanted, values))
    account = {"rows": rows.shape[0], "width": rows.shape[1], **fitted.account}
    (work.folder / "training.json").write_text(json.dumps(account, indent=1), encoding="utf-8")


@artifact(version=1, name="w2s.probe_by_folds")
def probe_by_folds(
    work: Work,
    *,
    features: Path,
    items: Path,
    labels: Path,
    part: str,
    layer: int,
    head: str,
    strength: float,
    preprocess: str,
    folds: int,
    seed: int,
) -> None:
    """Predict the labelled items of a part, each by a probe that has not seen its label: ``predictions.arrow``.

    A stream of ``seed`` divides the items into ``folds`` parts of equal size (to one item); the probe of each part is fitted to
    the labels of the others. Other arguments are those of :func:`probe`. Raises ValueError for fewer items than folds.
    """
    given = read_table(labels, "labels")
    ids = labelled_ids(given, items, part)
    if len(ids) < folds:
        raise ValueError(f"{len(ids)} labelled items of part {part!r} cannot be dealt into {folds} folds")
    targets, rows = probabilities(join(ids, given)), read_features(features, layer, ids, None)
    fold_by_item = fold_of(len(ids), folds, seed)
    values = np.empty_like(targets)
    for fold in range(folds):
        held_out, others = fold_by_item == fold, fold_by_item != fold
        fitted = HEADS[head](rows[others], preprocess, NUMPY).fit(targets[others], strength)
        values[held_out] = fitted.at(rows[held_out])
    write_table(work.folder, "predictions", probability_table(ids, values))


class ClosedForm(Head):
    """Ridge on class probabilities: (X'X/n + lambda I)^-1 X'(Y - mean)/n; one decomposition for all targets and strengths."""

    def begin(self, trained: RidgeProbe, backend: Backend) -> None:
        """Decompose the training rows, or their Gram where that is as good."""
        self.prepared, self.rows = trained.prepared, trained.fitting(backend)

    def fit(self, targets: Matrix, strength: float) -> Probe:
        """Fit the probe at ridge ``strength``."""
        filters = kernels.ridge([strength])
        rows = self.rows.serving(filters)
        found = rows.fit(targets, filters)
        account = {"solver": rows.solvers(filters)[0], "condition": float(rows.condition(filters)[0])}
        return Probe(self.prepared, rows.slope(found.coords[0]), found.offset, _clipped, account)


def _clipped(outputs: Matrix) -> Matrix:
    """Raise outputs (m, K), which sum to 1, to at least :data:`CLIP`, and normalise them."""
    values = np.maximum(outputs, CLIP)
    return np.asarray(values / values.sum(axis=1, keepdims=True))


HEADS: Mapping[str, type[Head]] = {"closed_form": ClosedForm, "logistic": Logistic}
"""Kinds of probes by name."""
