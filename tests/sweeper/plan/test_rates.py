"""Rates: what a machine was measured at is read back, anything else is passed over with a line that says so."""

from __future__ import annotations

import json
import math
from typing import get_args

import pytest
from typer.testing import CliRunner

from sweeper.cli import app
from sweeper.errors import StoreError
from sweeper.plan import rates as room
from sweeper.plan.rates import BUILT_IN, Rates, Upkeep, load_rates, rates_path, save_rates
from sweeper.tools import calibrate
from sweeper.tools.calibrate import measure
from sweeper.tools.doctor import examine
from w2s import Piece
from w2s.contract.study import Kind
from w2s.sharing.nominal import NORMAL_FLOPS


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def measured(**changes):
    return BUILT_IN.model_copy(update={"date": "2026-01-31", "cpu": room.cpu_model(), "backend": "numba", **changes})


def piece(kind, flops, order):
    return Piece("work", kind, 1.0, flops, (), "", order)


def test_a_rate_is_interpolated_in_both_logarithms():
    rates = measured(flops=BUILT_IN.flops | {"eigh": {8: 1e8, 32: 1e9, 128: 4e9, 512: 2e9}})
    assert [rates.rate("eigh", d) for d in (8, 32, 128, 512)] == pytest.approx([1e8, 1e9, 4e9, 2e9])
    assert rates.rate("eigh", 64) == pytest.approx(2e9)
    assert rates.rate("eigh", 16) == pytest.approx(math.sqrt(1e8 * 1e9))
    assert rates.rate("eigh", 256) == pytest.approx(math.sqrt(8e18))
    assert [rates.rate("eigh", d) for d in (0.0, 1, 4000)] == pytest.approx([1e8, 1e8, 2e9])


def test_seconds_are_work_over_rate():
    rates = measured()
    assert rates.seconds(piece("gemm", 3e9, 128)) == pytest.approx(3e9 / BUILT_IN.flops["gemm"][128])
    assert rates.seconds(piece("normals", NORMAL_FLOPS * 1e6, 32)) == pytest.approx(1e6 / BUILT_IN.normals[32])
    assert Upkeep(cell=1e-6, block=1e-3).seconds(5e6, 100) == pytest.approx(5.1)


def test_what_was_saved_is_loaded(cache):
    assert load_rates() == (BUILT_IN, "not calibrated: run w2s-sweep doctor --calibrate")
    path = save_rates(measured())
    assert path == rates_path() == cache / "w2s-sweep" / "rates.json"
    rates, remark = load_rates()
    assert rates == measured()
    assert "2026-01-31" in remark
    assert room.cpu_model() in remark
    assert [p.name for p in path.parent.iterdir()] == ["rates.json"]


def text_with(**changes):
    return json.dumps(json.loads(measured().model_dump_json()) | changes)


DAMAGED = {
    "empty": "",
    "cut": measured().model_dump_json()[:200],
    "a list": "[]",
    "not text": b"\xff\xfe\x00\x01",
    "no kinds": text_with(flops={}),
    "a kind is missing": text_with(flops={k: {"8": 1e9} for k in get_args(Kind) if k not in ("svd", "normals")}),
    "a kind without orders": text_with(flops={k: {} for k in get_args(Kind)}),
    "no rate at all": text_with(normals={"32": 0.0}),
    "negative": text_with(rows={"cell": -1e-6, "block": 1e-3}),
    "not finite": measured().model_dump_json().replace('"cell":3e-6', '"cell":1e999'),
    "words": text_with(normals={"32": "fast"}),
    "order zero": text_with(normals={"0": 1e9}),
    "another format": text_with(speed=3),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_passed_over(name):
    rates_path().parent.mkdir(parents=True)
    content = DAMAGED[name]
    rates_path().write_bytes(content if isinstance(content, bytes) else content.encode())
    assert content != measured().model_dump_json()
    rates, remark = load_rates()
    assert rates == BUILT_IN
    assert "is damaged and was ignored; not calibrated" in remark
    (finding,) = (f for f in examine() if f.topic == "rates")
    assert "damaged" in finding.text
    assert finding.remedy == "w2s-sweep doctor --calibrate"


def test_a_folder_in_its_place_is_passed_over():
    rates_path().mkdir(parents=True)
    assert load_rates()[0] == BUILT_IN


def test_rates_of_another_machine_are_passed_over():
    save_rates(measured(cpu="Abacus 7 (family 1, model 2)"))
    rates, remark = load_rates()
    assert rates == BUILT_IN
    assert "from another machine (Abacus 7 (family 1, model 2)) and was ignored" in remark


def test_a_cache_that_cannot_be_written_is_a_user_error(cache):
    cache.write_text("a file where the folder should be")
    with pytest.raises(StoreError, match=r"cannot write .*rates\.json"):
        save_rates(measured())


def test_measured_rates_are_those_of_a_computer(monkeypatch):
    monkeypatch.setattr(calibrate, "ORDERS", (8, 32))
    monkeypatch.setattr(calibrate, "_SECONDS", 0.002)
    lines = []
    rates = measure(lines.append)
    assert Rates.model_validate_json(rates.model_dump_json()) == rates
    assert set(rates.flops) | {"normals"} == set(get_args(Kind))
    for kind, table in rates.flops.items():
        assert set(table) == {8, 32}, kind
        assert all(1e5 < rate < 1e13 for rate in table.values()), kind
    assert rates.flops["gemm"][32] > rates.flops["gemm"][8]
    assert all(1e5 < rate < 1e11 for rate in rates.normals.values())
    assert 1e-8 < rates.rows.cell < 1e-3
    assert 1e-5 < rates.files.block < 1.0
    assert rates.cpu == room.cpu_model()
    assert rates.versions["numpy"]
    assert any(line.startswith("cholesky") for line in lines)


def test_calibrate_writes_what_doctor_reports(monkeypatch):
    monkeypatch.setattr(calibrate, "ORDERS", (8, 32))
    monkeypatch.setattr(calibrate, "_SECONDS", 0.002)
    done = CliRunner().invoke(app, ["doctor", "--calibrate"])
    assert done.exit_code == 0, done.output
    assert str(rates_path()) in done.output
    (finding,) = (f for f in examine() if f.topic == "rates")
    assert finding.text.startswith(f"rates of {load_rates()[0].date} on {room.cpu_model()}")
    assert not finding.remedy


def test_upkeep_has_no_negative_part():
    assert calibrate._line({32: 2e-3, 4096: 1e-3}).cell > 0
    assert calibrate._line({32: 1e-9, 4096: 1.0}).block > 0
    line = calibrate._line({32: 1e-3 + 32e-6, 4096: 1e-3 + 4096e-6})
    assert (line.cell, line.block) == pytest.approx((1e-6, 1e-3))
