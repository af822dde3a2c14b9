"""Results of openai/weak-to-strong (Burns et al. 2023): what ``sweep.py`` and ``train_simple.py`` leave, and the older script.

Which rows train the ceiling depends on the script. ``train_simple.py`` trains every model on the truth of the first half, so a
ceiling has the weak model's rows (``labeled``) while the student has the second half. ``train_weak_to_strong.py`` trains the
ceiling on the second half, the student's rows (``transfer``). Test predictions per item are only in ``results.pkl``, which is
not read; the weak labels, an Arrow data set, give the accuracy of what the student was trained on.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from w2s.importers.files import FolderError, Imported, number, read_json, summary_row
from w2s.importers.simple_runs import find_anchors, find_runs, find_trios, trio_row

__all__ = ["read_openai"]

_OLD = ".results_summary.json"
_MARK = "n_docs"


def read_openai(folder: Path, anchors: Sequence[Path] = ()) -> Imported:
    """Read the results folder of a sweep; weak models and ceilings that are not in it come from the folders ``anchors``.

    Raises :class:`FolderError` when no finished run is in it, or none on the truth in one of ``anchors``.
    """
    runs, skipped = find_runs(folder, _MARK)
    trios, lonely = find_trios(runs, folder, find_anchors(anchors, _MARK))
    old, damaged = _old_rows(folder)
    rows = [trio_row(trio, folder, "labeled") for trio in trios] + old
    skipped = [*skipped, *lonely, *damaged]
    if not rows and any(path.parent.joinpath("eval_results_final").is_dir() for path in folder.rglob("results_summary.json")):
        raise FolderError(f"{folder} holds runs of EleutherAI/weak-to-strong: read it as eleuther")
    if not rows:
        expected = "config.json and results_summary.json in one folder per run, with students and their ground-truth models"
        found = f"; skipped: {'; '.join(skipped[:5])}" if skipped else ""
        raise FolderError(f"{folder} holds no weak-to-strong result of openai/weak-to-strong: expected {expected}{found}")
    return Imported(rows, None, skipped)


def _old_rows(folder: Path) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the rows of ``WEAK_STRONG.results_summary.json``, which names neither data set nor seed."""
    rows: list[dict[str, Any]] = []
    skipped: list[str] = []
    for path in sorted(folder.rglob(f"*{_OLD}")):
        try:
            rows += _old_file(path, folder)
        except FolderError as error:
            skipped.append(f"{path.relative_to(folder)}: {error}")
    return rows, skipped


def _old_file(path: Path, folder: Path) -> list[dict[str, Any]]:
    weak, strong = _sizes(path)
    results = read_json(path)
    anchors = {"weak": number(results, "weak_acc", path.name), "ceiling": number(results, "strong_acc", path.name)}
    losses = [name.removeprefix("transfer_acc_") for name in results if name.startswith("transfer_acc_")]
    return [
        summary_row(
            anchors | {"student": number(results, f"transfer_acc_{loss}", path.name)},
            weak_size=weak,
            strong_size=strong,
            loss=loss,
            ceiling="transfer",
            run=str(path.relative_to(folder)),
        )
        for loss in losses
    ]


def _sizes(path: Path) -> tuple[str, str]:
    """Split a name WEAK_STRONG into both models, by the folders of the models.

    The names themselves may hold underscores.
    """
    stem, beside = path.name.removesuffix(_OLD), path.parent
    names = [[p.name for p in (beside / kind).glob("*") if p.is_dir()] for kind in ("weak_model_gt", "strong_model_gt")]
    pairs = [(weak, strong) for weak in names[0] for strong in names[1] if f"{weak}_{strong}" == stem]
    if not pairs and stem.count("_") == 1:
        pairs = [(stem.partition("_")[0], stem.partition("_")[2])]
    if len(pairs) != 1:
        raise FolderError("its name does not tell which model is weak and which is strong")
    return pairs[0]
