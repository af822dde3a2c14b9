"""The ``compute:`` section of a grid: where and how, never what."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sweeper.choices import BackendName, OnError
from sweeper.executors.registry import AUTO, check_options, find_executor, own_options
from w2s.errors import FieldError, nearest
from w2s.files.paths import expand_variables
from w2s.places.url import where_of

__all__ = ["Compute", "overridden", "read_compute"]


class Compute(BaseModel):
    """Where and how a grid is computed. It has no part in any cell's identity.

    Keys besides these fields are options of the executor, checked by its own model.
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    executor: str = Field(AUTO, description="auto, inline, processes, ray, an installed one, or file.py:Name")
    backend: BackendName = "auto"
    on_error: OnError = "stop-if-all-alike"
    store: str | None = Field(None, description="folder of artifacts; default: .w2s-store beside the run folder")
    time_limit: float | None = Field(None, gt=0, le=1e7, description="seconds that a block may take; default: any")
    blind: bool = Field(False, description="refuse grids in which truth could reach a student")

    @property
    def options(self) -> Mapping[str, Any]:
        """Options of the executor, as they are written."""
        return self.model_extra or {}


def read_compute(written: Mapping[str, Any], folder: Path) -> Compute:
    """Check a ``compute:`` section; paths in it are relative to ``folder``.

    Raises :class:`w2s.errors.FieldError` whose ``field`` is the key that is wrong.
    """
    own = tuple(Compute.model_fields)
    for name in written:
        if not isinstance(name, str):
            raise FieldError(f"unknown key {name!r}; a key is a word")
    if type(limit := written.get("time_limit")) is int:
        written = {**written, "time_limit": float(limit)}
    try:
        compute = Compute.model_validate(written, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        name, given = str(first["loc"][0]), first["input"]
        hint = nearest(given, map(str, get_args(Compute.model_fields[name].annotation)))
        raise FieldError(f"compute.{name}: {given!r} is not allowed: {first['msg']}{hint}", name) from None
    try:
        if compute.store is not None:
            where_of(expand_variables(compute.store))
    except FieldError as error:
        raise FieldError(f"compute.store: {error}", "store") from None
    try:
        check_options(compute.executor, compute.options, folder, known=own)
    except FieldError as error:
        text = str(error)
        raise FieldError(text if text.startswith("unknown key") else f"compute.{error.field}: {text}", error.field) from None
    return compute


def overridden(compute: Compute, given: Mapping[str, Any], folder: Path) -> Compute:
    """Replace settings of a section by those that a launch was given; raise :class:`w2s.errors.FieldError` for a wrong one.

    When another executor is given, options that only the grid's executor knows are dropped.
    """
    values = compute.model_dump() | dict(given)
    if compute.executor not in (AUTO, values["executor"]):
        gone = own_options(find_executor(compute.executor, folder)) - set(given)
        values = {name: value for name, value in values.items() if name not in gone}
    return read_compute(values, folder)
