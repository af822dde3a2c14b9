"""Molecules: fingerprints and descriptors of the SMILES column of a table, by RDKit.

Computed once per file content and RDKit version, and kept as plain arrays in the user's cache folder.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from w2s.errors import FieldError
from w2s.files.cache import cached
from w2s.laws.table import Table

__all__ = ["BITS", "check", "descriptors", "folded", "morgan"]

Matrix = npt.NDArray[np.float64]

BITS, RADIUS = 2048, 2
LIMIT = 10.0
"""Descriptors are limited to this many standard deviations from their mean."""
_EQUAL = 1e-9
"""Share of its size within which a descriptor is the same for all molecules: the order of atoms changes its last digits."""


def check(table: Table) -> None:
    """Raise :class:`FieldError` unless the table has a ``smiles`` column and RDKit reads every row of it as a molecule.

    The message names the row. Cost: some 0.1 ms a molecule, once per process and content.
    """
    words = _smiles(table)
    try:
        import rdkit  # noqa: F401
    except ImportError:
        raise FieldError("molecule features need RDKit: pip install 'w2s-sweep[molecules]'") from None
    _check_words(table.name, table.sha256, words)


def morgan(table: Table) -> Matrix:
    """Compute Morgan fingerprints of radius 2 folded to 2048 bits: (rows, 2048), 0 or 1."""
    return _cached(f"morgan-{BITS}-{RADIUS}", table, _morgan)


def folded(bits: Matrix, count: int) -> Matrix:
    """Fold fingerprints (rows, b) to ``count`` bits: bit j is set where some bit with number j modulo ``count`` is."""
    rows, width = bits.shape
    padded = np.pad(bits, ((0, 0), (0, -width % count)))
    return np.asarray(padded.reshape(rows, -1, count).max(axis=1))


def descriptors(table: Table) -> Matrix:
    """Compute RDKit's two-dimensional descriptors, standardised over the table: (rows, d), within +-10.

    Left out are descriptors that are undefined for some molecule of the table (RDKit gives no finite number, or raises, as
    some do for H2, [H+] and *), or the same for all. Those that span more than 10^4 (``Ipc`` grows exponentially with size) go
    through sign(x) log(1 + |x|) first; then each is centred, divided by its standard deviation and cut at 10 of them, so that
    one odd molecule among the test rows does not decide the error. Raises :class:`FieldError` where none is left.
    """
    return _cached(f"descriptors-{LIMIT:g}", table, _descriptors)


def _smiles(table: Table) -> tuple[str, ...]:
    if "smiles" not in table.words:
        raise FieldError(f"{table.name}: molecule features need a text column 'smiles'")
    return tuple("" if word is None else str(word).strip() for word in table.words["smiles"])


@functools.lru_cache(maxsize=64)
def _check_words(name: str, _sha256: str, words: tuple[str, ...]) -> None:
    """Raise for the first row that is no molecule, and say how many there are. Remembered by the file's content."""
    from rdkit import rdBase

    with rdBase.BlockLogs():
        bad = [(row, trouble) for row, word in enumerate(words, 1) if (trouble := _trouble(word))]
    if bad:
        row, trouble = bad[0]
        more = f" ({len(bad)} such rows)" if len(bad) > 1 else ""
        raise FieldError(f"{name}: row {row} of column 'smiles' {trouble}{more}; mend or remove it")


def _trouble(word: str) -> str:
    """Say why a text is no molecule; empty for one that is."""
    from rdkit import Chem

    if not word:
        return "is empty"
    if Chem.MolFromSmiles(word) is not None:
        return ""
    rough = Chem.MolFromSmiles(word, sanitize=False)
    reasons = [] if rough is None else [problem.Message() for problem in Chem.DetectChemistryProblems(rough)]
    return f"is no molecule that RDKit can read: {word!r}" + (f", {reasons[0]}" if reasons else "")


def _parsed(table: Table) -> list[Any]:
    check(table)
    from rdkit import Chem, RDLogger

    RDLogger.DisableLog("rdApp.*")  # type: ignore[attr-defined]
    return [Chem.MolFromSmiles(word) for word in _smiles(table)]


def _morgan(table: Table) -> Matrix:
    from rdkit.Chem import rdFingerprintGenerator

    generator = rdFingerprintGenerator.GetMorganGenerator(radius=RADIUS, fpSize=BITS)
    return np.array([generator.GetFingerprintAsNumPy(molecule) for molecule in _parsed(table)], dtype=np.float64)


def _descriptors(table: Table) -> Matrix:
    from rdkit.Chem import Descriptors

    functions = [function for _, function in Descriptors.descList]
    values = np.array([_values(functions, molecule) for molecule in _parsed(table)])
    values = values[:, np.isfinite(values).all(axis=0)]
    wide = np.ptp(values, axis=0) > 1e4
    values[:, wide] = np.sign(values[:, wide]) * np.log1p(np.abs(values[:, wide]))
    values = values[:, np.ptp(values, axis=0) > _EQUAL * np.abs(values).max(axis=0)]
    if not values.shape[1]:
        raise FieldError(f"{table.name}: no descriptor is defined for every molecule and different for some; use morgan")
    return np.asarray(np.clip((values - values.mean(axis=0)) / values.std(axis=0), -LIMIT, LIMIT))


def _values(functions: Sequence[Callable[[Any], float]], molecule: Any) -> list[float]:
    """Compute the descriptors of a molecule; NaN for those that it does not have."""
    found = []
    for function in functions:
        try:
            found.append(float(function(molecule)))
        except Exception:  # whatever a descriptor stumbles over, such as a division by the number of heavy atoms
            found.append(np.nan)
    return found


def _cached(kind: str, table: Table, compute: Callable[[Table], Matrix]) -> Matrix:
    import rdkit

    return cached(f"{kind} {table.sha256} {rdkit.__version__}", lambda: compute(table))
