"""Contrastive texts of bigram models: a cell written out text by text, students by other means, other cuts, exact ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from accounting import check_account
from scipy.optimize import minimize
from scipy.stats import chisquare
from small_studies import check_cuts
from solving import solve

from sweeper import load_grid
from w2s.decoding.contrastive import contrastive
from w2s.studies.cong2025.tabular.students import Descent, fitted, prefer, regress
from w2s.studies.cong2025.tabular.world import World, log_softmax, texts, transitions
from w2s.theory import cong2025 as theory
from w2s_kernels import NUMPY, normals, stream, uniforms

STUDY = "cong2025.tabular"
CELL: dict[str, Any] = {"vocabulary": 6, "length": 4, "n_transfer": 60}
LEVEL: dict[str, Any] = {**CELL, "pull": 0.5, "noise": 0.5}
NUMBERS = ["weak_error", "student_error", "ceiling_error", "misfit", "weak_distance", "decoded_reward", "decoded_implicit"]
NUMBERS += ["student_reward", "student_implicit", "student_divergence", "student_loss"]


def drawn(role: str, seed: int, rows: int, width: int, of: Any = normals) -> np.ndarray:
    return np.asarray(of(stream("cong2025", role, seed=seed), rows, width, NUMPY))


def softmax(logits: np.ndarray) -> np.ndarray:
    found = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(found / found.sum(axis=-1, keepdims=True))


def explicit(seed: int, alignment: str, lam: float, share: float, prior: float) -> dict[str, float]:
    """A fitted student, one token at a time."""
    tokens, length, count = (CELL[name] for name in ("vocabulary", "length", "n_transfer"))
    language, noise, reward = drawn("language", seed, 6, 6), drawn("noise", seed, 6, 6), drawn("reward", seed, 1, 6)[0]
    change = {"aligned": 0.5 * reward + 0.5 * noise, "control": np.sqrt(0.5) * noise}[alignment]
    base, aligned = softmax(language), softmax(language + change)
    decoded = np.zeros((tokens, tokens))
    for s in range(tokens):
        for v in range(tokens):
            if aligned[s, v] >= share * aligned[s].max():
                decoded[s, v] = aligned[s, v] / base[s, v] ** lam
    decoded /= decoded.sum(axis=1, keepdims=True)
    counts = np.zeros((tokens, tokens))
    for prompt, chances in zip(
        drawn("prompts", seed, 1, count, uniforms)[0], drawn("chosen", seed, count, length, uniforms), strict=True
    ):
        token = int(prompt * tokens)
        for chance in chances:
            following = int(np.searchsorted(np.cumsum(decoded[token]), chance, side="right"))
            counts[token, following] += 1
            token = following
    student = (counts + prior * base) / (counts + prior * base).sum(axis=1, keepdims=True)

    def worth(policy: np.ndarray, values: np.ndarray) -> float:
        state, total = np.full(tokens, 1 / tokens), 0.0
        for _ in range(length):
            total += sum(
                state[s] * policy[s, v] * values[s, v] for s in range(tokens) for v in range(tokens) if policy[s, v] > 0
            )
            state = state @ policy
        return total / length

    rewards, ratio = np.broadcast_to(reward, (tokens, tokens)), np.log(aligned / base)
    with np.errstate(divide="ignore"):
        misfit = worth(decoded, np.log(decoded) - np.log(student))
    return {
        "weak_error": reward.max() - worth(aligned, rewards),
        "student_error": reward.max() - worth(student, rewards),
        "misfit": misfit,
        "decoded_reward": length * worth(decoded, rewards),
        "decoded_implicit": worth(decoded, ratio),
        "student_implicit": worth(student, ratio),
        "student_divergence": worth(student, np.log(student / base)),
    }


@pytest.mark.parametrize(("alignment", "lam", "share"), [("aligned", 0.6, 0.1), ("control", 0.3, 0.0), ("aligned", 1.0, 0.5)])
def test_a_fitted_student_written_out(alignment: str, lam: float, share: float) -> None:
    rows = solve(STUDY, seeds=[3, 8], alignment=alignment, cd_lambda=lam, plausible=share, prior=5, **CELL)
    for _, row in rows.iterrows():
        for name, value in explicit(int(row["seed"]), alignment, lam, share, 5.0).items():
            assert row[name] == pytest.approx(value, abs=1e-9), name


@pytest.mark.parametrize("student", ["table", "shared"])
def test_rows_do_not_depend_on_the_cut(student: str) -> None:
    axes = {"cd_lambda": [0.3, 0.9], "alignment": ["aligned", "control"], "method": ["sft", "dpo"]}
    whole = check_cuts(STUDY, axes, NUMBERS, student=student, **CELL)
    assert set(whole["status"]) == {"ok"}


def test_other_methods_do_not_depend_on_the_cut() -> None:
    for method, axes in {"wspo": {"gamma": [0.1, 1.0]}, "eft": {"weight": [0, 2]}, "search": {"beams": [1, 2]}}.items():
        assert set(check_cuts(STUDY, axes, NUMBERS, method=method, **CELL)["status"]) == {"ok"}


def test_the_account_adds_up() -> None:
    axes = {"cd_lambda": [0, 0.6], "student": ["table", "shared"], "method": ["sft", "dpo"]}
    check_account(STUDY, load_grid({"study": STUDY, "axes": axes, "seeds": 2}).parts[0].block)
    for method in ("wspo", "eft", "search"):
        check_account(STUDY, load_grid({"study": STUDY, "fixed": {"method": method}, "seeds": 2}).parts[0].block)


def test_ends_of_the_methods() -> None:
    """A weight of 0 is the language and one of 1 the aligned model; no step of a training leaves the fit as it is."""
    rows = solve(STUDY, axes={"weight": [0, 1]}, seeds=2, method="eft", **CELL)
    none, whole = rows[rows["weight"] == 0], rows[rows["weight"] == 1]
    assert none["student_divergence"].abs().max() < 1e-12
    assert (none["student_reward"] - none["base_reward"]).abs().max() < 1e-12
    assert whole["gain"].abs().max() < 1e-12
    assert whole["weak_distance"].abs().max() < 1e-12
    fit, still = (solve(STUDY, seeds=2, **CELL, **more) for more in ({}, {"method": "dpo", "steps": 0}))
    np.testing.assert_array_equal(fit["student_error"], still["student_error"])
    np.testing.assert_allclose(still["student_loss"], np.log(2.0))
    naive = solve(STUDY, seeds=2, cd_lambda=0, plausible=0, **CELL)
    np.testing.assert_allclose(naive["decoded_reward"], naive["weak_reward"], atol=1e-12)


def test_one_beam_and_one_sample_is_the_language() -> None:
    row = solve(STUDY, seeds=1, method="search", beams=1, samples=1, chunk=4, vocabulary=6, length=4, n_transfer=20_000).iloc[0]
    assert row["student_reward"] == pytest.approx(row["base_reward"], abs=0.06)
    assert row["student_divergence"] < 1e-3


def test_texts_follow_the_decoding() -> None:
    world = World.of({**LEVEL, "n_transfer": 20_000}, [5], NUMPY)
    policy = contrastive(world.aligned("aligned", NUMPY), world.base, 0.0, 0.0)
    written = texts(policy, world.prompts, world.chances("chosen", 4, NUMPY), NUMPY)
    steps = transitions(written, 6, NUMPY)
    counts = np.bincount(steps.reshape(-1), minlength=36).reshape(6, 6)
    expected = counts.sum(axis=1, keepdims=True) * np.exp(world.aligned("aligned", NUMPY)[0])
    assert chisquare(counts.reshape(-1), expected.reshape(-1), ddof=5).pvalue > 1e-3
    exact = theory.per_token(np.exp(policy), world.reward, 4)[0]
    assert world.reward[0, 0][written[0, :, 1:]].mean() == pytest.approx(exact, abs=0.03)


def fits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Language, steps of chosen and rejected texts, and counts, for two seeds."""
    world = World.of(LEVEL, [1, 2], NUMPY)
    aligned = world.aligned("aligned", NUMPY)
    chosen, rejected = (
        transitions(texts(policy, world.prompts, world.chances(role, 4, NUMPY), NUMPY), 6, NUMPY)
        for policy, role in ((aligned, "chosen"), (world.base, "rejected"))
    )
    counts = np.bincount(chosen.reshape(-1), minlength=72).reshape(2, 6, 6) * 1.0
    return world.base, chosen, rejected, counts


