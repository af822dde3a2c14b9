"""One case for every registered operation: what to compute, on which inputs, and how near versions must come to the plain one.

A case is called with a backend and gives named arrays; it uses public functions where there are any, so that what reaches an
operation is what reaches it in use. `exact` cases must agree to the bit. Inputs include ill-conditioned, rank-deficient, tiny and
empty ones where an operation can meet them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from problems import FAMILIES, Floats, design, make

import w2s_kernels as kernels
from w2s_kernels import Backend, cholesky, nested, stream, wishart
from w2s_kernels.arccos import arccos_gram
from w2s_kernels.descent import descend
from w2s_kernels.patch_cnn import Task
from w2s_kernels.patch_cnn import descend as descend_patches
from w2s_kernels.products import gemm
from w2s_kernels.refine import RefinedFactor
from w2s_kernels.robust import interval_bounds, masked_slopes, train_classifiers, worst_inputs, worst_logits
from w2s_kernels.softmax_students import Rules, teach

Found = Mapping[str, Any]
ROLE = stream("parity", seed=1)
FILTERS = kernels.concat(
    kernels.ridge([0.0, 1e-3, 1.0]),
    kernels.flow([0.0, 3.0, np.inf]),
    kernels.steps([0, 7, 10_000], 0.3),
    kernels.steps([50], 60.0),
)


@dataclass(frozen=True)
class Case:
    """A computation; arrays agree within `rtol` of their largest entry, or to the bit where it is zero."""

    compute: Callable[[Backend], Found]
    rtol: float = 0.0


def grams() -> dict[str, Floats]:
    """Second moments (d, d) of every family of designs, in float64."""
    found = {}
    for family in FAMILIES:
        X = make(family)[0].astype(np.float64)
        found[family] = X.T @ X / len(X)
    return found


def solvable() -> dict[str, Floats]:
    """Those that have a Cholesky factor with a small ridge of their own scale, and one of three panels."""
    X = design(np.random.default_rng(3), 300, 150)
    return {name: G + 1e-8 * np.trace(G) * np.eye(len(G)) for name, G in grams().items() if name != "zero"} | {
        "large": X.T @ X / 300
    }


def draws(backend: Backend) -> Found:
    spans = [(3, 7), ((1, 40), (3, 150)), ((2**32 - 3, 2**32), (2**32 - 9, 2**32)), (0, 4), (4, (5, 5)), (70, 1001)]
    kinds = (kernels.words, kernels.uniforms, kernels.normals)
    return {f"{kind.__name__} {span}": kind(ROLE, *span, backend) for kind in kinds for span in spans}


def arccos(backend: Backend) -> Found:
    rng = np.random.default_rng(2)
    u, v = rng.standard_normal((70, 5)), rng.standard_normal((41, 5))
    u[3], u[4], v[2], v[5] = 0.0, -u[5], 1e5 * u[6], -u[7]
    return {"two": arccos_gram(u, v, backend=backend), "one": arccos_gram(u * 1e-150, backend=backend)}


def moments(backend: Backend) -> Found:
    rows = {family: make(family)[0] for family in FAMILIES} | {"wide": np.random.default_rng(0).standard_normal((2, 500, 300))}
    with np.errstate(over="ignore"):
        sums = {name: kernels.gram(X, backend=backend) for name, X in rows.items()}
        return sums | {"cross": kernels.gram(rows["plain"], rows["ill_conditioned"], backend)}


def gemms(backend: Backend) -> Found:
    """Products of many chains, of edges in both directions, as they lie and transposed, with an infinite row, and one that is small."""
    rng, found = np.random.default_rng(13), {}
    for m, k, n in ((70, 800, 37), (64, 384, 48), (13, 4000, 130), (200, 33, 300), (3, 5, 2)):
        left, right = rng.standard_normal((m, k)), rng.standard_normal((k, n)) * np.logspace(0, -150, n)
        lying = np.ascontiguousarray(left.T)
        found[f"{m} {k} {n}"] = gemm(backend.asarray(left), backend.asarray(right), backend)
        found[f"{m} {k} {n} transposed"] = gemm(backend.asarray(lying).T, backend.asarray(right), backend)
    left = rng.standard_normal((90, 400))
    left[7, 3] = np.inf
    return found | {"infinite": gemm(backend.asarray(left), backend.asarray(np.ones((400, 40))), backend)}


def counts(backend: Backend) -> Found:
    order = np.random.default_rng(1).permutation(33)
    return {"all": wishart.gram(ROLE, [10**6, 40, 20, 1], 33, backend, order)}


def spectra(backend: Backend) -> Found:
    """What a decomposition must get right whatever basis it takes of an eigenspace: eigenvalues, and V S V'."""
    found: dict[str, Any] = {}
    for name, G in (solvable() | grams()).items():
        spectrum = kernels.factor_gram(backend.asarray(np.stack([G, 2.0 * G])), backend)
        found[f"{name} values"] = spectrum.values
        vectors = spectrum.vectors
        found[f"{name} product"] = (vectors * spectrum.values[:, None, :]) @ vectors.swapaxes(-1, -2)
    return found


