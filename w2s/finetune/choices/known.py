"""Own answers in the place of weak labels where the strong model knows, weak labels smoothed along a graph elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Work, artifact
from w2s.finetune.choices.written import labels_of, read_scores, write_choices
from w2s.finetune.data.labels import harden
from w2s.finetune.data.tables import join, probabilities, probability_table, read_table, write_columns, write_table
from w2s.finetune.inference.hidden_states import read_features
from w2s.labels import knn_graph
from w2s.labels.graphs import smoothed_rest

__all__ = ["own_where_known"]

Matrix = npt.NDArray[np.float64]


@artifact(version=1, name="w2s.own_where_known")
def own_where_known(
    work: Work,
    *,
    labels: Path,
    predictions: Path,
    judged: Path | None,
    features: Path | None,
    layer: int,
    items: Path,
    part: str,
    threshold: float | None,
    graph: Mapping[str, Any],
    own: Literal["soft", "hard"],
    hard: bool,
) -> None:
    """Write own answers as labels where the strong model knows them, and smoothed weak labels elsewhere.

    Parameters
    ----------
    labels, predictions : weak labels; the strong model's own answers to the items of the part.
    judged : scores and threshold of a judge; None: nothing is known.
    threshold : an item is known where its score is above it; None: the judge's own.
    features : states for the graph; None: no smoothing, weak labels elsewhere stay as they are, to the last bit.
    graph : ``k``, ``temperature`` (0: edges of equal weight), ``mutual``, ``beta``, ``normalise``, ``steps`` (0: the limit)
        and ``anchors``: whether known items are ``clamped`` nodes with their own answers, or ``left_out`` of the graph.
    own : own answers as probabilities or one-hot. hard : every label is made one-hot in the end.

    Items of other parts keep their labels. ``columns.json`` holds ``selected_share`` and ``judge_threshold``.
    """
    table = read_table(labels, "labels")
    ids, weak = labels_of(labels, items, part)
    mine = probabilities(join(ids, read_table(predictions, "predictions")))
    mine = harden(mine) if own == "hard" else mine
    scores = np.zeros(len(ids)) if judged is None else read_scores(judged, ids)
    found = {} if judged is None else json.loads((judged / "judge.json").read_text(encoding="utf-8"))
    limit = float(found.get("threshold", 1.0) if threshold is None else threshold)
    known = scores > limit if judged is not None else np.zeros(len(ids), dtype=bool)
    smooth = weak if features is None else _smoothed(weak, mine, known, read_features(features, layer, ids), graph)
    chosen = np.where(known[:, None], mine, smooth)
    chosen = harden(chosen) if hard else chosen
    everyone, values = table["item_id"].to_pylist(), probabilities(table)
    place = {name: k for k, name in enumerate(everyone)}
    values[[place[name] for name in ids]] = chosen
    write_table(work.folder, "labels", probability_table(everyone, values))
    classes = {"weak": weak, "label": chosen, "own": mine, "smoothed": smooth}
    more = {} if judged is None else {"score": scores}
    kinds = {name: each.argmax(axis=1) for name, each in classes.items()}
    write_choices(work.folder, ids, weight=np.ones(len(ids)), selected=known, **kinds, **more)
    write_columns(work.folder, {"selected_share": float(known.mean()), "judge_threshold": limit})


def _smoothed(weak: Matrix, own: Matrix, known: npt.NDArray[np.bool_], states: Matrix, graph: Mapping[str, Any]) -> Matrix:
    """Spread weak labels of items that are not known along the graph of all items' states."""
    edges = knn_graph(states, int(graph["k"]), temperature=graph["temperature"] or None, mutual=graph["mutual"])
    given = {"anchors": graph["anchors"], "normalise": graph["normalise"], "steps": int(graph["steps"]) or None}
    return smoothed_rest(edges, weak, own, known, graph["beta"], **given)