def test_the_shared_student_is_the_most_likely_one() -> None:
    base, _, _, counts = fits()
    found = fitted(counts, base, 3.0, "shared", NUMPY)
    for s in range(2):
        seen = counts[s] + 3.0 * np.exp(base[s])

        def loss(change: np.ndarray, s: int = s, seen: np.ndarray = seen) -> float:
            return -float((seen * log_softmax(base[s] + change, NUMPY)).sum())

        best = minimize(loss, np.zeros(6), tol=1e-12)
        assert -float((seen * found[s]).sum()) == pytest.approx(best.fun, rel=1e-9)
        change = found[s] - base[s]
        np.testing.assert_allclose(change - change[:, :1], np.broadcast_to((change - change[:, :1])[0], (6, 6)), atol=1e-9)


@pytest.mark.parametrize("student", ["table", "shared"])
def test_a_step_of_preferences_goes_down_the_loss(student: str) -> None:
    """Along the numerical derivative of the loss as a sum over texts, each text on its own."""
    base, chosen, rejected, _ = fits()
    shape = (1, 6) if student == "shared" else (6, 6)

    def loss(s: int, change: np.ndarray) -> float:
        ratio = (log_softmax(base[s] + change.reshape(shape), NUMPY) - base[s]).reshape(-1)
        first, second = (
            np.array([sum(ratio[step - 36 * s] for step in text) for text in steps[s]]) for steps in (chosen, rejected)
        )
        return float(theory.dpo_loss(first, second, 0.1).mean())

    policy, margins = prefer(base, chosen, rejected, 0.1, student, Descent(0.5, 1), NUMPY)
    change = policy - base
    change = (change - change.mean(axis=2, keepdims=True))[:, : shape[0]]
    for s in range(2):
        slopes = np.array([(loss(s, step) - loss(s, -step)) / 2e-5 for step in 1e-5 * np.eye(int(np.prod(shape)))]).reshape(
            shape
        )
        wanted = -(slopes - slopes.mean(axis=1, keepdims=True))
        cosine = (wanted * change[s]).sum() / np.linalg.norm(wanted) / np.linalg.norm(change[s])
        assert cosine == pytest.approx(1.0, abs=1e-6)
        assert theory.dpo_loss(margins[s] / 0.1, 0.0, 0.1).mean() < np.log(2.0)
        assert loss(s, policy[s] - base[s] if student == "table" else (policy[s] - base[s])[0] - 0.0) < np.log(2.0)


def test_regression_ends_at_the_weak_ratio_where_it_can() -> None:
    """With gamma 1 the aligned model itself has no loss, and the training reaches it."""
    base, _, _, _ = fits()
    world = World.of(LEVEL, [1, 2], NUMPY)
    aligned = world.aligned("aligned", NUMPY)
    counts = np.ones((2, 6, 6))
    policy, ratios = regress(base, counts, aligned - base, 1.0, "table", Descent(1.0, 3000), NUMPY)
    np.testing.assert_allclose(ratios, aligned - base, atol=1e-6)
    np.testing.assert_allclose(policy, aligned, atol=1e-6)
