"""Closed forms of a phase diagram in one call, against a plain loop over its points.

A million pairs of ridges: errors of teacher and student of `w2s.theory.moniri2025.ridge`, of isotropic inputs, and those of
`w2s.theory.moniri2025.spectra.general` for 300 eigenvalues, where effective ridges are found once for each row and column. The
loop calls the same function for one point at a time, on as many points as it does in about a second, and is scaled up. Bars:
5 s of processor time for each diagram, and 100 times as fast as the loop. One thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _timing import interleaved, options, quartiles, save, show_sides, verdict
from threadpoolctl import threadpool_limits

from w2s.theory import moniri2025

BAR_SECONDS, BAR_RATIO = 5.0, 100.0


def diagrams(side: int, d: int, points: int) -> dict[str, tuple[Callable[[], Any], Callable[[], Any]]]:
    """Diagram and loop of both forms, whose numbers are the same."""
    ridges = np.logspace(-4, 1, side)
    chosen = np.random.default_rng(0).integers(side, size=(points, 2))
    levels = 1.0 / np.arange(1.0, d + 1.0)
    power = np.full(d, 1.0 / d)

    def flat(teacher: Any, student: Any) -> Any:
        return moniri2025.ridge(0.5, 0.5, teacher, student, 1.0, 0.5)

    def general(teacher: Any, student: Any) -> Any:
        return moniri2025.general(levels, power, 2 * d, d // 2, teacher, student, 0.5)

    found = {}
    for name, form in (("isotropic", flat), ("general", general)):

        def whole(form: Any = form) -> Any:
            return form(ridges[:, None], ridges)

        def loop(form: Any = form) -> Any:
            return [form(ridges[i], ridges[j]) for i, j in chosen]

        both = whole().student[tuple(chosen.T)], [errors.student for errors in loop()]
        np.testing.assert_allclose(*both, rtol=1e-12)
        found[name] = whole, loop
    return found


def main() -> None:
    chosen = options(__doc__, "100 x 100 ridges, no bar").parse_args()
    side, d, points, repeats = (100, 50, 20, 3) if chosen.quick else (1000, 300, 1000, 5)
    results, verdicts = {}, []
    with threadpool_limits(1):
        for name, (whole, loop) in diagrams(side, d, points).items():
            seconds = interleaved({"diagram": whole, "loop": loop}, repeats, time.process_time)
            seconds["loop"] = seconds["loop"] * side**2 / points
            ratio = float(np.median(seconds["loop"] / seconds["diagram"]))
            spent = {side_name: quartiles(values) for side_name, values in seconds.items()}
            print(f"{name}: {side**2:,} points, the loop scaled up from {points}")
            show_sides(spent, {"diagram": "", "loop": f"x {ratio:,.0f}"}, 1.0, "s")
            results[name] = {"seconds": spent, "ratio": ratio}
            if not chosen.quick:
                verdicts.append(
                    verdict(f"{name} phase diagram of {side**2:,} points (cpu)", spent["diagram"][1], BAR_SECONDS, unit="s")
                )
                verdicts.append(
                    verdict(f"{name} plain loop over points / phase diagram (cpu)", ratio, BAR_RATIO, at_least=True)
                )
    save(chosen.json, {"results": results, "verdicts": verdicts})


if __name__ == "__main__":
    main()
