"""Where studies are found: the built-in ones, installed entry points, or a file of the user's own.

An installed package offers studies through the entry-point group ``w2s_sweep.studies``.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from pathlib import Path

from w2s.claims.claim import Claim
from w2s.contract.cells import Cell, cell_fields
from w2s.contract.study import Figure, Study
from w2s.errors import FieldError, nearest
from w2s.plugins import entry_points
from w2s.user_files import is_file_reference, load_from_file

__all__ = ["BUILTIN", "StudyError", "checked", "find_study", "study_names"]

BUILTIN: Mapping[str, str] = {
    "aligner2024.edits": "w2s.studies.aligner2024.edits.study:Edits",
    "aligner2024.strings": "w2s.studies.aligner2024.strings.study:Strings",
    "burns2023.chess": "w2s.studies.burns2023.chess.study:Chess",
    "burns2023.probes": "w2s.studies.burns2023.probes.study:Probes",
    "burns2023.prompting": "w2s.studies.burns2023.prompting.study:Prompting",
    "burns2023.reward": "w2s.studies.burns2023.reward.study:Reward",
    "burns2023.saliency": "w2s.studies.burns2023.saliency.study:Saliency",
    "burns2023.text": "w2s.studies.burns2023.text.study:Text",
    "charikar2024.molecules": "w2s.studies.charikar2024.molecules.study:Molecules",
    "charikar2024.synthetic": "w2s.studies.charikar2024.synthetic.study:Synthetic",
    "charikar2024.transformers": "w2s.studies.charikar2024.transformers.study:Transformers",
    "cong2025.tabular": "w2s.studies.cong2025.tabular.study:Tabular",
    "dong2025.features": "w2s.studies.dong2025.features.study:Features",
    "dong2025.regression": "w2s.studies.dong2025.regression.study:Regression",
    "goel2025.similarity": "w2s.studies.goel2025.similarity.study:Similarity",
    "heo2023.decoy": "w2s.studies.heo2023.decoy.study:Decoy",
    "heo2023.students": "w2s.studies.heo2023.students.study:Students",
    "ildiz2024.surrogate": "w2s.studies.ildiz2024.surrogate.study:Surrogate",
    "ladder.pretraining": "w2s.studies.ladder.pretraining.study:Pretraining",
    "ladder.tasks": "w2s.studies.ladder.tasks.study:Tasks",
    "lang2024.correction": "w2s.studies.lang2024.correction.study:Correction",
    "medvedev2025.random_features": "w2s.studies.medvedev2025.random_features.study:RandomFeatures",
    "methods.compare": "w2s.studies.methods.compare.study:Compare",
    "moniri2025.multi_index": "w2s.studies.moniri2025.multi_index.study:MultiIndex",
    "moniri2025.ridge": "w2s.studies.moniri2025.ridge.study:Ridge",
    "moniri2025.weighted": "w2s.studies.moniri2025.weighted.study:Weighted",
    "mulgund2025.bregman": "w2s.studies.mulgund2025.bregman.study:Bregman",
    "oh2025.mnist": "w2s.studies.oh2025.mnist.study:Mnist",
    "oh2025.patches": "w2s.studies.oh2025.patches.study:Patches",
    "predictions": "w2s.studies.predictions.study:PredictionStudy",
    "probe.table": "w2s.studies.probe.table.study:ProbeTable",
    "raven2025.shift": "w2s.studies.raven2025.shift.study:Shift",
    "selective2025.regions": "w2s.studies.selective2025.regions.study:Regions",
    "selective2025.transfer": "w2s.studies.selective2025.transfer.study:Transfer",
    "shin2024.overlap": "w2s.studies.shin2024.overlap.study:Overlap",
    "somerstep2024.refinement": "w2s.studies.somerstep2024.refinement.study:Refinement",
    "wu2024.spiked": "w2s.studies.wu2024.spiked.study:Spiked",
    "xu2025.posterior_mean": "w2s.studies.xu2025.posterior_mean.study:PosteriorMean",
    "xue2025.features": "w2s.studies.xue2025.features.study:Features",
    "xue2025.toy": "w2s.studies.xue2025.toy.study:Toy",
    "yao2025.limits": "w2s.studies.yao2025.limits.study:Limits",
}


class StudyError(ValueError):
    """A study that cannot be found or is not one; the message says what is there."""


def study_names() -> list[str]:
    """List the names that a grid can give as ``study:``."""
    return sorted({*BUILTIN, *(point.name for point in entry_points(group="w2s_sweep.studies"))})


def find_study(reference: str, base: Path | None = None, digest: str | None = None) -> type[Study]:
    """Resolve ``study:`` of a grid: a registered name, or ``file.py:Name`` relative to ``base``.

    With ``digest`` the source of a file must be that one (:func:`w2s.user_files.import_file`).

    Raises :class:`StudyError`, with the nearest name, when there is no such study or it is malformed.
    """
    if is_file_reference(reference):
        try:
            place = base or Path.cwd()
            found = load_from_file(reference, place, kind="study", plural="studies", fits=_is_study, digest=digest)
        except FieldError as error:
            raise StudyError(str(error)) from error.__cause__
        return checked(found)
    if reference in BUILTIN:
        module, _, attribute = BUILTIN[reference].partition(":")
        return checked(getattr(importlib.import_module(module), attribute))
    for point in entry_points(group="w2s_sweep.studies"):
        if point.name == reference:
            return checked(point.load())
    raise StudyError(f"unknown study {reference!r}{nearest(reference, study_names())}; w2s-sweep studies lists all")


def _is_study(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Study) and value is not Study


def checked(study: object) -> type[Study]:
    """Return ``study`` if it keeps the contract of :class:`w2s.contract.study.Study`; raise :class:`StudyError` otherwise."""
    if not (isinstance(study, type) and issubclass(study, Study)):
        raise StudyError(f"{study!r} is not a subclass of w2s.Study")
    label = study.__qualname__
    if not isinstance(getattr(study, "name", None), str) or not study.name:
        raise StudyError(f"{label}: name must be a non-empty string")
    if type(getattr(study, "version", None)) is not int or study.version < 1:
        raise StudyError(f"{label}: version must be a whole number, 1 or more")
    cell = getattr(study, "Cell", None)
    if not (isinstance(cell, type) and issubclass(cell, Cell)):
        raise StudyError(f"{label}: Cell must be a subclass of w2s.Cell")
    try:
        fields = cell_fields(cell)
    except (TypeError, NameError) as error:
        raise StudyError(f"{label}: {error}") from error
    strangers = [n for n in (*study.shares, *(n for rule in study.rules for n in rule.fields)) if n not in fields]
    if strangers:
        raise StudyError(f"{label}: {strangers[0]!r} is named in shares or rules but is not a field of its Cell")
    from w2s.contract.columns import schema_problem

    if problem := schema_problem(study):
        raise StudyError(f"{label}: {problem}")
    if problem := _claims_problem(study):
        raise StudyError(f"{label}: {problem}")
    if getattr(study, "__abstractmethods__", None):
        raise StudyError(f"{label}: must define {', '.join(sorted(study.__abstractmethods__))}")
    return study


def _claims_problem(study: type[Study]) -> str | None:
    """Say why a study's claims or figures cannot be tested, drawn and named; None when they can."""
    for what, kind in (("claims", Claim), ("figures", Figure)):
        given = getattr(study, what)
        if not isinstance(given, (tuple, list)):
            return f"{what} must be a tuple of w2s.{kind.__name__}, not {given!r}"
        for item in given:
            if not isinstance(item, kind):
                return f"{what} must hold w2s.{kind.__name__} only, not {item!r}"
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", item.id):
                return f"{what}: the id {item.id!r} names a file or a line of a table; use letters, digits and _ . -"
        ids = [item.id for item in given]
        if twice := next((name for name in ids if ids.count(name) > 1), None):
            return f"{what}: the id {twice!r} is listed twice"
    return None
