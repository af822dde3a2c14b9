"""YAML with line numbers: YAML 1.2 numbers and booleans, duplicate keys refused, the line of every value kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

from sweeper.errors import GridError
from w2s.errors import first_line

__all__ = ["Lines", "dump_yaml", "load_plain", "read_yaml"]

Lines = dict[tuple[Any, ...], int]

_MAX_BYTES = 2 * 1024 * 1024
_MIN_NODES = 100_000
"""Values that any file may have; a larger one has at most one for each of its bytes, unless it repeats itself by aliases."""
_MAX_DEPTH = 100
_MAX_STORED = 20_000_000


class _Core:
    """The core schema of YAML 1.2: ``1e-3`` is a number, ``yes`` and ``on`` are words."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012


class _Loader(_Core, yaml.SafeLoader):
    """Safe loader in Python: it says best what is wrong, and it is there where libyaml is not."""


class _PlainLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loader in C with the rules of YAML 1.1: what :func:`dump_yaml` writes reads alike under both."""


class _FastLoader(_Core, getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Safe loader in C."""


def _resolve(tag: str, pattern: str, first: str) -> None:
    for character in first:
        _Core.yaml_implicit_resolvers.setdefault(character, []).append(
            (f"tag:yaml.org,2002:{tag}", re.compile(f"^(?:{pattern})$"))
        )


_resolve("null", r"~|null|Null|NULL|", "~nN\0")
_resolve("bool", r"true|True|TRUE|false|False|FALSE", "tTfF")
_resolve("int", r"[-+]?[0-9]+", "-+0123456789")
_resolve(
    "float",
    r"[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    "-+.0123456789",
)
_Core.yaml_implicit_resolvers[""] = [("tag:yaml.org,2002:null", re.compile("^$"))]


_SCALARS: dict[str, Callable[[str], Any]] = {
    "null": lambda _text: None,
    "bool": lambda text: text.lower() == "true",
    "int": int,
    "float": lambda text: float(text.lower().replace(".inf", "inf").replace(".nan", "nan")),
    "str": str,
}


_COLLECTIONS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")


