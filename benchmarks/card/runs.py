"""What a user runs on the card: the reference grid, a probe grid, and one LoRA finetune with its share of the card's peak."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from _device import ROOT, Device, emit, main

from sweeper import load_grid
from w2s.artifacts import Store
from w2s_kernels import Backend, choose

ERRORS = ("weak_error", "student_error", "ceiling_error", "strong_error", "gain", "misfit")
PROBE: dict[str, Any] = {
    "study": "probe.table",
    "fixed": {
        "data": "digits",
        "task": "classification",
        "d_strong": 60,
        "d_weak": 20,
        "n_transfer": 600,
        "n_test": 400,
        "n_validation": 100,
    },
    "axes": {"n_labeled": [60, 120, 240], "labels": ["soft", "hard"], "student_filter": ["ridge", "flow"]},
    "seeds": 16,
}
PROBE["axes"] |= {"ridge": [1e-4, 1e-2, 1.0], "time": [10, 1000]}


def machine(device: Device) -> None:
    """Name the card, its driver and the versions of what computes."""
    import numba
    import scipy

    emit("machine", python=platform.python_version(), numpy=np.__version__, scipy=scipy.__version__, numba=numba.__version__)
    if device.stand_in:
        emit("card", missing="a rehearsal: a device made of NumPy")
    else:
        import cupy

        runtime, (free, total) = cupy.cuda.runtime, cupy.cuda.Device().mem_info
        name = runtime.getDeviceProperties(0)["name"].decode()
        numbers = {"driver": runtime.driverGetVersion(), "runtime": runtime.runtimeGetVersion(), "cupy": cupy.__version__}
        emit("card", name=name, memory_gib=round(total / 2**30, 1), free_gib=round(free / 2**30, 1), **numbers)
    try:
        import torch

        emit("torch", version=torch.__version__, cuda=str(torch.version.cuda), sees_card=torch.cuda.is_available())
    except ImportError as error:
        emit("torch", missing=str(error))
    if (tool := shutil.which("nvidia-smi")) is not None:
        asked = "name,driver_version,clocks.max.sm,power.limit,ecc.mode.current"
        done = subprocess.run(
            [tool, f"--query-gpu={asked}", "--format=csv,noheader"], capture_output=True, text=True, timeout=15
        )
        emit("nvidia-smi", says=(done.stdout or done.stderr).strip()[:300])


def reference(device: Device) -> None:
    """The reference grid of `benchmarks/reference.yaml`, solved block by block, against compiled code on one core."""
    written = yaml.safe_load((ROOT / "benchmarks" / "reference.yaml").read_text())
    if device.stand_in:
        written = {"study": "dong2025.regression", "seeds": 2, "axes": {"n_labeled": [30, 60], "ridge": [0.01, 0.1]}}
        written["fixed"] = {"d_weak": 5, "d_strong": 6, "d_overlap": 2, "n_transfer": 60, "noise": 0.5}
    _grid("reference grid", written, device)


def probe(device: Device) -> None:
    """A grid of linear probes on scikit-learn's digits."""
    _grid("probe grid", PROBE | ({"seeds": 2} if device.stand_in else {}), device)


def _grid(what: str, written: dict[str, Any], device: Device) -> None:
    """Solve a grid on the card and on one core; report cells a second, and the largest difference beside the contract's."""
    from sweeper.plan.cut import make_plan

    plan = make_plan(load_grid({**written, "compute": {}}))
    blocks, study = list(plan.blocks()), plan.grid.study
    cells = sum(block.wanted for block in blocks)
    peer = choose("numba")
    found, spent = {}, {}
    for backend in (device.backend, peer):
        _solve(study, blocks[:1], backend)  # compiles
        device.wait()
        start = time.perf_counter()
        found[backend.name] = _solve(study, blocks, backend)
        device.wait()
        spent[backend.name] = time.perf_counter() - start
    ours, theirs = spent["cupy"], spent[peer.name]
    emit(f"{what}, {cells:,} cells", side="w2s_kernels, cupy", ms=1e3 * ours, rate=cells / ours, unit="cells/s")
    numbers = {"ms": 1e3 * theirs, "rate": cells / theirs, "unit": "cells/s", "ratio": theirs / ours}
    emit(f"{what}, {cells:,} cells", side="w2s_kernels, numba on one core", **numbers)
    worst, bar = 0.0, 1.0
    for one, other in zip(found["cupy"], found[peer.name], strict=True):
        worst = max(worst, _beyond(one, other))
    emit(f"{what}, rows", difference=worst, tolerance=bar, good=worst <= bar)


