"""How fast this machine is at each kind of work: measured once by ``w2s-sweep doctor --calibrate``, kept in the cache folder.

Rates turn nominal operations into seconds that a person reads. They never influence a plan: how a grid is cut and which solver
a block uses come from nominal operations alone, so bits do not depend on a measured time.
"""

from __future__ import annotations

import functools
import platform
from pathlib import Path
from typing import Annotated, get_args

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sweeper.errors import StoreError
from w2s.contract.study import Kind, Piece
from w2s.files.cache import cache_folder, has_kept_cache
from w2s.files.durable import whole
from w2s.sharing.nominal import NORMAL_FLOPS

__all__ = ["BUILT_IN", "Rates", "Upkeep", "cpu_model", "load_rates", "rates_path", "save_rates"]

ORDERS = (8, 32, 128, 512)
_NOTE = "not calibrated: run w2s-sweep doctor --calibrate"

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
ByOrder = Annotated[dict[Annotated[int, Field(ge=1)], Positive], Field(min_length=1)]


class Upkeep(BaseModel):
    """Bookkeeping in seconds: so many for each cell and each block."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cell: Positive
    block: Positive

    def seconds(self, cells: float, blocks: float) -> float:
        """Return the time for bookkeeping of all cells and blocks."""
        return self.cell * cells + self.block * blocks


class Rates(BaseModel):
    """What one core of a machine does in a second, by kind of work and order, and where and when that was measured.

    ``flops`` holds nominal operations a second, ``normals`` normals a second; ``rows`` is the upkeep of turning results into
    rows, ``files`` that of writing them. ``date`` is empty for the built-in rates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    flops: dict[Kind, ByOrder]
    normals: ByOrder
    rows: Upkeep
    files: Upkeep
    date: str = ""
    cpu: str = ""
    blas: str = ""
    backend: str = ""
    versions: dict[str, str] = {}

    @model_validator(mode="after")
    def _every_kind(self) -> Rates:
        if missing := set(get_args(Kind)) - {"normals", *self.flops}:
            raise ValueError(f"no rate for {', '.join(sorted(missing))}")
        return self

    def rate(self, kind: Kind, order: float) -> float:
        """Return operations (normals) a second at an order.

        The rate is linear between measured orders in both logarithms, and constant outside them.
        """
        known = sorted((self.normals if kind == "normals" else self.flops[kind]).items())
        at = np.log(max(order, 1.0))
        return float(np.exp(np.interp(at, np.log([d for d, _ in known]), np.log([rate for _, rate in known]))))

    def seconds(self, piece: Piece) -> float:
        """Predict the time of a piece on one core."""
        amount = piece.flops / NORMAL_FLOPS if piece.kind == "normals" else piece.flops
        return amount / self.rate(piece.kind, piece.order)


def _table(*rates: float) -> dict[int, float]:
    return {order: 1e9 * rate for order, rate in zip(ORDERS, rates, strict=True)}


BUILT_IN = Rates(
    flops={
        "gemm": _table(2.0, 10.0, 20.0, 25.0),
        "syrk": _table(1.5, 8.0, 14.0, 18.0),
        "cholesky": _table(0.01, 0.3, 4.0, 14.0),
        "trsm": _table(0.08, 1.0, 4.0, 8.0),
        "eigh": _table(0.3, 1.5, 5.0, 10.0),
        "svd": _table(0.2, 3.0, 8.0, 14.0),
        "qr": _table(0.5, 3.0, 6.0, 10.0),
        "descent": _table(25.0, 30.0, 33.0, 15.0),
        "robust": _table(3.0, 8.0, 12.0, 12.0),
        "logistic": _table(1.0, 4.0, 8.0, 8.0),
        "elementwise": _table(1.0, 3.0, 4.0, 4.0),
        "other": _table(1.0, 3.0, 4.0, 4.0),
    },
    normals=_table(0.03, 0.05, 0.05, 0.05),
    rows=Upkeep(cell=3e-6, block=8e-3),
    files=Upkeep(cell=2e-6, block=8e-3),
)
"""Rates of a slow core, for a machine that was never measured: a prediction from them should be too long, not too short."""


def load_rates() -> tuple[Rates, str]:
    """Return this machine's rates and a line that says where they come from; the built-in ones where there are none.

    A file that is damaged, or from another processor, is ignored, and the line says so.
    """
    path = rates_path()
    try:
        rates = Rates.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return BUILT_IN, _NOTE
    except (OSError, ValueError):
        return BUILT_IN, f"{path} is damaged and was ignored; {_NOTE}"
    if rates.cpu != cpu_model():
        return BUILT_IN, f"{path} is from another machine ({rates.cpu}) and was ignored; {_NOTE}"
    return rates, f"rates of {rates.date} on {rates.cpu}"


def save_rates(rates: Rates) -> Path:
    """Write the rates into the cache folder, either whole or not at all. Raises :class:`StoreError` where that fails."""
    path = rates_path()
    if not has_kept_cache():
        raise StoreError("there is no home folder to keep rates in; set XDG_CACHE_HOME to a folder that stays")
    try:
        with whole(path) as temporary:
            temporary.write_text(rates.model_dump_json(indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write {path}: {error.strerror}") from None
    return path


def rates_path() -> Path:
    """Return the path of ``rates.json`` in the user's cache folder (``XDG_CACHE_HOME``, or ``~/.cache``)."""
    return cache_folder("rates.json")


@functools.cache
def cpu_model() -> str:
    """Name the processor with its family and model number, since a hypervisor may give several processors one name."""
    found: dict[str, str] = {}
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            found.setdefault(name.strip(), value.strip())
    except OSError:
        pass
    name = found.get("model name") or platform.processor() or platform.machine()
    return f"{name} (family {found['cpu family']}, model {found['model']})" if {"cpu family", "model"} <= set(found) else name
