"""The code that made the rows of a run, against the code that is here now; nothing is run to find out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from sweeper.folder.part import Part
from w2s.contract.study import Study
from w2s.user_files import code_files

__all__ = ["CodeState", "code_state", "mixed_runs"]

Rows = Mapping[str, int]
"""Rows by the digest of the code that made them."""


@dataclass(frozen=True)
class CodeState:
    """What the finished rows of some runs say about the code outside this package that made them.

    Attributes
    ----------
    now : names of files and modules, with their digests as they are here now.
    made : the same names and those that are gone, each with the rows that every digest of it made.
    unknown : rows of a study in a file, or in another package, that earlier releases wrote without a digest.
    others : rows that were made without a file that their study has now, by its name.

    """

    now: Mapping[str, str] = field(default_factory=dict)
    made: Mapping[str, Rows] = field(default_factory=dict)
    unknown: int = 0
    others: Rows = field(default_factory=dict)

    @property
    def changed(self) -> list[str]:
        """One line for each file or module that is not what made the rows."""
        lines = []
        for name, digest in self.now.items():
            rows = sum(count for made, count in self.made.get(name, {}).items() if made != digest)
            if rows:
                was = ", ".join(made for made in self.made[name] if made != digest)
                lines.append(f"{name}: {rows:,} rows were made when it was {was}; it is {digest} now")
            if name in self.others:
                lines.append(f"{name}: {self.others[name]:,} rows were made without it")
        gone = [name for name in self.made if name.endswith(".py") and self.now and name not in self.now]
        return lines + [
            f"{name}: {sum(self.made[name].values()):,} rows were made with it; the study has no such file" for name in gone
        ]

    @property
    def mixed(self) -> list[str]:
        """One line for each file or module of which several states made rows that are there together."""
        several = {name: rows for name, rows in self.made.items() if len(rows) > 1}
        return [
            f"{name}: {', '.join(f'{count:,} rows by {digest}' for digest, count in rows.items())}"
            for name, rows in several.items()
        ]

    @property
    def remarks(self) -> list[str]:
        """What a reader of the numbers has to know, in whole sentences; nothing where one code made everything."""
        lines = [f"rows of several sources are together, told apart by code_digest: {line}" for line in self.mixed]
        lines += [f"the code is not the one that made the rows: {line}" for line in self.changed]
        if self.unknown:
            lines.append(
                f"{self.unknown:,} rows do not say which code made them (an earlier release wrote them): whether it has "
                "changed is not known"
            )
        return lines


def mixed_runs(states: Sequence[CodeState]) -> list[str]:
    """Return one line for each file or module of which several runs have different states, each of them one."""
    rows: dict[str, dict[str, int]] = {}
    for state in states:
        for name, made in state.made.items():
            for digest, count in made.items():
                rows.setdefault(name, {})[digest] = rows.get(name, {}).get(digest, 0) + count
    own = {name for state in states for name, made in state.made.items() if len(made) > 1}
    together = CodeState(made={name: made for name, made in rows.items() if name not in own})
    return together.remarks


def code_state(study: type[Study], parts: Iterable[Part]) -> CodeState:
    """Compare the finished rows among some parts with the code as it is now. Parts of other versions of the study are left out.

    Installed packages are looked up by the names that the rows give; a package that is not here is not compared. Failed rows
    are computed again anyway and count for nothing.
    """
    own = code_files(study)
    made: dict[str, Counter[str]] = {}
    others: Counter[str] = Counter()
    unknown = 0
    modules: dict[str, str] = {}
    for part in parts:
        rows = part.rows - part.failed
        if not rows or part.version != study.version:
            continue
        if part.code is None:
            unknown += rows if own else 0
            continue
        for name, digest in part.code.together.items():
            if name in part.code.study or not name.endswith(".py"):  # a method's file is in the cells' identities
                made.setdefault(name, Counter())[digest] += rows
        others.update({name: rows for name in own if name not in part.code.study})
        for name in part.code.parts:
            if not name.endswith(".py"):
                modules |= code_files(name)
    return CodeState({**modules, **own}, made, unknown, others)
