from __future__ import annotations

import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import w2s_kernels
from w2s_kernels import BackendError, choose
from w2s_kernels.backend import require_finite

HEAVY = ("numba", "scipy", "cupy", "torch", "ray", "pandas")


def test_import_loads_numpy_alone() -> None:
    code = f"import sys, w2s_kernels; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_room_is_a_plain_folder() -> None:
    room = Path(w2s_kernels.__file__).parent
    assert room.parent.name == "kernels"
    assert not (room.parent / "__init__.py").exists()
    assert (room / "py.typed").exists()


def test_all_names_exist() -> None:
    assert all(hasattr(w2s_kernels, name) for name in w2s_kernels.__all__)


def test_unknown_backend_names_the_nearest() -> None:
    with pytest.raises(BackendError, match=r"'cuppy'.*auto, numpy, numba, cupy.*did you mean 'cupy'"):
        choose("cuppy")


def test_missing_library_comes_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    monkeypatch.setitem(sys.modules, "numba", None)
    with pytest.raises(BackendError, match=r"cupy.*w2s-sweep\[gpu\]"):
        choose("cupy")
    with pytest.raises(BackendError, match="pip install 'numba"):
        choose("numba")
    chosen = choose()
    assert chosen.name == "numpy"
    assert "cupy" in chosen.reason
    assert "numba" in chosen.reason


def test_auto_prefers_numba_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert choose().name == "numba"
    assert choose().reason.startswith("auto")


def test_backend_is_a_value() -> None:
    backend = choose("numpy")
    assert pickle.loads(pickle.dumps(backend)) == backend
    assert backend.xp is np
    assert backend.asarray([1, 2]).dtype == np.float64
    with pytest.raises(TypeError, match="real"):
        backend.asarray(np.array([1j]))


def test_require_finite_counts_and_locates() -> None:
    a = np.zeros((2, 3))
    a[1, 0] = np.nan
    a[1, 2] = np.inf
    with pytest.raises(ValueError, match=r"2 non-finite values of 6, the first at index \(1, 0\)"):
        require_finite(a, "X", np)
