"""Fixtures of the kernel tests: every backend from one list; one that cannot run here skips and says why."""

from __future__ import annotations

import pytest
from problems import BACKENDS

from w2s_kernels import Backend, BackendError, choose


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest) -> Backend:
    """Each backend that runs on this machine, the reference included."""
    try:
        return choose(request.param)
    except BackendError as error:
        pytest.skip(str(error))
