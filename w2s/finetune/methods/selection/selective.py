"""Selective weak-to-strong generalization (Lang et al. 2025, arXiv 2511.14166): own answers where the strong model knows.

A head P(IK) on the strong model's frozen states says whether its own answer is right. Where it is, the student learns its own
answer; elsewhere it learns the weak label, smoothed along the graph of nearest neighbours of these states. The equations of the
paper were not readable: this is a reconstruction with its choices as options.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from w2s.finetune.choices.known import own_where_known
from w2s.finetune.kit import Kit, Student
from w2s.finetune.methods.registry import method
from w2s.finetune.methods.selection.answers import judged, own_answers, weak_answers
from w2s.finetune.objectives.options import Number, NumberOr, OneOf

__all__ = ["selective"]


@method(
    "selective",
    uses=("truth:labeled",),
    threshold=NumberOr("auto", "not_worse", high=1),
    knows=OneOf("on", "off"),
    smooth=OneOf("on", "off"),
    sees=OneOf("answer", "states", "certainty", "both"),
    own=OneOf("soft", "hard"),
    strength=Number(0.01, above=True),
    ridge=Number(0.01, above=True),
    folds=Number(3, low=2, whole=True),
    k=Number(10, low=1, whole=True),
    beta=Number(0.5, high=0.999),
    temperature=Number(0.0),
    steps=Number(0, whole=True),
    normalise=OneOf("symmetric", "rows"),
    anchors=OneOf("clamped", "left_out"),
    mutual=OneOf("no", "yes"),
)
def selective(kit: Kit, options: Mapping[str, Any]) -> Student:
    """Train on own answers where P(IK) is above ``threshold``, and on smoothed weak labels elsewhere.

    ``auto`` is the threshold with the most accurate labels on the labelled items, by judges, probes and weak models that have
    not seen them; ``not_worse`` the lowest at which own answers are no worse than weak labels there. At ``threshold=1`` no own
    answer is used, and with ``smooth=off`` or ``beta=0`` too, labels are the weak ones and the student is ``naive``, bit for
    bit. At ``threshold=0`` the student learns its own answers alone. ``knows=off`` and ``smooth=off`` are the ablations.
    """
    answers, folds = own_answers(kit, options["strength"], int(options["folds"])), int(options["folds"])
    rule = options["threshold"] if isinstance(options["threshold"], str) else None
    scores = None
    if options["knows"] == "on":
        scores = judged(
            kit,
            (answers.labelled,),
            (answers.transfer, "predictions"),
            sees=options["sees"],
            ridge=options["ridge"],
            folds=folds,
            rivals=() if rule is None else weak_answers(kit, folds),
            rule="not_worse" if rule == "not_worse" else "best",
        )
    edges = {name: options[name] for name in ("k", "beta", "temperature", "steps", "normalise", "anchors")}
    chosen = own_where_known(
        labels=kit.weak_labels(),
        predictions=answers.transfer,
        judged=scores,
        features=answers.states if options["smooth"] == "on" and options["beta"] > 0 else None,
        layer=answers.layer,
        items=kit.items,
        part="transfer",
        threshold=None if rule is not None else float(options["threshold"]),
        graph={**edges, "mutual": options["mutual"] == "yes"},
        own=options["own"],
        hard=kit.setup.hard,
    )
    return kit.student(kit.train(kit.student_model, kit.labelled(chosen)), chosen)
