"""What the commands of ``w2s-sweep store`` print."""

from __future__ import annotations

from collections import Counter

from sweeper.console import console
from sweeper.errors import RunError, StoreError
from w2s.artifacts import ArtifactError, Store, open_store
from w2s.errors import FieldError
from w2s.places.url import where_of

__all__ = ["collect_garbage", "print_store"]


def print_store(name: str) -> None:
    """Print the artifacts of a store by function, with their size, and the runs that use them."""
    store, out = _existing(name), console()
    lines: dict[str, Counter[str]] = {}
    damaged = 0
    for manifest in store.manifests():
        if "fault" in manifest:
            damaged += 1
            continue
        lines.setdefault(manifest["function"], Counter()).update(count=1, bytes=sum(manifest["files"].values()))
    for function, line in sorted(lines.items()):
        out.print(f"{line['count']:>7,}  {line['bytes'] / 2**20:>10,.1f} MiB  {function}")
    if damaged:
        out.print(f"{damaged:>7,}  damaged, and made again by the next launch that needs them")
    for run, keys in _in_use(store).items():
        out.print(f"{len(keys):>7,} used by {run}")


def collect_garbage(name: str, *, dry_run: bool) -> None:
    """Remove the artifacts that no existing run uses, or say how much space that would free."""
    store = _existing(name)
    if dry_run:
        used = set[str]().union(*_in_use(store).values())
        unused = [manifest for manifest in store.manifests() if manifest["key"] not in used]
        size = sum(sum(manifest.get("files", {}).values()) for manifest in unused)
        console().print(f"{len(unused):,} artifacts, {size / 2**20:,.1f} MiB, would be removed; {len(used):,} are in use")
        return
    try:
        count, size = store.remove_unused()
    except ArtifactError as error:
        raise RunError(str(error)) from None
    except OSError as error:
        raise StoreError(f"cannot write in {name}: {error.strerror}") from None
    console().print(f"{count:,} artifacts removed, {size / 2**20:,.1f} MiB; {len(list(store.keys())):,} are left")


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
