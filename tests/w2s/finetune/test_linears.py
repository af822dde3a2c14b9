"""Linear layers through oneDNN: the products and gradients of Torch's own layers, on any processor that has both."""

from __future__ import annotations

import copy

import pytest

pytest.importorskip("torch", reason="finetunes need torch: pip install 'w2s-sweep[llm]'")
pytest.importorskip("transformers", reason="finetunes need transformers: pip install 'w2s-sweep[llm]'")

import torch
from tiny_models import tiny_bert, tiny_causal
from torch import nn
from transformers.pytorch_utils import Conv1D

from w2s.finetune.models import linears
from w2s.finetune.models.build import Shape, build, reload, save
from w2s.finetune.models.folder import ModelFolder

if not torch.backends.mkldnn.is_available():
    pytest.skip("this Torch has no oneDNN", allow_module_level=True)

SHAPES = [(1, 1, 1), (1, 700, 3), (3, 5, 7), (37, 64, 129), (400, 48, 80), (800, 384, 96)]
KINDS = {
    "bert": tiny_bert,
    "llama": lambda place: tiny_causal(place, kind="llama"),
    "gpt2": lambda place: tiny_causal(place, kind="gpt2"),
}


@pytest.fixture
def everywhere(monkeypatch):
    """Every product goes through oneDNN, on every processor; the list counts them."""
    calls, multiply = [], linears._multiply
    monkeypatch.setattr(linears, "mkl_is_narrow", lambda: True)
    monkeypatch.setattr(linears, "_LEAST", 0)
    monkeypatch.setattr(linears, "_multiply", lambda *given: calls.append(1) or multiply(*given))
    return calls


def layer(kind, inputs, outputs, *, bias=True):
    torch.manual_seed(3)
    made = nn.Linear(inputs, outputs, bias=bias) if kind == "linear" else Conv1D(outputs, inputs)
    if kind == "transposed":
        nn.init.normal_(made.bias)
    return made


def gradients(module, x, slope):
    """Output and all gradients, in the precision of the module."""
    module, x = copy.deepcopy(module), x.clone().requires_grad_()
    module(x).backward(slope)
    return [module(x).detach(), x.grad, *(weight.grad for weight in module.parameters())]


@pytest.mark.parametrize("kind", ["linear", "transposed"])
@pytest.mark.parametrize(("rows", "inputs", "outputs"), SHAPES)
def test_outputs_and_gradients_are_those_of_float64(everywhere, kind, rows, inputs, outputs):
    plain = layer(kind, inputs, outputs)
    fast = linears.with_onednn(copy.deepcopy(plain))
    x, slope = torch.randn(rows, inputs), torch.randn(rows, outputs)
    expected = gradients(copy.deepcopy(plain).double(), x.double(), slope.double())
    own, theirs = gradients(fast, x, slope), gradients(plain, x, slope)
    assert len(everywhere) == 4  # two of the passes, and both gradients
    for found, torchs, exact in zip(own, theirs, expected, strict=True):
        scale = float(exact.abs().max()) + 1e-30
        apart = float((found.double() - exact).abs().max())
        assert apart <= max(2 * float((torchs.double() - exact).abs().max()), 1e-6 * scale)


@pytest.mark.parametrize("how", ["a batch of texts", "transposed", "every second row", "expanded", "no bias", "one row"])
def test_inputs_of_any_layout(everywhere, how):
    plain = layer("linear", 48, 80, bias=how != "no bias")
    x = {
        "a batch of texts": lambda: torch.randn(4, 9, 48),
        "transposed": lambda: torch.randn(48, 30).t(),
        "every second row": lambda: torch.randn(40, 48)[::2],
        "expanded": lambda: torch.randn(1, 48).expand(12, 48),
        "no bias": lambda: torch.randn(20, 48),
        "one row": lambda: torch.randn(48),
    }[how]()
    slope = torch.randn(1, 1).expand(*x.shape[:-1], 80) if x.ndim > 1 else torch.randn(80)
    fast = linears.with_onednn(copy.deepcopy(plain))
    for own, theirs in zip(gradients(fast, x, slope), gradients(plain, x, slope), strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-5, atol=1e-5)
    assert everywhere


