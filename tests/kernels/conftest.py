"""Fixtures of the kernel tests: every backend from one list; one that cannot run here skips and says why."""

from __future__ import annotations

import pytest
from cuda_build import Nvrtc, Shim
from problems import BACKENDS

from w2s_kernels import Backend, BackendError, choose, cuda


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that runs on this machine, the reference included."""
    try:
        return choose(request.param)
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def numba() -> Backend:
    """Compiled code for the processor; skips where Numba is missing."""
    try:
        return choose("numba")
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture
def device() -> Backend:
    """The CUDA backend; skips where none answers."""
    try:
        return choose("cupy")
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def nvrtc() -> Nvrtc:
    """NVIDIA's run-time compiler."""
    return Nvrtc()


@pytest.fixture(scope="session")
def _shim(tmp_path_factory: pytest.TempPathFactory) -> Shim:
    return Shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def shim(_shim: Shim, monkeypatch: pytest.MonkeyPatch) -> Shim:
    """CUDA kernels run on the CPU; use the backend `cuda_build.STAND_IN`."""
    monkeypatch.setattr(cuda, "compiled", _shim.kernel)
    _shim.launches = 0
    return _shim
