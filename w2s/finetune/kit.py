"""The kit of a method: everything from which it builds the calls of a student. Building runs nothing.

    labels = kit.weak_labels()                                   # of transfer and validation items
    kit.student(kit.train(kit.student_model, kit.labelled(labels)))

Equal calls have equal keys, so a teacher that ten students share is one training, and the strong baseline of a model is that
model's training wherever it is a teacher too. The kit hands out truth only to a method that declares it in ``uses``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from w2s.artifacts import Call
from w2s.errors import FieldError, nearest
from w2s.finetune.data.answers import as_answers, reference_answers
from w2s.finetune.data.labels import as_labels, flip, mix, truth_labels
from w2s.finetune.inference.cached.pair_features import pair_features
from w2s.finetune.inference.cached.token_states import token_states
from w2s.finetune.inference.generate import ROWS, generate
from w2s.finetune.inference.hidden_states import features
from w2s.finetune.inference.predict import predict
from w2s.finetune.inference.preference import predict_pairs, reference_log_probabilities
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count
from w2s.finetune.objectives.base import Examples, Labelled, Pair, Prompt, find_objective
from w2s.finetune.objectives.losses import find_loss
from w2s.finetune.seeds import member_seed, role_seed
from w2s.finetune.setup import Setup
from w2s.finetune.training.recipe import Recipe
from w2s.finetune.training.train import train
from w2s.user_files import code_of

__all__ = ["ANSWER_ROWS", "Kit", "Student", "UndeclaredTruthError"]

_LABELLED = ("transfer", "validation")
_EVALUATED = ("validation", "test")
_BY_TEACHERS = ("transfer", *_EVALUATED)
ANSWER_ROWS = 64
"""Prompts that a model answers at once."""


class UndeclaredTruthError(FieldError):
    """A method asked the kit for truth that it does not declare."""


@dataclass(frozen=True)
class Student:
    """What a method returns: the student's training, its predictions of validation and test items, and what it says itself.

    Each call of ``says`` writes ``columns.json``, names and values of columns of the row. ``honest`` are predictions of the
    same student without an aim that a method gives it beside the labels; the row says which errors that aim induces.
    ``adjusted`` are those of a ceiling that had what the method gives its student beside labels, such as another training.
    """

    training: Call
    predictions: Call
    says: tuple[Call, ...] = ()
    honest: Call | None = None
    adjusted: Call | None = None


@dataclass(frozen=True)
class Kit:
    """Calls for a method. Modifiers such as ``temper(2)`` change the kit before the method gets it.

    Attributes
    ----------
    setup : the cell.
    uses : truth that the method may look at, such as ``truth:validation``.
    loss, options : the loss that the text names, for trainings of the student.
    stop : when the student's training stops.
    members : weak models of different seeds per weak model.
    treatments : what is done to soft labels, in order.
    flipped : whether labels have the same errors at random items (the flip control).
    code : digest of the method's source, where it is not of this package.

    """

    setup: Setup
    uses: tuple[str, ...] = ()
    loss: str = "xent"
    options: Mapping[str, Any] = field(default_factory=dict)
    stop: Literal["end", "legal", "oracle"] = "end"
    members: int = 1
    treatments: tuple[Callable[[Call], Call], ...] = ()
    flipped: bool = False
    code: str | None = None

    @property
    def items(self) -> Call:
        """Items of all parts: ``items.arrow`` (item_id, text, pair, group, part)."""
        return self.setup.items

    @property
    def student_model(self) -> ModelFolder:
        """The pretrained model of student, ceiling and strong baseline."""
        return self.setup.student_model

    @property
    def weak_models(self) -> tuple[ModelFolder, ...]:
        """The pretrained models of the supervisors."""
        return self.setup.weak_models

    def seed(self, *role: str) -> int:
        """Return a seed of 63 bits for a role of the method's own, hashed from its words and the cell's seed."""
        return role_seed(*role, seed=self.setup.seed)

    def truth(self, part: str) -> Call:
        """Return one-hot true labels of a part, or its reference answers.

        Raises :class:`UndeclaredTruthError` unless the method declares ``truth:PART``.
        """
        if f"truth:{part}" not in self.uses:
            declared = ", ".join(self.uses) or "nothing"
            raise UndeclaredTruthError(f"the method asks for the truth of {part} items; in uses it declares {declared}")
        return self.true_labels(part)

    def true_labels(self, part: str) -> Call:
        """Return true labels of a part, for teachers, ceilings and baselines; a method uses :meth:`truth` instead."""
        if self.setup.prompts:
            return reference_answers(items=self.items, truth=self.setup.truth, part=part)
        return truth_labels(items=self.items, truth=self.setup.truth, part=part, classes=self.setup.classes)

    def teacher(self, model: ModelFolder, member: int = 0) -> Call:
        """Train a model on the true labels of the labelled items: a weak model, or the strong baseline."""
        examples = self.examples("labeled", self.true_labels("labeled"))
        return self._train(model, examples, self._objective(None), member_seed(self.setup.seed, member))

    def ceiling(self, start: Call | None = None) -> Call:
        """Train the student's model on the true labels of the transfer items, with cross-entropy, to the end.

        ``start`` is an earlier training of the model, from whose weights this one starts. No student may learn from it.
        """
        examples = self.examples("transfer", self.true_labels("transfer"))
        return self._train(self.student_model, examples, self._objective(None), member_seed(self.setup.seed), start)

    def teachers(self) -> tuple[tuple[ModelFolder, Call], ...]:
        """List the teachers: every member of every weak model, with its model."""
        return tuple((model, self.teacher(model, k)) for model in self.weak_models for k in range(self.members))

    def predict(self, model: ModelFolder, training: Call, parts: tuple[str, ...] = _EVALUATED) -> Call:
        """Predict parts with a trained ``model``: ``predictions.arrow`` (item_id, p_0, ...).

        In a task of prompts the model answers: ``generations.arrow``.
        """
        if self.setup.prompts:
            return self.answers(model, training, parts)
        given = {"model": training, "base": model, "items": self.items, "parts": parts, "max_length": self.setup.max_length}
        return (predict_pairs if self.setup.pairs else predict)(**given, **self._frozen(model))

    def answers(self, model: ModelFolder, training: Call | None, parts: tuple[str, ...], items: Call | None = None) -> Call:
        """Let a model, or one trained from it, answer prompts of some parts as the cell says: ``generations.arrow``.

        ``items`` stand in place of the cell's own. Raises :class:`FieldError` for a task without prompts.
        """
        if self.setup.sampling is None:
            raise FieldError("it needs answers to prompts, which this task has not", "method")
        given: dict[str, Any] = {"role": "answers", "rows": ANSWER_ROWS, "items": items}
        return self.generate(model, parts, self.setup.sampling, training=training, **given)

    def labels(self, model: ModelFolder, training: Call, parts: tuple[str, ...] = _LABELLED) -> Call:
        """Label parts with the unchanged soft predictions of a trained ``model``; prompts with its answers."""
        found = self.predict(model, training, _BY_TEACHERS)
        if self.setup.prompts:
            return as_answers(generations=found, items=self.items, parts=parts)
        return as_labels(predictions=found, items=self.items, parts=parts, hard=False)

    def weak_labels(self) -> Call:
        """Label transfer and validation items by the mean of all teachers, through the chain, treated as the cell says."""
        return self._passed_on(tuple(self.labels(model, training) for model, training in self.teachers()))

    def supervisors(self) -> tuple[Call, ...]:
        """Return labels as :meth:`weak_labels`, of each supervisor alone: the weak models, or the members of a single one."""
        soft = [self.labels(model, training) for model, training in self.teachers()]
        size = self.members if len(self.weak_models) > 1 else 1
        return tuple(self._passed_on(tuple(soft[k : k + size])) for k in range(0, len(soft), size))

    def treated(self, labels: Call) -> Call:
        """Treat labels as the cell says: change their temperature, make them one-hot."""
        for treat in self.treatments:
            labels = treat(labels)
        return labels

    def labelled(self, labels: Call | tuple[Call, ...]) -> Examples:
        """Return transfer items with labels, or with those of several supervisors, as examples of a training."""
        return self.examples("transfer", labels)

    def examples(self, part: str, labels: Call | tuple[Call, ...]) -> Examples:
        """Return items of a part with labels: answers to prompts, preferences where the task has pairs, else classes."""
        if self.setup.prompts:
            if isinstance(labels, tuple):
                raise FieldError("it learns from several labels for one item, which a task of prompts has not", "method")
            return Prompt(part, labels)
        return Pair(part, labels) if self.setup.pairs else Labelled(part, labels)

    def reference(self, model: ModelFolder) -> Call:
        """Compute log-probabilities of all replies under the untrained ``model``: the frozen reference of DPO.

        Raises :class:`FieldError` for a task without pairs.
        """
        if not self.setup.pairs:
            raise FieldError("it learns from pairs of replies, which this task has not and hh_harmless has", "method")
        return reference_log_probabilities(base=model, items=self.items, max_length=self.setup.max_length)

    def features(self, model: ModelFolder, layer: int | None = None, pooling: str = "auto") -> tuple[Call, int]:
        """Return pooled hidden states of the frozen ``model`` for all items, and the layer (``layer``, or the last one)."""
        if self.setup.pairs or self.setup.prompts:
            kind = "pairs of replies" if self.setup.pairs else "prompts"
            raise FieldError(f"it needs features of items, which a task of {kind} has not", "method")
        chosen = layer_count(model) if layer is None else layer
        items, length = self.setup.encoded or self.items, self.setup.max_length
        return features(base=model, items=items, layers=(chosen,), pooling=pooling, max_length=length), chosen

    def generate(
        self,
        model: ModelFolder,
        parts: tuple[str, ...],
        sampling: Mapping[str, Any],
        *,
        training: Call | None = None,
        samples: int = 1,
        role: str = "generate",
        rows: int = ROWS,
        items: Call | None = None,
    ) -> Call:
        """Continue the texts of parts by a causal ``model``, or by one trained from it: ``generations.arrow``.

        ``sampling`` has the fields of :class:`w2s.finetune.inference.sampling.Sampling`; ``role`` names the seed.
        ``rows`` go through the model at once, and ``items`` stand in place of the cell's own.
        """
        return generate(
            base=model,
            items=self.items if items is None else items,
            parts=parts,
            sampling=sampling,
            seed=self.seed(role),
            samples=samples,
            max_length=self.setup.max_length,
            model=training,
            rows=rows,
            engine=self.setup.engine,
        )

    def train(
        self,
        model: ModelFolder,
        examples: Examples,
        objective: str | None = None,
        settings: Mapping[str, Any] | None = None,
        *,
        role: str = "student",
        start: Call | None = None,
        items: Call | None = None,
        **recipe: Any,
    ) -> Call:
        """Train a model on examples, with the loss and the stop that the cell's method names.

        Parameters
        ----------
        model, examples : a pretrained model; items with labels.
        objective, settings : a registered objective and its options; None: classification.
        role : names the seed: ``student`` has that of the cell's other trainings, any other word has its own.
        start : an earlier training of the model, from whose weights this one starts.
        items : items in place of the cell's own, with the same ids.
        recipe : changes of the cell's recipe, as in :class:`w2s.finetune.training.recipe.Recipe`.

        Raises :class:`w2s.errors.FieldError` for an unknown objective, loss or name of the recipe, for their options, and for
        the wrong kind of examples.
        """
        named = objective or self._usual or "classification"
        kind = find_objective(named)
        if not isinstance(examples, kind.examples):
            wanted = f"takes {kind.examples.__name__} examples, not {type(examples).__name__}"
            raise FieldError(f"objective {named!r} {wanted}: it does not fit this kind of task", "method")
        own: dict[str, Any] = {
            "loss": self.loss,
            "options": dict(self.options),
            "stop": "legal" if self.stop == "legal" else "end",
            "evaluate_every": self.setup.evaluate_every,
        }
        own |= self._objective(objective, settings)
        _check_recipe(own | recipe)
        codes = {"loss_code": code_of(find_loss(self.loss).function), "objective_code": code_of(kind), "method_code": self.code}
        own |= {name: code for name, code in codes.items() if code is not None}
        seed = member_seed(self.setup.seed) if role == "student" else self.seed(role)
        return self._train(model, examples, own | recipe, seed, start, items)

    def student(self, training: Call, *says: Call) -> Student:
        """Return the student that a training of the student's model gives; ``says`` are calls that write columns of the row."""
        return Student(training, self.predict(self.student_model, training), says)

    def changed(self, **fields: Any) -> Kit:
        """Return a kit with some fields replaced."""
        return replace(self, **fields)

    @property
    def _usual(self) -> str | None:
        """The objective of trainings that name none, by the kind of items; None for classification."""
        return "sequence" if self.setup.prompts else "reward" if self.setup.pairs else None

    def _objective(self, name: str | None, settings: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return the entry of a recipe: none for classification, so that old trainings keep their identity."""
        named = name or self._usual
        if named is None:
            return {}
        known = find_objective(named).options
        checked = known.kept(known.checked(f"objective {named!r}", settings or {}))
        return {"objective": {"name": named, "options": checked}}

    def _train(
        self,
        model: ModelFolder,
        examples: Examples,
        own: Mapping[str, Any],
        seed: int,
        start: Call | None = None,
        items: Call | None = None,
    ) -> Call:
        setup = self.setup
        rate = setup.rates["labeled" if examples.part == "labeled" else "transfer"]
        asked = find_objective(own["objective"]["name"]).shape if "objective" in own else {}
        if setup.encoded is not None and asked.get("head", "linear") != "linear":
            raise FieldError(f"it trains a language model, and tuning {setup.shape['tuning']} has a head alone", "tuning")
        return train(
            base=model,
            items=self.items if items is None else items,
            labels=examples.labels,
            part=examples.part,
            shape={**setup.shape, **asked},
            recipe={**setup.recipe, "learning_rate": rate, **own},
            rows=setup.rows[examples.part] if examples.rows is None else examples.rows,
            max_length=setup.max_length,
            seed=seed,
            shards=setup.shards,
            start=start,
            **self._frozen(model),
        )

    def _frozen(self, model: ModelFolder) -> dict[str, Any]:
        """Return features, or states of tokens, in the place of texts, where a model is trained on them; else nothing."""
        if self.setup.encoded is None:
            return {}
        if (top := self.setup.shape.get("top")) is not None:
            if self.setup.pairs or self.setup.prompts:
                raise FieldError("tuning top_layers takes texts, no pairs of replies and no prompts", "tuning")
            below = layer_count(model) - top
            given = {"base": model, "items": self.setup.encoded, "max_length": self.setup.max_length}
            return {"features": token_states(**given, layer=below), "layer": below}
        if self.setup.pairs:
            last, given = layer_count(model), {"base": model, "items": self.setup.encoded, "max_length": self.setup.max_length}
            return {"features": pair_features(**given, layer=last), "layer": last}
        found, layer = self.features(model)
        return {"features": found, "layer": layer}

    def _passed_on(self, soft: tuple[Call, ...]) -> Call:
        """Average soft labels and treat them, then pass them through the chain.

        Each model of the chain is trained on the labels, and its own labels, treated, replace them.
        """
        if self.setup.prompts and len(soft) > 1:
            raise FieldError("answers of several supervisors have no mean; name one weak model, without ensemble(M)", "method")
        labels = self.treated(soft[0] if len(soft) == 1 else mix(labels=soft, weights=(1.0,) * len(soft)))
        for model in self.setup.chain:
            link = self._train(model, self.labelled(labels), self._objective(None), member_seed(self.setup.seed))
            labels = self.treated(self.labels(model, link))
        return flip(labels=labels, truth=self.setup.truth, seed=self.setup.seed) if self.flipped else labels


def _check_recipe(given: Mapping[str, Any]) -> None:
    """Raise :class:`FieldError` for a name that no recipe has, and for a loss or its options that are not known."""
    names = [each.name for each in fields(Recipe)]
    if unknown := [name for name in given if name not in names]:
        known = ", ".join(names)
        raise FieldError(f"a training has no {unknown[0]!r}{nearest(unknown[0], names)}; known: {known}", "method")
    find_loss(given["loss"]).with_options(given["options"])
