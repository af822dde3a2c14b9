"""Burns et al. 2023: finetuned language models, the weak one labelling for the strong one (arXiv 2312.09390).

A cell is one weak model, one student, one method, one seed. Every training is an artifact; ``solve`` only joins predictions by
item id and computes metrics. The ceiling is the student model trained on the true labels of the transfer items, with
cross-entropy, to the end; the strong baseline the same on the labelled items.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s import metrics
from w2s.artifacts import Call, Store, in_order
from w2s.block import Block
from w2s.cells import Cell, field
from w2s.finetune.items import PARTS, Columns, draw_items
from w2s.finetune.labels import part_ids, truth_of
from w2s.finetune.methods import parse_method
from w2s.finetune.models import ModelChain, ModelFolder
from w2s.finetune.tables import join, probabilities, read_table
from w2s.finetune.tasks import TaskData, formatter_of
from w2s.identity import cell_ids, hex_ids
from w2s.scores import SCORE_COLUMNS, scores
from w2s.studies.burns_figures import FIGURES
from w2s.studies.burns_graph import CellGraph, cell_graph
from w2s.study import Cost, Rule, Study
from w2s.summary import summarize
from w2s.summary.text import readable
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Text"]

Matrix = npt.NDArray[np.float64]


class TextCell(Cell):
    """One weak-to-strong finetune."""

    task: TaskData = field(description="a known task, a CSV, JSONL or Parquet file of your own, or hub:NAME@REVISION")
    text_column: str = field("text", description="in a file of your own: the text")
    pair_column: str | None = field(None, description="in a file of your own: a second text")
    label_column: str = field("label", description="in a file of your own: the class")
    group_column: str | None = field(None, description="in a file of your own: rows with one value stay in one part")
    weak_model: ModelFolder = field(
        description="teacher: packaged name, folder, or hub:NAME@REVISION; NAME:K is its first K layers"
    )
    student_model: ModelFolder = field(description="student, ceiling and strong baseline")
    chain: ModelChain | None = field(None, description="models between them, weakest first, joined by >: bootstrapping")
    method: str = field("naive", description="loss, and treatment of the labels: confidence + stop(legal)")
    labels: Literal["soft", "hard"] = field("soft", description="weak probabilities, or one-hot at the most probable class")
    n_labeled: int = field(1000, description="items with true labels, for the weak model", unit="items", ge=2)
    n_transfer: int = field(1000, description="items that the weak model labels", unit="items", ge=2)
    n_validation: int = field(0, description="items with weak labels for stopping early", unit="items", ge=0)
    n_test: int = field(0, description="test items; 0: all", unit="items", ge=0)
    balance: bool = field(True, description="the same number of items of each class in every part")
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
    )
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
        """Refuse unknown methods, and parts that the task has too few items for."""
        for method in block.values("method"):
            parse_method(method)
        names = ("task", "text_column", "label_column", "pair_column", "group_column", "n_labeled", "n_transfer")
        for level in block.group(*names, "n_validation", "n_test", "balance").levels:
            columns = Columns(**{name: level[f"{name}_column"] for name in ("text", "label", "pair", "group")})
            sizes = {part: level[f"n_{part}"] for part in ("labeled", "transfer", "validation")} | {
                "test": level["n_test"] or None
            }
            draw_items(level["task"], columns, sizes, balance=level["balance"], seed=block.values("seed")[0])

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
        """Nominal operations of the distinct trainings and predictions of the block."""
        calls = in_order(self.needs(block.with_mask(None)))
        return Cost(flops=sum(call.flops for call in calls), bytes=64e6)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Join predictions by item id and compute every column."""
        rows = [self._row(cell) for cell in block.with_mask(None).cells()] if block.mask is None else self._masked(block)
        names = list(dict.fromkeys(name for row in rows for name in row))
        return {name: _column(name, [row.get(name) for row in rows]).reshape(block.shape) for name in names}

    def curves(self, block: Block) -> pa.Table | None:
        """Loss, learning rate and validation agreement by step, and accuracy on the test items where it was evaluated."""
        ids = [name.decode() for name in hex_ids(cell_ids(type(self), block))]
        wanted = [True] * block.size if block.mask is None else block.mask.reshape(-1).tolist()
        cells = list(block.with_mask(None).cells())
        tables = [self._curve(cell, name) for cell, name, keep in zip(cells, ids, wanted, strict=True) if keep]
        return pa.concat_tables(tables)

    def _masked(self, block: Block) -> list[dict[str, Any]]:
        assert block.mask is not None
        cells = block.with_mask(None).cells()
        return [self._row(cell) if keep else _NOTHING for cell, keep in zip(cells, block.mask.reshape(-1), strict=True)]

    def _graph(self, cell: Mapping[str, Any]) -> CellGraph:
        return cell_graph(cell, _class_count(cell))

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
            "tokens": self._account(graph, "student")["tokens"],
            "train_seconds": self._account(graph, "student")["seconds"],
            "peak_bytes": max(account["peak_bytes"] for account in accounts),
        }
        if graph.control is not None:
            error = float(np.mean(self._read(graph.control, ids).argmax(axis=1) != truth))
            value, _ = metrics.pgr(row["weak_error_01"], error, row["ceiling_error_01"])
            row |= {"student_flip_error_01": error, "pgr_flip_01": float(value)}
        constant = [name for name, p in (("weak", weak), ("ceiling", ceiling)) if len(np.unique(p.argmax(axis=1))) == 1]
        return row | {"message": f"{' and '.join(constant)} model predicts one class only"} if constant else row

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
        table = read_table(folder, "curve")
        accuracy: dict[int, float] = {}
        if (folder / "steps.arrow").exists():
            ids = part_ids(store.get(graph.items), "test")
            truth, steps = truth_of(store.get(graph.truth), ids), read_table(folder, "steps")
            for step in np.unique(steps["step"].to_numpy()):
                rows = join(ids, steps.filter(pa.compute.equal(steps["step"], int(step))))
                accuracy[int(step) - 1] = float(np.mean(probabilities(rows).argmax(axis=1) == truth))
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


_DIGEST = ("weak_error_01", "student_error_01", "strong_error_01", "ceiling_error_01", "pgr_01", "agreement_wrong")
_NOTHING = dict.fromkeys(("weak_error", "student_error", "ceiling_error", "misfit"), float("nan"))


def _column(name: str, values: list[Any]) -> npt.NDArray[Any]:
    if name in ("message", "selected_by"):
        column = np.empty(len(values), dtype=object)
        column[:] = values
        return column
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _stops_early(methods: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return np.asarray(np.vectorize(lambda method: parse_method(method).stop != "end", otypes=[bool])(methods))


def _class_count(cell: Mapping[str, Any]) -> int:
    """Number of classes: the formatter's, or the distinct labels of a file of one's own."""
    task = cell["task"]
    if task.has_test_part:
        return len(formatter_of(task, "", "", None, None).classes)
    return len(draw_items(task, _columns(cell), dict.fromkeys(PARTS, 0), balance=False, seed=0)[1])


def _columns(cell: Mapping[str, Any]) -> Columns:
    return Columns(**{name: cell[f"{name}_column"] for name in ("text", "label", "pair", "group")})
