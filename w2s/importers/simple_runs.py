"""Run folders of ``train_simple.py``, which openai/weak-to-strong and EleutherAI/weak-to-strong share.

A run folder holds ``config.json`` and, when it is finished, ``results_summary.json`` ({"accuracy": a}). A run without
``weak_model_size`` was trained on the truth; it is a weak model or a ceiling, or both. A weak-to-strong run carries the whole
configuration of its weak model.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s.importers.files import FolderError, label_share, number, read_json, summary_row, whole, word
from w2s.importers.settings import difference, flat, shown

__all__ = ["SimpleRun", "Trio", "find_anchors", "find_runs", "find_trios", "run_settings", "trio_row"]

_MARKS = ("results_summary.json", "results.pkl", "log.jsonl")
_OF_STUDENT = ("loss", "weak_model", "weak_model_size", "weak_labels_path", "n_inference_docs")
"""Settings in which a ceiling may differ from its student and still be the same training on other labels."""
_SAME = ("ds_name", "model_size", "seed")
_NOT_OWN = ("weak_model", "weak_model_size", "weak_labels_path")


@dataclass(frozen=True)
class SimpleRun:
    """One finished run."""

    folder: Path
    config: Mapping[str, Any]
    accuracy: float

    @property
    def is_student(self) -> bool:
        """Whether it was trained on weak labels."""
        return self.config.get("weak_model_size") is not None

    def get(self, name: str) -> Any:
        """Return a setting of the run; runs from before seeds existed have seed 0."""
        return self.config.get(name, 0 if name == "seed" else None)


@dataclass(frozen=True)
class Trio:
    """A student with its weak model and ceiling; ``differs`` says how the anchors are not those that belong to it."""

    weak: SimpleRun
    student: SimpleRun
    ceiling: SimpleRun
    differs: tuple[str, ...]


def find_runs(folder: Path, mark: str) -> tuple[list[SimpleRun], list[str]]:
    """Find the finished runs below a folder whose configuration has the setting ``mark``, and list what was skipped.

    A folder with a log, a pickle or a summary counts as a run; without a readable summary it is unfinished.
    """
    places = sorted({path.parent for name in _MARKS for path in folder.rglob(name)})
    runs, skipped = [], []
    for place in places:
        try:
            run = _read_run(place)
        except FolderError as error:
            skipped.append(f"{_shown(place, folder)}: half-written or no run: {error}")
            continue
        if mark in run.config:
            runs.append(run)
        else:
            skipped.append(f"{_shown(place, folder)}: no run of this code base: config.json has no {mark}")
    return runs, skipped


def find_anchors(folders: Iterable[Path], mark: str) -> list[SimpleRun]:
    """Find the finished runs on the truth in further folders; :class:`FolderError` for a folder that has none."""
    found: list[SimpleRun] = []
    for folder in folders:
        runs = [run for run in find_runs(folder, mark)[0] if not run.is_student]
        if not runs:
            raise FolderError(f"{folder} holds no finished run on the truth, which an anchor is")
        found += runs
    return found


def find_trios(runs: Sequence[SimpleRun], folder: Path, anchors: Sequence[SimpleRun] = ()) -> tuple[list[Trio], list[str]]:
    """Match every student with its anchors from the same sweep folder, else from ``anchors``; list students without."""
    trios, skipped = [], []
    for student in (run for run in runs if run.is_student):
        beside = [run for run in runs if not run.is_student and run.folder.parent == student.folder.parent]
        try:
            weak_config = student.config.get("weak_model") or {"model_size": student.config["weak_model_size"]}
            weak, weakly = _anchor(_Wanted("weak", weak_config, student), beside, anchors, folder)
            ceiling, strongly = _anchor(_Wanted("ceiling", student.config, student, _OF_STUDENT), beside, anchors, folder)
            trios.append(Trio(weak, student, ceiling, (*weakly, *strongly)))
        except FolderError as error:
            skipped.append(f"{_shown(student.folder, folder)}: {error}")
    return trios, skipped


def run_settings(student: SimpleRun) -> dict[str, Any]:
    """Return the settings of a student, and those of its weak model as ``weak_NAME``."""
    weak = flat(student.config.get("weak_model") or {})
    return flat(student.config, _NOT_OWN) | {f"weak_{name}": value for name, value in weak.items()}


def trio_row(trio: Trio, folder: Path, ceiling: str, n_items: int | None = None) -> dict[str, Any]:
    """Make the row of the summary table."""
    student = trio.student
    accuracy = {"weak": trio.weak.accuracy, "student": student.accuracy, "ceiling": trio.ceiling.accuracy}
    return summary_row(
        accuracy,
        dataset=student.get("ds_name"),
        weak_size=trio.weak.get("model_size"),
        strong_size=student.get("model_size"),
        loss=student.get("loss"),
        seed=student.get("seed"),
        n_items=n_items,
        n_items_at_most=student.get("n_test_docs"),
        ceiling=ceiling,
        differs=", ".join(trio.differs) or None,
        run=_shown(student.folder, folder),
        settings=run_settings(student),
        **label_share(trio.weak.folder / "weak_labels"),
    )


def _read_run(place: Path) -> SimpleRun:
    accuracy = number(read_json(place / "results_summary.json"), "accuracy", "results_summary.json")
    config = read_json(place / "config.json")
    _check(config, "config.json")
    if weak := config.get("weak_model"):
        if not isinstance(weak, dict):
            raise FolderError(f"config.json: weak_model is {weak!r}, not the settings of a run")
        _check({"ds_name": config["ds_name"]} | weak, "config.json: weak_model")
    return SimpleRun(place, config, accuracy)


def _check(config: Mapping[str, Any], file: str) -> None:
    """Refuse settings that do not have the types that rows and matches need."""
    if not all(isinstance(config.get(name), str) for name in ("ds_name", "model_size")):
        raise FolderError(f"{file} names no ds_name and model_size")
    for name in ("loss", "weak_model_size"):
        word(config, name, file)
    for name in ("seed", "n_test_docs"):
        whole(config, name, file)


@dataclass(frozen=True)
class _Wanted:
    """An anchor that a student needs: its role and the settings it should have, but for those in ``free``."""

    role: str
    config: Mapping[str, Any]
    student: SimpleRun
    free: tuple[str, ...] = ()

    @property
    def settings(self) -> dict[str, Any]:
        """Settings of the anchor; task and seed are the student's where they are not named."""
        return {name: self.student.get(name) for name in ("ds_name", "seed")} | dict(self.config)

    @property
    def what(self) -> str:
        """Name the anchor for a message."""
        role = "weak model" if self.role == "weak" else self.role
        return f"{role} {self.settings['model_size']}, seed {self.settings['seed']}"

    def fits(self, run: SimpleRun) -> bool:
        """Tell whether a run has the task, the model and the seed."""
        return all(run.get(name) == self.settings.get(name) for name in _SAME)

    def differing(self, run: SimpleRun) -> list[str]:
        """List the settings in which a run differs from the wanted one; none where only the model's size is known."""
        wanted = self.settings
        if len(wanted) == len(_SAME):
            return []
        names = sorted((set(wanted) | set(run.config)) - set(self.free) - set(_SAME))
        return [name for name in names if wanted.get(name) != run.config.get(name)]

    def said(self, run: SimpleRun) -> list[str]:
        """Say how a run differs; the loss of a ceiling too, though it is free."""
        whose = "student" if self.free else "recorded"
        named = [*self.differing(run), *(["loss"] if self.free and run.get("loss") != self.student.get("loss") else [])]
        return [difference(self.role, name, run.config.get(name), self.config.get(name), whose) for name in named]


