"""Public names of a tree of modules: which are exported, which are documented and how, which are reached by anything."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path

from source_tree import Module, absolute, home

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
REGISTERING = ("command", "callback", "loss", "method", "modifier", "objective", "evaluation", "executor")
"""Decorators that hand a function to a registry, from where it is called by name."""

_IMPERATIVES = """
Add Adjust Append Ask Average Bind Block Bound Bring Broadcast Build Call Change Check Choose Collect Compare Compile
Compose Compute Construct Continue Convert Copy Count Cut Declare Decompose Describe Digest Discard Distribute Divide Do
Download Draw Drop Encrypt End Enter Estimate Evaluate Examine Expand Explain Factor Fill Find Finish Fit Flush Fold
Follow Form Gather Give Group Hash Hold Import Join Judge Keep Label Leave Let Limit List Load Locate Lock Look Make Map
Mark Match Measure Merge Minimise Mix Move Multiply Name Number Open Order Pair Parse Pass Permute Pool Predict Prepare
Print Project Put Raise Rank Read Receive Record Reduce Refuse Register Reinterpret Release Remove Replace Report Reset
Resolve Return Run Say Scale Score Select Set Shade Show Solve Sort Split Spread Stack Start Stop Store Submit
Substitute Subtract Sum Summarise Take Tell Terminate Test Time Tokenise Train Treat Turn Update Wait Wrap Write Yield
"""

VERBS = frozenset(_IMPERATIVES.split())
"""First words that the docstring of a function may have."""


def definitions(module: Module) -> dict[str, Definition]:
    """Functions and classes at the top level of a module, by name."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return {node.name: node for node in _top_level(module.tree) if isinstance(node, kinds)}


def _top_level(tree: ast.Module) -> Iterator[ast.stmt]:
    """Statements of a module, those under ``if`` and ``try`` too."""
    waiting = list(tree.body)
    while waiting:
        node = waiting.pop(0)
        yield node
        for block in ("body", "orelse", "finalbody") if isinstance(node, (ast.If, ast.Try)) else ():
            waiting += getattr(node, block, [])
        waiting += [statement for handler in getattr(node, "handlers", []) for statement in handler.body]


def exported(module: Module) -> list[str] | None:
    """Names of a literal ``__all__``; None where the module has none."""
    for node in module.tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        if any(isinstance(target, ast.Name) and target.id == "__all__" for target in targets):
            return list(ast.literal_eval(node.value))  # type: ignore[union-attr, arg-type]
    return None


def bound_names(module: Module) -> set[str]:
    """Names that a module binds at its top level: definitions, assignments and imports."""
    found = set()
    for node in _top_level(module.tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            found.add(node.name)
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name.partition(".")[0] for alias in node.names}
        else:
            found |= {name.id for name in ast.walk(node) if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)}
    return found


def export_faults(modules: Mapping[str, Module]) -> list[str]:
    """Exported names that do not exist or are undocumented, and public definitions that are not exported.

    A module without ``__all__`` is judged only where it has public names and is no part of ``w2s_kernels``, whose versions of an
    operation are found by name. Registered functions need no export.
    """
    found = []
    for module in modules.values():
        names, own = exported(module), definitions(module)
        public = [name for name, node in own.items() if not name.startswith("_") and not _registered(node)]
        if names is None:
            named = public and not module.name.startswith("w2s_kernels.")
            found += [f"{module.path}: no __all__, but public {', '.join(public)}"] if named else []
            continue
        found += [f"{module.path}: {name} is in __all__ twice" for name in sorted({n for n in names if names.count(n) > 1})]
        found += [
            f"{module.path}: {name} is in __all__ and does not exist" for name in names if name not in bound_names(module)
        ]
        found += [
            f"{module.path}: {name} is exported without a docstring"
            for name in names
            if name in own and not ast.get_docstring(own[name])
        ]
        found += [f"{module.path}: {name} is public and not in __all__" for name in public if name not in names]
    return found


def verbless(modules: Mapping[str, Module], verbs: Collection[str] = VERBS) -> list[str]:
    """Functions and methods, nested and private ones too, whose docstring does not begin with one of ``verbs``.

    A word before "of" is a noun, although "number" can be a verb ("say of" is none). A property is read like a field, so its
    docstring is a noun.
    """
    found = []
    for module in modules.values():
        for node in ast.walk(module.tree):
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) or any(map(_is_property, node.decorator_list)):
                continue
            first, second, *_ = [*(ast.get_docstring(node) or "").split(), "", ""]
            if first and (first.rstrip(",.:;") not in verbs or (second == "of" and first != "Say")):
                where = f"{module.path}:{node.lineno}: {node.name}"
                found.append(f"{where}: begin the docstring with a verb, not {first!r}; add it to VERBS if it is one")
    return found


def _is_property(decorator: ast.expr) -> bool:
    return _decorator(decorator).endswith("property") or _decorator(decorator) in ("setter", "deleter")