def _solve(study: Any, blocks: list[Any], backend: Backend) -> list[dict[str, Any]]:
    return [dict(study().solve(block.copy(), backend)) for block in blocks]


def _beyond(one: dict[str, Any], other: dict[str, Any]) -> float:
    """Largest difference of errors over what the contract allows: max(1e-9, 50 eps condition) of the larger error."""
    condition = np.nan_to_num(np.asarray(other.get("condition", 1.0), dtype=float), nan=1.0)
    scale = np.maximum(np.abs(other["weak_error"]), np.abs(other["student_error"]))
    allowed = np.maximum(1e-9, 50 * np.finfo(float).eps * condition) * scale
    worst = 0.0
    for name in ERRORS:
        if name in one and np.asarray(one[name]).dtype.kind == "f":
            ratio = np.abs(np.asarray(one[name]) - np.asarray(other[name])) / np.where(allowed > 0, allowed, 1.0)
            worst = max(worst, float(np.nanmax(ratio, initial=0.0)))
    return worst


def lora(device: Device) -> None:
    """One LoRA finetune of a decoder with random weights: tokens a second, and model FLOP/s over the card's peak.

    MFU = 4 x weights x tokens / seconds / peak: 2 forward, 2 back to the activations; frozen weights have no gradient.
    """
    from w2s.studies.burns2023.text.graph import cell_graph

    name = "made:decoder-2x32" if device.stand_in else "made:decoder-16x1024"
    items, length = device.size(4000, 40), device.size(240, 12)
    rng = np.random.default_rng(0)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz "))
    with tempfile.TemporaryDirectory(prefix="w2s-card-") as place:
        texts = ["".join(letters[rng.integers(0, len(letters), length)]) for _ in range(2 * items + 80)]
        kinds = ["late" if text < "n" else "early" for text in texts]
        rows = [f"{text},{kind}" for text, kind in zip(texts, kinds, strict=True)]
        (Path(place) / "task.csv").write_text("\n".join(["text,kind", *rows]) + "\n")
        fixed = {"task": str(Path(place) / "task.csv"), "text_column": "text", "label_column": "kind", "tuning": "lora"}
        fixed |= {"weak_model": name, "student_model": name, "method": "naive", "n_labeled": items, "n_transfer": items}
        fixed |= {"n_test": 40, "n_validation": 0, "batch": device.size(64, 8), "max_length": 256, "epochs": 1, "lora_rank": 8}
        grid = load_grid({"study": "burns2023.text", "fixed": fixed, "seeds": 1})
        (cell,) = grid.parts[0].block.cells()
        call = cell_graph(cell, 2).trainings["ceiling"]
        said = json.loads((Store(Path(place) / "store").ensure(call) / "training.json").read_text())
    shown = ("device", "weights", "trained_weights", "tokens", "seconds", "tokens_per_second", "peak_bytes", "micro_batch")
    numbers = {key: said[key] for key in shown}
    emit(f"LoRA finetune of {name}", mfu=said["mfu"], **numbers, **({} if said["mfu"] else {"missing": "no peak is known"}))


if __name__ == "__main__":
    main(__doc__, {"machine": machine, "reference": reference, "probe": probe, "lora": lora})