def spectrum(backend: Backend) -> tuple[kernels.Spectrum, Any]:
    """Values over all magnitudes, some zero, one that steps swing at, given and not computed; and coordinates (3, 4, 30)."""
    rng = np.random.default_rng(5)
    values = -np.sort(-4.0 * np.exp(-rng.uniform(0, 30, (3, 30)) * np.linspace(0, 1, 30)), axis=-1)
    values[0, 20:] *= 1e-290
    values[2, -3:] = 0.0
    ask, none = backend.asarray, backend.xp.zeros(3, dtype=np.int64)
    rank = ask(np.array([30, 18, 27]), np.int64)
    return kernels.Spectrum(ask(values), ask(np.zeros((3, 30, 30))), rank, ask(np.zeros(3)), none, "gram", none > 0), ask(
        rng.standard_normal((3, 4, 30))
    )


def responses(backend: Backend) -> Found:
    return {
        "all": kernels.response(spectrum(backend)[0], FILTERS, backend),
        "none": kernels.response(spectrum(backend)[0], FILTERS[:0], backend),
    }


def filtered(backend: Backend) -> Found:
    given, coords = spectrum(backend)
    return {"all": kernels.filter_coords(given, FILTERS, coords.swapaxes(-1, -2), backend)}


def products(backend: Backend) -> Found:
    rng = np.random.default_rng(6)
    arrays = [backend.asarray(rng.standard_normal((3, count, 35))) for count in (7, 4, 4, 4)]
    return {
        "all": kernels.filtered_products(*arrays, backend),
        "tiny": kernels.filtered_products(*(a * 1e-150 for a in arrays), backend),
    }


def filter_products(backend: Backend) -> Found:
    given, coords = spectrum(backend)
    bounded = kernels.concat(kernels.ridge([1e-3, 1.0]), kernels.flow([0.0, 3.0]), kernels.steps([7], 0.3))
    return {"all": kernels.filter_products(given, bounded, coords, coords + 1.0, coords - 1.0, backend)}


def factors(backend: Backend) -> Found:
    found: dict[str, Any] = {}
    for name, G in (solvable() | {"zero": np.zeros((3, 3)), "indefinite": np.diag([1.0, -1.0, 2.0])}).items():
        R, info = nested.cholesky_gram(backend.asarray(G), 0.0, backend)
        usable = int(nested.usable(R))
        found |= {f"{name} product": (R.swapaxes(-1, -2) @ R)[:usable, :usable], f"{name} info": info}
    return found


def solutions(solve: Callable[[Any, Any, Backend], Any]) -> Case:
    """Products of the system with the solution.

    Right-hand sides are products with vectors of ordinary size, so that solutions are of ordinary size too and residuals of a
    stable solver are some eps of them whatever the condition. With any other right-hand side they would be eps times condition.
    """

    def compute(backend: Backend) -> Found:
        found = {}
        for name, G in solvable().items():
            rhs = G @ np.random.default_rng(len(G)).standard_normal((len(G), 2))
            found[name] = solve(backend.asarray(G), backend.asarray(rhs), backend)
        return found

    return Case(compute, 1e-10)


def forward(G: Any, rhs: Any, backend: Backend) -> Any:
    R, _ = nested.cholesky_gram(G, 0.0, backend)
    return R.swapaxes(-1, -2) @ nested.forward(R, rhs, backend)


def both(G: Any, rhs: Any, backend: Backend) -> Any:
    R, _ = nested.cholesky_gram(G, 0.0, backend)
    return G @ cholesky.solve_factor(R, rhs, backend)


def refined(G: Any, rhs: Any, backend: Backend) -> Any:
    return G @ RefinedFactor(G, 0.0, backend).solve(rhs).solution


