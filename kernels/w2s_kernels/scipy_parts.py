"""SciPy's LAPACK, BLAS and special functions without the rest of their packages: the same routines, the same bits.

`import scipy.linalg` takes 0.12 s of processor time, most of it for array libraries and for NumPy's tests and Fortran tools,
which nothing here uses. The compiled modules of SciPy need NumPy alone. Their names are SciPy's own affair: where one is not
found, or its package is loaded already, the public package is taken.
"""

from __future__ import annotations

import functools
import importlib
import sys
import types
from pathlib import Path
from typing import Any

__all__ = ["blas", "lapack", "special"]


@functools.cache
def lapack() -> Any:
    """Return a module with the routines of `scipy.linalg.lapack`, such as `dpotrf`."""
    return _part("linalg", "_flapack", "scipy.linalg.lapack", "dpotrf")


@functools.cache
def blas() -> Any:
    """Return a module with the routines of `scipy.linalg.blas`, such as `dsyrk`."""
    return _part("linalg", "_fblas", "scipy.linalg.blas", "dsyrk")


@functools.cache
def special() -> Any:
    """Return a module with the functions of `scipy.special` that are ufuncs, such as `ndtri`."""
    return _part("special", "_ufuncs", "scipy.special", "ndtri")


def _part(package: str, name: str, public: str, routine: str) -> Any:
    parent = f"scipy.{package}"
    if parent not in sys.modules:
        try:
            found = _alone(parent, package, name)
            getattr(found, routine)
        except (ImportError, AttributeError):
            pass
        else:
            return found
    return importlib.import_module(public)


def _alone(parent: str, package: str, name: str) -> Any:
    """Import a compiled module while an empty package stands in for its own, which a later import then finds not loaded."""
    import scipy

    empty = types.ModuleType(parent)
    empty.__path__ = [str(Path(folder) / package) for folder in scipy.__path__]
    sys.modules[parent] = empty
    try:
        return importlib.import_module(f"{parent}.{name}")
    finally:
        if sys.modules.get(parent) is empty:
            del sys.modules[parent]
