"""Things that source, tests and text must not hold: seeds made by arithmetic, asserted times, names of one workplace."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from source_tree import Module

_CLOCKS = ("perf_counter", "monotonic", "process_time", "thread_time", "time", "perf_counter_ns", "monotonic_ns", "time_ns")


def seed_arithmetic(modules: Mapping[str, Module]) -> list[str]:
    """Sums, products and exclusive ors of something called ``seed``: name, attribute, key, or a name that ends in ``_seed``.

    A remainder or a comparison makes no new seed and is no fault.
    """
    found = []
    for module in modules.values():
        for node in ast.walk(module.tree):
            operands = [node.left, node.right] if isinstance(node, ast.BinOp) else []
            operands = [node.target, node.value] if isinstance(node, ast.AugAssign) else operands
            made = isinstance(getattr(node, "op", None), (ast.Add, ast.Sub, ast.Mult, ast.BitXor, ast.LShift, ast.BitOr))
            if made and any(_is_seed(operand) for operand in operands):
                found.append(f"{module.path}:{node.lineno}: {ast.unparse(node)}")  # type: ignore[attr-defined]
    return found


def _is_seed(node: ast.expr) -> bool:
    if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] in ("int", "int64", "uint64") and node.args:
        node = node.args[0]
    if isinstance(node, ast.Subscript):
        node = node.slice
    word = (
        node.id
        if isinstance(node, ast.Name)
        else node.attr
        if isinstance(node, ast.Attribute)
        else node.value
        if isinstance(node, ast.Constant)
        else ""
    )
    return isinstance(word, str) and (word == "seed" or word.endswith("_seed"))


def asserted_times(modules: Mapping[str, Module]) -> list[str]:
    """Assertions about the reading of a clock, or about a name that was computed from one in the same function.

    A function of the same module that reads a clock and returns something is a clock too. A program in a constant of the module
    may have a deadline, but measure no duration: what it prints can be asserted.
    """
    found = []
    for module in modules.values():
        found += [f"{module.path}:{node.lineno}: {name}" for node, name in _programs_with_clocks(module.tree)]
        clocks = _own_clocks(module.tree)
        for function in ast.walk(module.tree):
            if isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
                timed = _timed_names(function, clocks)
                found += [
                    f"{module.path}:{node.lineno}: {ast.unparse(node)}"
                    for node in ast.walk(function)
                    if isinstance(node, ast.Assert) and (_reads_clock(node.test, clocks) or _names(node.test) & timed)
                ]
    return sorted(set(found))


def _own_clocks(tree: ast.AST) -> set[str]:
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and not node.name.startswith("test_")]
    returning = [f for f in functions if any(isinstance(node, ast.Return) and node.value for node in ast.walk(f))]
    return {function.name for function in returning if _reads_clock(function, set())}


def _programs_with_clocks(tree: ast.Module) -> Iterator[tuple[ast.Assign, str]]:
    reads = re.compile(rf"\b(?:{'|'.join(_CLOCKS)})\(\)\s*-")
    for node in tree.body:
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(value, ast.Constant) and reads.search(str(value.value)):
            yield node, ast.unparse(node.targets[0])


def _timed_names(function: ast.AST, clocks: set[str]) -> set[str]:
    timed: set[str] = set()
    assigned = [node for node in ast.walk(function) if isinstance(node, ast.Assign)]
    for _ in assigned:  # until nothing new depends on a clock
        for node in assigned:
            if _reads_clock(node.value, clocks) or _names(node.value) & timed:
                timed |= {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return timed


def _names(node: ast.AST) -> set[str]:
    return {name.id for name in ast.walk(node) if isinstance(name, ast.Name)}


def _reads_clock(node: ast.AST, clocks: set[str]) -> bool:
    called = {ast.unparse(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
    return bool(called & ({f"time.{name}" for name in _CLOCKS} | clocks))


_WORKPLACE = re.compile(
    r"(?<![\w.$}])/" + r"(?:work|root|mnt|home/[a-z]\w*|tmp/(?!\w*\.)[a-z]+)/\w"  # a path that one machine has
    r"|https?://(?:\d+\.\d+\.\d+\.\d+|[\w-]+(?:\.internal|\.local|:\d+/simple))"  # a host that one network has
)


def workplace_names(paths: Iterable[Path]) -> list[str]:
    """Places in text files that name a path of one machine or a host of one network; lines marked ``example path`` may."""
    return [
        f"{path}:{number}: {line.strip()[:120]}" for path in paths for number, line in _lines(path) if _WORKPLACE.search(line)
    ]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return
    yield from enumerate(text.splitlines(), 1)
