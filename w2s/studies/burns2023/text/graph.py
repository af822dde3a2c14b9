"""Which artifacts a finetune cell needs: weak models -> weak labels -> (chain) -> student; ceiling; strong baseline; control.

The method of the cell builds the student with its kit; the rest is the same for every method.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from w2s.artifacts import Call
from w2s.errors import FieldError
from w2s.finetune.choices.calibrated import temper_fit
from w2s.finetune.data.items import items, truth
from w2s.finetune.methods.modifiers import flipped, kit_for
from w2s.finetune.methods.text import Method, builder_of
from w2s.finetune.methods.value import read_method
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.setup import Setup
from w2s.prompts.graded import Grade
from w2s.studies.burns2023.tasks import drawn, formatter_for, has_pairs, whole_task

__all__ = ["CellGraph", "cell_graph", "weak_models"]

_RECIPE = ("epochs", "batch", "schedule", "warmup", "weight_decay")
_LATER = ("dropout", "clip", "grouping", "checkpointing")
"""Fields of a recipe that came later: without a value they are left out, so that the keys of older artifacts stay."""
_ANSWER_LENGTH = 16


@dataclass(frozen=True)
class CellGraph:
    """The calls of one cell. ``trainings`` are the models by role; predictions have the items of validation and test parts."""

    items: Call
    truth: Call
    method: Method
    weak: tuple[Call, ...]
    student: Call
    ceiling: Call
    strong: Call
    control: Call | None
    trainings: Mapping[str, Call]
    says: tuple[Call, ...]
    honest: Call | None
    """Predictions of the student without a conflicting aim, where the method gives it one."""
    adjusted: Call | None
    """Predictions of a ceiling that had what the method gives its student beside labels."""
    pairs: bool
    """Whether items are pairs of replies."""
    sizes: Mapping[str, tuple[ModelFolder, ...]]
    """Models whose weights a row counts: teachers, and the student."""
    several: bool
    """Whether the labels are those of several weak models, or of members whose weights are learned."""
    score: Callable[[str, str], float] | None
    """The check of answers in a task of prompts that a law makes, None in others."""
    grade: Grade | None = None
    """The check of answers against references, in a task of prompts whose right answers stand in its file."""

    @property
    def prompts(self) -> bool:
        """Whether items are prompts, and predictions texts."""
        return self.score is not None or self.grade is not None

    @property
    def needs(self) -> list[Call]:
        """Everything that ``solve`` reads."""
        others = [call for call in (self.control, self.honest, self.adjusted) if call is not None]
        predictions = [*self.weak, self.student, self.ceiling, self.strong, *others]
        return [self.items, self.truth, *predictions, *self.trainings.values(), *self.says]


def cell_graph(cell: Mapping[str, Any], classes: int) -> CellGraph:
    """Build the calls of a cell, without running anything.

    Raises :class:`FieldError` for a method, or a field, that does not fit the task.
    """
    method, file = read_method(cell["method"])
    formatter = formatter_for(cell)
    if formatter.prompts:
        _check_prompts(cell, method)
    kit, build = kit_for(_setup(cell, classes), method, file), builder_of(method, file)
    teachers = kit.teachers()
    student, ceiling, strong = build(kit, method.settings), kit.ceiling(), kit.teacher(kit.student_model)
    return CellGraph(
        items=kit.items,
        truth=kit.setup.truth,
        method=method,
        weak=tuple(kit.predict(model, training, ("transfer", "validation", "test")) for model, training in teachers),
        student=student.predictions,
        ceiling=kit.predict(kit.student_model, ceiling),
        strong=kit.predict(kit.student_model, strong),
        control=build(flipped(kit), method.settings).predictions if cell["control"] == "flip" else None,
        trainings={"weak": teachers[0][1], "student": student.training, "ceiling": ceiling, "strong": strong},
        says=(*student.says, *_fitted(student.training)),
        sizes={"weak": tuple(model for model, _ in teachers), "student": (kit.student_model,)},
        honest=student.honest,
        adjusted=student.adjusted,
        pairs=kit.setup.pairs,
        score=formatter.score,
        grade=formatter.grade,
        several=len(kit.weak_models) > 1 or (kit.members > 1 and isinstance(student.training.arguments["labels"], tuple)),
    )


def weak_models(cell: Mapping[str, Any]) -> tuple[ModelFolder, ...]:
    """Return the supervisors of a cell: its one weak model, or those of its list."""
    return (cell["weak_model"],) if cell.get("weak_models") is None else cell["weak_models"].members


def _fitted(training: Call) -> tuple[Call, ...]:
    """Find the labels that a training takes where they have a fitted temperature: with a chain, those of its last model."""
    labels = training.arguments["labels"]
    while isinstance(labels, Call) and labels.artifact.name != temper_fit.name:
        labels = labels.arguments.get("labels")
    return (labels,) if isinstance(labels, Call) else ()


def _check_prompts(cell: Mapping[str, Any], method: Method) -> None:
    """Refuse what needs class probabilities: answers to prompts have none."""
    words = {
        f"loss {method.loss}": method.loss != "xent",
        "temper(T)": method.temperature != 1.0,
        f"stop({method.stop})": method.stop != "end",
        "ensemble(M)": method.ensemble > 1,
    }
    fields = {
        "labels": cell["labels"] == "hard",
        "control": cell["control"] == "flip",
        "weak_models": len(weak_models(cell)) > 1,
    }
    for what, used in words.items():
        if used:
            raise FieldError(f"{what} needs class probabilities, which answers to prompts have not", "method")
    for name, used in fields.items():
        if used:
            raise FieldError(f"{name}: {cell[name]} needs class probabilities, which answers to prompts have not", name)


def _setup(cell: Mapping[str, Any], classes: int) -> Setup:
    later = {name: cell[name] for name in _LATER if cell.get(name) is not None}
    return Setup(
        items=items(**drawn(cell)),
        truth=truth(**drawn(cell)),
        classes=classes,
        seed=cell["seed"],
        weak_models=weak_models(cell),
        student_model=cell["student_model"],
        chain=() if cell["chain"] is None else cell["chain"].members,
        hard=cell["labels"] == "hard",
        rows={part: cell[f"n_{part}"] for part in ("labeled", "transfer", "validation")},
        shape=_shape(cell, classes),
        recipe={name: cell[name] for name in _RECIPE} | later,
        rates={"labeled": cell["learning_rate_labeled"], "transfer": cell["learning_rate"]},
        evaluate_every=cell["evaluate_every"] or None,
        max_length=cell["max_length"],
        shards=cell["shards"],
        pairs=has_pairs(cell),
        encoded=whole_task(cell) if cell["tuning"] in ("frozen", "top_layers") else None,
        sampling=_sampling(cell) if formatter_for(cell).prompts else None,
        engine=cell.get("generation") or "transformers",
    )


def _shape(cell: Mapping[str, Any], classes: int) -> dict[str, Any]:
    """Return how every model is made; what came later is there for the tuning that needs it, so that other keys stay."""
    later: Mapping[str, dict[str, Any]] = {"lora": {"adapted": "used"}, "top_layers": {"top": cell.get("top_layers")}}
    shape = {"classes": classes, "tuning": cell["tuning"], "lora_rank": cell["lora_rank"], **later.get(cell["tuning"], {})}
    precision = cell.get("precision")
    return shape if precision is None else {**shape, "precision": precision}


def _sampling(cell: Mapping[str, Any]) -> dict[str, Any]:
    return {"temperature": cell["temperature"] or 0.0, "max_new_tokens": cell["answer_length"] or _ANSWER_LENGTH}
