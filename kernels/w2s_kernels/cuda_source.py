"""CUDA sources of this folder: compiled at their first use, one module for each set of options."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

ELEMENTWISE = ("-std=c++17", "-fmad=false")
"""Options of kernels whose bits are those of the CPU: no product and sum is contracted to one rounding."""

MAX_BLOCKS = 2**31 - 1  # of a grid's first axis


def source(name: str) -> str:
    """Text of a CUDA source of this folder."""
    return Path(__file__).with_name(name).read_text()


def blocks(work: int, threads: int) -> int:
    """Blocks that give each of `work` pieces a thread; ValueError beyond the longest grid."""
    count = -(-work // threads)
    if count > MAX_BLOCKS:
        raise ValueError(f"{work} pieces of work need {count} blocks of {threads} threads: a grid has at most {MAX_BLOCKS}")
    return count


@cache
def kernel(file: str, name: str, options: tuple[str, ...]) -> Any:
    """Compiled kernel of a CUDA source, to be called with ((blocks,), (threads,), arguments)."""
    return _module(file, options).get_function(name)


@cache
def _module(file: str, options: tuple[str, ...]) -> Any:
    import cupy

    return cupy.RawModule(code=source(file), options=options)