def silent_packages(modules: Mapping[str, Module]) -> list[str]:
    """Folders whose ``__init__`` does not say what they are; rooms directly below a package say it in two sentences or more."""
    found = []
    for module in modules.values():
        if module.is_package:
            text = ast.get_docstring(module.tree) or ""
            sentences = len(re.findall(r"[.!](?:\s|$)", text))
            if sentences < (2 if module.name.count(".") == 1 else 1):
                found.append(f"{module.path}: {sentences} sentences")
    return found


def unreached(modules: Mapping[str, Module], documented: Iterable[str] = (), roots: Iterable[str] = ()) -> list[str]:
    """Public functions and classes that nothing reaches, as ``module:name``.

    Reached is what module-level code, a registry, a ``documented`` Python example or one of ``roots`` (qualified names) refers
    to, and what reached definitions refer to. An import alone is no use, nor is a name in ``__all__`` or one passed on.
    """
    own = {f"{name}.{key}": node for name, module in modules.items() for key, node in definitions(module).items()}
    fronts = {
        f"{module.name}.{alias}": target for module in modules.values() for alias, target in _aliases(module, modules).items()
    }
    uses: dict[str, set[str]] = {}
    waiting = list(roots)
    for code in documented:
        example = Module("an example", Path(), ast.parse(code), is_package=False)
        waiting += _used(example.tree, _aliases(example, modules), example.name)
    for name, module in modules.items():
        aliases = _aliases(module, modules)
        for key, node in definitions(module).items():
            uses[f"{name}.{key}"] = _used(node, aliases, name)
            waiting += [f"{name}.{key}"] if _registered(node) else []
        for statement in _top_level(module.tree):
            if not isinstance(statement, (*_SKIPPED, ast.If, ast.Try)) and not _is_all(statement):
                waiting += _used(statement, aliases, name)
        waiting += _named_in_text(module)
    reached: set[str] = set()
    while waiting:
        name = _resolved(waiting.pop(), fronts, own)
        if name in own and name not in reached:
            reached.add(name)
            waiting += uses[name]
    hidden = [name.rpartition(".") for name in own if name not in reached]
    return sorted(f"{module}:{name}" for module, _, name in hidden if not name.startswith("_"))


def _named_in_text(module: Module) -> Iterator[str]:
    """Names behind ``"module:name"`` and behind ``operation(kernel, name, *compiled, twin=)``, one per version of an operation."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[\w.]+:\w+", node.value):
            yield node.value.replace(":", ".")
        elif isinstance(node, ast.Call) and _decorator(node) == "operation":
            kernel, name, *compiled = [item.value if isinstance(item, ast.Constant) else "" for item in node.args] + [""] * 2
            twins = [item.value.value for item in node.keywords if isinstance(item.value, ast.Constant)]
            for version in ("plain", *compiled, *twins):
                yield f"{module.name.partition('.')[0]}.{kernel}.{version}.{name}"


def _registered(node: Definition) -> bool:
    return any(_decorator(item) in REGISTERING for item in node.decorator_list)


_SKIPPED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Import, ast.ImportFrom)


def _decorator(node: ast.expr) -> str:
    called = node.func if isinstance(node, ast.Call) else node
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def _is_all(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets)


def _resolved(name: str, fronts: Mapping[str, str], own: Collection[str]) -> str:
    """Where a name is defined, behind all modules that only pass it on."""
    seen: set[str] = set()
    while name not in own and name not in seen:
        seen.add(name)
        base, _, last = name.rpartition(".")
        name = fronts[name] if name in fronts else f"{fronts[base]}.{last}" if base in fronts else name
    return name


def _aliases(module: Module, modules: Mapping[str, Module]) -> dict[str, str]:
    """Local names that stand for something of the tree, with its qualified name."""
    found = {}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                if home(item.name, modules):
                    found[item.asname or item.name.partition(".")[0]] = (
                        item.name if item.asname else item.name.partition(".")[0]
                    )
        elif isinstance(node, ast.ImportFrom):
            base = absolute(module, node)
            if home(base, modules):
                found |= {item.asname or item.name: f"{base}.{item.name}" for item in node.names}
    return found


def _used(node: ast.AST, aliases: Mapping[str, str], module: str) -> set[str]:
    """Qualified names that a piece of code refers to: own names, imported ones, and attributes of imported modules."""
    found = set()
    for item in ast.walk(node):
        if isinstance(item, ast.Name):
            found |= {aliases.get(item.id, f"{module}.{item.id}")}
        elif isinstance(item, ast.Attribute) and (dotted := _dotted(item)):
            first, _, rest = dotted.partition(".")
            found |= {f"{aliases[first]}.{rest}"} if first in aliases else set()
    return found


def _dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (base := _dotted(node.value)):
        return f"{base}.{node.attr}"
    return ""
