"""Which library computes: an explicit value that callers pass on, never a global.

Three backends share the plain functions of every kernel, written against an array namespace `xp`. "numpy" runs them as they
are, "numba" replaces those where time is spent by compiled CPU loops, "cupy" runs them on a GPU and replaces some by CUDA
kernels. Which version runs is decided in `dispatch`.
"""

from __future__ import annotations

import difflib
import importlib.util
import sys
import warnings
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any  # numpy.ndarray or cupy.ndarray: CuPy has no stubs, and arrays stay in their own library

NAMES = ("numpy", "numba", "cupy")
_REMEDY = {
    "numba": "pip install 'numba>=0.68,<0.69'",
    "cupy": "pip install 'w2s-sweep[gpu]' on a machine with a CUDA device",
}


class BackendError(RuntimeError):
    """A backend was asked for by name and cannot run here; the message says what is missing and how to get it."""


@dataclass(frozen=True)
class Backend:
    """Library that computes, and why it was chosen.

    Attributes
    ----------
    name : "numpy", "numba" or "cupy".
    reason : one sentence for people, shown by reports and by `doctor`.
    compiled : False where work is so small that Numba need not start: operations with a twin in array code run that, with the
        same bits; the others are compiled as ever.
    kept : True where operations whose machine code is kept (`loops`) run that, on one thread, so that Numba need not start for
        them; the others are compiled as ever.
    """

    name: str
    reason: str
    compiled: bool = True
    kept: bool = False

    @property
    def xp(self) -> Any:
        """Array namespace: the module `cupy` for "cupy", `numpy` otherwise."""
        if self.name != "cupy":
            return np
        import cupy

        return cupy

    def asarray(self, a: Array, dtype: Any = np.float64) -> Array:
        """Return an array of this backend with the given dtype, copied only where needed; complex input is a TypeError."""
        kind = np.dtype(a.dtype).kind if hasattr(a, "dtype") else np.asarray(a).dtype.kind
        if kind not in "biuf":
            raise TypeError(f"expected real numbers, got an array of dtype kind {kind!r}")
        return self.xp.asarray(a, dtype=dtype)

    def to_numpy(self, a: Array) -> np.ndarray[Any, Any]:
        """Return a NumPy array with the same values, copied from the device for "cupy"."""
        return to_host(a)


NUMPY = Backend("numpy", "the reference")


def choose(name: str = "auto", *, start: bool = True, small: bool = False) -> Backend:
    """Return the backend of this name, or for "auto" the fastest one that works here.

    Parameters
    ----------
    name :
        "numpy", "numba", "cupy", or "auto": cupy if a device answers a probe allocation, else numba if it imports,
        else numpy.
    start :
        False where Numba is to be looked for and not imported, 0.4 s: machine code that is `kept` stands in for it.
    small :
        True where work is so small that array code does it: the backend is not `compiled`.

    Raises
    ------
    BackendError : unknown name (with the nearest match), or a named backend that cannot run here (with the remedy).
    """
    if name == "auto":
        return _automatic(start, small)
    if name not in NAMES:
        near = difflib.get_close_matches(name, ("auto", *NAMES), n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BackendError(f"unknown backend {name!r}: allowed are auto, {', '.join(NAMES)}{hint}")
    missing = _missing(name, start)
    if missing:
        raise BackendError(f"backend {name!r} cannot run here: {missing}. To get it: {_REMEDY[name]}")
    numba = name == "numba"
    return Backend(name, "asked for by name", compiled=not (numba and small), kept=numba and not start)


def namespace(*arrays: Array) -> Any:
    """Return the module that the arrays live in: `cupy` if any of them is a CuPy array, else `numpy`."""
    if any(type(a).__module__.partition(".")[0] == "cupy" for a in arrays):
        return sys.modules["cupy"]
    return np


def to_host(a: Array) -> np.ndarray[Any, Any]:
    """Return a NumPy array with the values of `a`, copied from the device if it lives there."""
    return np.asarray(a.get() if hasattr(a, "get") else a)


def resolve(backend: Backend | None, *arrays: Array) -> Backend:
    """Return the given backend; for None, the backend of the library that the arrays belong to."""
    if backend is not None:
        return backend
    return NUMPY if namespace(*arrays) is np else Backend("cupy", "the arrays are on the device")


def require_finite(a: Array, name: str, xp: Any) -> None:
    """Raise ValueError with the count and the first index of the non-finite entries of `a` (..., any shape); O(size)."""
    bad = ~xp.isfinite(a)
    count = int(xp.count_nonzero(bad))
    if count:
        flat = int(xp.argmax(bad.reshape(-1)))
        first = tuple(int(i) for i in np.unravel_index(flat, a.shape))
        raise ValueError(f"{name} has {count} non-finite values of {a.size}, the first at index {first}")


def _automatic(start: bool, small: bool) -> Backend:
    no_cupy = _missing("cupy", start)
    if not no_cupy:
        return Backend("cupy", "auto: a CUDA device answered")
    no_numba = _missing("numba", start)
    if not no_numba:
        found = "is installed, and not needed for so little work" if small else "compiles for the processor"
        return Backend("numba", f"auto: numba {found}; no GPU ({no_cupy})", compiled=not small, kept=not start)
    return Backend("numpy", f"auto: no GPU ({no_cupy}); no compiler ({no_numba})")


def _missing(name: str, start: bool) -> str:
    """Say what keeps a backend from running; return an empty text when it runs."""
    if name == "numpy":
        return ""
    try:
        # A missing toolkit makes CuPy warn at import; the reason below already says so.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            _probe_cupy() if name == "cupy" else _probe_numba(start)
    except ModuleNotFoundError as error:
        return f"{error.name or name} is not installed"
    except Exception as error:  # a driver can fail with any class, and auto must try the next backend
        return f"{type(error).__name__}: {error}".splitlines()[0]
    return ""


def _probe_cupy() -> None:
    import cupy

    if float((cupy.ones(8) * 2).sum()) != 16.0:
        raise RuntimeError("the device answered a probe sum wrongly")


def _probe_numba(start: bool) -> None:
    if start:
        import numba

        del numba
    elif importlib.util.find_spec("numba") is None:
        raise ModuleNotFoundError("No module named 'numba'")
