"""Texts: vectors of the ``text`` column of a table, by the layers of a frozen encoder.

    encoder:minilm-l6:0        the embeddings of a model, averaged over the tokens of a text
    encoder:minilm-l6:5        the hidden states after its fifth layer
    encoder:minilm-l6:0/32     their first 32 coordinates

Computed once per file content, model content and library versions, all layers together, and kept as a plain array in the
user's cache folder. A name must mean the same model everywhere: a packaged model, or hub:NAME@REVISION.
"""

from __future__ import annotations

import importlib.util

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.files.datafile import DataFileError
from w2s.finetune.inference.kept_states import kept_hidden_means
from w2s.finetune.models.check import check_model, layer_width
from w2s.finetune.models.folder import ModelFolder
from w2s.finetune.models.weights import layer_count
from w2s.laws.table import Table

__all__ = ["check", "encoded"]

Matrix = npt.NDArray[np.float64]


def check(table: Table, argument: str) -> None:
    """Raise :class:`FieldError` unless every row of column ``text`` has one, and the model takes texts and has what is asked.

    That is such a layer, and so many coordinates after it.
    """
    _texts(table)
    model, layer, first = _parsed(argument)
    found = _found(model)
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
    model, layer, first = _parsed(argument)
    layers = kept_hidden_means(_found(model), table.sha256, _texts(table))
    return np.asarray(layers[layer][:, : first or layer_width(_found(model), layer)], dtype=np.float64)


def _texts(table: Table) -> list[str]:
    if "text" not in table.words:
        raise FieldError(f"{table.name}: text features need a text column 'text'")
    texts = ["" if word is None else str(word) for word in table.words["text"]]
    if empty := [row for row, text in enumerate(texts, 1) if not text.strip()]:
        more = f" ({len(empty)} such rows)" if len(empty) > 1 else ""
        raise FieldError(f"{table.name}: row {empty[0]} of column 'text' is empty{more}; remove it")
    return texts


def _parsed(argument: str) -> tuple[str, int, int | None]:
    """Parse ``MODEL:LAYER`` or ``MODEL:LAYER/K`` into model, layer and number of coordinates."""
    model, _, place = argument.rpartition(":")
    layer, slash, first = place.partition("/")
    if not model or not layer.isdecimal() or (slash and not first.isdecimal()):
        raise FieldError(f"features 'encoder:{argument}': write encoder:MODEL:LAYER or encoder:MODEL:LAYER/K")
    return model, int(layer), int(first) if slash else None


def _found(name: str) -> ModelFolder:
    if not ModelFolder.keeps_name(name):
        raise FieldError(f"features 'encoder:{name}': a packaged model or hub:NAME@REVISION is needed, whose content is fixed")
    try:
        return ModelFolder.find(name)
    except DataFileError as error:
        raise FieldError(str(error)) from None
