"""From the seeds and groups that a file of predictions holds to the grid that scores all of them."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["prediction_grid"]


def prediction_grid(
    file: str,
    kind: str,
    seeds: npt.NDArray[np.int64] | None,
    groups: npt.NDArray[Any] | None,
    group_column: str = "group",
    labels: str | None = None,
) -> dict[str, Any]:
    """Build a grid of the study ``predictions`` with a cell for each (group, seed) of the items; both are (n,) or None.

    Groups with the same seeds stand in one block, so that no cell is without items. ``labels`` says what the student was
    trained on, as the study's field does.
    """
    fixed: dict[str, Any] = {"file": file, "kind": kind}
    if group_column != "group":
        fixed["group_column"] = group_column
    if labels is not None:
        fixed["labels"] = labels
    head = {"study": "predictions", "fixed": fixed}
    if groups is None:
        return head | {"seeds": [0] if seeds is None else np.unique(seeds).tolist()}
    numbers = np.zeros(len(groups), dtype=np.int64) if seeds is None else seeds
    parts: dict[tuple[int, ...], list[str]] = defaultdict(list)
    for group in np.unique(groups):
        parts[tuple(np.unique(numbers[groups == group]).tolist())].append(str(group))
    grids = [{"axes": {"group": names}, "seeds": list(held)} for held, names in parts.items()]
    return head | (grids[0] if len(grids) == 1 else {"grids": grids})
