"""A lease in a bucket: one holder at a time, whatever dies, stops or answers late."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest
from buckets import flaky

from w2s.files.lock import LockError
from w2s.places import lease as room
from w2s.places.bucket import PlaceError
from w2s.places.known import place_of

HOLD = """
import sys, time
from w2s.places.known import place_of
from w2s.places.url import where_of
where = where_of(sys.argv[1])
with place_of(where).lock(where):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def short(monkeypatch):
    monkeypatch.setenv("W2S_LEASE_SECONDS", "1")


def killed_holder(name):
    """Take the lock in another process, and kill it."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(name)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    assert place_of(name).is_locked(name)
    process.kill()
    process.communicate()


@pytest.mark.fault
def test_a_holder_killed_on_this_machine_is_not_waited_for(s3):
    killed_holder(s3 / ".lock")
    with place_of(s3).lock(s3 / ".lock", lambda: pytest.fail("waited")):
        pass


@pytest.mark.fault
def test_a_holder_killed_elsewhere_is_waited_for_as_long_as_its_lease(s3, monkeypatch):
    killed_holder(s3 / ".lock")
    monkeypatch.setattr(room, "_machine", lambda: "another machine")
    waited = []
    with place_of(s3).lock(s3 / ".lock", lambda: waited.append(1)):
        assert waited == [1]
        assert place_of(s3).is_locked(s3 / ".lock")
    assert not place_of(s3).is_locked(s3 / ".lock")


def test_a_lease_that_is_renewed_is_never_taken(s3, monkeypatch):
    """The other one waits longer than a lease holds, and gets it when it is given back."""
    name, order, waits = s3 / ".lock", [], threading.Event()

    def other():
        with place_of(s3).lock(name, waits.set):
            order.append("other")

    thread = threading.Thread(target=other)
    with place_of(s3).lock(name):
        thread.start()
        assert waits.wait(30)
        thread.join(timeout=2.5)
        assert thread.is_alive()
        order.append("first")
    thread.join(timeout=30)
    assert order == ["first", "other"]


def test_a_lost_lease_forbids_every_write_below_it(s3):
    """Somebody else stands in the object: what is written there now is not this process's any more."""
    place = place_of(s3)

    def hold():
        with place.lock(s3 / "run" / ".lock"):
            place.write(s3 / "run" / "a", b"1")
            content = json.dumps({"holder": {"word": "theirs", "machine": "elsewhere"}, "until": 0}).encode()
            place._store.put((s3 / "run" / ".lock").key, content)
            held = room._HELD[s3 / "run" / ".lock"]
            held.renew()
            for write in (
                lambda: place.write(s3 / "run" / "a", b"2"),
                lambda: place.remove(s3 / "run" / "a"),
                lambda: place.move(s3 / "run" / "a", s3 / "run" / "b"),
                lambda: place.append(s3 / "run" / "events.jsonl", "late"),
            ):
                with pytest.raises(PlaceError, match="another launch has taken over"):
                    write()
            place.write(s3 / "elsewhere", b"3")
            done.append(True)

    done: list[bool] = []
    thread = threading.Thread(target=hold)  # in the main thread, it would be interrupted
    thread.start()
    thread.join(timeout=60)
    assert done == [True]
    assert place.read(s3 / "run" / "a") == b"1"
    assert place.lines(s3 / "run" / "events.jsonl") == []
    assert json.loads(place.read(s3 / "run" / ".lock"))["holder"]["word"] == "theirs", "not given back by the one that lost it"


@pytest.mark.fault
def test_a_lease_whose_answers_get_lost_is_still_held(s3, s3_server, monkeypatch):
    """The store has written and the client does not know: it tries again, is refused by its own lease, and finds its name there."""
    with flaky(s3_server, every=2) as proxy:
        monkeypatch.setattr(proxy, "faults", ("answer lost",))
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        place = place_of(s3)
        with place.lock(s3 / ".lock", lambda: pytest.fail("waited for itself")):
            held = room._HELD[s3 / ".lock"]
            for _ in range(4):
                held.renew()
            assert not held.lost
        assert proxy.failed >= 4
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    assert not place_of(s3).is_locked(s3 / ".lock")


@pytest.mark.parametrize("seconds", ["soon", "0", "nan", "1e9"])
def test_an_odd_time_of_a_lease_is_told(s3, monkeypatch, seconds):
    monkeypatch.setenv("W2S_LEASE_SECONDS", seconds)
    with pytest.raises(PlaceError, match="is no number of seconds from 1 to 3600"), place_of(s3).lock(s3 / ".lock"):
        pytest.fail("it was locked")


def test_a_store_that_ignores_conditions_is_refused(s3, s3_server, monkeypatch):
    with flaky(s3_server) as proxy:
        monkeypatch.setattr(proxy, "every", 10**9)
        monkeypatch.setattr(proxy, "dropped", ("if-match", "if-none-match"))
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        with pytest.raises(LockError) as caught, place_of(s3).lock(s3 / ".lock"):
            pytest.fail("it was locked")
        assert "ignores conditions" in caught.value.strerror
        monkeypatch.setenv("W2S_LOCKS", "none")
        with place_of(s3).lock(s3 / ".lock"):
            place_of(s3).write(s3 / "a", b"1")


@pytest.mark.parametrize(
    ("lock", "name", "covered"),
    [
        ("a/run/.lock", "a/run/results/part-1.parquet", True),
        ("a/run/.lock", "a/running/results/part-1.parquet", False),
        ("a/store/leases/abcd", "a/store/ab/abcd/artifact.json", True),
        ("a/store/leases/abcd", "a/store/ab/abce/artifact.json", False),
        ("a/store/leases/runs", "a/store/runs/1.json", True),
        ("a/store/leases/runs", "a/store/ab/abcd/artifact.json", False),
        ("leases/abcd", "ab/abcd/artifact.json", True),
        (".lock", "results/part-1.parquet", True),
    ],
)
def test_a_lease_is_over_what_it_guards(lock, name, covered):
    assert room._covers(lock, name) is covered


def test_a_lost_lease_of_a_value_forbids_its_files(s3):
    place = place_of(s3)
    name = s3 / "store" / "ab" / "abcd" / "artifact.json"
    with place.lock(s3 / "store" / "leases" / "abcd"):
        place.write(name, b"{}")
        held = room._HELD[s3 / "store" / "leases" / "abcd"]
        held.lost = True
        place.write(s3 / "store" / "ab" / "other" / "artifact.json", b"{}")
        with pytest.raises(PlaceError, match="another launch has taken over"):
            place.write(name, b"[]")
        held.lost = False
    assert place.read(name) == b"{}"
