"""SciPy's compiled modules alone: the routines of the public packages, which still import afterwards as ever."""

from __future__ import annotations

import subprocess
import sys

import pytest

from w2s_kernels import scipy_parts


def python(code: str) -> None:
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


def test_they_are_the_public_routines_and_packages_import_afterwards() -> None:
    python(
        "import sys\n"
        "from w2s_kernels.scipy_parts import blas, lapack, special\n"
        "parts = [(lapack(), 'dpotrf'), (blas(), 'dsyrk'), (special(), 'ndtri'), (special(), 'gammainc')]\n"
        "assert not {'scipy.linalg', 'scipy.special', 'numpy.f2py', 'numpy.testing'} & set(sys.modules)\n"
        "import scipy.linalg, scipy.optimize, scipy.special, scipy.stats\n"
        "public = [scipy.linalg.lapack, scipy.linalg.blas, scipy.special, scipy.special]\n"
        "assert all(getattr(part, name) is getattr(there, name) for (part, name), there in zip(parts, public))\n"
        "assert abs(scipy.linalg.det([[2.0, 0.0], [0.0, 3.0]]) - 6.0) < 1e-12\n"
        "assert abs(scipy.stats.norm.ppf(0.975) - 1.96) < 1e-3\n"
    )


def test_a_loaded_package_is_used_as_it_is() -> None:
    python(
        "import scipy.linalg.lapack, scipy.special\n"
        "from w2s_kernels.scipy_parts import lapack, special\n"
        "assert lapack() is scipy.linalg.lapack and special() is scipy.special\n"
    )


def test_another_layout_of_scipy_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "scipy.linalg")
    monkeypatch.setattr(scipy_parts, "_alone", lambda *_names: sys.modules["scipy"])
    assert scipy_parts._part("linalg", "_gone", "scipy.linalg.lapack", "dpotrf") is sys.modules["scipy.linalg.lapack"]
