"""The artifacts of a probe cell, and the fits that a block makes from them."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from w2s.artifacts import Call, Store
from w2s.contract.memo import Memo
from w2s.finetune.data.items import dropped_items, items, truth
from w2s.finetune.data.labels import harden, part_ids, shuffled_within, tempered, truth_labels, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.evaluation.classification import all_cut_message, flip_columns, one_class_message
from w2s.finetune.inference.hidden_states import features, read_features
from w2s.finetune.inference.probe import HEADS, probe
from w2s.finetune.methods.text import parse_method
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count
from w2s.measure.scores import scores
from w2s.probes.gram_rows import RidgeProbe
from w2s.probes.logistic import Probe
from w2s.studies.burns2023.probes.cost import training_key
from w2s.studies.burns2023.tasks import drawn, whole_task
from w2s_kernels import Backend

__all__ = ["Design", "ProbeGraph", "ProbeSolver", "Side", "Trained", "probe_graph", "treated"]

Matrix = npt.NDArray[np.float64]
Classes = npt.NDArray[np.int64]
_Part = tuple[tuple[str, ...], Classes]


@dataclass(frozen=True)
class Side:
    """What a probe sees: features, one layer of them, the first ``dims`` coordinates."""

    features: Call
    layer: int
    dims: int | None


@dataclass(frozen=True)
class ProbeGraph:
    """The calls of one cell; ``weak`` are the teacher's predictions on transfer and test items."""

    items: Call
    truth: Call
    weak: Call
    student: Side
    weak_side: Side
    classes: int

    @property
    def needs(self) -> list[Call]:
        """Everything that ``solve`` reads."""
        return [self.items, self.truth, self.weak, self.student.features, self.weak_side.features]

    @property
    def order(self) -> tuple[str, str, int, int, str]:
        """Cells next to each other in this order share what is expensive."""
        return self.items.key, self.student.features.key, self.student.layer, self.student.dims or 0, self.weak.key


def probe_graph(cell: Mapping[str, Any], classes: int) -> ProbeGraph:
    """Build the calls of a cell, without running anything."""
    own, true = items(**drawn(cell)), truth(**drawn(cell))
    encoded = own if cell["encoded"] == "cell" else whole_task(cell)
    weak_side, student = (_side(cell, encoded, role) for role in ("weak", "student"))
    weak = probe(
        features=weak_side.features,
        items=own,
        labels=truth_labels(items=own, truth=true, part="labeled", classes=classes),
        layer=weak_side.layer,
        dims=weak_side.dims,
        head=cell["head"],
        strength=_strength(cell, "_weak"),
        preprocess=cell["preprocess"],
        parts=("transfer", "test"),
    )
    return ProbeGraph(own, true, weak, student, weak_side, classes)


def _side(cell: Mapping[str, Any], encoded: Call, role: str) -> Side:
    """Build the features of weak or strong model.

    Where a layer is named, the states of all layers are kept, so that a ladder of layers is one forward pass.
    """
    model: ModelFolder = cell[f"{role}_model"]
    depth, asked = layer_count(model), cell[f"{role}_layer"]
    layers = (depth,) if asked is None else tuple(range(depth + 1))
    call = features(base=model, items=encoded, layers=layers, pooling=cell["pooling"], max_length=cell["max_length"])
    return Side(call, depth if asked is None else asked, cell[f"{role}_dims"])


def _strength(cell: Mapping[str, Any], suffix: str = "") -> float:
    return float(cell[f"ridge{suffix}"] if cell["head"] == "closed_form" else cell[f"c{suffix}"])


@dataclass(frozen=True)
class Design:
    """What the strong probes of some cells share: items, features, and the kind of fit."""

    items: Call
    truth: Call
    side: Side
    classes: int
    head: str
    preprocess: str
    keys: tuple[tuple[str, Hashable], ...]
    """Names in the memo of what is shared with designs that have another head, by part."""


class Trained(NamedTuple):
    """Strong features of a part, prepared for fits, and the test items' prepared in the same way."""

    rows: RidgeProbe
    shown: Matrix


def _part(store: Store, own: Call, true: Call, part: str) -> _Part:
    """Return the item ids of a part and their true classes."""
    ids = part_ids(store.get(own), part)
    return tuple(ids), truth_of(store.get(true), ids)


def _rows(store: Store, part_of: Callable[[Call, Call, str], _Part], own: Call, true: Call, side: Side, part: str) -> Matrix:
    """Read a side's features of the items of a part."""
    return read_features(store.get(side.features), side.layer, part_of(own, true, part)[0], side.dims)


def _teacher(store: Store, part_of: Callable[[Call, Call, str], _Part], graph: ProbeGraph, part: str) -> Matrix:
    """Read a teacher's predictions of a part."""
    ids = part_of(graph.items, graph.truth, part)[0]
    return probabilities(join(list(ids), read_table(store.get(graph.weak), "predictions")))


def _content(store: Store, call: Call, name: str) -> dict[str, Any]:
    """Read a JSON file of a value."""
    return dict(json.loads((store.get(call) / name).read_text(encoding="utf-8")))


