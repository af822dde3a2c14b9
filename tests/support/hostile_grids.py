"""Mutated copies of the grids in configs/, read and planned in this process under a limit of memory.

    python tests/support/hostile_grids.py FIRST COUNT      one JSON document: counts, the worst second and what went wrong

Case k takes one grid, damages its text or its structure, and looks at what `load_grid` and `make_plan` do: a grid, or a GridError.
Run by `tests/sweeper/grid/test_hostile_grids.py`, in a process of its own, since a limit of memory cannot be lifted again.
"""

from __future__ import annotations

import copy
import json
import random
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

MEMORY = 4 * 2**30
HANG = 30
"""Seconds after which a case counts as one that hangs, on a machine that others use too."""
CONFIGS = Path(__file__).parents[2] / "configs"
HUGE = (
    10**12,
    10**400,
    1e300,
    -1,
    0,
    float("nan"),
    float("inf"),
    "9" * 400,
    "x" * 200_000,
    "\u001b[31m",
    "../../x",
    None,
    True,
)
BOMBS: tuple[Any, ...] = (
    {"linspace": [0, 1, 10**12]},
    {"logspace": [0, 300, 10**6]},
    {"geomspace": [1, 1e300, 10**9]},
    {"linspace": [0, 1, 10**6]},
    [[[[[[]]]]]],
    [1] * 1000,
    list(range(2000)),
    {"until": {"metric": "pgr", "half_width": 1e-9, "max": 10**12}},
    {"until": {"metric": "pgr", "half_width": 0.1, "max": 4096, "max_unresolved": 128}},
    ["filter == 'a' * 1000000000000"],
    ["seed > " + "9*" * 15 + "9"],
    ["seed in [1, 2, 3]"],
    ["seed > 1 " + "or seed > 1 " * 500],
    [{"seed": list(range(1000))}],
)
JUNK = (
    "*a",
    "&a ",
    "!!python/object:os.system ",
    "[" * 5000,
    "{a: " * 2000,
    "\x00",
    "\ufeff",
    "\u2028",
    "- ",
    ": ",
    "9" * 5000,
)


def damaged_text(rng: random.Random, text: str) -> bytes:
    """A few bytes changed, cut, repeated, or aliases that repeat themselves without end."""
    data = bytearray(text.encode())
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case 1:
                del data[at : at + rng.choice((1, 5, 40))]
            case 2:
                data[at:at] = rng.choice(JUNK).encode()
            case 3:
                data[at:at] = data[at : at + rng.choice((3, 30, 300))]
            case 4:
                laughs = "".join(f"b{k}: &b{k} [{', '.join([f'*b{k - 1}'] * 9)}]\n" for k in range(1, 12))
                data += b"\nb0: &b0 [1, 2]\n" + laughs.encode() + b"axes: {seed: *b11}\n"
    return bytes(data)


def damaged_document(rng: random.Random, document: Any) -> Any:
    """A value replaced by something huge or strange, a key dropped, doubled or moved."""
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder: Any = document
        key = None
        while isinstance(holder, (dict, list)) and holder:
            key = rng.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            if not isinstance(holder[key], (dict, list)) or not holder[key] or rng.random() < 0.35:
                break
            holder = holder[key]
        if key is None or not isinstance(holder, (dict, list)) or not holder:
            continue
        match rng.randrange(5):
            case 0:
                holder[key] = rng.choice(HUGE)
            case 1 | 2:
                holder[key] = copy.deepcopy(rng.choice(BOMBS))
            case 3:
                del holder[key]
            case 4:
                document[rng.choice(("seeds", "exclude", "axes", "zip", "grids", "fixed"))] = copy.deepcopy(rng.choice(BOMBS))
    return document


def main(first: int, count: int) -> dict[str, Any]:
    """Read the cases ``first`` to ``first + count``."""
    from sweeper import GridError, load_grid, make_plan
    from sweeper.grid.yaml import read_yaml

    texts = {path: path.read_text(encoding="utf-8") for path in sorted(CONFIGS.rglob("*.yaml"))}
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    def hangs(_signal: int, _frame: Any) -> None:
        raise TimeoutError(f"more than {HANG} s")

    signal.signal(signal.SIGALRM, hangs)
    found: dict[str, Any] = {"accepted": 0, "refused": 0, "wrong": [], "slowest": 0.0}
    with tempfile.TemporaryDirectory() as place:
        for case in range(first, first + count):
            rng = random.Random(case)
            path = rng.choice(list(texts))
            if rng.random() < 0.5:
                source: Any = Path(place) / "grid.yaml"
                source.write_bytes(damaged_text(rng, texts[path]))
            else:
                source = damaged_document(rng, read_yaml(path)[0])
            start = time.monotonic()
            signal.alarm(HANG)
            try:
                plan = make_plan(load_grid(source, path.parent))
                assert plan.cells > 0
                assert plan.block_count > 0
                found["accepted"] += 1
            except GridError as error:
                found["refused"] += 1
                if not 0 < len(str(error)) < 3000:
                    message = f"a message of {len(str(error))} characters: {str(error)[:200]!r}"
                    found["wrong"].append(f"case {case} ({path.name}): {message}")
            except BaseException as error:
                found["wrong"].append(f"case {case} ({path.name}): {type(error).__name__}: {str(error)[:200]}")
            finally:
                signal.alarm(0)
            found["slowest"] = max(found["slowest"], time.monotonic() - start)
    peak = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return found | {"peak_mib": int(peak.split()[1]) // 1024}


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
