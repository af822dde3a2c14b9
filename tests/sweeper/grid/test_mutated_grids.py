"""A few thousand damaged grids: each is read, with the right number of cells, or refused with one message. Nothing else."""

from __future__ import annotations

import copy
import random

import numpy as np
import pytest
from waiting import watchdog

from sweeper import GridError, load_grid
from sweeper.grid.yaml import read_yaml
from w2s.contract.identity import cell_ids

TOY = """\
# all that a grid can say
study: toy.py:Toy
axes:
  x: {linspace: [-1.5, 1e2, 4]}
  kind: [plain, wave]
  shape: [sine, saw]
  depth: [0.25, 1, 2.5e0]
zip:
  n: [10, 20, 1e3]
  label: [a, b, "c"]
fixed: {tag: null, flag: false}
seeds: 3
exclude:
  - "x > n and not label == 'a'"
  - {n: [10], depth: 1}
compute: {executor: inline, cpus: 2, on_error: stop}
out: runs/here
"""
PARTS = """\
study: toy.py:Toy
fixed: {n: 12}
seeds: [4, 7]
grids:
  - axes:
      x: [0, 1, 2]
  - axes:
      x: {logspace: [1, 2, 3], round: true}
    fixed: {kind: wave, shape: saw}
    seeds: 2
    exclude: [x >= 100]
"""
DONG = """\
study: dong2025.regression
axes:
  n_labeled: {geomspace: [30, 400, 5], round: true}
  filter: [ridge, flow, steps]
  ridge: [0, 1.0e-6, 1]
  time: [1, .inf]
fixed: {d_weak: 5, d_strong: 6, d_overlap: 2.5, n_transfer: 1000, noise: 0.5}
"""
JUNK = [
    "", "x", "~", "null", "true", "-0.0", "1e3", "1e400", "-1", "0", ".inf", ".nan", "9" * 30, "9" * 5000, "[", "]", "{", "}", "[]", "{}",
    "[1]", "*a", "&a", "!!int", "!!python/tuple", "'", '"', "\t", "\n", "  ", ":", "- ", "#", "|", ">", "%", "@", "`", "\x00", "\ud7ff", "\u2028",
    "\ufeff", "é", "💥", "linspace", "geomspace", "seeds", "study", "grids", "x > 1", "n == n", "__import__('os')", "x.__class__", "9**9**9",
]  # fmt: skip
VALUES = [
    None, True, False, 0, 1, -1, 2.5, -0.0, 1e3, 1e300, float("inf"), float("-inf"), float("nan"), 10**40, 10**400, "", "a", "1", "\0", "x" * 5000, "../..",
    [], [[]], [1, [2]], [None], {}, {"x": 1}, {1: 2}, {"linspace": [0, 1, 3]}, {"logspace": [0, 999, 3]}, {"geomspace": [1, 2, 10**9]}, {"linspace": 3},
    {"x": {"x": {"x": 1}}}, b"bytes", (1, 2), "x > 1", "x +", "n > 'a'", "label < 3", "not x", "x == x", "-x",
]  # fmt: skip


def damaged_text(rng: random.Random, text: str) -> str:
    for _ in range(rng.choice((1, 1, 2, 4))):
        lines, at = text.split("\n"), rng.randrange(len(text) + 1)
        line = rng.randrange(len(lines))
        match rng.randrange(7):
            case 0:
                text = text[:at] + text[at + rng.choice((1, 1, 3, 20)) :]
            case 1:
                text = text[:at] + rng.choice(JUNK) + text[at:]
            case 2:
                text = text[:at] + text[at : at + 5] + text[at:]
            case 3:
                text = "\n".join(lines[:line] + lines[line + 1 :])
            case 4:
                text = "\n".join([*lines[:line], lines[line], *lines[line:]])
            case 5:
                text = "\n".join([*lines[:line], rng.choice((" ", "    ", "- ")) + lines[line], *lines[line + 1 :]])
            case 6:
                words = text.split(" ")
                words[rng.randrange(len(words))] = rng.choice(JUNK)
                text = " ".join(words)
    return text


def damaged_document(rng: random.Random, document: dict) -> dict:
    document = copy.deepcopy(document)
    for _ in range(rng.choice((1, 1, 2, 3))):
        holder, parents = document, []
        while True:
            keys = list(holder) if isinstance(holder, dict) else list(range(len(holder)))
            if not keys:
                break
            key = rng.choice(keys)
            parents.append((holder, key))
            if not isinstance(holder[key], (dict, list)) or rng.random() < 0.3:
                break
            holder = holder[key]
        if not parents:
            continue
        holder, key = parents[-1]
        match rng.randrange(4):
            case 0 | 1:
                holder[key] = copy.deepcopy(rng.choice(VALUES))
            case 2:
                del holder[key]
            case 3:
                if isinstance(holder, dict):
                    holder[rng.choice(("x", "n", "seed", "axes", "zip", "fixed", "grids", "exclude", "depth", 3, None))] = (
                        holder[key]
                    )
                else:
                    holder.append(copy.deepcopy(holder[key]))
    return document


def check(source, folder):
    """Read a damaged grid; whatever is accepted must know its number of cells."""
    try:
        grid = load_grid(source, folder)
    except GridError as error:
        assert str(error)  # noqa: PT017
        return False
    if sum(part.block.size for part in grid.parts) <= 5000:
        found = []
        for part in grid.parts:
            ids, mask = cell_ids(grid.study, part.block), part.mask(part.block)
            found.append(ids if mask is None else ids[mask.reshape(-1)])
        together = np.concatenate(found)
        assert len(together) == grid.cells > 0
        assert len(np.unique(together, axis=0)) == grid.cells
    return True


@pytest.mark.parametrize("text", [TOY, PARTS, DONG], ids=["toy", "parts", "dong2025"])
@pytest.mark.parametrize("what", ["text", "document"])
def test_a_damaged_grid_is_read_or_refused(bench, text, what):
    rng = random.Random(f"{what} {text}")
    path = bench.folder / "grid.yaml"
    accepted, tried = 0, 1000
    for _ in range(tried):
        if what == "text":
            path.write_bytes(damaged_text(rng, text).encode("utf-8", "surrogatepass"))
            source = path
        else:
            source = damaged_document(rng, read_yaml(bench.grid(text))[0])
        try:
            with watchdog(60):
                accepted += check(source, bench.folder)
        except Exception:
            print(path.read_text() if what == "text" else source)
            raise
    assert 0.02 * tried < accepted < 0.9 * tried, "the damage is too heavy or too light to say anything"


def test_undamaged(bench):
    assert load_grid(bench.grid(DONG), bench.folder).cells == 5 * (3 + 2 + 1)
    assert load_grid(bench.grid(PARTS), bench.folder).cells == 6 + 2 * 2
    # kinds: plain, sine, saw with three depths; labels b and c only where x <= n; depth 1 not with n = 10
    cells = 0
    for x in (-1.5, 32.3333333333, 66.1666666667, 100):
        for n, label in ((10, "a"), (20, "b"), (1000, "c")):
            for depth in (None, None, 0.25, 1, 2.5):
                cells += 3 * (not (x > n and label != "a") and not (n == 10 and depth == 1))
    assert load_grid(bench.grid(TOY), bench.folder).cells == cells