@pytest.mark.parametrize("trained", [(True, False), (False, True), (False, False)])
def test_only_what_is_trained_has_a_gradient_and_is_kept(everywhere, trained):
    of_weight, of_input = trained
    kept = []
    fast = linears.with_onednn(layer("linear", 48, 80)).requires_grad_(of_weight)
    x = torch.randn(20, 48, requires_grad=of_input)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.shape) or t, lambda t: t):
        out = fast(x)
    assert kept == [x.shape] * of_weight + [fast.weight.shape] * of_input
    if not (of_weight or of_input):
        assert not out.requires_grad
        return
    out.sum().backward()
    assert (x.grad is not None, fast.weight.grad is not None, fast.bias.grad is not None) == (of_input, of_weight, of_weight)


@pytest.mark.parametrize("case", ["float64", "bfloat16", "autocast", "meta", "no rows", "small"])
def test_other_products_stay_with_torch(everywhere, monkeypatch, case):
    fast, x = linears.with_onednn(layer("linear", 48, 80)), torch.randn(20, 48)
    monkeypatch.setattr(linears, "_LEAST", 20 * 48 * 80 + (case == "small"))
    if case in ("float64", "bfloat16"):
        fast, x = fast.to(getattr(torch, case)), x.to(getattr(torch, case))
    elif case == "meta":
        fast, x = fast.to("meta"), x.to("meta")
    elif case == "no rows":
        x = x[:0]
    with torch.autocast("cpu", torch.bfloat16, enabled=case == "autocast"):
        out = fast(x)
    assert out.shape == (len(x), 80)
    assert not everywhere
    if case == "small":
        fast(torch.randn(21, 48))
        assert everywhere == [1]


@pytest.mark.parametrize("processor", [{}, {"cpu_name": "AMD EPYC"}, {"cpu_name": "Intel Xeon 8480", "avx512_f": True}])
def test_a_processor_that_mkl_knows_keeps_torchs_layers(monkeypatch, processor):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    linears.mkl_is_narrow.cache_clear()
    try:
        assert type(linears.with_onednn(layer("linear", 4, 3))) is nn.Linear
        assert not linears.mkl_is_narrow()
    finally:
        linears.mkl_is_narrow.cache_clear()


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_models_train_as_before_and_their_files_are_the_same(everywhere, monkeypatch, tmp_path, kind, tuning):
    base, shape = ModelFolder.find(str(KINDS[kind](tmp_path / kind))), Shape(2, tuning=tuning, head_init="normal")
    ids, slope = torch.arange(40).reshape(5, 8) % 20, torch.randn(5, 2)

    def passed():
        module = build(base, shape, 1)
        out = module(ids, torch.ones_like(ids))
        out.backward(slope)
        found = {name: w.grad for name, w in module.named_parameters() if w.grad is not None}
        return module, out.detach(), found

    fast, out, slopes = passed()
    count = len(everywhere)
    assert count
    _, twice, same = passed()
    assert torch.equal(out, twice)
    assert all(torch.equal(slopes[name], same[name]) for name in slopes)
    count = len(everywhere)
    monkeypatch.setattr(linears, "mkl_is_narrow", lambda: False)
    plain, expected, theirs = passed()
    assert len(everywhere) == count
    torch.testing.assert_close(out, expected, rtol=1e-5, atol=1e-6)
    assert list(slopes) == list(theirs)
    for name, slope_of_one in slopes.items():
        torch.testing.assert_close(slope_of_one, theirs[name], rtol=1e-4, atol=1e-6)
    assert list(fast.state_dict()) == list(plain.state_dict())
    (tmp_path / "saved").mkdir()
    save(tmp_path / "saved", fast, base, shape)
    again = reload(tmp_path / "saved", base)
    assert all(torch.equal(a, b) for a, b in zip(again.parameters(), fast.parameters(), strict=True))
