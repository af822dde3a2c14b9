"""A device made of NumPy: arrays that cannot be mistaken for NumPy's, under the name of CuPy, and a record of every transfer.

As with CuPy, an operation that mixes these arrays with NumPy's is a TypeError, and so is turning one into a NumPy array without
`get`. What is sent, what is fetched and how often a number is read (`bool`, `int`, `float`) is recorded with the function
of the package that asked for it. CUDA kernels run through `cuda_build.Shim`.
"""

from __future__ import annotations

import contextlib
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import scipy.linalg
from cuda_build import Shim
from numpy.lib.mixins import NDArrayOperatorsMixin

from w2s_kernels import Backend, cuda

PACKAGES = ("w2s_kernels", "w2s")
DEVICE = Backend("cupy", "NumPy in place of a device")
PASSED = ("float64", "float32", "int64", "uint64", "bool_", "newaxis", "inf", "nan", "pi")
SENDS = ("asarray", "array", "ascontiguousarray")
FORBIDDEN = "Unsupported type <class 'numpy.ndarray'>"


class Transfers:
    """What moved, in order: ("sent" | "fetched" | "read", the function that asked); a single number is read."""

    def __init__(self) -> None:
        self.log: list[tuple[str, str]] = []

    def counts(self, kind: str) -> dict[str, int]:
        """Transfers of a kind by the function that asked."""
        return dict(Counter(function for found, function in self.log if found == kind))


RECORD = Transfers()


def caller() -> str:
    """Module and function of the package that is at work, helpers that only pass arrays on left out."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        module, name = frame.f_globals.get("__name__", ""), frame.f_code.co_qualname
        if module.partition(".")[0] in PACKAGES and module != "w2s_kernels.backend":
            return f"{module}:{name.removesuffix('.<locals>.<genexpr>').removesuffix('.<locals>.<dictcomp>')}"
        frame = frame.f_back
    return "a test"


def host(value: Any) -> Any:
    """NumPy's side of arguments; a NumPy array among them is what CuPy refuses."""
    if isinstance(value, DeviceArray):
        return value.hidden
    if isinstance(value, np.ndarray) and value.ndim:
        raise TypeError(FORBIDDEN)
    if isinstance(value, tuple | list):
        return type(value)(host(part) for part in value)
    return {key: host(part) for key, part in value.items()} if isinstance(value, dict) else value


def device(value: Any) -> Any:
    """Results as they would lie on a device, numbers included."""
    if isinstance(value, np.ndarray | np.generic):
        return DeviceArray(np.asarray(value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(device(part) for part in value))
    return type(value)(device(part) for part in value) if isinstance(value, tuple | list) else value


class DeviceArray(NDArrayOperatorsMixin):
    """`cupy.ndarray`."""

    __module__ = "cupy"

    def __init__(self, hidden: np.ndarray[Any, Any]) -> None:
        self.hidden = hidden

    def get(self) -> np.ndarray[Any, Any]:
        RECORD.log.append(("fetched", caller()))
        return np.array(self.hidden)

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed.")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        return device(getattr(ufunc, method)(*host(inputs), **host(options)))

    def __array_function__(self, function: Any, _: Any, arguments: Any, options: Any) -> Any:
        return device(function(*host(tuple(arguments)), **host(options)))

    def _read(self) -> Any:
        RECORD.log.append(("read", caller()))
        return self.hidden.item()

    def __bool__(self) -> bool:
        return bool(self._read())

    def __int__(self) -> int:
        return int(self._read())

    __index__ = __int__

    def __float__(self) -> float:
        return float(self._read())

    def __len__(self) -> int:
        return len(self.hidden)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key: Any) -> Any:
        found = self.hidden[host(key)]
        return DeviceArray(found if isinstance(found, np.ndarray) else np.asarray(found))

    def __setitem__(self, key: Any, value: Any) -> None:
        self.hidden[host(key)] = host(value)

    def fill(self, value: float) -> None:
        self.hidden.fill(value)

    def __getattr__(self, name: str) -> Any:
        if name in ("shape", "ndim", "dtype", "size", "flags", "nbytes", "itemsize"):
            return getattr(self.hidden, name)
        if name in ("tolist", "item", "tobytes", "ctypes", "data", "__array_interface__", "__array_struct__"):
            raise AttributeError(name)
        found = getattr(self.hidden, name)
        return passing(found) if callable(found) else device(found)


def passing(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of NumPy on arrays of the device."""
    return lambda *arguments, **options: device(function(*host(arguments), **host(options)))


def sending(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that sends what is not on the device yet."""

    def call(value: Any, *arguments: Any, **options: Any) -> Any:
        if not isinstance(value, DeviceArray):
            RECORD.log.append(("sent", caller()))
            return device(np.array(value, *arguments, **options))
        return device(function(value.hidden, *arguments, **options))

    return call


class Cupy(ModuleType):
    """Module `cupy`."""

    def __init__(self) -> None:
        super().__init__("cupy")
        linear = {name: passing(getattr(np.linalg, name)) for name in ("cholesky", "eigh", "svd", "qr", "solve")}
        self.linalg = SimpleNamespace(LinAlgError=np.linalg.LinAlgError, **linear)
        self.cublas = SimpleNamespace(syrk=_syrk)
        self.cuda = SimpleNamespace(
            Device=lambda: SimpleNamespace(mem_info=(2**30, 2**31)),
            cusolver=SimpleNamespace(_getVersion=lambda: (0, 0, 0)),
        )

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=lambda: None)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = getattr(np, name)
        if name in PASSED:
            return found
        return sending(found) if name in SENDS else passing(found)


def _syrk(trans: str, a: Any, *, out: Any, alpha: float, beta: float, lower: bool) -> None:
    assert (trans, lower) == ("T", False)
    at = np.triu_indices(len(out))
    out.hidden[at] = (alpha * (a.hidden.T @ a.hidden) + beta * out.hidden)[at]


def _cupyx() -> dict[str, ModuleType]:
    names = ("cupyx", "cupyx.scipy", "cupyx.scipy.linalg")
    top, middle, linear = (ModuleType(name) for name in names)
    top.errstate, top.scipy, middle.linalg = (lambda **_: contextlib.nullcontext()), middle, linear  # type: ignore[attr-defined]
    linear.solve_triangular = passing(scipy.linalg.solve_triangular)  # type: ignore[attr-defined]
    return dict(zip(names, (top, middle, linear), strict=True))


def install(shim: Shim, monkeypatch: pytest.MonkeyPatch) -> Transfers:
    """Put the device in the place of CuPy; returns the record of transfers, empty."""

    def compiled(folder: str, name: str, options: tuple[str, ...]) -> Callable[..., None]:
        kernel = shim.kernel(folder, name, options)
        return lambda grid, threads, arguments: kernel(grid, threads, host(arguments))

    monkeypatch.setattr(cuda, "compiled", compiled)
    for name, module in {"cupy": Cupy(), **_cupyx()}.items():
        monkeypatch.setitem(sys.modules, name, module)
    RECORD.log.clear()
    return RECORD
