"""CUDA sources without a device: NVRTC compiles them for one, g++ and `cuda_shim.h` run them on the CPU.

`Shim.kernel` stands in for `cuda.compiled`: the Python side of a kernel then runs as it would on a device, with NumPy for
CuPy. Types of arguments are held against the signature in the source, because a device would read whatever it is given.
"""

from __future__ import annotations

import ctypes
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import w2s_kernels
from w2s_kernels import Backend, cuda

ROOM = Path(w2s_kernels.__file__).parent
FLAGS = ["-std=c++20", "-O1", "-ffp-contract=off", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-Wno-unknown-pragmas"]
KERNEL = re.compile(r'extern "C" __global__ void (\w+)\(([^)]*)\)')
NUMBERS: dict[str, tuple[Any, Any]] = {
    "long long": (np.int64, ctypes.c_int64),
    "int": (np.int32, ctypes.c_int32),
    "word": (np.uint64, ctypes.c_uint64),
}
ARRAYS = {"double*": "float64", "long long*": "int64", "word*": "uint64 float64"}
Parameters = list[tuple[str, str]]


class StandIn(Backend):
    """The CUDA backend with NumPy for CuPy: its kernels run through the shim."""

    @property
    def xp(self) -> Any:
        return np


STAND_IN = StandIn("cupy", "NumPy and g++ in place of a device")


def signatures(source: str) -> dict[str, Parameters]:
    """Type and name of each parameter of each kernel in a source."""
    return {name: [_parameter(text) for text in parameters.split(",")] for name, parameters in KERNEL.findall(source)}


def _parameter(text: str) -> tuple[str, str]:
    kind, name = re.fullmatch(r"\s*(?:const )?(.+?)\s*(\w+)\s*", text, re.DOTALL).groups()  # type: ignore[union-attr]
    return kind, name


def _driver(file: str, kernels: dict[str, Parameters]) -> str:
    lines = ['#include "cuda_shim.h"', f'#include "{file}"']
    for name, parameters in kernels.items():
        declared = ", ".join(f"{'const ' if '*' in kind else ''}{kind} {p}" for kind, p in parameters)
        passed = ", ".join(f"const_cast<{kind}>({p})" if "*" in kind else p for kind, p in parameters)
        lines.append(f'extern "C" int run_{name}(int grid, int threads, int seed, {declared})')
        lines.append(f"{{ return shim::attempt(grid, threads, seed, [=] {{ {name}({passed}); }}); }}")
    return "\n".join(lines)


class Shim:
    """Kernels compiled for the CPU; `seed` orders the threads between barriers, `launches` counts calls."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.seed, self.launches = folder, 0, 0
        self._libraries: dict[tuple[str, tuple[str, ...]], ctypes.CDLL] = {}

    @contextmanager
    def threads_in_order(self, seed: int) -> Iterator[None]:
        self.seed, before = seed, self.seed
        yield
        self.seed = before

    def kernel(self, folder: str, name: str, options: tuple[str, ...]) -> Callable[..., None]:
        source = cuda.source(folder)
        parameters = signatures(source)[name]
        library = self._library(folder, source, options)

        def launch(grid: tuple[int], threads: tuple[int], arguments: tuple[Any, ...]) -> None:
            assert len(arguments) == len(parameters), f"{name} takes {len(parameters)} arguments, got {len(arguments)}"
            passed = [_argument(a, *p) for a, p in zip(arguments, parameters, strict=True)]
            self.launches += 1
            failed = getattr(library, f"run_{name}")(grid[0], threads[0], self.seed, *passed)
            assert not failed, "threads of a warp met different barriers"

        return launch

    def _library(self, folder: str, source: str, options: tuple[str, ...]) -> ctypes.CDLL:
        key = (folder, options)
        if key not in self._libraries:
            if shutil.which("g++") is None:
                pytest.skip("g++ is missing: the CUDA source cannot be executed on this machine")
            name = f"{folder}{len(self._libraries)}"
            (self.folder / f"{name}.cpp").write_text(_driver(f"{folder}/kernel.cu", signatures(source)))
            include = [f"-I{Path(__file__).parent}", f"-I{ROOM}"]
            defines = [option for option in options if option.startswith("-D")]
            command = ["g++", *FLAGS, *defines, *include, f"{name}.cpp", "-o", f"{name}.so"]
            subprocess.run(command, cwd=self.folder, check=True)
            self._libraries[key] = ctypes.CDLL(str(self.folder / f"{name}.so"))
        return self._libraries[key]


def _argument(value: Any, kind: str, name: str) -> Any:
    """C value of one argument, which must have the type that the kernel declares."""
    if "*" not in kind:
        dtype, c_type = NUMBERS[kind]
        assert isinstance(value, dtype), f"{name} is {kind}, got {type(value).__name__}"
        return c_type(int(value))
    assert isinstance(value, np.ndarray), f"{name} is an array, got {type(value).__name__}"
    assert value.flags.c_contiguous, f"{name} is not contiguous"
    assert value.dtype.name in ARRAYS[kind].split(), f"{name} is {kind}, got {value.dtype}"
    return ctypes.c_void_p(value.ctypes.data)


class Nvrtc:
    """NVIDIA's run-time compiler from its wheel; it needs neither a driver nor a device."""

    def __init__(self) -> None:
        found = importlib.util.find_spec("nvidia")
        roots = [Path(p) for p in found.submodule_search_locations or []] if found else []
        libraries = sorted(library for root in roots for library in root.glob("*/lib/libnvrtc.so.*"))
        if not libraries:
            pytest.skip("NVRTC is missing: pip install 'nvidia-cuda-nvrtc>=13,<14' 'nvidia-cuda-runtime>=13,<14'")
        self.library = ctypes.CDLL(str(libraries[0]))

    def compile(self, source: str, options: list[str]) -> tuple[bool, str, str]:
        """Whether the source compiles to machine code, the log, and the PTX for a virtual architecture."""
        program = ctypes.c_void_p()
        assert self.library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"source.cu", 0, None, None) == 0
        arguments = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        done = self.library.nvrtcCompileProgram(program, len(options), arguments) == 0
        log, ptx = self._text(program, "ProgramLog"), self._text(program, "PTX") if done else ""
        if done and not ptx:
            assert self._size(program, "CUBIN") > 0
        self.library.nvrtcDestroyProgram(ctypes.byref(program))
        return done, log, ptx

    def _size(self, program: ctypes.c_void_p, what: str) -> int:
        size = ctypes.c_size_t()
        return size.value if getattr(self.library, f"nvrtcGet{what}Size")(program, ctypes.byref(size)) == 0 else 0

    def _text(self, program: ctypes.c_void_p, what: str) -> str:
        size = self._size(program, what)
        text = ctypes.create_string_buffer(max(1, size))
        if size:
            getattr(self.library, f"nvrtcGet{what}")(program, text)
        return text.value.decode()
