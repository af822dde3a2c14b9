"""Results of EleutherAI/w2s and EleutherAI/weak-to-strong.

w2s              RUN/TASK/w2s (or s2s-K) and SHARED/TASK/{weak,strong}, each with results.json and config.json. Students and
                 ceilings are trained on the same rows (``transfer``). Test predictions are not saved: a summary table.
weak-to-strong   run folders as in openai/weak-to-strong, and in each the Arrow data set ``eval_results_final`` with the
                 probabilities of every test item: a file of predictions. A ceiling takes the first rows of the shuffled task,
                 out of both halves (``mixed``).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from w2s.importers.files import FolderError, Imported, number, read_json, read_saved, summary_row, whole, word
from w2s.importers.settings import flat, shown, swept
from w2s.importers.simple_runs import SimpleRun, Trio, find_anchors, find_runs, find_trios, run_settings, trio_row

__all__ = ["read_eleuther"]

_ROLES = ("weak", "student", "ceiling")
_MARK = "n_train_docs"
_PROBES = {"probe_relabel": "relabelled", "probe_filter": "filtered"}


def read_eleuther(folder: Path, anchors: Sequence[Path] = ()) -> Imported:
    """Read the results folder of either code base; weak models and ceilings that are not in it come from ``anchors``.

    Raises :class:`FolderError` when no finished run is in it, or no anchor in one of ``anchors``.
    """
    runs, skipped = find_runs(folder, _MARK)
    nested = [place for place in anchors if _anchor_folders(place)]
    trios, lonely = find_trios(runs, folder, find_anchors([place for place in anchors if place not in nested], _MARK))
    tables, rows = [], []
    varied = swept([run_settings(trio.student) for trio in trios])
    for trio in trios:
        table, tested, problem = _predictions(trio, folder, varied)
        rows.append(trio_row(trio, folder, _ceiling_rows(trio), tested))
        tables += [] if table is None else [table]
        lonely += [] if problem is None else [problem]
    found, damaged = _nested_rows(folder, nested)
    skipped = [*skipped, *lonely, *damaged]
    if not rows and not found:
        expected = "RUN/TASK/w2s/results.json with SHARED/TASK/{weak,strong}, or run folders with results_summary.json"
        seen = f"; skipped: {'; '.join(skipped[:5])}" if skipped else ""
        raise FolderError(f"{folder} holds no weak-to-strong result of EleutherAI's code: expected {expected}{seen}")
    return Imported(rows + found, pa.concat_tables(tables) if tables else None, skipped)


def _predictions(trio: Trio, folder: Path, varied: Sequence[str]) -> tuple[pa.Table | None, int | None, str | None]:
    """Join P(class 1) of the three models for every test item by id.

    Also returns on how many items accuracies are measured at least, where that is known, and says what could not be joined.
    """
    run = str(trio.student.folder.relative_to(folder))
    try:
        read = [_test_items(run) for run in (trio.weak, trio.student, trio.ceiling)]
    except FolderError as error:
        return None, None, f"{run}: no predictions per item: {error}"
    parts, counts = zip(*read, strict=True)
    common = [item for item in parts[0] if all(item in part for part in parts[1:])]
    if any(part[item][0] != parts[0][item][0] for part in parts[1:] for item in common):
        return None, None, f"{run}: no predictions per item: the runs disagree about the truth"
    if not common:
        return None, None, f"{run}: no predictions per item: the runs share no test item"
    columns: dict[str, Any] = {"item_id": common, "truth": [parts[0][item][0] for item in common]}
    columns |= {role: [part[item][1] for item in common] for role, part in zip(_ROLES, parts, strict=True)}
    columns |= {"seed": [trio.student.get("seed")] * len(common), "group": [_group(trio, varied)] * len(common)}
    lost = max(counts) - len(common)
    said = f"{run}: {lost} of {max(counts)} test items are left out: listed twice, or not by all three models" if lost else None
    return pa.table(columns), min(counts), said


def _group(trio: Trio, varied: Sequence[str]) -> str:
    """Name a comparison without its seed: task, models, loss, and the settings that differ within the folder."""
    student, values = trio.student, run_settings(trio.student)
    settings = "".join(f", {name} {shown(values.get(name))}" for name in varied)
    models = f"{trio.weak.get('model_size')} > {student.get('model_size')}"
    return f"{student.folder.parent.name}: {student.get('ds_name')}, {models}, {student.get('loss')}{settings}"


def _ceiling_rows(trio: Trio) -> str:
    """Say which rows the ceiling was trained on: a model that also labels has the first half only."""
    return "labeled" if trio.ceiling.get("n_inference_docs") else "mixed"


def _test_items(run: SimpleRun) -> tuple[dict[str, tuple[int, float]], int]:
    """Read truth and P(class 1) by id, and how many items there are.

    Ids are hashes of texts: one that is listed twice cannot be joined and is left out.
    """
    table = read_saved(run.folder / "eval_results_final", ["id", "hard_label", "soft_pred"])
    counts = pc.value_counts(table["id"]).to_pylist()
    once = {entry["values"] for entry in counts if entry["counts"] == 1}
    rows = zip(*(table[name].to_pylist() for name in table.column_names), strict=True)
    return {item: (int(truth), float(pair[1])) for item, truth, pair in rows if item in once}, table.num_rows


def _nested_rows(folder: Path, anchors: Sequence[Path]) -> tuple[list[dict[str, Any]], list[str]]:
    """Read the rows of EleutherAI/w2s: every student below the folder.

    Its anchors are in its shared folder or in one of ``anchors``.
    """
    rows, skipped = [], []
    for place in _stages(folder):
        if place.name != "w2s" and not place.name.startswith("s2s-"):
            continue
        try:
            rows.append(_nested_row(place, folder, anchors))
        except FolderError as error:
            skipped.append(f"{place.relative_to(folder)}: {error}")
    return rows, skipped


def _stages(folder: Path) -> list[Path]:
    return sorted({path.parent for name in ("results.json", "config.json") for path in folder.rglob(name)})


def _anchor_folders(folder: Path) -> list[Path]:
    """List the folders TASK below a folder that hold a weak model and a ceiling of EleutherAI/w2s."""
    stages = {place for place in _stages(folder) if place.name in ("weak", "strong")}
    return sorted({place.parent for place in stages if {place.parent / "weak", place.parent / "strong"} <= stages})


def _nested_row(place: Path, folder: Path, anchors: Sequence[Path]) -> dict[str, Any]:
    config = _settings(place)
    shared = _shared_folder(place, config, anchors)
    for role, model in (("weak", "weak_model_name"), ("strong", "strong_model_name")):
        other = _settings(shared / role)
        if (other["dataset"], other[model]) != (config["dataset"], config[model]):
            raise FolderError(f"the shared folder holds another {role} model: {other[model]}, not {config[model]}")
    results = {"weak": _results(shared / "weak"), "student": _results(place), "ceiling": _results(shared / "strong")}
    elsewhere = not any(shared.is_relative_to(parent) for parent in (folder, *place.parents[:1]))
    return summary_row(
        {role: number(found, "eval_accuracy", "results.json") for role, found in results.items()},
        {role: number(found, "eval_auroc", "results.json") for role, found in results.items()},
        dataset=config["dataset"],
        weak_size=config["weak_model_name"],
        strong_size=config["strong_model_name"],
        method=_method(place.name, config),
        loss=word(config, "loss_name", "config.json"),
        seed=_seed(config),
        n_items_at_most=whole(config, "n_test", "config.json"),
        ceiling="transfer",
        differs=f"anchors from {os.path.relpath(shared, folder)}" if elsewhere and anchors else None,
        run=str(place.relative_to(folder)),
        settings=flat(config),
        **_label_share(shared / "weak" / "predictions" / "train"),
    )


def _shared_folder(place: Path, config: Mapping[str, Any], anchors: Sequence[Path]) -> Path:
    """Return the folder of a student's weak model and ceiling.

    It is the one that the student names, else the only one of its task and models in ``anchors``.
    """
    root = [*place.parents][len(Path(config["dataset"]).parts) + 1 :][:1]
    own = Path(*root, str(config.get("shared_folder")), str(config["dataset"]))
    if root and own.is_dir():
        return own
    found = [shared for anchor in anchors for shared in _anchor_folders(anchor) if _is_anchor(shared, config)]
    if len(found) == 1:
        return found[0]
    if found:
        raise FolderError(f"several anchors fit it: {', '.join(map(str, found))}; name one of them with --anchors")
    missing = f"no shared folder {config.get('shared_folder')!r} with its weak model and ceiling"
    raise FolderError(f"{missing}; where they are elsewhere, name that folder with --anchors")


def _is_anchor(shared: Path, config: Mapping[str, Any]) -> bool:
    pairs = (("weak", "weak_model_name"), ("strong", "strong_model_name"))
    found = [(_settings(shared / role), model) for role, model in pairs]
    return all((other["dataset"], other[model]) == (config["dataset"], config[model]) for other, model in found)


def _label_share(folder: Path) -> dict[str, Any]:
    """Compute the accuracy of the weak labels on the student's rows, where the weak model's predictions were kept."""
    try:
        table = read_saved(folder, ["gt_labels", "soft_pred"])
    except FolderError:
        return {}
    truth, weak = (table[name].to_numpy() > 0.5 for name in table.column_names)
    return {"label_accuracy": float((truth == weak).mean()), "n_labels": len(truth)} if len(truth) else {}


def _settings(place: Path) -> dict[str, Any]:
    config = read_json(place / "config.json")
    file = f"{place.name}/config.json"
    for name in ("dataset", "weak_model_name", "strong_model_name"):
        if word(config, name, file) is None:
            raise FolderError(f"{file} names no {name}")
    return config


def _seed(config: Mapping[str, Any]) -> int | None:
    """Return the seed of the trainer, 0 where none is set."""
    settings = config.get("train_args") or {}
    if not isinstance(settings, dict):
        raise FolderError(f"config.json: train_args is {settings!r}, not settings")
    return whole({"seed": 0} | settings, "seed", "config.json: train_args")


def _results(place: Path) -> dict[str, Any]:
    try:
        return read_json(place / "results.json")
    except FolderError as error:
        raise FolderError(f"half-written: {place.name}: {error}") from None


def _method(stage: str, config: Mapping[str, Any]) -> str:
    """Say what was done to the weak labels: w2s, s2s-1, w2s filtered by topo."""
    done = [f" {word} by {config.get('probe_name')}" for name, word in _PROBES.items() if config.get(name)]
    return stage + "".join(done)
