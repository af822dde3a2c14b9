"""What sample counts add to the product of triangles that they share, in array code."""

from __future__ import annotations

import numpy as np

from ..backend import Array, namespace


def complete(out: Array, places: list[int], diagonals: Array, order: Array, both: Array, product: Array) -> None:
    """Fill out[place] (d, d) for every place with D_k (T + T')_kl + (T'T)_kl, k <= l, and add D^2 on the diagonal.

    k and l are the smaller and the larger of order_i and order_j. `diagonals` (counts, d) are D, `both` is T + T' and `product`
    T'T, with the columns as they were drawn.
    """
    xp = namespace(out)
    first, pairs = xp.minimum(order[:, None], order[None, :]), (order[:, None], order[None, :])
    at, beside, shared = xp.arange(len(order)), both[pairs], product[pairs]
    for place in places:
        out[place] = np.take(diagonals[place], first, mode="clip") if xp is np else diagonals[place][first]
        out[place] *= beside
        out[place] += shared
        out[place, at, at] += diagonals[place][order] ** 2