class ProbeSolver:
    """Rows of cells from finished artifacts: cells of one design together, whose fits share rows and products."""

    def __init__(self, store: Store, backend: Backend, memo: Memo | None = None) -> None:
        self.store, self.backend, self.memo = store, backend, memo
        # Of the store and not of the solver: what refers to itself is freed late, and a block leaves hundreds of MB.
        self.part = functools.lru_cache(maxsize=6)(functools.partial(_part, store))
        self.rows = functools.lru_cache(maxsize=6)(functools.partial(_rows, store, self.part))
        self.teacher = functools.lru_cache(maxsize=64)(functools.partial(_teacher, store, self.part))
        self.content = functools.lru_cache(maxsize=64)(functools.partial(_content, store))

    def solve(self, cells: Sequence[Mapping[str, Any]], graphs: Sequence[ProbeGraph]) -> list[dict[str, Any]]:
        """Compute all columns of cells, in their order; those with the same features follow one another."""
        designs: dict[Design, list[int]] = {}
        for place in sorted(range(len(cells)), key=lambda place: graphs[place].order):
            designs.setdefault(_design(cells[place], graphs[place]), []).append(place)
        found: list[dict[str, Any]] = [{} for _ in cells]
        for design, places in designs.items():
            columns = self._columns(design, [cells[place] for place in places], [graphs[place] for place in places])
            for place, row in zip(places, columns, strict=True):
                found[place] = row
        return found

    def _columns(
        self, design: Design, cells: Sequence[Mapping[str, Any]], graphs: Sequence[ProbeGraph]
    ) -> Iterator[dict[str, Any]]:
        """Yield the rows of a design's cells."""
        (_, truth), (_, own_truth) = (self.part(design.items, design.truth, part) for part in ("test", "transfer"))
        weak = [self.teacher(graph, "test") for graph in graphs]
        labels = [
            treated(self.teacher(graph, "transfer"), cell["method"], cell["labels"])
            for cell, graph in zip(cells, graphs, strict=True)
        ]
        given, flips = [_strength(cell) for cell in cells], [k for k, cell in enumerate(cells) if cell["control"] == "flip"]
        strengths, eye = list(dict.fromkeys(given)), np.eye(design.classes)
        flipped = [shuffled_within(labels[k], own_truth, cells[k]["seed"]) for k in flips]
        ours = self._fitted(
            design,
            "transfer",
            [*labels, *flipped, *(eye[own_truth] for _ in strengths)],
            [*given, *(given[k] for k in flips), *strengths],
        )
        labeled = eye[self.part(design.items, design.truth, "labeled")[1]]
        anchors = self._fitted(design, "labeled", [labeled] * len(strengths), strengths)
        controls = dict(zip(flips, ours[len(cells) :], strict=False))
        ceilings, strong = (dict(zip(strengths, fits[-len(strengths) :], strict=True)) for fits in (ours, anchors))
        for k, (cell, graph) in enumerate(zip(cells, graphs, strict=True)):
            (fitted, student), ceiling = ours[k], ceilings[given[k]][1]
            wanted = treated(weak[k], cell["method"], cell["labels"])
            row: dict[str, Any] = scores(truth, weak[k], student, ceiling, strong[given[k]][1], wanted)
            row |= self._account(graph, fitted) | one_class_message(weak=weak[k], ceiling=ceiling)
            worst = max(self._encoded(graph), key=lambda content: content["cut_items"] / max(1, content["items"]))
            row |= all_cut_message(row, cut=worst["cut_items"], items=worst["items"])
            yield row | (flip_columns(row, controls[k][1], truth) if k in controls else {})

    def _fitted(
        self, design: Design, part: str, targets: Sequence[Matrix], strengths: Sequence[float]
    ) -> list[tuple[Probe, Matrix]]:
        """Fit strong probes to labels of a part; return each with its predictions of the test items."""

        def make() -> Trained:
            rows = RidgeProbe(self.rows(design.items, design.truth, design.side, part), design.preprocess, self.backend)
            return Trained(rows, rows.prepared(self.rows(design.items, design.truth, design.side, "test")))

        trained = make() if self.memo is None else self.memo.get(dict(design.keys)[part], make)
        fits = HEADS[design.head].on(trained.rows, self.backend).fit_all(targets, strengths)
        return [(fitted, fitted.at_prepared(trained.shown)) for fitted in fits]

    def _encoded(self, graph: ProbeGraph) -> list[dict[str, Any]]:
        """Return what the passes of teacher and student counted."""
        return [self.content(side.features, "features.json") for side in (graph.weak_side, graph.student)]

    def _account(self, graph: ProbeGraph, fitted: Probe) -> dict[str, Any]:
        return {
            "solver": fitted.account["solver"],
            "condition": fitted.account.get("condition"),
            "weak_width": self.content(graph.weak, "training.json")["width"],
            "student_width": len(fitted.slope),
            "student_iterations": fitted.account.get("iterations"),
            "student_gradient_norm": fitted.account.get("gradient_norm"),
            "cut_items": max(content["cut_items"] for content in self._encoded(graph)),
            "dropped_items": dropped_items(self.store.get(graph.items)),
        }


def _design(cell: Mapping[str, Any], graph: ProbeGraph) -> Design:
    keys = tuple((part, training_key(cell, part)) for part in ("transfer", "labeled"))
    return Design(graph.items, graph.truth, graph.student, graph.classes, cell["head"], cell["preprocess"], keys)


def treated(values: Matrix, method: str, labels: str) -> Matrix:
    """Change weak probabilities to the method's temperature; make them one-hot where ``labels`` is ``hard``."""
    temperature = parse_method(method).temperature
    if temperature == "fit":
        raise ValueError(f"method {method!r}: a probe has no validation items on which a temperature could be fitted")
    values = values if temperature == 1.0 else tempered(values, temperature)
    return harden(values) if labels == "hard" else values
