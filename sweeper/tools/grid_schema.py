"""A JSON Schema of the grids of one study, for editors: names, values and meanings of keys and fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweeper.errors import GridError
from sweeper.grid.axes import GENERATORS
from sweeper.grid.compute import Compute
from sweeper.grid.read import SUB_KEYS
from w2s.contract.cells import FieldSpec, cell_fields
from w2s.studies.registry import StudyError, find_study

__all__ = ["grid_schema"]

_TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "text": "string"}


def grid_schema(reference: str) -> dict[str, Any]:
    """Return a JSON Schema (draft 2020-12) that every grid of the study fulfils as far as one value tells.

    What ties fields together (conditions, rules, a zip's lengths) is checked by ``plan`` alone. Raises :class:`GridError` for a
    study that is not there.
    """
    try:
        study = find_study(reference)
    except StudyError as error:
        raise GridError(str(error)) from None
    fields = {name: spec for name, spec in cell_fields(study.Cell).items() if name != "seed"}
    values = {name: _value(spec) for name, spec in fields.items()}
    sections = {
        "axes": _object({name: _axis(value) for name, value in values.items()}, "fields that vary, with their values"),
        "fixed": _object(values, "fields that are the same in all cells"),
        "zip": _zip(values),
        "seeds": _seeds(),
        "exclude": {
            "description": "cells to leave out: comparisons such as 'd_weak > n_labeled', or mappings of fields to values",
            "type": "array",
            "items": {"anyOf": [{"type": "string"}, _object({name: _some(value) for name, value in values.items()}, "")]},
        },
    }
    more = {
        "study": {"description": "name of the study, or file.py:Name", "type": "string", "default": reference},
        "out": {"description": "run folder, or s3://BUCKET/RUN; default: runs/<name of this file>", "type": "string"},
        "compute": Compute.model_json_schema() | {"description": "where and how to run", "additionalProperties": True},
        "grids": {
            "description": "several products of axes; shared keys go outside the list",
            "type": "array",
            "minItems": 1,
            "items": _object({key: sections[key] for key in SUB_KEYS}, ""),
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"grid of {study.name}",
        "description": study.summary,
        "required": ["study"],
        **_object({**more, **sections}, study.summary),
    }


def _object(properties: Mapping[str, Any], description: str) -> dict[str, Any]:
    said = {"description": description} if description else {}
    return {**said, "type": "object", "additionalProperties": False, "properties": dict(properties)}


def _value(spec: FieldSpec) -> dict[str, Any]:
    """Return the schema of one value of a field; of a field of a kind of its own anything goes."""
    unit = f" [{spec.unit}]" if spec.unit else ""
    when = "".join(f"; only when {name} is {' or '.join(map(str, values))}" for name, values in spec.when.items())
    found: dict[str, Any] = {"description": f"{spec.description}{unit}{when}"}
    if spec.choices:
        found["enum"] = list(spec.choices)
    elif spec.kind in _TYPES:
        limits = spec.adapter.json_schema() if not spec.is_file else {}
        kept = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "pattern")
        found |= {"type": _TYPES[spec.kind], **{key: limits[key] for key in kept if key in limits}}
    nullable = spec.annotation is not spec.core
    if spec.default is not None and spec.kind != "json" and not spec.is_file:
        found["default"] = spec.default
    if nullable and "enum" in found:
        found["enum"] = [*found["enum"], None]
    elif nullable and "type" in found:
        found["type"] = [found["type"], "null"]
    return found


def _axis(value: Mapping[str, Any]) -> dict[str, Any]:
    said = {"description": value["description"]}
    bare = {key: part for key, part in value.items() if key not in ("description", "default")}
    listed = {"type": "array", "minItems": 1, "items": bare}
    if bare.get("type") not in ("integer", "number"):
        return {**said, **listed}
    three = {"type": "array", "items": {"type": "number"}, "minItems": 3, "maxItems": 3}
    generator = _object({**dict.fromkeys(GENERATORS, three), "round": {"type": "boolean"}}, "[start, stop, num]")
    return {**said, "anyOf": [listed, generator]}


def _some(value: Mapping[str, Any]) -> dict[str, Any]:
    bare = {key: part for key, part in value.items() if key != "default"}
    return {"anyOf": [bare, {"type": "array", "items": bare}]}


def _zip(values: Mapping[str, Any]) -> dict[str, Any]:
    group = _object({name: _axis(value) for name, value in values.items()}, "fields that move together, in lists of one length")
    return {"anyOf": [group, {"type": "array", "items": group}]}


def _seeds() -> dict[str, Any]:
    whole = {"type": "integer", "minimum": 0}
    until = {"type": "object", "required": ["until"], "properties": {"until": {"type": "object"}}}
    said = "a number of seeds, a list of them, or {until: {metric: ..., half_width: ...}}"
    return {"description": said, "anyOf": [{"type": "integer", "minimum": 1}, {"type": "array", "items": whole}, until]}
