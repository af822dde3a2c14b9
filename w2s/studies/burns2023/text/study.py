"""Burns et al. 2023: finetuned language models, the weak one labelling for the strong one (arXiv 2312.09390).

A cell is one weak model, one student, one method, one seed. Every training is an artifact; ``solve`` only joins predictions by
item id and computes metrics. The ceiling is the student model trained on the true labels of the transfer items, with
cross-entropy, to the end; the strong baseline the same on the labelled items.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from w2s.artifacts import Call, in_order
from w2s.contract.block import Block
from w2s.contract.cells import field
from w2s.contract.identity import cell_ids, hex_ids
from w2s.contract.study import Cost, Figure, Rule, Study
from w2s.errors import FieldError
from w2s.finetune.methods.modifiers import truth_used
from w2s.finetune.methods.text import Method, builder_of, parse_method
from w2s.finetune.methods.value import MethodText, read_method
from w2s.finetune.models.check import check_causal, check_lora, check_model
from w2s.finetune.models.folder import ModelChain, ModelFolder, ModelSet
from w2s.finetune.models.weights import layer_count
from w2s.finetune.objectives.base import find_objective
from w2s.finetune.objectives.losses import check_loss, find_loss
from w2s.finetune.seeds import LARGEST_SEED
from w2s.studies.burns2023.tasks import (
    TASK_FIELDS,
    TaskCell,
    about,
    check_draws,
    class_count,
    formatter_for,
    stacked,
    task_lines,
)
from w2s.studies.burns2023.text.claims import CLAIMS
from w2s.studies.burns2023.text.figures import FIGURES
from w2s.studies.burns2023.text.graph import CellGraph, cell_graph
from w2s.studies.burns2023.text.names import call_words
from w2s.studies.burns2023.text.solve import TextSolver
from w2s.studies.fields import asked_levels
from w2s.summary.population import SeedsDraw
from w2s.summary.text import summary_lines
from w2s_kernels import Backend

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["Text", "TextCell"]


class TextCell(TaskCell):
    """One weak-to-strong finetune."""

    weak_model: ModelFolder | None = field(
        None, description="teacher: packaged name, folder, or hub:NAME@REVISION; NAME:K is its first K layers"
    )
    student_model: ModelFolder = field(description="student, ceiling and strong baseline")
    chain: ModelChain | None = field(None, description="models between them, weakest first, joined by >: bootstrapping")
    method: MethodText = field("naive", description="method or loss, and treatment of the labels: confidence + stop(legal)")
    labels: Literal["soft", "hard"] = field("soft", description="weak probabilities, or one-hot at the most probable class")
    n_validation: int = field(0, description="items with weak labels for stopping early", unit="items", ge=0)
    tuning: Literal["full", "frozen_embeddings", "lora", "head_only", "frozen", "top_layers"] = field(
        "full", description="weights that are trained; frozen, top_layers: a head, or last layers too, on states from one pass"
    )
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
    weak_models: ModelSet | None = field(
        None, description="instead of weak_model: a list of several teachers, of any architectures", since=2
    )
    dropout: float | None = field(None, description="rate of the models' dropout in training; null: none", since=2, gt=0, lt=1)
    clip: float | None = field(None, description="largest norm of a step's gradient; null: no limit", since=2, gt=0)
    answer_length: int | None = field(None, description="longest answer to a prompt; null: 16", unit="tokens", since=2, ge=1)
    temperature: float | None = field(None, description="of answers to prompts; null: most probable tokens", since=2, gt=0)
    top_layers: int = field(1, description="last layers that are trained", when={"tuning": ["top_layers"]}, since=2, ge=1)
    shift: Literal["length", "topic"] | None = field(
        None, description="what sets the student's and the test items apart from the labelled ones", since=2
    )
    precision: Literal["bfloat16", "int8"] | None = field(
        None,
        description="how models hold their weights; bfloat16 is trained on float32 copies, int8 by LoRA; null: float32",
        since=2,
    )
    checkpointing: bool | None = field(
        None, description="compute a layer's activations again on the way back: less memory, a third more operations", since=2
    )
    generation: Literal["vllm"] | None = field(
        None, description="what writes texts; vllm has draws of its own; null: transformers", since=2
    )
    grouping: int | None = field(
        None,
        description="batches sorted by length together: more have less padding, and are less random; null: 16",
        since=2,
        ge=1,
    )


class Text(Study):
    """Weak-to-strong finetunes of text classifiers."""

    name = "burns2023.text"
    version = 2
    error_unit = "nats"
    seeds_draw: ClassVar[SeedsDraw] = "test_part"
    Cell = TextCell
    summary = "Burns et al. 2023: finetuned language models on real tasks; methods, chains, controls, agreement, calibration"
    classifies = True
    columns: ClassVar[Mapping[str, str]] = TextSolver.columns
    rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            ("method", "n_validation", "evaluate_every"),
            lambda method, items, every: (items > 0) & (every > 0) | ~_stops_early(method),
            "stop(legal) and stop(oracle) need n_validation and evaluate_every above 0",
        ),
        Rule(
            ("method", "n_validation"),
            lambda method, items: (items > 0) | ~_fits_temperature(method),
            "temper(fit) needs n_validation above 0",
        ),
        Rule(
            ("tuning", "shards"),
            lambda tuning, n: ~np.isin(tuning, ("frozen", "top_layers")) | (n == 1),
            "tuning frozen and top_layers train on one device",
        ),
        Rule(("tuning", "dropout"), lambda tuning, _: tuning != "frozen", "tuning frozen trains without dropout"),
        Rule(("tuning", "precision"), lambda tuning, _: tuning != "frozen", "tuning frozen runs no model: leave precision out"),
        Rule(
            ("tuning", "checkpointing"),
            lambda tuning, again: (tuning != "frozen") | ~again.astype(bool),
            "tuning frozen runs no model: leave checkpointing out",
        ),
        Rule(
            ("tuning", "precision"),
            lambda tuning, precision: (precision != "int8") | (tuning == "lora"),
            "precision int8 is for tuning lora, which leaves the models' weights as they are",
        ),
        Rule(("precision", "shards"), lambda _, n: n == 1, "precision is for trainings on one device (shards: 1)"),
        Rule(
            ("checkpointing", "shards"),
            lambda again, n: (n == 1) | ~again.astype(bool),
            "checkpointing is for trainings on one device (shards: 1)",
        ),
        Rule(("seed",), lambda seed: seed <= LARGEST_SEED, f"seeds of this study go from 0 to {LARGEST_SEED}"),
    )
    claims = CLAIMS
    figures: ClassVar[tuple[Figure, ...]] = FIGURES
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
        methods = {text: read_method(text)[0] for text in block.values("method")}
        for name in _MODELS:
            with about(name):
                for value in block.values(name):
                    for model in _members(value):
                        check_model(model)
        self._check_lora(block)
        self._check_top(block)
        for level in asked_levels(block, "weak_model", "weak_models"):
            if sum(level[name] is not None for name in ("weak_model", "weak_models")) != 1:
                raise FieldError("name the teacher in weak_model, or several in weak_models, not both", "weak_model")
        check_draws(block)
        with about("method"):
            for level in asked_levels(block, "method", *TASK_FIELDS):
                method = methods[level["method"]]
                check_loss(method.loss, method.options, class_count(level))
            for cell in _one_of_each(block, "method", "task", "shards", "student_model"):
                self._check_graph(cell)

    def reads(self, block: Block) -> Sequence[str]:
        """Say of every task what its classes are, and what is left out and why."""
        return task_lines(block)

    def words(self) -> Mapping[str, str]:
        """Explain methods, losses and modifiers by name."""
        from w2s.finetune.methods.words import method_words

        return method_words()

    def digest(self, table: DataFrame) -> DataFrame:
        """Summarise accuracies as errors, PGR on accuracy, and agreement where the teacher is wrong, by pair and method.

        Intervals are over seeds and test items: all seeds are tested on the same ones.
        """
        return summary_lines(table, _DIGEST, "test_part")

    def needs(self, block: Block) -> Sequence[Call]:
        """List the calls of every wanted cell."""
        return [call for cell in block.cells() for call in self._graph(cell).needs]

    def describe(self, call: Call, block: Block) -> str:
        """Name a call by its role in the first cell that needs it: ``train student minilm-l6 ag_news naive seed 2``."""
        for cell in block.cells():
            graph = self._graph(cell)
            if any(call.key == needed.key for needed in in_order(graph.needs)):
                return call_words(call, cell, graph)
        return super().describe(call, block)

    def parts(self, block: Block) -> Iterable[Any]:
        """Name the methods, losses and objectives of the cells, the formatters of their tasks, and the artifacts' functions."""
        yield from super().parts(block)
        for level in asked_levels(block, "method", *TASK_FIELDS):
            yield builder_of(*read_method(level["method"])).function
            formatter = formatter_for(level)
            yield formatter.read
            yield from (check for check in (formatter.score, formatter.grade) if check is not None)
        recipes = [call.arguments["recipe"] for call in in_order(self.needs(block)) if "recipe" in call.arguments]
        yield from {find_loss(str(recipe["loss"])).function for recipe in recipes if "loss" in recipe}
        yield from {find_objective(recipe["objective"]["name"]) for recipe in recipes if "objective" in recipe}

    def unblind(self, block: Block) -> str:
        """Say what truth reaches a student besides its teacher's labelled items: the oracle and the control read more."""
        for cell in block.cells():
            method, file = read_method(cell["method"])
            for word, part in truth_used(method, file):
                return f"method {str(cell['method'])!r}: {word} looks at the truth of {part} items"
            graph = self._graph(cell)
            if graph.control is not None:
                return "control: flip permutes labels by the truth of the transfer items"
            for call in in_order([graph.student, *graph.says]):
                if call.artifact.name in _TRUE and call.arguments["part"] != "labeled":
                    return f"the student's labels are made with the truth of {call.arguments['part']} items"
                if call.artifact.name not in _TRUE and graph.truth in call.inputs:
                    return f"{call.artifact.name}, from which the student is made, reads the truth"
        return ""

    def cost(self, block: Block) -> Cost:
        """Count a nominal finetune per cell, so that every cell is a block: a failure or a kill concerns one cell.

        Model files are not read, since a stored grid is planned where they may be missing; ``plan`` counts the artifacts.
        """
        return Cost(flops=_FINETUNE * block.size, bytes=64e6)

    def solve(self, block: Block, backend: Backend) -> dict[str, npt.NDArray[Any]]:  # noqa: ARG002
        """Join predictions by item id and compute every column."""
        solver = self._solver()
        wanted = [True] * block.size if block.mask is None else block.mask.reshape(-1).tolist()
        cells = block.with_mask(None).cells()
        rows = [solver.row(self._graph(cell)) if keep else None for cell, keep in zip(cells, wanted, strict=True)]
        return stacked(rows, block)

    def curves(self, block: Block) -> pa.Table | None:
        """Collect loss, learning rate and validation agreement by step, and accuracy on the test items where it was evaluated.

        Steps count from 1, as ``stopped_at`` does. ``learned`` holds what an objective learned beside the model, as a list.
        """
        solver = self._solver()
        ids = [name.decode() for name in hex_ids(cell_ids(type(self), block))]
        wanted = [True] * block.size if block.mask is None else block.mask.reshape(-1).tolist()
        cells = zip(block.with_mask(None).cells(), ids, wanted, strict=True)
        tables = [solver.curve(self._graph(cell), name) for cell, name, keep in cells if keep]
        return pa.concat_tables(tables, promote_options="default")

    def _graph(self, cell: Mapping[str, Any]) -> CellGraph:
        return cell_graph(cell, class_count(cell))

    def _check_lora(self, block: Block) -> None:
        """Refuse models that LoRA cannot adapt where it is asked for: every model of a cell is trained by it."""
        for name in _MODELS:
            for level in asked_levels(block, "tuning", name):
                with about(name):
                    for model in _members(level[name]) if level["tuning"] == "lora" else ():
                        check_lora(model)

    def _check_top(self, block: Block) -> None:
        """Refuse models that have fewer layers than are to be trained."""
        for name in _MODELS:
            for level in asked_levels(block, "tuning", "top_layers", name):
                for model in _members(level[name]) if level["tuning"] == "top_layers" else ():
                    if level["top_layers"] > layer_count(model):
                        said = (
                            f"{level['top_layers']} last layers are to be trained, {name} {model.name} has {layer_count(model)}"
                        )
                        raise FieldError(said, "top_layers")

    def _check_graph(self, cell: Mapping[str, Any]) -> None:
        """Build a cell's calls once, so that a method that does not fit its task raises its error."""
        try:
            graph = self._graph(cell)
        except FieldError as error:
            raise FieldError(f"method {str(cell['method'])!r} on task {cell['task']}: {error}", error.field) from None
        for call in in_order(graph.needs):
            if call.artifact.name in _CAUSAL or call.arguments.get("shape", {}).get("head", "linear") != "linear":
                check_causal(call.arguments["base"], f"method {str(cell['method'])!r}")
            if graph.grade is not None and "task" in call.arguments and call.artifact.name not in _DRAWN:
                said = "needs a task of prompts, whose answers a program checks; this one's are compared with references"
                raise FieldError(f"method {str(cell['method'])!r} {said}", "method")
        kind = "pairs" if graph.pairs else "prompts" if graph.prompts else ""
        if kind and cell["shards"] > 1:
            raise FieldError(f"task {cell['task']}: models of {kind} train on one device; write shards: 1", "shards")

    def _solver(self) -> TextSolver:
        if self.store is None:
            raise RuntimeError("this study reads artifacts: build it with the store that holds them")
        return TextSolver(self.store)