def _anchor(
    wanted: _Wanted, beside: Sequence[SimpleRun], anchors: Sequence[SimpleRun], folder: Path
) -> tuple[SimpleRun, list[str]]:
    """Find the run on the truth that a student needs, and say how it differs from the one that belongs to it.

    Runs with all settings wanted come first, then those that differ in the fewest; of equals the ones beside the student. Of
    several the one with the loss wanted is taken, else the one with ``xent``.
    """
    alike = [run for runs in (beside, anchors) for run in runs if wanted.fits(run)]
    least = min((len(wanted.differing(run)) for run in alike), default=0)
    nearest = [run for run in alike if len(wanted.differing(run)) == least]
    found = [run for run in nearest if run in beside] or nearest
    if not found:
        missing = f"no finished run on the truth beside it for its {wanted.what}"
        raise FolderError(f"{missing}; where it is elsewhere, name that folder with --anchors")
    chosen = found if len(found) == 1 else _by_loss(found, wanted.settings.get("loss"))
    if len(chosen) != 1:
        raise FolderError(_several(wanted, chosen or found))
    (run,), said = chosen, wanted.said(chosen[0])
    if len(found) > 1:
        losses = sorted(shown(other.get("loss")) for other in found)
        said.append(f"{wanted.role} loss {shown(run.get('loss'))} of {', '.join(losses)}")
    if run not in beside:
        said.append(f"{wanted.role} from {os.path.relpath(run.folder, folder)}")
    return run, said


def _by_loss(runs: Sequence[SimpleRun], loss: str | None) -> list[SimpleRun]:
    """Keep the runs with a loss, or else those with plain cross-entropy."""
    return [run for run in runs if run.get("loss") == loss] or [run for run in runs if run.get("loss") == "xent"]


def _several(wanted: _Wanted, found: Sequence[SimpleRun]) -> str:
    """Name the runs among which no rule decides, and what tells them apart."""
    names = sorted({name for run in found for name in run.config})
    apart = [name for name in names if len({shown(run.config.get(name)) for run in found}) > 1]
    values = [f"{name} {', '.join(shown(run.config.get(name)) for run in found)}" for name in apart]
    which = f"which differ in {'; '.join(values)}" if values else "equal in all settings: keep one of them"
    folders = ", ".join(run.folder.name for run in found)
    return f"several finished runs on the truth fit its {wanted.what}: {folders}, {which}"


def _shown(place: Path, folder: Path) -> str:
    return str(place.relative_to(folder)) if place != folder else place.name
