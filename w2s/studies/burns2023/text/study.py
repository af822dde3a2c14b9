"""Burns et al. 2023: finetuned language models, the weak one labelling for the strong one (arXiv 2312.09390).

A cell is one weak model, one student, one method, one seed. Every training is an artifact; ``solve`` only joins predictions by
item id and computes metrics. The ceiling is the student model trained on the true labels of the transfer items, with
cross-entropy, to the end; the strong baseline the same on the labelled items.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Call, Store, in_order
from w2s.contract.block import Block
from w2s.contract.cells import field
from w2s.contract.identity import cell_ids, hex_ids
from w2s.contract.study import Cost, Rule, Study
from w2s.errors import FieldError
from w2s.finetune.data.items import dropped_items
from w2s.finetune.data.labels import part_ids, truth_of
from w2s.finetune.data.tables import join, probabilities, read_table
from w2s.finetune.methods.text import parse_method
from w2s.finetune.models.folder import ModelChain, ModelFolder
from w2s.finetune.models.weights import check_model
from w2s.finetune.objectives.losses import check_loss
from w2s.measure.scores import SCORE_COLUMNS, scores
from w2s.studies.burns2023.tasks import (
    TASK_FIELDS,
    TaskCell,
    about,
    check_draws,
    class_count,
    flip_columns,
    one_class_message,
    stacked,
)
from w2s.studies.burns2023.text.claims import CLAIMS
from w2s.studies.burns2023.text.figures import FIGURES
from w2s.studies.burns2023.text.graph import LARGEST_SEED, CellGraph, cell_graph
from w2s.studies.fields import asked_levels
from w2s.summary import summarize
from w2s.summary.text import readable
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Text", "TextCell"]

Matrix = npt.NDArray[np.float64]


class TextCell(TaskCell):
    """One weak-to-strong finetune."""

    weak_model: ModelFolder = field(
        description="teacher: packaged name, folder, or hub:NAME@REVISION; NAME:K is its first K layers"
    )
    student_model: ModelFolder = field(description="student, ceiling and strong baseline")
    chain: ModelChain | None = field(None, description="models between them, weakest first, joined by >: bootstrapping")
    method: str = field("naive", description="loss, and treatment of the labels: confidence + stop(legal)")
    labels: Literal["soft", "hard"] = field("soft", description="weak probabilities, or one-hot at the most probable class")
    n_validation: int = field(0, description="items with weak labels for stopping early", unit="items", ge=0)
    tuning: Literal["full", "frozen_embeddings", "lora", "head_only"] = field("full", description="weights that are trained")
    lora_rank: int = field(8, description="rank of LoRA", when={"tuning": ["lora"]}, ge=1)
    epochs: int = field(2, description="passes over the items", ge=1)
    batch: int = field(32, description="items per step", ge=1)
    learning_rate: float = field(1e-4, description="peak rate on transfer items: chain, student, ceiling", gt=0)
    learning_rate_labeled: float = field(1e-4, description="peak rate on labelled items: weak model, strong baseline", gt=0)
    schedule: Literal["cosine", "linear", "constant"] = field("cosine", description="learning rate over the steps")
    warmup: float = field(0.0, description="share of the steps in which the rate rises", ge=0, lt=1)
    weight_decay: float = field(0.0, description="of AdamW, on matrices", ge=0)
    max_length: int = field(64, description="longer texts are cut here, and counted", unit="tokens", ge=4)
    evaluate_every: int = field(0, description="steps between the student's evaluations; 0: none", unit="steps", ge=0)
    shards: int = field(1, description="devices that one training is spread over; changes the last bits", ge=1)
    control: Literal["none", "flip"] = field("none", description="flip: train also on the same errors at random items")


class Text(Study):
    """Weak-to-strong finetunes of text classifiers."""

    name = "burns2023.text"
    version = 1
    Cell = TextCell
    summary = "Burns et al. 2023: finetuned language models on real tasks; methods, chains, controls, agreement, calibration"
    classifies = True
    columns: ClassVar[Mapping[str, str]] = {
        **SCORE_COLUMNS,
        "pgr_flip_01": "double",
        "student_flip_error_01": "double",
        "selected_by": "string",
        "stopped_at": "int64",
        "cut_items": "int64",
        "dropped_items": "int64",
        "tokens": "int64",
        "train_seconds": "double",
        "peak_bytes": "int64",
    }
    rules = (
        Rule(
            ("method", "n_validation", "evaluate_every"),
            lambda method, items, every: (items > 0) & (every > 0) | ~_stops_early(method),
            "stop(legal) and stop(oracle) need n_validation and evaluate_every above 0",
        ),
        Rule(("seed",), lambda seed: seed <= LARGEST_SEED, f"seeds of this study go from 0 to {LARGEST_SEED}"),
    )
    claims = CLAIMS
    figures = FIGURES
    example: ClassVar[Mapping[str, Any]] = {
        "task": "sentence_polarity",
        "weak_model": "minilm-l6:1",
        "student_model": "minilm-l6",
        "method": ["naive", "confidence"],
        "n_labeled": 1000,
        "n_transfer": 1000,
    }

    def check(self, block: Block) -> None:
        """Refuse unknown methods, damaged models, parts that the task has too few items for, and losses that cannot train."""
        methods = {text: parse_method(text) for text in block.values("method")}
        for name in ("weak_model", "student_model", "chain"):
            with about(name):
                for model in block.values(name):
                    _check_models(model)
        check_draws(block)
        with about("method"):
            for level in asked_levels(block, "method", *TASK_FIELDS):
                method = methods[level["method"]]
                check_loss(method.loss, method.options, class_count(level))

    def digest(self, table: DataFrame) -> DataFrame:
        """Accuracies as errors, PGR on accuracy, and agreement where the weak model is wrong, by pair and method."""
        summary = summarize(table, metrics=list(_DIGEST))
        return readable(summary, summary.attrs["w2s_summary"]["by"], _DIGEST)

    def needs(self, block: Block) -> Sequence[Call]:
        """The calls of every wanted cell."""
        return [call for cell in block.cells() for call in self._graph(cell).needs]

    def unblind(self, block: Block) -> str:
        """Truth may reach a student through its teacher's labelled items alone; the oracle and the control look at more."""
        for cell in block.cells():
            graph = self._graph(cell)
            if graph.method.stop == "oracle":
                return f"method {cell['method']!r} stops by the truth of the validation items"
            if graph.control is not None:
                return "control: flip permutes labels by the truth of the transfer items"
            for call in in_order([graph.trainings["student"]]):
                if call.artifact.name == "w2s.truth_labels" and call.arguments["part"] != "labeled":
                    return f"the student's labels are made with the truth of {call.arguments['part']} items"
        return ""

    def cost(self, block: Block) -> Cost:
        """A nominal finetune per cell, so that every cell is a block: what fails or is killed concerns one cell.

        Model files are not looked at, since a stored grid is planned where they may not be; ``plan`` counts the artifacts.
        """
        return Cost(flops=_FINETUNE * block.size, bytes=64e6)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Join predictions by item id and compute every column."""
        wanted = [True] * block.size if block.mask is None else block.mask.reshape(-1).tolist()
        cells = block.with_mask(None).cells()
        return stacked([self._row(cell) if keep else None for cell, keep in zip(cells, wanted, strict=True)], block)

    def curves(self, block: Block) -> pa.Table | None:
        """Loss, learning rate and validation agreement by step, and accuracy on the test items where it was evaluated.

        Steps count from 1, as ``stopped_at`` does.
        """
        ids = [name.decode() for name in hex_ids(cell_ids(type(self), block))]
        wanted = [True] * block.size if block.mask is None else block.mask.reshape(-1).tolist()
        cells = list(block.with_mask(None).cells())
        tables = [self._curve(cell, name) for cell, name, keep in zip(cells, ids, wanted, strict=True) if keep]
        return pa.concat_tables(tables)

    def _graph(self, cell: Mapping[str, Any]) -> CellGraph:
        return cell_graph(cell, class_count(cell))

    def _read(self, call: Call, ids: list[str]) -> Matrix:
        assert self.store is not None
        return probabilities(join(ids, read_table(self.store.get(call), "predictions")))

    def _row(self, cell: Mapping[str, Any]) -> dict[str, Any]:
        graph, store = self._graph(cell), self._finished()
        ids = part_ids(store.get(graph.items), "test")
        truth = truth_of(store.get(graph.truth), ids)
        weak = np.mean([self._read(call, ids) for call in graph.weak], axis=0)
        student, stopped = self._read(graph.student, ids), self._account(graph, "student")["stopped_at"]
        selected = {"end": None, "legal": "agreement with weak labels of the validation items"}.get(graph.method.stop)
        if graph.method.stop == "oracle":
            student, stopped = self._best_by_truth(graph, ids)
            selected = "accuracy by the truth of the validation items"
        ceiling = self._read(graph.ceiling, ids)
        row: dict[str, Any] = scores(truth, weak, student, ceiling, self._read(graph.strong, ids))
        accounts = [self._account(graph, role) for role in ("weak", "student", "ceiling", "strong")]
        row |= {
            "selected_by": selected,
            "stopped_at": stopped,
            "cut_items": max(account["cut_items"] for account in accounts),
            "dropped_items": dropped_items(store.get(graph.items)),
            "tokens": self._account(graph, "student")["tokens"],
            "train_seconds": self._account(graph, "student")["seconds"],
            "peak_bytes": max(account["peak_bytes"] for account in accounts),
        }
        if graph.control is not None:
            row |= flip_columns(row, self._read(graph.control, ids), truth)
        return row | one_class_message(weak=weak, ceiling=ceiling)

    def _best_by_truth(self, graph: CellGraph, ids: list[str]) -> tuple[Matrix, int]:
        """The student's test predictions at the evaluation with the best accuracy on the validation items."""
        store = self._finished()
        table = read_table(store.get(graph.trainings["student"]), "steps")
        chosen = part_ids(store.get(graph.items), "validation")
        truth = truth_of(store.get(graph.truth), chosen)
        steps = np.unique(table["step"].to_numpy())
        at = {int(step): table.filter(pa.compute.equal(table["step"], int(step))) for step in steps}
        accuracy = {step: np.mean(probabilities(join(chosen, rows)).argmax(axis=1) == truth) for step, rows in at.items()}
        best = max(accuracy, key=lambda step: (accuracy[step], -step))
        return probabilities(join(ids, at[best])), best

    def _curve(self, cell: Mapping[str, Any], cell_id: str) -> pa.Table:
        graph, store = self._graph(cell), self._finished()
        folder = store.get(graph.trainings["student"])
        table = read_table(folder, "curve")  # counts from 0
        table = table.set_column(0, "step", pa.compute.add(table["step"], 1))
        accuracy: dict[int, float] = {}
        if (folder / "steps.arrow").exists():
            ids = part_ids(store.get(graph.items), "test")
            truth, steps = truth_of(store.get(graph.truth), ids), read_table(folder, "steps")
            for step in np.unique(steps["step"].to_numpy()):
                rows = join(ids, steps.filter(pa.compute.equal(steps["step"], int(step))))
                accuracy[int(step)] = float(np.mean(probabilities(rows).argmax(axis=1) == truth))
        values = [accuracy.get(step) for step in table["step"].to_pylist()]
        names = pa.array([cell_id] * table.num_rows, pa.string())
        return table.add_column(0, "cell_id", names).append_column("test_accuracy", pa.array(values, pa.float64()))

    def _account(self, graph: CellGraph, role: str) -> dict[str, Any]:
        place = self._finished().get(graph.trainings[role]) / "training.json"
        return dict(json.loads(place.read_text(encoding="utf-8")))

    def _finished(self) -> Store:
        if self.store is None:
            raise RuntimeError("this study reads artifacts: build it with the store that holds them")
        return self.store


_FINETUNE = 1e12
_DIGEST = ("weak_error_01", "student_error_01", "strong_error_01", "ceiling_error_01", "pgr_01", "agreement_wrong")


def _check_models(model: ModelFolder | ModelChain | None) -> None:
    for one in model.members if isinstance(model, ModelChain) else [] if model is None else [model]:
        check_model(one)


def _stops_early(methods: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.vectorize(_stops, otypes=[bool])(methods))


def _stops(method: str) -> bool:
    with contextlib.suppress(FieldError):  # `check` complains about a method that cannot be read
        return parse_method(method).stop != "end"
    return False
