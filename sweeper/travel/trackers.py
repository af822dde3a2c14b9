"""Rows as runs of an experiment tracker, written to files alone: nothing is sent to a server.

Each row becomes a run of the tracker: its cell's fields are parameters, its numbers metrics. A tracker is made for hundreds of
runs, so there is a limit.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sweeper.errors import UserError
from sweeper.travel.forms import missing_library, plain_value

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["write_mlflow", "write_wandb"]

_MOST = 5000


def write_mlflow(rows: DataFrame, notes: DataFrame, out: Path, about: Mapping[str, Any]) -> None:
    """Write a file store: one experiment with a run for each row; ``mlflow ui --backend-store-uri FOLDER`` shows it."""
    _check_size(rows, "mlflow")
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # newer releases ask for a word before they write files
    try:
        import mlflow
    except ImportError:
        raise missing_library("mlflow") from None
    out.mkdir(parents=True)
    client = mlflow.MlflowClient(tracking_uri=out.resolve().as_uri())
    experiment = client.create_experiment(about["name"], tags={"study": about["study"], "version": str(about["version"])})
    entities = mlflow.entities
    for cell, fields, numbers, words in _rows(rows, notes, about):
        run = client.create_run(experiment, run_name=cell, start_time=0, tags={"cell_id": cell, **words})
        client.log_batch(
            run.info.run_id,
            params=[entities.Param(name, str(value)) for name, value in fields.items()],
            metrics=[entities.Metric(name, value, 0, 0) for name, value in numbers.items()],
        )
        client.set_terminated(run.info.run_id, "FAILED" if words.get("status") == "failed" else "FINISHED", end_time=0)


def write_wandb(rows: DataFrame, notes: DataFrame, out: Path, about: Mapping[str, Any]) -> None:
    """Write offline runs, one for each row; ``wandb sync FOLDER/wandb/offline-run-*`` sends them when a person wants that."""
    _check_size(rows, "wandb")
    try:
        import wandb
    except ImportError:
        raise missing_library("wandb") from None
    out.mkdir(parents=True)
    settings = wandb.Settings(mode="offline", silent=True, console="off", disable_git=True, save_code=False)
    for cell, fields, numbers, words in _rows(rows, notes, about):
        run = wandb.init(
            project=about["name"], group=about["study"], id=cell, name=cell, config={**fields, "cell_id": cell},
            dir=str(out), mode="offline", settings=settings, reinit="finish_previous",
        )  # fmt: skip
        run.log(numbers)
        run.summary.update(words)
        run.finish(exit_code=1 if words.get("status") == "failed" else 0)


def _check_size(rows: DataFrame, name: str) -> None:
    if len(rows) > _MOST:
        raise UserError(f"{name} would get {len(rows):,} runs, at most {_MOST:,} are exported; --to csv or --to hf takes all")


def _rows(
    rows: DataFrame, notes: DataFrame, about: Mapping[str, Any]
) -> Iterator[tuple[str, dict[str, Any], dict[str, float], dict[str, str]]]:
    """Yield identity, fields, numbers and words of every row; what is null is left out."""
    fields = [name for name in about["fields"] if name in rows.columns]
    others = [name for name in notes.index if name not in (*fields, "cell_id")]
    for values in rows.to_dict("records"):
        plain = {name: found for name in (*fields, *others) if (found := plain_value(values[name])) is not None}
        numbers = {n: float(plain[n]) for n in others if isinstance(plain.get(n), int | float)}
        words = {n: plain[n] for n in others if isinstance(plain.get(n), str) and plain[n]}
        yield str(values["cell_id"]), {n: plain[n] for n in fields if n in plain}, numbers, words
