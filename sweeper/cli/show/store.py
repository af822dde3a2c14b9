"""What the commands of ``w2s-sweep store`` print."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from sweeper.console import console
from sweeper.errors import RunError, StoreError
from w2s.artifacts import ArtifactError, Store, open_store
from w2s.errors import FieldError
from w2s.places.url import where_of

__all__ = ["Collected", "collect_garbage", "print_collected", "print_store", "store_document"]


@dataclass(frozen=True)
class Collected:
    """What a collection of garbage has removed, or would remove; ``kept`` artifacts are left, or in use."""

    artifacts: int
    bytes: int
    kept: int
    dry_run: bool


def print_store(name: str) -> None:
    """Print the artifacts of a store by function, with their size, and the runs that use them."""
    store, out = _existing(name), console()
    lines, damaged = _counted(store)
    for function, line in sorted(lines.items()):
        out.print(f"{line['count']:>7,}  {line['bytes'] / 2**20:>10,.1f} MiB  {function}")
    if damaged:
        out.print(f"{damaged:>7,}  damaged, and made again by the next launch that needs them")
    for run, keys in _in_use(store).items():
        out.print(f"{len(keys):>7,} used by {run}")


def store_document(name: str) -> dict[str, Any]:
    """Collect what :func:`print_store` shows: artifacts by function, damaged ones, the keys of every run."""
    store = _existing(name)
    lines, damaged = _counted(store)
    runs = {str(run): sorted(keys) for run, keys in _in_use(store).items()}
    return {"functions": {function: dict(line) for function, line in lines.items()}, "damaged": damaged, "runs": runs}


def _counted(store: Store) -> tuple[dict[str, Counter[str]], int]:
    """Count artifacts and their bytes by function, and apart from them those that are damaged."""
    lines: dict[str, Counter[str]] = {}
    damaged = 0
    for manifest in store.manifests():
        if "fault" in manifest:
            damaged += 1
            continue
        lines.setdefault(manifest["function"], Counter()).update(count=1, bytes=sum(manifest["files"].values()))
    return lines, damaged


def collect_garbage(name: str, *, dry_run: bool) -> Collected:
    """Remove the artifacts that no existing run uses, or count them; return how many, and their size."""
    store = _existing(name)
    if dry_run:
        used = set[str]().union(*_in_use(store).values())
        unused = [manifest for manifest in store.manifests() if manifest["key"] not in used]
        size = sum(sum(manifest.get("files", {}).values()) for manifest in unused)
        return Collected(len(unused), size, len(used), dry_run=True)
    try:
        count, size = store.remove_unused()
    except ArtifactError as error:
        raise RunError(str(error)) from None
    except OSError as error:
        raise StoreError(f"cannot write in {name}: {error.strerror}") from None
    return Collected(count, size, len(list(store.keys())), dry_run=False)


def print_collected(found: Collected) -> None:
    """Print what a collection of garbage has done, or would do."""
    size = f"{found.bytes / 2**20:,.1f} MiB"
    if found.dry_run:
        console().print(f"{found.artifacts:,} artifacts, {size}, would be removed; {found.kept:,} are in use")
    else:
        console().print(f"{found.artifacts:,} artifacts removed, {size}; {found.kept:,} are left")


def _in_use(store: Store) -> dict[str, set[str]]:
    try:
        return store.in_use()
    except ArtifactError as error:
        raise RunError(str(error)) from None


def _existing(name: str) -> Store:
    try:
        store = open_store(where_of(name))
    except FieldError as error:
        raise RunError(str(error)) from None
    if not store.is_there():
        raise RunError(f"{name} is not a store of artifacts (no folder runs in it)")
    return store