def backwards(G: Any, rhs: Any, backend: Backend) -> Any:
    R, _ = nested.cholesky_gram(G, 0.0, backend)
    width = len(G) - 1
    return R[:width, :width] @ nested.coefficients(R, rhs, [1, width, width + 1], backend)[1, :width]


def widths(backend: Backend) -> Found:
    G = solvable()["large"]
    theta = np.stack(
        [np.where(np.arange(150)[:, None] < w, 1.0 / (1.0 + np.arange(150.0)[:, None]), 0.0) for w in (1, 70, 150)]
    )
    return {
        scale: nested.quadratics(backend.asarray(theta * float(scale)), [1, 70, 150], backend.asarray(G))
        for scale in ("1", "1e-150")
    }


def risks(backend: Backend) -> Found:
    v = np.random.default_rng(4).standard_normal((2, 3, 9, 2))
    return {
        name: kernels.joint_risk(backend.asarray(v), backend.asarray(np.stack([G, G])))
        for name, G in grams().items()
        if len(G) == 9
    }


def measured(backend: Backend) -> Found:
    """Ordinary and tiny outputs, ties, one output, and models with a NaN or an infinite output."""
    rng = np.random.default_rng(12)
    scores, goals = rng.standard_normal((40, 7, 5)), rng.standard_normal((3, 40, 5))
    scores[3, 0] = scores[3, 0, 0]
    goals[0, 3] = 0.0
    found: dict[str, Any] = {}
    for name, scale, outputs in (("all", 1.0, 5), ("tiny", 1e-150, 5), ("one", 1.0, 1)):
        arrays = (scores[..., :outputs] * scale, np.full(outputs, 0.1 * scale), *(goals[..., :outputs] * scale))
        ours = kernels.prediction_errors(*(backend.asarray(a) for a in arrays), backend)
        found |= {f"{name} {field}": values for field, values in ours._asdict().items()}
    scores[5, 2, 1], scores[7, 4, 3] = np.nan, np.inf
    wild = kernels.prediction_errors(*(backend.asarray(a) for a in (scores, np.zeros(5), *goals)), backend)
    return found | {"nan": backend.xp.isnan(wild.wrong), "others": wild.squared[5:], "infinite": wild.wrong[4:5]}


def trained(backend: Backend) -> Found:
    rng = np.random.default_rng(8)
    shapes = [(5, 7), (7, 4)]
    weights, biases = [rng.standard_normal((2, *s)) / 3 for s in shapes], [rng.standard_normal((2, s[1])) for s in shapes]
    inputs, heads = rng.standard_normal((30, 5)), rng.standard_normal((2, 3, 4))
    tasks, targets = rng.integers(0, 3, 30), rng.standard_normal(30)
    order = [stream("order", seed=s) for s in range(2)]
    arrays = ([backend.asarray(a) for a in group] for group in (weights, biases))
    found = descend(
        *arrays,
        *(backend.asarray(a) for a in (inputs, heads)),
        backend.asarray(tasks, np.int64),
        backend.asarray(targets),
        order,
        epochs=3,
        batch=8,
        train_heads=True,
        output="relu",
        backend=backend,
    )
    return {"losses": found.losses, "heads": found.heads, "first": found.weights[0]}


def robust(backend: Backend) -> Found:
    """Two networks of one world with all terms, and what is measured of them."""
    rng = np.random.default_rng(11)
    fans = (5, 7, 6, 3)
    weights = [rng.standard_normal((2, i, o)) / np.sqrt(i) for i, o in itertools.pairwise(fans)]
    biases = [0.1 * rng.standard_normal((2, o)) for o in fans[1:]]
    x, masks, labels = rng.standard_normal((1, 19, 5)), np.zeros((1, 19, 5)), rng.integers(0, 3, (2, 19))
    masks[:, 3:, 2:] = 1.0
    strengths = {"penalty": np.array([0.1, 1.0]), "attack": np.array([0.3, 0.0]), "bound": np.array([0.2, 0.4])}
    how = {"epochs": 2, "batch": 8, "worlds": np.zeros(2, dtype=np.int64), "backend": backend}
    done = train_classifiers(
        [backend.asarray(W) for W in weights],
        [backend.asarray(b) for b in biases],
        backend.asarray(x),
        backend.asarray(labels, np.int64),
        backend.asarray(masks),
        [ROLE],
        **{name: backend.asarray(values) for name, values in strengths.items()},
        **how,
    )
    both = backend.asarray(np.repeat(x, 2, axis=0)), backend.asarray(np.repeat(masks, 2, axis=0))
    lower, upper = interval_bounds(done.weights, done.biases, both[0], 0.3 * both[1], backend)
    return {
        "losses": done.losses,
        "weights": done.weights[1],
        "worst": worst_logits(lower, upper, labels, backend),
        "slopes": masked_slopes(done.weights, done.biases, *both, backend),
        "moved": worst_inputs(done.weights, done.biases, both[0], labels, both[1], 0.3, 2, backend),
    }


