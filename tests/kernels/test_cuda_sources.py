"""Every CUDA source of the package: compiled by NVRTC for two generations of devices, and held to what its numbers promise."""

from __future__ import annotations

import re

import pytest
from cuda_build import KERNEL, ROOM, Nvrtc

from w2s_kernels.arccos import cupy as arccos_cupy
from w2s_kernels.cuda import blocks, source
from w2s_kernels.patch_cnn import cupy as patch_cnn_cupy
from w2s_kernels.spectral import cupy as spectral_cupy
from w2s_kernels.streams import cupy as streams_cupy

SOURCES = {"streams": streams_cupy, "arccos": arccos_cupy, "spectral": spectral_cupy, "patch_cnn": patch_cnn_cupy}
SHARED_LIMIT = 48 * 1024  # what every device grants a block
CONTRACTED = re.compile(r"\bfma\.rn\.f64|\b(?:mul|add|sub)\.f64")  # without .rn a later pass may join product and sum


def test_every_source_of_the_package_is_listed() -> None:
    found = {path.parent.name for path in ROOM.rglob("*.cu")}
    assert found == set(SOURCES)
    for folder in found:
        assert {name for name, _ in KERNEL.findall(source(folder))} == set(SOURCES[folder].KERNELS)


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize("folder", SOURCES)
def test_source_compiles_for_devices(folder: str, architecture: str, nvrtc: Nvrtc) -> None:
    options = [*SOURCES[folder].OPTIONS, f"-arch={architecture}", "--ptxas-options=-v"]
    done, log, _ = nvrtc.compile(source(folder), options)
    assert done, log
    assert all(name in log for name in SOURCES[folder].KERNELS)
    assert set(re.findall(r"(\d+) bytes spill stores", log)) == {"0"}
    assert set(re.findall(r"(\d+) bytes stack frame", log)) == {"0"}  # arrays of a thread live in registers
    assert all(int(size) <= SHARED_LIMIT for size in re.findall(r"(\d+) bytes smem", log))


@pytest.mark.parametrize("kernel", streams_cupy.KERNELS)
def test_streams_round_after_every_operation(kernel: str, nvrtc: Nvrtc) -> None:
    """The bits of the CPU need products and sums that are rounded one by one: none is joined in the virtual machine code."""
    done, log, ptx = nvrtc.compile(source("streams"), [*streams_cupy.OPTIONS, "-arch=compute_80"])
    assert done, log
    body = ptx[ptx.index(f".entry {kernel}(") :].partition("\n}")[0]
    assert not CONTRACTED.findall(body)
    assert ("mul.rn.f64" in body) == (kernel == "normals")


def test_without_the_option_products_and_sums_would_be_joined(nvrtc: Nvrtc) -> None:
    """The check above can fail."""
    options = [option for option in streams_cupy.OPTIONS if option != "-fmad=false"]
    _, _, ptx = nvrtc.compile(source("streams"), [*options, "-arch=compute_80"])
    assert CONTRACTED.findall(ptx)


def test_a_grid_covers_its_work() -> None:
    assert [blocks(n, 128) for n in (1, 127, 128, 129)] == [1, 1, 1, 2]
    with pytest.raises(ValueError, match="4294967296 pieces of work"):
        blocks(2**32, 1)
