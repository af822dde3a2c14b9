"""A store of artifacts in a bucket."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from buckets import bucket_table, flaky
from workbench import table

from sweeper import launch
from w2s.artifacts import ArtifactError, Work, artifact, open_store
from w2s.artifacts.manifest import MANIFEST
from w2s.artifacts.remote import RemoteStore
from w2s.files.cache import cache_folder
from w2s.places.bucket import PlaceError
from w2s.places.known import place_of

STUDY = f"{Path(__file__).parents[2] / 'studies' / 'chained.py'}:Chained"


@artifact(version=1)
def poem(work: Work, *, words: str) -> None:
    (work.folder / "deep").mkdir()
    (work.folder / "deep" / "text").write_text(words)
    (work.folder / "length").write_text(str(len(words)))


@artifact(version=1)
def counted(work: Work, *, log: str) -> None:
    with Path(log).open("a") as stream:
        stream.write("made\n")
    (work.folder / "value").write_text("1")


def forget_here():
    """Be another machine: nothing was fetched or made here."""
    shutil.rmtree(cache_folder("artifacts"), ignore_errors=True)


def test_a_value_travels_whole_and_is_compared_with_its_digest(s3):
    store, call = open_store(s3), poem(words="so much depends")
    assert not store.has(call)
    made = store.compute(call)
    assert (made / "deep" / "text").read_text() == "so much depends"
    names = [name.key.rpartition(f"{call.key}/")[2] for name in place_of(s3).below(s3 / call.key[:2])]
    assert sorted(names) == [MANIFEST, "deep/text", "length"]
    forget_here()
    fetched = open_store(s3).get(call)
    assert (fetched / "deep" / "text").read_text() == "so much depends"
    (fetched / "length").write_text("99")  # altered here: fetched again by the next process
    program = (
        "import sys\nfrom w2s.artifacts import open_store\nfrom w2s.places.url import where_of\n"
        f"sys.path[:0] = [{str(Path(__file__).parent)!r}, {str(Path(__file__).parents[2] / 'support')!r}]\nfrom test_remote import poem\n"
        "print((open_store(where_of(sys.argv[1])).get(poem(words='so much depends')) / 'length').read_text())"
    )
    again = subprocess.run([sys.executable, "-c", program, str(s3)], capture_output=True, text=True, timeout=60)
    assert again.stdout.strip() == "15", again.stderr


def test_every_altered_or_missing_file_is_noticed(s3):
    store, call = open_store(s3), poem(words="upon a red wheel barrow")
    store.compute(call)
    remote = s3 / call.key[:2] / call.key
    for name in ("deep/text", "length"):
        whole = place_of(s3).read(remote / name)
        for content in (bytes([whole[0] ^ 1]) + whole[1:], whole[:-1], b""):
            forget_here()
            place_of(s3).write(remote / name, content)
            with pytest.raises(ArtifactError, match=f"is damaged: {name} "):
                open_store(s3).get(call)
            assert not list(cache_folder("artifacts").rglob(name))
        place_of(s3).remove(remote / name)
        with pytest.raises(ArtifactError, match=f"{name} is not in"):
            open_store(s3).get(call)
        place_of(s3).write(remote / name, whole)
    record = json.loads(place_of(s3).read(remote / MANIFEST))
    for hostile in (
        {**record, "files": {"../../escaped": 1}},
        {"function": "f", "files": {"../../escaped": 1}},
        {"files": []},
        [],
    ):
        forget_here()
        place_of(s3).write(remote / MANIFEST, json.dumps(hostile).encode())
        with pytest.raises(ArtifactError):
            open_store(s3).get(call)
    place_of(s3).write(remote / MANIFEST, json.dumps({"function": "f", "files": {"a\x01b": 1}}).encode())
    with pytest.raises(PlaceError, match="Could not parse path"):
        open_store(s3).get(call)
    assert not list(cache_folder("artifacts").parent.rglob("escaped"))


def test_a_value_without_its_manifest_is_none(s3):
    """An upload that was killed before its end: files are there, the manifest is not; the value is made again."""
    store, call = open_store(s3), poem(words="glazed with rain water")
    store.compute(call)
    place_of(s3).remove(s3 / call.key[:2] / call.key / MANIFEST)
    assert not store.has(call)
    assert (store.compute(call) / "length").read_text() == "22"
    assert store.has(call)


def test_what_could_not_be_stored_is_not_made_again(s3, tmp_path, monkeypatch):
    """The bucket does not answer while a value is stored: the next attempt stores it, and says nothing of damage."""
    store, call, said = open_store(s3), counted(log=str(tmp_path / "log")), []
    with monkeypatch.context() as patch:
        patch.setattr(store, "_send", lambda _call: (_ for _ in ()).throw(PlaceError(5, "does not answer", str(s3))))
        with pytest.raises(PlaceError):
            store.compute(call)
    assert not store.has(call)
    store.compute(call, said.append)
    assert store.has(call)
    assert said == []
    assert (tmp_path / "log").read_text() == "made\n"


def test_many_readers_of_one_value_fetch_it_once(s3, monkeypatch):
    call = poem(words="beside the white chickens")
    open_store(s3).compute(call)
    forget_here()
    fetched, fetch = [], RemoteStore._fetch
    monkeypatch.setattr(RemoteStore, "_fetch", lambda *given: fetched.append(1) or time.sleep(0.05) or fetch(*given))
    with ThreadPoolExecutor(8) as pool:
        places = list(pool.map(lambda _k: open_store(s3).get(call) / "length", range(8)))
    assert {place.read_text() for place in places} == {"25"}
    assert fetched == [1]


@pytest.mark.fault
def test_a_study_with_artifacts_in_a_bucket(tmp_path, s3, s3_server, monkeypatch):
    """Launched through a proxy that fails one call in twenty; each artifact is made once, and removed with its last run."""
    content = {
        "study": STUDY,
        "axes": {"weak": [1, 2], "strong": [5, 6]},
        "compute": {"executor": "inline", "backend": "numpy"},
    }
    content["fixed"] = {"log": str(tmp_path / "log"), "seconds": 0.0}
    path = tmp_path / "grid.yaml"
    path.write_text(yaml.safe_dump(content))
    local = launch(path, out=tmp_path / "run")
    (tmp_path / "log").unlink()
    with flaky(s3_server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        outcome = launch(path, out=s3 / "run", store=f"{s3}/store")
        assert (outcome.computed, outcome.artifacts) == (4, 6)
        forget_here()
        assert launch(path, out=s3 / "other", store=f"{s3}/store").artifacts == 0
        assert proxy.failed >= 3
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    assert bucket_table(s3 / "run").equals(table(local.run))
    assert bucket_table(s3 / "other").equals(table(local.run))
    lines = (tmp_path / "log").read_text().splitlines()
    assert (len(lines), len(set(lines))) == (6, 6)
    store = open_store(s3 / "store")
    assert {run: len(keys) for run, keys in store.in_use().items()} == {f"{s3}/run": 6, f"{s3}/other": 6}
    assert store.remove_unused()[0] == 0
    for run in ("run", "other"):
        place_of(s3).remove(s3 / run / "grid.yaml")
    assert store.remove_unused()[0] == len(set(lines))
    assert list(store.manifests()) == []
