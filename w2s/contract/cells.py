"""What a cell is: typed fields with units, bounds, conditions and an identity.

A study declares its cells as a frozen pydantic model. The engine never builds one model per cell: it asks this module to
check each *axis value* once, to say in which cells a field is active, and to hash values by column.
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import PydanticUndefined

from w2s.errors import FieldError, nearest
from w2s.files.canonical import canonical
from w2s.files.datafile import Content, DataFileError

__all__ = ["Cell", "FieldSpec", "cell_fields", "field", "former_names", "null_inactive", "value_digest"]


class Cell(BaseModel):
    """Base of every study's cell: one point of a grid, seed included."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = Field(0, ge=0, le=2**63 - 1, description="replicate: names the random streams of every role")


def field(
    default: Any = ...,
    *,
    description: str,
    unit: str = "",
    when: Mapping[str, Sequence[Any]] | None = None,
    since: int | None = None,
    formerly: str | None = None,
    infinite: bool = False,
    **bounds: Any,
) -> Any:
    """Declare a cell field.

    Parameters
    ----------
    default : the value when a grid does not name the field; ``...`` makes it required.
    description, unit : one line each, shown by ``w2s-sweep studies`` and ``new``.
    when : ``{other_field: [values]}``; in cells where it does not hold the field is null and outside the identity.
    since : release of the study that added the field, for readers; at its default the field stays out of the identity, so
        cells computed before it existed keep theirs (the study's ``version`` is not raised for it).
    formerly : the name that the field had before; grids may use it, and it stays the field's word in identities.
    infinite : whether ``.inf`` is a value (a number field refuses it otherwise).
    bounds : ``ge``, ``gt``, ``le``, ``lt``, ``pattern`` as in pydantic.

    """
    conditions = {name: list(values) for name, values in (when or {}).items()}
    extra: dict[str, Any] = {"unit": unit, "when": conditions, "since": since, "infinite": infinite}
    extra["formerly"] = formerly
    return Field(default, description=description, json_schema_extra=extra, **bounds)


