"""Texts: vectors of the ``text`` column of a table, or of ``smiles``, by the layers of a frozen encoder.

    encoder:minilm-l6:0        the embeddings of a model, averaged over the tokens of a text
    encoder:minilm-l6:5        the hidden states after its fifth layer
    encoder:minilm-l6:0/32     their first 32 coordinates
    encoder:16:2               the second layer of the model 16 of the table's ``encoders``

Computed once per file content, model content and library versions, all layers together, and kept as a plain array in the
user's cache folder. A name must mean the same model everywhere: a packaged model, data:FOLDER or hub:NAME@REVISION; or it
names one of the models that stand beside the table, whose content a cell knows.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.inference.kept_states import kept_hidden_means
from w2s.finetune.models.check import check_model, layer_width
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count
from w2s.laws.table import Table

__all__ = ["check", "encoded", "text_column"]

Matrix = npt.NDArray[np.float64]

_COLUMNS = ("text", "smiles")


def check(table: Table, argument: str) -> None:
    """Raise :class:`FieldError` unless every row has a text, and the model takes texts and has what is asked.

    That is such a layer, and so many coordinates after it.
    """
    _texts(table)
    model, layer, first = _parsed(argument)
    found = _found(model, table)
    for library in ("torch", "transformers"):
        if importlib.util.find_spec(library) is None:
            raise FieldError(f"text features need {library}: pip install 'w2s-sweep[llm]'")
    check_model(found)
    layers = layer_count(found)
    if layer > layers:
        raise FieldError(f"features 'encoder:{argument}': {model} has layers 0..{layers}")
    width = layer_width(found, layer)
    if first is not None and not 1 <= first <= width:
        raise FieldError(f"features 'encoder:{argument}': {model} has {width} coordinates after layer {layer}")


def encoded(table: Table, argument: str) -> Matrix:
    """Compute mean-pooled hidden states of every text after a layer: (rows, d) or (rows, K), float64 holding float32 values."""
    name, layer, first = _parsed(argument)
    model = _found(name, table)
    layers = kept_hidden_means(model, table.sha256, _texts(table))
    return np.asarray(layers[layer][:, : first or layer_width(model, layer)], dtype=np.float64)


def text_column(table: Table) -> str:
    """Name the column that encoders read: ``text``, or ``smiles`` in a table without one.

    Raises :class:`FieldError` for a table with neither.
    """
    for column in _COLUMNS:
        if column in table.words:
            return column
    raise FieldError(f"{table.name}: text features need a text column {' or '.join(map(repr, _COLUMNS))}")


def _texts(table: Table) -> list[str]:
    column = text_column(table)
    texts = ["" if word is None else str(word) for word in table.words[column]]
    if empty := [row for row, text in enumerate(texts, 1) if not text.strip()]:
        more = f" ({len(empty)} such rows)" if len(empty) > 1 else ""
        raise FieldError(f"{table.name}: row {empty[0]} of column {column!r} is empty{more}; remove it")
    return texts


def _parsed(argument: str) -> tuple[str, int, int | None]:
    """Parse ``MODEL:LAYER`` or ``MODEL:LAYER/K`` into model, layer and number of coordinates."""
    model, _, place = argument.rpartition(":")
    layer, slash, first = place.partition("/")
    if not model or not layer.isdecimal() or (slash and not first.isdecimal()):
        raise FieldError(f"features 'encoder:{argument}': write encoder:MODEL:LAYER or encoder:MODEL:LAYER/K")
    return model, int(layer), int(first) if slash else None


def _found(name: str, table: Table) -> ModelFolder:
    beside = () if table.encoders is None else table.encoders.members
    if (chosen := _chosen(name, beside)) is not None:
        return chosen
    if not ModelFolder.keeps_name(name):
        known = f" ({', '.join(_short(model.name) for model in beside)})" if beside else ""
        asked = "a packaged model, data:FOLDER or hub:NAME@REVISION is needed, whose content is fixed"
        raise FieldError(f"features 'encoder:{name}': {asked}, or one of encoders{known}")
    try:
        return ModelFolder.find(name)
    except DataFileError as error:
        raise FieldError(str(error)) from None


def _chosen(name: str, models: Sequence[ModelFolder]) -> ModelFolder | None:
    """Return the model of this full or short name; None where there is none. Raises for a short name of several."""
    found = [model for model in models if name in (model.name, _short(model.name))]
    if len({model.sha256 for model in found}) > 1:
        names = ", ".join(model.name for model in found)
        raise FieldError(f"features 'encoder:{name}': {names} have that short name; write one of them in full")
    return found[0] if found else None


def _short(name: str) -> str:
    """Return what stands behind the last ``/`` or ``:`` of a model's name."""
    return re.split("[/:]", name)[-1]
