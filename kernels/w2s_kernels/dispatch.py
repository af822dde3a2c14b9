"""Which version of a kernel runs: one register of operations and one look-up.

A kernel is a folder of this package. Its `__init__` checks arguments and holds the public functions; `plain.py` holds the
operations in float64 array code, which runs on NumPy and on CuPy alike; `numba.py` and `cupy.py` hold the operations that are
worth a compiled version, under the same names and with the same arguments. A compiled module is imported when one of its
operations is first looked up, so importing the package needs NumPy alone.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from .backend import Backend

__all__ = ["REGISTRY", "Operation", "module_of", "operation"]


@dataclass(frozen=True)
class Operation:
    """One step of a kernel that backends may do in their own way.

    Attributes
    ----------
    kernel : folder of the kernel in this package.
    name : the function that does it, in `plain.py` and in every compiled version.
    compiled : backends with a version of their own, of "numba" and "cupy"; the others run the plain one.
    twin : module of the kernel with array code that has the bits of Numba's version, for work so small that Numba need not
        start; empty where there is none.
    """

    kernel: str
    name: str
    compiled: tuple[str, ...] = ()
    twin: str = ""

    @property
    def key(self) -> str:
        """Return the name in the register, `kernel.name`."""
        return f"{self.kernel}.{self.name}"

    def on(self, backend: Backend) -> Callable[..., Any]:
        """Return the version that this backend runs."""
        if backend.name == "numba":
            if self.twin and not backend.compiled:
                return _version(self.kernel, self.twin, self.name)
            if backend.kept and "kept" in self.compiled:
                return _version(self.kernel, "kept", self.name)
        return _version(self.kernel, backend.name if backend.name in self.compiled else "plain", self.name)

    @property
    def plain(self) -> Callable[..., Any]:
        """Return the version that every other one is compared with."""
        return _version(self.kernel, "plain", self.name)


REGISTRY: dict[str, Operation] = {}
"""Every operation by its key, filled as the kernels are imported."""


def operation(kernel: str, name: str, *compiled: str, twin: str = "") -> Operation:
    """Register an operation of a kernel; ValueError where its key is taken."""
    made = Operation(kernel, name, compiled, twin)
    if made.key in REGISTRY:
        raise ValueError(f"operation {made.key!r} is registered twice")
    REGISTRY[made.key] = made
    return made


def _version(kernel: str, module: str, name: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(module_of(kernel, module), name)
    return found


@cache
def module_of(kernel: str, module: str) -> ModuleType:
    """Return a module of a kernel, imported when it is first asked for."""
    return importlib.import_module(f"{__package__}.{kernel}.{module}")
