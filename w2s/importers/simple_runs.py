"""Run folders of ``train_simple.py``, which openai/weak-to-strong and EleutherAI/weak-to-strong share.

A run folder holds ``config.json`` and, when it is finished, ``results_summary.json`` ({"accuracy": a}). A run without
``weak_model_size`` was trained on the truth; it is a weak model or a ceiling, or both. A weak-to-strong run carries the whole
configuration of its weak model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from w2s.importers.files import FolderError, label_share, number, read_json, summary_row, whole, word

__all__ = ["SimpleRun", "Trio", "find_runs", "find_trios", "trio_row"]

_MARKS = ("results_summary.json", "results.pkl", "log.jsonl")
_OF_STUDENT = ("loss", "weak_model", "weak_model_size", "weak_labels_path", "n_inference_docs")
"""Settings in which a ceiling may differ from its student and still be the same training on other labels."""
_SAME = ("ds_name", "model_size", "seed")


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
        """Read a setting of the run; runs from before seeds existed are seed 0."""
        return self.config.get(name, 0 if name == "seed" else None)


@dataclass(frozen=True)
class Trio:
    """A student with its weak model and ceiling; ``differs`` names settings in which anchors and student are not alike."""

    weak: SimpleRun
    student: SimpleRun
    ceiling: SimpleRun
    differs: tuple[str, ...]


def find_runs(folder: Path, mark: str) -> tuple[list[SimpleRun], list[str]]:
    """Find the finished runs below a folder whose configuration has the setting ``mark``, and what was skipped.

    A folder with a log, a pickle or a summary is taken for a run; without a readable summary it is half-written.
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


def find_trios(runs: Sequence[SimpleRun], folder: Path) -> tuple[list[Trio], list[str]]:
    """Match every student with its anchors from the same sweep folder, and students without."""
    trios, skipped = [], []
    for student in (run for run in runs if run.is_student):
        beside = [run for run in runs if not run.is_student and run.folder.parent == student.folder.parent]
        try:
            weak_config = student.config.get("weak_model") or {"model_size": student.config["weak_model_size"]}
            weak, differs = _match(weak_config, beside, student, "weak model", ())
            ceiling, other = _match(student.config, beside, student, "ceiling", _OF_STUDENT)
            named = [*(f"weak {name}" for name in differs), *(f"ceiling {name}" for name in other)]
            trios.append(Trio(weak, student, ceiling, tuple(named)))
        except FolderError as error:
            skipped.append(f"{_shown(student.folder, folder)}: {error}")
    return trios, skipped


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
    """Refuse settings that are not of the kind that rows and matches are made of."""
    if not all(isinstance(config.get(name), str) for name in ("ds_name", "model_size")):
        raise FolderError(f"{file} names no ds_name and model_size")
    for name in ("loss", "weak_model_size"):
        word(config, name, file)
    for name in ("seed", "n_test_docs"):
        whole(config, name, file)


def _match(
    config: Mapping[str, Any], runs: Iterable[SimpleRun], student: SimpleRun, what: str, free: tuple[str, ...]
) -> tuple[SimpleRun, tuple[str, ...]]:
    """Ground-truth run with these settings: equal in all but ``free``, or else the only one of this task, size and seed."""
    wanted = {"ds_name": student.get("ds_name"), "seed": student.get("seed"), **config}
    alike = [run for run in runs if all(run.get(name) == wanted.get(name) for name in _SAME)]
    differing = {run.folder: _differences(wanted, run.config, free) for run in alike}
    exact = [run for run in alike if not differing[run.folder]]
    found = exact or alike
    if len(found) != 1:
        count = "several finished runs" if found else "no finished run"
        raise FolderError(f"{count} on the truth beside it for its {what} {wanted['model_size']}, seed {wanted['seed']}")
    return found[0], differing[found[0].folder]


def _differences(wanted: Mapping[str, Any], config: Mapping[str, Any], free: tuple[str, ...]) -> tuple[str, ...]:
    names = sorted((set(wanted) | set(config)) - set(free) - set(_SAME)) if len(wanted) > len(_SAME) else []
    return tuple(name for name in names if wanted.get(name) != config.get(name))


def _shown(place: Path, folder: Path) -> str:
    return str(place.relative_to(folder)) if place != folder else place.name
