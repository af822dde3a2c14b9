"""Damaged values and odd stores: told, set aside, made again; nothing is removed that a store did not make."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from sweeper.cli.show.store import collect_garbage, print_store
from sweeper.errors import RunError
from w2s.artifacts import ArtifactError, Store, Work, artifact
from w2s.artifacts.manifest import ManifestError, check_value, read_manifest
from w2s.places.local import Local

CONTENT = bytes(range(256)) * 4


@artifact(version=1, name="test.bytes")
def made(work: Work, *, value: int) -> None:
    (work.folder / "inner").mkdir()
    (work.folder / "inner" / "value.bin").write_bytes(CONTENT)
    (work.folder / "value.json").write_text(json.dumps(value))


@artifact(version=1, name="test.user")
def user(work: Work, *, source: Path) -> None:
    (work.folder / "copy.bin").write_bytes((source / "inner" / "value.bin").read_bytes())


@pytest.mark.parametrize("name", ["inner/value.bin", "value.json", "artifact.json"])
def test_a_flipped_bit_is_told_and_the_value_made_again(tmp_path, name):
    store, call, told = Store(tmp_path), made(value=3), []
    for seed in range(30):
        path = store.ensure(call) / name
        content = bytearray(path.read_bytes())
        bit = int(np.random.default_rng([5, seed]).integers(8 * len(content)))
        content[bit // 8] ^= 1 << bit % 8
        path.write_bytes(content)
        fresh = Store(tmp_path)
        assert not fresh.has(call), seed
        with pytest.raises(ArtifactError, match="is damaged"):
            fresh.get(call)
        fresh.compute(call, told.append)
        assert (fresh.get(call) / "inner" / "value.bin").read_bytes() == CONTENT
        assert read_manifest(fresh.get(call))["arguments"] == {"value": 3}
    why = f"{name} is not as it was written" if name != "artifact.json" else "its artifact.json is "
    assert [(f"cannot be used ({why}" in line and "is set aside in" in line) for line in told] == [True] * 30
    assert len(list((tmp_path / "damaged").iterdir())) == 30
    assert Store(tmp_path).remove_unused({call.key})[0] == 0
    assert list((tmp_path / "damaged").iterdir()) == []


def test_a_lost_file_is_said_to_be_lost(tmp_path):
    store, call, told = Store(tmp_path), made(value=3), []
    (store.ensure(call) / "value.json").unlink()
    store.compute(call, told.append)
    assert re.search(r"cannot be used \(\S+/value\.json: No such file or directory\) and is set aside in", told[0]), told


def test_what_builds_on_a_damaged_value_never_sees_it(tmp_path):
    store = Store(tmp_path)
    source = made(value=3)
    (store.ensure(source) / "inner" / "value.bin").write_bytes(CONTENT[:-1] + b"x")
    folder = store.ensure(user(source=source))
    assert (folder / "copy.bin").read_bytes() == CONTENT


def test_a_value_is_read_again_only_where_it_may_have_changed(tmp_path, monkeypatch):
    import w2s.artifacts.manifest as room

    store, call, read = Store(tmp_path), made(value=3), []
    folder, digest = store.ensure(call), room._digest
    monkeypatch.setattr(room, "_digest", lambda path: read.append(path.name) or digest(path))
    for _ in range(3):
        store.get(call)
    assert read == []
    os.utime(folder / "value.json", ns=(1, 1))
    store.get(call)
    assert sorted(read) == ["value.bin", "value.json"]


def test_a_record_without_digests_counts_by_size(tmp_path):
    """As earlier releases wrote it."""
    store, call = Store(tmp_path), made(value=3)
    path = store.ensure(call) / "artifact.json"
    record = json.loads(path.read_text())
    del record["digests"], record["seal"]
    path.write_text(json.dumps(record))
    assert store.has(call)
    (path.parent / "value.json").write_text("33")
    assert not store.has(call)


@pytest.mark.parametrize(
    "record",
    [
        *(
            b"",
            b"\xff\xfe",
            b"[]",
            b"3",
            b"{}",
            b"[" * 100_000,
            b'{"function": "a", "files": []}',
            b'{"function": 3, "files": {}}',
        ),
        *(b'{"function": "a", "files": {"../../x": 0}}', b'{"function": "a", "files": {"/etc/passwd": 1}}'),
        *(
            b'{"function": "a", "files": {"x": "0"}}',
            b'{"function": "a", "files": {"x": -1}}',
            b'{"function": "a", "files": {"": 0}}',
        ),
    ],
)
def test_an_odd_record_is_no_value(tmp_path, record, capsys):
    store, call = Store(tmp_path), made(value=3)
    folder = store.ensure(call)
    (folder / "artifact.json").write_bytes(record)
    with pytest.raises(ManifestError):
        check_value(folder)
    assert not store.has(call)
    store.register(tmp_path / "run", [call.key])
    print_store(tmp_path)
    assert "1  damaged" in capsys.readouterr().out
    store.ensure(call)
    assert store.has(call)


@pytest.mark.parametrize(
    "note", [b"", b"\xff", b"[]", b"{}", b'{"run": 3, "keys": []}', b'{"run": "a", "keys": "b"}', b'{"run": "a", "keys": [[]]}']
)
def test_garbage_is_not_collected_where_a_note_is_damaged(tmp_path, note):
    store, call, run = Store(tmp_path / "store"), made(value=3), tmp_path / "run"
    store.ensure(call)
    store.register(run, [call.key])
    path = next((store.path / "runs").glob("*.json"))
    path.write_bytes(note)
    for look in (lambda: print_store(store.path), lambda: collect_garbage(store.path, dry_run=False)):
        with pytest.raises(RunError, match="launch that run again"):
            look()
    assert store.has(call)
    store.register(run, [call.key])  # what a launch does
    print_store(store.path)


def test_odd_runs_in_notes_are_no_runs(tmp_path):
    store = Store(tmp_path)
    store.register(tmp_path / "run", [])
    path = next((tmp_path / "runs").glob("*.json"))
    for run in ("\0", "a" * 100_000, ""):
        path.write_text(json.dumps({"run": run, "keys": ["x"]}))
        assert store.in_use() == {}


def test_nothing_is_removed_while_a_run_cannot_be_reached(tmp_path, monkeypatch):
    """A run in a bucket without credentials, and one in a folder that may not be looked into."""
    store, call = Store(tmp_path), made(value=9)
    store.compute(call)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    store.register(tmp_path / "run", [call.key])
    path = next((tmp_path / "runs").glob("*.json"))
    path.write_text(json.dumps({"run": "s3://bucket/run", "keys": [call.key]}))
    with pytest.raises(
        ArtifactError, match=r"cannot tell whether the run s3://bucket/run still exists.*remove .*\.json if it is gone"
    ):
        store.remove_unused()
    path.write_text(json.dumps({"run": str(tmp_path / "closed" / "run"), "keys": [call.key]}))

    def refused(_place, name):
        raise PermissionError(13, "Permission denied", str(name))

    with monkeypatch.context() as patch:
        patch.setattr(Local, "exists", refused)
        with pytest.raises(ArtifactError, match="Permission denied"):
            store.remove_unused()
    assert store.has(call)
    assert store.remove_unused()[0] == 1


def test_only_what_a_store_made_is_removed(tmp_path):
    """A folder of somebody's work may have folders of two letters, and a folder ``runs``."""
    store, outside = Store(tmp_path / "store"), tmp_path / "outside"
    store.register(tmp_path / "run", [])
    mine, key = store.path / "ab" / "mine", "ab" + "0" * 30
    (mine / "deep").mkdir(parents=True)
    outside.mkdir()
    (outside / "artifact.json").write_text("{}")
    (store.path / "ab" / key).symlink_to(outside)
    assert store.remove_unused() == (0, 0)
    assert (mine.is_dir(), (outside / "artifact.json").exists()) == (True, True)


def test_a_pipe_as_record_is_no_wait(tmp_path):
    store, call = Store(tmp_path), made(value=3)
    path = store.ensure(call) / "artifact.json"
    path.unlink()
    os.mkfifo(path)
    assert not store.has(call)
    store.ensure(call)
    assert store.has(call)
