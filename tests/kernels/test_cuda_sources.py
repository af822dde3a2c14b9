"""Every CUDA source of the package: compiled by NVRTC for two generations of devices, and held to what its numbers promise."""

from __future__ import annotations

import re

import pytest
from cuda_build import KERNEL, ROOM, Nvrtc

from w2s_kernels import arccos_cupy, responses_cupy, small_cupy, streams_cupy
from w2s_kernels.cuda_source import blocks, source

OPTIONS = {
    "streams.cu": [streams_cupy.OPTIONS],
    "arccos.cu": [arccos_cupy.OPTIONS],
    "responses.cu": [responses_cupy.OPTIONS],
    "small.cu": [small_cupy.compile_options(d) for d in (1, 8, 13, 32, 64)],
}
KERNELS = {
    "streams.cu": streams_cupy.KERNELS,
    "arccos.cu": arccos_cupy.KERNELS,
    "responses.cu": responses_cupy.KERNELS,
    "small.cu": (small_cupy.KERNEL,),
}
CASES = [(file, options) for file, variants in OPTIONS.items() for options in variants]
SHARED_LIMIT = 48 * 1024  # what every device grants a block
CONTRACTED = re.compile(r"\bfma\.rn\.f64|\b(?:mul|add|sub)\.f64")  # without .rn a later pass may join product and sum


def test_every_source_of_the_package_is_listed() -> None:
    found = {path.name for path in ROOM.glob("*.cu")}
    assert found == set(OPTIONS) == set(KERNELS)
    for file in found:
        assert {name for name, _ in KERNEL.findall(source(file))} == set(KERNELS[file])


@pytest.mark.parametrize("architecture", ["sm_80", "sm_90"])
@pytest.mark.parametrize(("file", "options"), CASES)
def test_source_compiles_for_devices(file: str, options: tuple[str, ...], architecture: str, nvrtc: Nvrtc) -> None:
    done, log, _ = nvrtc.compile(source(file), [*options, f"-arch={architecture}", "--ptxas-options=-v"])
    assert done, log
    assert all(name in log for name in KERNELS[file])
    assert set(re.findall(r"(\d+) bytes spill stores", log)) == {"0"}
    assert set(re.findall(r"(\d+) bytes stack frame", log)) == {"0"}  # arrays of a thread live in registers
    assert all(int(size) <= SHARED_LIMIT for size in re.findall(r"(\d+) bytes smem", log))


@pytest.mark.parametrize("kernel", streams_cupy.KERNELS)
def test_streams_round_after_every_operation(kernel: str, nvrtc: Nvrtc) -> None:
    """The bits of the CPU need products and sums that are rounded one by one: none is joined in the virtual machine code."""
    done, log, ptx = nvrtc.compile(source("streams.cu"), [*streams_cupy.OPTIONS, "-arch=compute_80"])
    assert done, log
    body = ptx[ptx.index(f".entry {kernel}(") :].partition("\n}")[0]
    assert not CONTRACTED.findall(body)
    assert ("mul.rn.f64" in body) == (kernel == "normals")


def test_without_the_option_products_and_sums_would_be_joined(nvrtc: Nvrtc) -> None:
    """The check above can fail."""
    options = [option for option in streams_cupy.OPTIONS if option != "-fmad=false"]
    _, _, ptx = nvrtc.compile(source("streams.cu"), [*options, "-arch=compute_80"])
    assert CONTRACTED.findall(ptx)


def test_a_grid_covers_its_work() -> None:
    assert [blocks(n, 128) for n in (1, 127, 128, 129)] == [1, 1, 1, 2]
    with pytest.raises(ValueError, match="4294967296 pieces of work"):
        blocks(2**32, 1)