def read_yaml(path: Path) -> tuple[Any, Lines]:
    """Read one YAML document; return its value and the line (1-based) of every key and item by path.

    Raises :class:`GridError` with file and line for a missing file, bad YAML, duplicate keys, anchors that expand
    without end, or a file that is no text.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise GridError(f"the file is larger than {_MAX_BYTES} bytes; use linspace, geomspace or logspace", path)
        text = content.decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not UTF-8 text"
        raise GridError(f"cannot read the grid: {reason}", path) from None
    node = _fast_node(text) or _node(text, path)
    if node is None:
        raise GridError("the file is empty", path)
    lines: Lines = {}
    reader = _Reader(path, lines, max(_MIN_NODES, len(text)))
    return reader.build(node, ()), lines


def load_plain(text: str) -> Any:
    """Read a document that :func:`dump_yaml` wrote, or that pretends to be one, in C.

    Raises yaml.YAMLError, also for what is nested too deeply or repeats itself without end.
    """
    try:
        _check_size(text)
        return yaml.load(text, Loader=_PlainLoader)
    except (ValueError, OverflowError, RecursionError, TypeError) as error:
        raise yaml.YAMLError((str(error).splitlines() or ["nested too deeply"])[0]) from None


def _check_size(text: str) -> None:
    """Count nodes as if every alias were written out. Raises yaml.YAMLError for too many of them, or too deep ones."""
    sizes: dict[str, int] = {}
    open_nodes: list[list[Any]] = [["", 0]]
    for event in yaml.parse(text, Loader=_PlainLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            open_nodes.append([event.anchor, 1])
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, size = open_nodes.pop()
            sizes[anchor] = size
            open_nodes[-1][1] += size
        elif isinstance(event, yaml.NodeEvent):
            open_nodes[-1][1] += sizes.get(event.anchor or "", 1) if isinstance(event, yaml.AliasEvent) else 1
        if len(open_nodes) > _MAX_DEPTH or open_nodes[-1][1] > _MAX_STORED:
            raise yaml.YAMLError("nested or repeated without end")


def _fast_node(text: str) -> yaml.Node | None:
    """Compose a document in C; return None where anything is unusual, so that the Python loader says what.

    The depth is checked first: libyaml's composer calls itself, and a deep document would end the process.
    """
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_FastLoader):
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            if depth > _MAX_DEPTH:
                return None
        return yaml.compose(text, Loader=_FastLoader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError):
        return None


def _node(text: str, path: Path) -> yaml.Node | None:
    """Compose a document in Python, None for an empty one; raise :class:`GridError` with the line of what is wrong."""
    try:
        return yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise GridError(f"bad YAML: {error.problem}", path, mark.line + 1 if mark else None) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise GridError(f"bad YAML: the character {error.character!r} is not allowed", path, line) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        raise GridError(f"bad YAML: {first_line(error)}", path) from None
    except RecursionError:
        raise GridError("bad YAML: nested too deeply", path) from None


class _Dumper(getattr(yaml, "CSafeDumper", yaml.SafeDumper)):  # type: ignore[misc]
    """Safe dumper whose text reads as text under YAML 1.1 and 1.2 alike: ``1e3`` is a number in one of them."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    resolvers = (*_Core.yaml_implicit_resolvers.get(value[:1], ()), *_Core.yaml_implicit_resolvers.get("\0", ()))
    quoted = any(pattern.match(value) for _, pattern in resolvers)
    style = '"' if not value.isprintable() else "'" if quoted else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def dump_yaml(document: Mapping[str, Any]) -> str:
    """Write a document so that :func:`read_yaml` gives it back."""
    options: dict[str, Any] = {"sort_keys": False, "allow_unicode": True, "default_flow_style": None, "width": 128}
    return str(yaml.dump(dict(document), Dumper=_Dumper, **options))


class _Reader:
    """Builds values from YAML nodes and records where each one stands."""

    def __init__(self, path: Path, lines: Lines, most: int) -> None:
        self.path, self.lines, self.most, self.open = path, lines, most, set[int]()
        self.built = 0

    def build(self, node: yaml.Node, place: tuple[Any, ...]) -> Any:
        self.lines.setdefault(place, node.start_mark.line + 1)
        self.built += 1
        if id(node) in self.open or len(place) > 20 or self.built > self.most:
            raise GridError("bad YAML: nested or repeated without end", self.path, node.start_mark.line + 1)
        self.open.add(id(node))
        try:
            if isinstance(node, yaml.CollectionNode) and node.tag not in _COLLECTIONS:
                raise GridError(f"bad YAML: tag {node.tag!r} is not allowed", self.path, node.start_mark.line + 1)
            if isinstance(node, yaml.MappingNode):
                return self._mapping(node, place)
            if isinstance(node, yaml.SequenceNode):
                return [self.build(item, (*place, k)) for k, item in enumerate(node.value)]
            return self._scalar(node)
        finally:
            self.open.discard(id(node))

    def _mapping(self, node: yaml.MappingNode, place: tuple[Any, ...]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise GridError("bad YAML: a key must be a plain word", self.path, line)
            key = str(key_node.value)
            if key in result:
                raise GridError(f"the key {key!r} is listed twice (first on line {self.lines[(*place, key)]})", self.path, line)
            self.lines[(*place, key)] = line
            result[key] = self.build(value_node, (*place, key))
        return result

    def _scalar(self, node: yaml.Node) -> Any:
        kind = node.tag.removeprefix("tag:yaml.org,2002:")
        if kind not in _SCALARS:
            raise GridError(f"bad YAML: tag {node.tag!r} is not allowed", self.path, node.start_mark.line + 1)
        try:
            return _SCALARS[kind](str(node.value))
        except ValueError:
            raise GridError(f"bad YAML: {node.value!r} is not a {kind}", self.path, node.start_mark.line + 1) from None
