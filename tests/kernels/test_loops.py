"""Kept machine code of compiled loops: Numba's bits without Numba, taken only where it is whole and this user's own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from parity import CASES

from w2s_kernels import Backend, BackendError, choose, loops, normals, stream, wishart
from w2s_kernels.dispatch import REGISTRY
from w2s_kernels.loop_files import KERNELS, Place, can_keep, place, read, written

KEPT = sorted(key for key, found in REGISTRY.items() if "kept" in found.compiled)
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="machine code is kept on Linux only")


@pytest.fixture(scope="module")
def where(numba: Backend) -> Place:
    assert loops.loaded() is not None
    found = place()
    assert found is not None
    return found


@pytest.mark.parametrize("key", KEPT)
@pytest.mark.usefixtures("where")
def test_kept_code_has_the_bits_of_numba(key: str, numba: Backend) -> None:
    kept = choose("numba", start=False)
    assert kept.kept
    assert kept.compiled
    assert REGISTRY[key].on(kept).__module__ == f"w2s_kernels.{REGISTRY[key].kernel}.kept"
    assert REGISTRY[key].on(numba).__module__ == f"w2s_kernels.{REGISTRY[key].kernel}.numba"
    want = CASES[key].compute(numba)
    for name, values in CASES[key].compute(kept).items():
        np.testing.assert_array_equal(values, want[name], err_msg=name)


def test_numba_starts_only_where_nothing_is_kept(tmp_path: Path) -> None:
    code = (
        "import sys, numpy as np, w2s_kernels as k\n"
        "b = k.choose('numba', start=False)\n"
        "s = k.factor_gram(np.diag(np.arange(1.0, 71.0))[None] + 0.5, b)\n"
        "print('numba' in sys.modules, s.values.tobytes().hex(), k.normals(k.stream('a', seed=0), 3, 5, b).tobytes().hex())"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA")}
    found = []
    for told in ({}, {}, {"NUMBA_OPT": "3"}):
        process = [sys.executable, "-c", code]
        settings = environment | {"XDG_CACHE_HOME": str(tmp_path)} | told
        found.append(
            subprocess.run(process, env=settings, capture_output=True, text=True, check=True, timeout=300).stdout.split()
        )
    (file,) = (tmp_path / "w2s-sweep" / "loops").iterdir()
    assert file.suffix == ".code"
    assert file.stat().st_mode & 0o077 == 0
    assert [started for started, *_ in found] == ["True", "False", "True"]
    assert found[0][1:] == found[1][1:] == found[2][1:]


def test_code_that_is_damaged_or_not_ours_alone_is_not_read(where: Place, tmp_path: Path) -> None:
    kept = read(where)
    assert kept is not None
    mine = Place(tmp_path / "loops" / "a.code", where.key)
    assert read(mine) is None
    assert can_keep(mine)
    assert written(mine, *kept) == kept == read(mine)
    whole = mine.file.read_bytes()
    for damaged in (
        whole[:-1],
        whole[:-1] + bytes([whole[-1] ^ 1]),
        whole.replace(b"streams.filled", b"streams.fallen"),
        b"",
        b"{}\n",
    ):
        mine.file.write_bytes(damaged)
        assert read(mine) is None
    mine.file.write_bytes(whole)
    assert read(Place(mine.file, "0" * 64)) is None
    for there, mode in ((mine.file, 0o620), (mine.file.parent, 0o777)):
        before = there.stat().st_mode
        there.chmod(mode)
        assert read(mine) is None
        there.chmod(before)
    assert read(mine) == kept


@pytest.mark.parametrize("mode", [None, 0o770, 0o777])
@pytest.mark.usefixtures("numba")
def test_nothing_is_compiled_for_a_folder_that_cannot_keep_it(
    mode: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, asked = tmp_path / "w2s-sweep" / "loops", []
    if mode is None:
        folder.parent.write_text("a file where the folder would be")
    else:
        folder.mkdir(parents=True)
        folder.chmod(mode)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr("w2s_kernels.loop_code.made", asked.append)
    assert loops.loaded.__wrapped__() is None
    assert not asked


def test_where_nothing_can_be_kept_numba_is_called(numba: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    from w2s_kernels.streams import kept

    monkeypatch.setattr(loops, "loaded", lambda: None)
    monkeypatch.setattr(kept._FILLED, "_call", None)
    named = stream("kept", seed=3)
    got = normals(named, 7, 9, choose("numba", start=False))
    np.testing.assert_array_equal(got, normals(named, 7, 9, numba))
    monkeypatch.setenv("NUMBA_BOUNDSCHECK", "1")
    assert place() is None


@pytest.mark.parametrize(
    "wrong", [np.zeros((2, 2), np.float32), np.zeros(4), np.zeros((2, 4))[:, ::2], np.zeros((2, 2)).T[::-1]], ids=str
)
@pytest.mark.usefixtures("where")
def test_arrays_of_another_kind_are_refused(wrong: np.ndarray) -> None:
    from w2s_kernels.spectral import kept

    with pytest.raises(TypeError, match=r"spectral\.largest takes"):
        kept._LARGEST(np.zeros(1), wrong)


def test_a_loop_that_allocates_is_refused(numba: Backend) -> None:
    from w2s_kernels.loop_code import made
    from w2s_kernels.streams import numba as module

    with pytest.raises(ValueError, match=r"streams\.rows calls NRT_"):
        made({"streams.rows": (module, "_rows", ("uint64[:,::1]", "int64", "int64", "uint64[::1]", "int64"))})


def test_every_kernel_with_kept_code_is_named() -> None:
    assert {REGISTRY[key].kernel for key in KEPT} == set(KERNELS)


@pytest.mark.parametrize("start", [True, False], ids=["numba", "kept"])
@pytest.mark.usefixtures("where")
def test_drawn_grams_go_wherever_they_are_wanted(start: bool) -> None:
    chosen, named = choose("numba", start=start), stream("places", seed=1)
    want = wishart.gram(named, [4, 30, 50], 9, chosen)
    room = np.full((6, 11, 20), -7.0)
    flat = room.reshape(-1)
    for wanted in (room[::2, :9, :9], room[2::-1, :9, :9], room.T[:9, :9, :3].T, flat[: 6 * 81].reshape(6, 9, 9)[1::2]):
        assert wishart.gram(named, [4, 30, 50], 9, chosen, out=wanted) is wanted
        np.testing.assert_array_equal(wanted, want)
        wanted[...] = -7.0
        np.testing.assert_array_equal(room, -7.0, err_msg="written outside")


def test_without_kept_code_numba_is_started_or_missed(numba: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    assert loops.choose_kept("numba", small=True) == choose("numba", start=False, small=True)
    monkeypatch.setattr(loops, "loaded", lambda: None)
    assert loops.choose_kept("numba") == numba
    assert loops.choose_kept("numpy") == choose("numpy")
    assert not loops.choose_kept("numba", small=True).compiled
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(BackendError, match="numba is not installed"):
        loops.choose_kept("numba")
