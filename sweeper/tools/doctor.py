"""What this machine has for a sweep, what is missing, and how to get it."""

from __future__ import annotations

import codecs
import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sweeper.console import console
from sweeper.cpus import usable_cpus
from sweeper.executors.ray.environment import has_ray
from sweeper.executors.ray.surroundings import cluster_address, file_limit_problem, temporary_folder_problem
from sweeper.executors.registry import executor_names
from sweeper.folder.provenance import package_version
from sweeper.plan.rates import load_rates, save_rates
from sweeper.tools.blas_rate import LEAST_SHARE, BlasRate, measure_blas, slow_kernel
from sweeper.tools.calibrate import measure
from w2s.files.cache import has_kept_cache
from w2s.files.datafile import DataFileError, data_folders
from w2s.files.lock import lock_problem, locks_are_off

__all__ = ["Finding", "blas_finding", "calibrate", "examine", "print_doctor"]

_REQUIRED = ("numpy", "scipy", "numba", "pandas", "pyarrow", "pydantic", "typer", "matplotlib", "scikit-learn")
_EXTRAS = {
    "ray": "pip install 'ray[default]'  (clusters; without it launches use local processes)",
    "torch": "pip install 'w2s-sweep[llm]'  (finetunes)",
    "transformers": "pip install 'w2s-sweep[llm]'  (finetunes)",
    "rdkit": "pip install 'w2s-sweep[molecules]'  (molecule features)",
}


