"""Put faults into runs, and print what came of them: ``python tests/torture [--short] [--seed N] [--only NAME ...] [--docs PAGE]``.

Every fault follows from a seed: a line about something wrong names the one that repeats it. With ``--docs`` the table goes into
that page, between its marks. The exit code is 1 where a row was lost, doubled or altered, or something was silent or broken.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "support"), str(HERE.parents[1])]

import clusters  # noqa: E402  the path comes first
import processes  # noqa: E402
import stored  # noqa: E402
from tally import HEADINGS, Tally  # noqa: E402
from workbench import Bench  # noqa: E402

FIRST, LAST = "<!-- torture -->\n", "<!-- end -->"
Kind = tuple[int, int, Callable[[Bench, int, int], Tally]]
"""Faults in full, faults in the short form, and what puts them in. Where the short form has none, tests put in the same ones."""

KINDS: dict[str, Kind] = {
    "drivers": (50, 4, processes.driver_kills),
    "workers": (20, 2, processes.worker_kills),
    "ray_workers": (5, 0, lambda bench, count, seed: processes.worker_kills(bench, count, seed, "ray")),
    "raylets": (5, 0, lambda bench, count, seed: clusters.lost_nodes(bench, count, seed, "raylet killed")),
    "nodes": (5, 0, lambda bench, count, seed: clusters.lost_nodes(bench, count, seed, "node lost")),
    "bits": (400, 10, stored.bit_flips),
    "parts": (500, 0, stored.mutated_parts),
    "folders": (200, 0, stored.hostile_folders),
    "grids": (2000, 0, stored.mutated_grids),
}


def main() -> int:
    """Run the kinds asked for; return the exit code."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--short", action="store_true", help="few faults of each kind, and no cluster")
    asked.add_argument("--seed", type=int, default=0, help="faults of other seeds")
    asked.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS), help="only these kinds")
    asked.add_argument("--docs", type=Path, help="write the table into this page, between its marks")
    arguments = asked.parse_args()
    tallies = []
    for name in arguments.only:
        full, short, put_in = KINDS[name]
        count = short if arguments.short else full
        if not count:
            continue
        start = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            tally = put_in(Bench(Path(folder)), count, arguments.seed)
        tallies.append(tally)
        print(
            f"{tally.fault}: {tally.injected:,} injected, {len(tally.wrong)} wrong, {time.monotonic() - start:.0f} s",
            flush=True,
        )
        for line in tally.wrong:
            print(f"    {line}", flush=True)
    table = [" | ".join(cells) for cells in (HEADINGS, ("---",) * len(HEADINGS), *(tally.line() for tally in tallies))]
    text = "".join(f"| {row} |\n" for row in table)
    print(text)
    if arguments.docs:
        page = arguments.docs.read_text()
        head, _, rest = page.partition(FIRST)
        arguments.docs.write_text(head + FIRST + text + LAST + rest.partition(LAST)[2])
    return int(any(tally.wrong for tally in tallies))


if __name__ == "__main__":
    sys.exit(main())
