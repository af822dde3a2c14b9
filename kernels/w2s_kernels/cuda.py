"""CUDA sources: each kernel's `kernel.cu` is compiled at its first use, one module for each set of options."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

ELEMENTWISE = ("-std=c++17", "-fmad=false")
"""Options of kernels whose bits are those of the CPU: no product and sum is contracted to one rounding."""

MAX_BLOCKS = 2**31 - 1  # of a grid's first axis


def source(folder: str) -> str:
    """Return the text of `<folder>/kernel.cu` of this package."""
    return (Path(__file__).parent / folder / "kernel.cu").read_text()


def blocks(work: int, threads: int) -> int:
    """Count the blocks that give a thread to each of `work` pieces; ValueError beyond the longest grid."""
    count = -(-work // threads)
    if count > MAX_BLOCKS:
        raise ValueError(f"{work} pieces of work need {count} blocks of {threads} threads: a grid has at most {MAX_BLOCKS}")
    return count


def launch(folder: str, name: str, grid: int, threads: int, options: tuple[str, ...], arguments: tuple[Any, ...]) -> None:
    """Run kernel `name` of `<folder>/kernel.cu` on `grid` blocks of `threads` threads, on CuPy's current stream."""
    compiled(folder, name, options)((grid,), (threads,), arguments)


@cache
def compiled(folder: str, name: str, options: tuple[str, ...]) -> Any:
    """Compile a kernel of a CUDA source, and return it to be called with ((blocks,), (threads,), arguments)."""
    return _module(folder, options).get_function(name)


@cache
def _module(folder: str, options: tuple[str, ...]) -> Any:
    import cupy

    return cupy.RawModule(code=source(folder), options=options)