def patched(backend: Backend) -> Found:
    """Two tasks of different size, with a repeated row, a zero row and one that nobody holds; a tiny and an ordinary start."""
    rng, found = np.random.default_rng(9), {}
    tasks = []
    for n, d in ((12, 30), (7, 5)):
        rows = rng.standard_normal((n + 4, d))
        rows[1], rows[2] = rows[0], 0.0
        members = np.stack([rng.integers(0, 3, n), 4 + np.arange(n)], axis=1)
        starts = rng.standard_normal((2, 6, d)) * np.array([1e-150, 0.1])[:, None, None]
        labels = np.where(rng.random((2, n)) < 0.5, 1.0, -1.0)
        arrays = (labels, starts, np.exp(rng.standard_normal((2, n + 4))))
        tasks.append(Task(backend.asarray(rows), backend.asarray(members, np.int64), *(backend.asarray(a) for a in arrays)))
    for form in ("span", "weights"):
        for t, done in enumerate(descend_patches(tasks, [0, 2, 20], 0.3, form=form, backend=backend)):
            found |= {f"{form} weights {t}": done.weights, f"{form} outputs {t}": done.outputs}
    return found


def taught(backend: Backend) -> Found:
    """Every rule alone and two together, of three supervisors, and of one."""
    rng = np.random.default_rng(10)
    inputs, order = rng.standard_normal((2, 30, 4)), rng.integers(0, 30, (2, 12, 8))
    labels, which = rng.dirichlet(np.ones(3), (2, 30, 3)), (np.arange(8) % 2,) * 3
    rules = Rules(
        rate=np.array([0, 1, 1, 1, 1, 0, 0, 1]),
        easy=np.array([0, 0, 0.4, 0, 0, 0.6, 0, 0]),
        decay=np.array([0, 0, 0, 1, 0, 0, 0, 0]),
        reset=np.array([0, 0, 0, 0, 4, 0, 0, 0]),
        floor=np.array([0, 0, 0, 0, 0, 0, 0, 0.97]),
        own=np.array([0, 0, 0, 0, 0, 0.5, 0, 0]),
        adaptive=np.array([0, 0, 0, 0, 0, 0, 0.7, 0]),
    )
    found = {}
    for name, given in {"three": labels, "one": labels[:, :, :1]}.items():
        m = given.shape[2]
        arrays = (backend.asarray(inputs), backend.asarray(given), backend.asarray(order, np.int64))
        done = teach(*arrays, which, np.full((8, m), 1 / m), rules, learning_rate=0.1, parts=4, backend=backend)
        found |= {f"students {name}": done.students, f"weights {name}": done.weights, f"history {name}": done.history}
    return found


CASES: dict[str, Case] = {
    "streams.draws": Case(draws),
    "arccos.gram": Case(arccos, 1e-14),
    "products.gemm": Case(gemms, 1e-13),
    "moments.add": Case(moments, 1e-13),
    "wishart.complete": Case(counts, 1e-15),
    "eigh.eigh": Case(spectra, 1e-12),
    "spectral.symmetric": Case(spectra, 1e-12),
    "spectral.response": Case(responses, 1e-13),
    "spectral.filter_coords": Case(filtered, 1e-13),
    "spectral.products": Case(products, 1e-13),
    "spectral.filter_products": Case(filter_products, 1e-13),
    "cholesky.potrf": Case(factors, 1e-13),
    "cholesky.solve_rows": solutions(forward),
    "cholesky.solve_both": solutions(both),
    "refine.factor": solutions(refined),
    "refine.solve": solutions(refined),
    "nested.substitute": solutions(backwards),
    "nested.forms": Case(widths, 1e-13),
    "risk.forms": Case(risks, 1e-13),
    "risk.errors": Case(measured, 1e-13),
    "descent.training": Case(trained, 1e-10),
    "robust.training": Case(robust, 1e-10),
    "patch_cnn.training": Case(patched, 1e-10),
    "softmax_students.training": Case(taught, 1e-10),
}