@dataclass(frozen=True)
class FieldSpec:
    """One field of a cell type, able to check a single value."""

    name: str
    annotation: Any
    adapter: TypeAdapter[Any]
    default: Any
    required: bool
    description: str
    unit: str
    when: Mapping[str, tuple[Any, ...]]
    since: int | None
    infinite: bool
    formerly: str | None = None

    def parse(self, value: Any, base: Path | None = None, *, stored: bool = False) -> Any:
        """Check one value and return its canonical form (1e3 -> 1000 for integers, -0.0 -> 0.0).

        Files are looked up relative to ``base``; with ``stored`` a recorded file is accepted without looking for it.
        Raises :class:`FieldError` with the reason, the allowed values and the nearest match.
        """
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and math.isnan(value):
            raise FieldError("nan is not a value a cell can have")
        if isinstance(value, float) and math.isinf(value) and not self.infinite:
            raise FieldError(f"{value} is not allowed: this field takes finite numbers")
        if isinstance(value, float) and value.is_integer() and self.kind in ("integer", "literal"):
            value = int(value)
        try:
            strict = self.kind != "json" and not self.is_file
            parsed = self.adapter.validate_python(value, strict=strict, context={"base": base, "stored": stored})
        except ValidationError as error:
            raise FieldError(_explain(error, value, self)) from None
        except DataFileError as error:
            raise FieldError(str(error)) from None
        if isinstance(parsed, float):
            return float(parsed) + 0.0
        if isinstance(parsed, int) and not -(2**63) <= parsed < 2**63:
            raise FieldError(f"{_show(value)} does not fit into 64 bits")
        return tuple(parsed) if isinstance(parsed, list) else parsed

    @property
    def word(self) -> str:
        """The name under which the field enters identities: its first one."""
        return self.formerly or self.name

    @functools.cached_property
    def core(self) -> Any:
        """The annotation without ``| None``."""
        if typing.get_origin(self.annotation) in (typing.Union, types.UnionType):
            rest = [a for a in typing.get_args(self.annotation) if a is not type(None)]
            return rest[0] if len(rest) == 1 else self.annotation
        return self.annotation

    @functools.cached_property
    def is_file(self) -> bool:
        """Whether values are data files, hashed by content."""
        return isinstance(self.core, type) and issubclass(self.core, Content)

    @functools.cached_property
    def choices(self) -> tuple[Any, ...]:
        """Allowed values of a Literal field, else empty."""
        return typing.get_args(self.core) if typing.get_origin(self.core) is typing.Literal else ()

    @functools.cached_property
    def kind(self) -> str:
        """Storage class: ``integer``, ``number``, ``boolean``, ``literal``, ``text`` or ``json``."""
        if self.choices:
            return "literal"
        table = {int: "integer", float: "number", bool: "boolean", str: "text"}
        return "text" if self.is_file else table.get(self.core, "json")

    def is_active(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the field matters in a cell, given its controllers; a controller that is not named decides nothing."""
        return all(values[name] in allowed for name, allowed in self.when.items() if name in values)


@functools.lru_cache(maxsize=256)
def cell_fields(cell: type[Cell]) -> Mapping[str, FieldSpec]:
    """Return every field of a cell type in declaration order, ``seed`` last."""
    hints = typing.get_type_hints(cell, include_extras=True)
    specs: dict[str, FieldSpec] = {}
    for name, info in cell.model_fields.items():
        extra = info.json_schema_extra if isinstance(info.json_schema_extra, dict) else {}
        when = typing.cast("Mapping[str, list[Any]]", extra.get("when") or {})
        bounds: Any = info.metadata
        annotated: Any = typing.Annotated[(hints[name], *bounds)] if bounds else hints[name]
        specs[name] = FieldSpec(
            name=name,
            annotation=hints[name],
            adapter=TypeAdapter(annotated),
            default=None if info.default is PydanticUndefined else info.default,
            required=info.is_required(),
            description=info.description or "",
            unit=str(extra.get("unit") or ""),
            when={key: tuple(values) for key, values in when.items()},
            since=typing.cast("int | None", extra.get("since")),
            infinite=bool(extra.get("infinite")),
            formerly=typing.cast("str | None", extra.get("formerly")),
        )
    _check_conditions(cell, specs)
    return types.MappingProxyType({**{k: v for k, v in specs.items() if k != "seed"}, "seed": specs["seed"]})


def former_names(fields: Mapping[str, FieldSpec]) -> dict[str, str]:
    """Map the earlier names of fields to those of today."""
    return {spec.formerly: name for name, spec in fields.items() if spec.formerly is not None}


def null_inactive(values: Mapping[str, Any], fields: Mapping[str, FieldSpec]) -> dict[str, Any]:
    """Set every inactive field to None, and also those that depend on it."""
    cell = dict(values)
    while changed := [n for n, v in cell.items() if v is not None and not fields[n].is_active(cell)]:
        cell.update(dict.fromkeys(changed))
    return cell


def _check_conditions(cell: type[Cell], specs: Mapping[str, FieldSpec]) -> None:
    for spec in specs.values():
        if spec.formerly in specs:
            raise TypeError(f"{cell.__qualname__}.{spec.name}: formerly= names {spec.formerly!r}, which is a field")
        for controller in spec.when:
            if controller not in specs:
                raise TypeError(f"{cell.__qualname__}.{spec.name}: when= names {controller!r}, which is not a field")


def _explain(error: ValidationError, value: Any, spec: FieldSpec) -> str:
    """Turn pydantic's finding into one line: what was given, what is allowed, the nearest match."""
    first = error.errors()[0]
    if spec.choices:
        allowed = ", ".join(map(str, spec.choices))
        return f"{_show(value)} is not one of: {allowed}{nearest(value, spec.choices)}"
    reason = str(first["msg"])
    cause = first.get("ctx", {}).get("error")
    if cause is not None:
        return str(cause)
    return f"{_show(value)} is not allowed: {reason[0].lower()}{reason[1:]}"


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def value_digest(name: str, value: Any) -> tuple[int, int]:
    """Hash one field value to 128 bits, as two unsigned 64-bit words.

    Numbers are canonical (an integer-valued float hashes as that integer), files hash by content, so the digest does not
    depend on how a grid happens to spell a value. Cell identities are sums of these digests modulo 2**64 per word.
    """
    return _scalar_digest(name, value) if type(value) in _SCALARS else _digest(name, value)


_SCALARS = (int, float, str, bool)


@functools.lru_cache(maxsize=1 << 18, typed=True)  # equal values of different types, True and 1, are different values
def _scalar_digest(name: str, value: Any) -> tuple[int, int]:
    return _digest(name, value)


def _digest(name: str, value: Any) -> tuple[int, int]:
    text = json.dumps([name, canonical(value)], sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    raw = hashlib.blake2b(text.encode(), digest_size=16, person=b"w2s-cell").digest()
    return int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:], "little")
