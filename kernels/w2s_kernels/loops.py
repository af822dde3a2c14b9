"""Loops that Numba has compiled, called by machine code that is kept: a process that finds it starts no Numba.

To import Numba and to let it find one of its own cached functions takes 0.35 s; to load these loops takes 0.03 s. The code
is the one that Numba makes (`loop_code`), for one thread. It lies in the user's cache folder, in a file whose name is a digest
of all that it depends on: sources, versions, processor. It is used where the file and its folder belong to this user, nobody
else may write them, and its own digest is right; nothing is unpickled. Where it is missing, Numba makes it. Where it cannot be
kept, or a variable of the environment tells Numba anything, Numba's own functions are called.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .backend import Backend, choose
from .dispatch import module_of
from .loop_files import KERNELS, OUTSIDE, can_keep, place, read, written

__all__ = ["LOOPS", "Loop", "choose_kept", "loaded"]

_DONE = (0, -2)  # what Numba's functions return without an error: a value, None


class Loop:
    """Compiled function `name` of `<kernel>/numba.py`, which fills arrays that it is given and returns nothing.

    Attributes
    ----------
    types : its arguments as Numba writes them: contiguous arrays such as "float64[:,::1]", and "int64".
    """

    def __init__(self, kernel: str, name: str, *types: str) -> None:
        self.kernel, self.name, self.types = kernel, name, types
        self._expected = tuple(_expected(text) for text in types)
        self._call: Callable[..., Any] | None = None
        LOOPS[self.key] = self

    @property
    def key(self) -> str:
        """Return the name under which its code is kept, `kernel.name`."""
        return f"{self.kernel}.{self.name}"

    def __call__(self, *arguments: Any) -> None:
        """Run the loop; TypeError for an array of another type, shape or layout than declared."""
        if self._call is None:
            self._call = self._found()
        self._call(*arguments)

    def _found(self) -> Callable[..., Any]:
        addresses = loaded()
        if addresses is None:
            return _on_one_thread(getattr(module_of(self.kernel, "numba"), self.name))
        words = sum(1 if expected is None else 5 + 2 * expected[1] for expected in self._expected)
        run = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, *[ctypes.c_int64] * words)(addresses[self.key])
        # Numba's functions write a value and the place of an error there; both are of no use, so threads may share them.
        value, error = (ctypes.byref(ctypes.create_string_buffer(64)) for _ in range(2))

        def call(*arguments: Any) -> None:
            flat: list[int] = []
            for argument, expected in zip(arguments, self._expected, strict=True):
                if expected is None:
                    flat.append(argument)
                    continue
                if argument.dtype != expected[0] or argument.ndim != expected[1] or not argument.flags.c_contiguous:
                    raise TypeError(f"{self.key} takes {self.types}, got {argument.dtype} {argument.shape} {argument.strides}")
                address = argument.__array_interface__["data"][0]
                flat += (0, 0, argument.size, argument.itemsize, address, *argument.shape, *argument.strides)
            if run(value, error, *flat) not in _DONE:
                raise RuntimeError(f"the compiled loop {self.key} ended with an error")

        return call


LOOPS: dict[str, Loop] = {}
"""Every loop by its key, filled as the kernels' `kept` modules are imported."""


@functools.cache
def loaded() -> Mapping[str, int] | None:
    """Return the addresses of all loops by their keys, compiled by Numba and kept if they were not; None where that fails.

    The code stays in memory until the process ends. About 0.03 s where it is kept, 10 s where Numba has to compile it.
    """
    for kernel in KERNELS:
        module_of(kernel, "kept")
    try:
        where = place()
        if where is None:
            return None
        code = read(where)
        if code is None or set(code[0]) != set(LOOPS):
            if not can_keep(where):
                return None
            from .loop_code import made

            wanted = {key: (module_of(loop.kernel, "numba"), loop.name, loop.types) for key, loop in LOOPS.items()}
            code = written(where, *made(wanted))
        return None if code is None else _linked(*code)
    except Exception:  # whatever it is, Numba itself then says it, or does the work
        return None


def choose_kept(name: str = "auto", *, small: bool = False) -> Backend:
    """Choose a backend as `choose` does, and start Numba only where the machine code of loops is neither kept nor needless.

    Arguments and errors are those of `choose`.
    """
    found = choose(name, start=False, small=small)
    return choose(name) if found.kept and found.compiled and loaded() is None else found


def _on_one_thread(compiled: Callable[..., Any]) -> Callable[..., Any]:
    """Wrap a function of Numba's, so that it runs on one thread as kept code does."""
    import numba

    def call(*arguments: Any) -> None:
        before = numba.get_num_threads()
        numba.set_num_threads(1)
        try:
            compiled(*arguments)
        finally:
            numba.set_num_threads(before)

    return call


def _expected(text: str) -> tuple[np.dtype[Any], int] | None:
    """Return dtype and dimensions of an array; None for an integer."""
    name, _, layout = text.partition("[")
    return (np.dtype(name), layout.count(":") - 1) if layout else None


def _linked(symbols: Mapping[str, str], code: bytes) -> dict[str, int]:
    """Load an object file into this process, and return where its loops begin."""
    import llvmlite.binding as llvm

    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    process = ctypes.CDLL(None)
    for name in OUTSIDE:
        llvm.add_symbol(name, ctypes.cast(getattr(process, name), ctypes.c_void_p).value)
    machine = llvm.Target.from_default_triple().create_target_machine(codemodel="jitdefault")
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), machine)
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    _ENGINES.append(engine)  # which owns the code
    return {key: engine.get_function_address(symbol) for key, symbol in symbols.items()}


_ENGINES: list[Any] = []