@dataclass(frozen=True)
class Finding:
    """One line of the report: ``ok`` is None for plain information."""

    topic: str
    text: str
    ok: bool | None = None
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Examine everything a launch depends on, without starting or writing anything."""
    yield Finding("python", f"{platform.python_version()} at {sys.executable}")
    yield Finding("w2s-sweep", package_version("w2s-sweep") or "not installed", ok=package_version("w2s-sweep") is not None)
    yield from _packages()
    yield from _threads()
    yield from _blas_speed()
    yield from _backends()
    yield from _ray()
    yield from _surroundings()
    yield _data()
    yield _rates()


def _packages() -> Iterator[Finding]:
    for name in _REQUIRED:
        found = package_version(name)
        yield Finding(name, found or "missing", ok=found is not None, remedy="" if found else "pip install w2s-sweep")
    for name, remedy in _EXTRAS.items():
        found = package_version(name)
        yield Finding(name, found or "not installed (optional)", remedy="" if found else remedy)


def _threads() -> Iterator[Finding]:
    from threadpoolctl import threadpool_info

    import w2s_kernels  # noqa: F401  loads NumPy and with it its BLAS

    yield Finding("cpus", f"{usable_cpus()} usable of {os.cpu_count()} (affinity and control group)")
    for library in threadpool_info():
        text = f"{library['internal_api']} {library['version']}, {library['num_threads']} threads now, 1 inside a block"
        yield Finding("blas" if library["user_api"] == "blas" else library["user_api"], text)


def _blas_speed() -> Iterator[Finding]:
    """Measure the BLAS against the core; nothing is set, since another kernel means other last digits."""
    try:
        yield blas_finding(measure_blas())
    except ImportError as error:
        yield Finding("blas speed", f"not measured: {error}")


def blas_finding(found: BlasRate, flags: frozenset[str] | None = None) -> Finding:
    """Say how fast the BLAS is, and the variable that gives it the right kernels where it has taken slow ones."""
    rates = f"dgemm {found.dgemm / 1e9:,.0f} of {found.peak / 1e9:,.0f} GFLOP/s that this core does ({found.share:.0%})"
    if core := slow_kernel(found, flags):
        text = f"{rates}: it does not know this processor and took its kernels for {found.core}"
        remedy = f"export OPENBLAS_CORETYPE={core}  (before a first launch: last digits of rows depend on it)"
        return Finding("blas speed", text, ok=False, remedy=remedy)
    slow = "" if found.share >= LEAST_SHARE else "; no faster kernels are known for it, or the machine is busy"
    return Finding("blas speed", f"{rates}, kernels for {found.core or 'an unnamed core'}{slow}")


def _backends() -> Iterator[Finding]:
    from w2s_kernels import BackendError, choose

    for name in ("numpy", "numba", "cupy"):
        try:
            yield Finding(f"backend {name}", choose(name).reason, ok=True)
        except BackendError as error:
            yield Finding(f"backend {name}", str(error), ok=None if name == "cupy" else False)
    automatic = choose("auto")
    yield Finding("backend auto", f"{automatic.name}: {automatic.reason}")


def _ray() -> Iterator[Finding]:
    yield Finding("executors", ", ".join(executor_names()))
    if not has_ray():
        yield Finding("ray", "not installed; launches use local processes", remedy="pip install 'ray[default]'")
        return
    mode = os.environ.get("RAY_AUTH_MODE")
    token = f"as RAY_AUTH_MODE={mode} says" if mode else "by a random token, in memory alone"
    yield Finding("ray cluster", f"launch starts one for itself, on 127.0.0.1, guarded {token}")
    if address := cluster_address(None):
        yield Finding("RAY_ADDRESS", f"{address}: launch joins this cluster; --address local starts one here")
    if problem := temporary_folder_problem():
        yield Finding("TMPDIR", problem, ok=False, remedy="export RAY_TMPDIR=/path/to/a/short/folder")
    if problem := file_limit_problem():
        yield Finding("open files", problem, ok=False)
    if importlib.util.find_spec("aiohttp") is None:
        yield Finding("ray dashboard", "missing", ok=False, remedy="pip install 'ray[default]'")


def _surroundings() -> Iterator[Finding]:
    """Look at what a system may lack: file locks in the working folder, letters, a home folder."""
    if problem := lock_problem(Path()):
        off = locks_are_off()
        yield Finding("locks", f"{Path.cwd()}: {problem}", ok=None if off else False, remedy="" if off else "W2S_LOCKS=none")
    if codecs.lookup(sys.getfilesystemencoding()).name != "utf-8":
        encoding = f"{sys.getfilesystemencoding()}: names of files and groups with other letters cannot be read or written"
        yield Finding("locale", encoding, ok=False, remedy="export PYTHONUTF8=1")
    if not has_kept_cache():
        text = "none for this user: rates and features are kept for one process"
        yield Finding("home folder", text, remedy="export XDG_CACHE_HOME=/path/to/a/folder")


def _data() -> Finding:
    try:
        folders = data_folders()
    except DataFileError as error:
        return Finding("W2S_DATA", str(error), ok=False, remedy="export W2S_DATA=/path/to/data")
    if not folders:
        return Finding("W2S_DATA", "not set (only built-in data)", remedy="export W2S_DATA=/path/to/data")
    missing = [str(folder) for folder in folders if not folder.is_dir()]
    return Finding(
        "W2S_DATA", ", ".join(map(str, folders)), ok=not missing, remedy=f"no such folder: {missing}" if missing else ""
    )


def _rates() -> Finding:
    rates, remark = load_rates()
    if not rates.date:
        return Finding("rates", remark.partition(";")[0] if ";" in remark else "none", remedy="w2s-sweep doctor --calibrate")
    return Finding("rates", f"{remark}, {rates.backend} kernels")


def calibrate(*, quiet: bool = False) -> None:
    """Measure how fast this machine is at each kind of work, print and save it; ``plan`` and ``status`` predict from it."""
    say = _silent if quiet else console().print
    say("GFLOP/s on one thread at orders d; takes a few seconds")
    rates = measure(say)
    say(f"written to {save_rates(rates)}")


def _silent(*_texts: object) -> None:
    """Say nothing."""


def print_doctor() -> None:
    """Print every finding, those that need attention marked with ``!``."""
    out = console()
    troubles = 0
    for finding in examine():
        mark = "!" if finding.ok is False else " "
        troubles += finding.ok is False
        remedy = f"   -> {finding.remedy}" if finding.remedy else ""
        out.print(f"{mark} {finding.topic:<14} {finding.text}{remedy}")
    out.print("all is well" if not troubles else f"{troubles} to fix, marked with !")