_FINETUNE = 1e12
_MODELS = ("weak_model", "weak_models", "student_model", "chain")
_CAUSAL = ("w2s.generate", "w2s.reference_log_probabilities")
"""Artifacts that a causal language model makes, besides trainings with the head of one."""
_DRAWN = ("w2s.items", "w2s.truth")
"""Artifacts that draw a task's items; others that are given the task ask its check for an opinion."""
_TRUE = ("w2s.truth_labels", "w2s.reference_answers")
"""Artifacts that are the truth of one part."""
_DIGEST = ("weak_error_01", "student_error_01", "strong_error_01", "ceiling_error_01", "pgr_01", "agreement_wrong")


def _members(value: ModelFolder | ModelChain | ModelSet | None) -> Sequence[ModelFolder]:
    """List the models of a field: one, several or none."""
    return () if value is None else (value,) if isinstance(value, ModelFolder) else value.members


def _one_of_each(block: Block, *names: str) -> list[Mapping[str, Any]]:
    """Choose one wanted cell for each combination of some fields that a wanted cell has."""
    missing = {tuple(level.values()) for level in asked_levels(block, *names)}
    cells: list[Mapping[str, Any]] = []
    for cell in block.cells():
        if not missing:
            break
        values = tuple(cell[name] for name in names)
        if values in missing:
            missing.discard(values)
            cells.append(cell)
    return cells


def _stops_early(methods: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return _any_method(methods, lambda method: method.stop != "end")


def _fits_temperature(methods: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return _any_method(methods, lambda method: method.temperature == "fit")


def _any_method(methods: npt.NDArray[Any], what: Callable[[Method], bool]) -> npt.NDArray[np.bool_]:
    def tell(method: str | MethodText) -> bool:
        with contextlib.suppress(FieldError):  # `check` complains about a method that cannot be read
            return what(parse_method(str(method)))
        return False

    return np.asarray(np.vectorize(tell, otypes=[bool])(methods))
