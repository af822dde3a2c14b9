"""Every operation has a plain version and a parity case, and every version that can run here agrees with the plain one."""

from __future__ import annotations

import importlib
from pathlib import Path

import device as stand_in
import numpy as np
import pytest
from cuda_build import Shim
from device import DEVICE
from parity import CASES

import w2s_kernels
from w2s_kernels import NUMPY, Backend, BackendError, choose
from w2s_kernels.dispatch import REGISTRY, Operation, operation

ROOM = Path(w2s_kernels.__file__).parent
KERNELS = sorted(path.parent.name for path in ROOM.glob("*/plain.py"))
COMPILED = ("numba", "cupy", "kept")
for kernel in KERNELS:
    importlib.import_module(f"w2s_kernels.{kernel}")  # registers its operations


def test_every_kernel_has_one_shape() -> None:
    """A folder is a kernel, with a plain version and the registered compiled ones, or the room of shared vector helpers."""
    folders = {path.name for path in ROOM.iterdir() if path.is_dir() and path.name != "__pycache__"}
    assert folders - {"simd"} == set(KERNELS) == {operation.kernel for operation in REGISTRY.values()}
    for kernel in KERNELS:
        registered = {name for operation in REGISTRY.values() if operation.kernel == kernel for name in operation.compiled}
        assert {name for name in COMPILED if (ROOM / kernel / f"{name}.py").exists()} == registered, kernel


def test_every_operation_has_a_case_and_every_case_an_operation() -> None:
    assert set(CASES) == set(REGISTRY)


@pytest.mark.parametrize("key", sorted(REGISTRY))
def test_versions_have_the_arguments_of_the_plain_one(key: str) -> None:
    import inspect

    found = REGISTRY[key]
    assert set(found.compiled) <= set(COMPILED)
    plain = list(inspect.signature(found.plain).parameters)
    assert found.plain.__doc__
    for name in found.compiled:
        version = importlib.import_module(f"w2s_kernels.{found.kernel}.{name}")
        asked = inspect.signature(getattr(getattr(version, found.name), "py_func", getattr(version, found.name))).parameters
        needed = [argument for argument, parameter in asked.items() if parameter.default is parameter.empty]
        assert len(needed) == len(plain), name


def asked_of(key: str, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> dict[str, np.ndarray]:
    """Arrays of a case; the case must ask for its operation."""
    asked, look_up = set(), Operation.on

    def on(self: Operation, chosen: Backend) -> object:
        asked.add((self.key, chosen.name))
        return look_up(self, chosen)

    with monkeypatch.context() as patch:
        patch.setattr(Operation, "on", on)
        found = {name: backend.to_numpy(array) for name, array in CASES[key].compute(backend).items()}
    assert any(name == key for name, _ in asked)
    return found


def agree(key: str, backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    got, want = (asked_of(key, chosen, monkeypatch) for chosen in (backend, NUMPY))
    assert set(got) == set(want)
    for name, values in want.items():
        if not CASES[key].rtol or values.dtype.kind != "f":
            np.testing.assert_array_equal(got[name], values, err_msg=name)
            continue
        finite = np.isfinite(values)
        np.testing.assert_array_equal(got[name][~finite], values[~finite], err_msg=name)
        scale = float(np.max(np.abs(values[finite]), initial=0.0))
        np.testing.assert_allclose(got[name][finite], values[finite], rtol=0, atol=CASES[key].rtol * scale, err_msg=name)


@pytest.mark.parametrize("key", sorted(REGISTRY))
def test_numba_agrees_with_the_plain_version(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    try:
        agree(key, choose("numba"), monkeypatch)
    except BackendError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("key", sorted(REGISTRY))
def test_code_for_cupy_agrees_on_a_device_made_of_numpy(key: str, shim: Shim, monkeypatch: pytest.MonkeyPatch) -> None:
    """CUDA kernels run on the CPU, everything else in arrays that refuse to be NumPy's."""
    stand_in.install(shim, monkeypatch)
    agree(key, DEVICE, monkeypatch)


@pytest.mark.gpu
@pytest.mark.parametrize("key", sorted(REGISTRY))
def test_a_device_agrees_with_the_plain_version(key: str, device: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    agree(key, device, monkeypatch)


def test_a_backend_without_a_version_runs_the_plain_one() -> None:
    found = REGISTRY["nested.forms"]
    assert found.on(choose("numba")) is found.on(NUMPY) is found.plain
    draws = REGISTRY["streams.draws"]
    assert draws.on(choose("numba")) is not draws.plain


def test_a_key_is_taken_once() -> None:
    with pytest.raises(ValueError, match=r"'streams.draws' is registered twice"):
        operation("streams", "draws")
