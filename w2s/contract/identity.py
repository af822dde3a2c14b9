"""Cell identities, computed by column.

The identity of a cell is the sum, modulo 2**64 in each of two words, of one digest per field that matters in it (study name
and version included). A sum needs one addition per cell and axis, does not depend on the order of fields, and a field that is
inactive, or that was added later and stands at its default, adds nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.contract.block import Block
from w2s.contract.cells import FieldSpec, cell_fields, value_digest
from w2s.contract.study import Study

__all__ = ["cell_ids", "hex_ids"]

Words = npt.NDArray[np.uint64]


def cell_ids(study: type[Study], block: Block) -> Words:
    """Compute the identities of all cells of a block, masked ones included, in C order: shape (size, 2), uint64.

    Cost: one digest per axis value, one addition per cell and axis.
    """
    fields = cell_fields(study.Cell)
    base = [value_digest("study", (study.name, study.version))]
    base += [_digest(fields[name], value) for name, value in block.fixed.items()]
    total = np.zeros((1,) * len(block.axes) + (2,), dtype=np.uint64)
    total += _sum(base)
    for position, axis in enumerate(block.axes):
        digests = np.array(
            [_sum([_digest(fields[n], v) for n, v in zip(axis.names, value, strict=True)]) for value in axis.values],
            dtype=np.uint64,
        ).reshape(len(axis), 2)
        shape = [1] * len(block.axes) + [2]
        shape[position] = len(axis)
        total = total + digests.reshape(shape)
    return np.ascontiguousarray(np.broadcast_to(total, (*block.shape, 2))).reshape(-1, 2)


def hex_ids(ids: Words) -> npt.NDArray[np.bytes_]:
    """Write identities as 32 lower-case hex digits each: array of dtype S32."""
    text = np.ascontiguousarray(ids).astype(">u8").tobytes().hex().encode()
    return np.frombuffer(text, dtype="S32")


def _digest(spec: FieldSpec, value: Any) -> tuple[int, int]:
    if value is None or (spec.since is not None and value == spec.default):
        return 0, 0
    return value_digest(spec.word, value)


def _sum(digests: list[tuple[int, int]]) -> Words:
    low = sum(d[0] for d in digests) % 2**64
    high = sum(d[1] for d in digests) % 2**64
    return np.array([low, high], dtype=np.uint64)
