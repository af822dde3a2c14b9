"""What commands print with ``--json``: one document, every value as JSON has it, numbers that are not finite as null."""

from __future__ import annotations

import dataclasses
import enum
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from sweeper.plan.artifacts import ArtifactLine, artifact_lines, has_artifacts, missing_calls, store_folder
from sweeper.plan.cut import Plan
from sweeper.plan.devices import Card
from sweeper.plan.executor import choose_executor
from sweeper.plan.forecast import is_predicted, make_forecast
from sweeper.plan.making import predicted_making
from sweeper.plan.memory import need_and_device
from sweeper.plan.space import disk_bytes, free_bytes, metadata_bytes, worker_bytes
from sweeper.plan.weights import seconds_of_artifacts
from sweeper.report.findings import findings
from sweeper.report.make import Content
from sweeper.review.failures import Failure
from sweeper.review.status import RunStatus
from sweeper.review.verdicts import claim_content
from w2s.artifacts import Call, open_store
from w2s.places.url import Where

if TYPE_CHECKING:
    from pandas import DataFrame

__all__ = ["plan_document", "records", "report_document", "status_document", "text_of"]


def text_of(document: Any) -> str:
    """Write a document as JSON text; dataclasses are mappings of their fields, paths and other objects their text."""
    return json.dumps(_plain(document), indent=2, allow_nan=False, ensure_ascii=False)


def records(frame: DataFrame) -> list[dict[str, Any]]:
    """List the rows of a frame as mappings; null where there is no value."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def plan_document(plan: Plan, card: Card | None = None) -> dict[str, Any]:
    """Collect what ``plan`` shows: axes, cells, blocks, artifacts, disk, memory, predicted time and executor.

    ``card`` is one on which artifacts would be made, in place of this machine. Raises ``GridError`` where one cannot fit on it.
    """
    grid, study = plan.grid, plan.grid.study
    forecast = make_forecast(plan) if is_predicted(study) else None
    artifacts, missing, making = list[ArtifactLine](), list[Call](), None
    if has_artifacts(study):
        store = open_store(store_folder(grid, grid.compute, grid.out))
        artifacts, missing = artifact_lines(plan, store), missing_calls(plan, store)
        making = predicted_making(artifacts, store, card)
    choice = choose_executor(plan, grid.compute, making=lambda: seconds_of_artifacts(plan, missing), forecast=forecast)
    return {
        "study": study.name,
        "version": study.version,
        "run": grid.out,
        "cells": plan.cells,
        "blocks": plan.block_count,
        "operations": plan.flops,
        "unwanted": plan.waste,
        "axes": grid.axes(),
        "grids": [
            {
                "cells": cut.part.wanted,
                "left_out": cut.part.block.size - cut.part.wanted,
                "blocks": cut.count,
                "axes": [list(axis.names) for axis in cut.part.block.axes],
                "in_one_block": list(cut.chunks),
            }
            for cut in plan.cuts
        ],
        "artifacts": artifacts,
        "making": making,
        "largest_training": _largest_training(missing, card),
        "disk_bytes": disk_bytes(study, plan.cells, plan.block_count, metadata_bytes(grid)),
        "free_bytes": free_bytes(grid.out),
        "worker_bytes": worker_bytes(plan),
        "predicted_seconds": None if forecast is None else forecast.seconds,
        "rates": None if forecast is None else forecast.remark,
        "work": [] if forecast is None else list(forecast.lines),
        "executor": choice.kind.name,
        "executor_reason": choice.reason or None,
    }


def _largest_training(calls: Sequence[Call], card: Card | None) -> dict[str, Any] | None:
    """Collect the memory that the largest training takes, beside what the device has; None where none says what it needs."""
    found = need_and_device(calls, card)
    if found is None:
        return None
    need, device = found
    size = {"device": device.name, "device_bytes": device.size}
    return {"usual_bytes": need.usual, "least_bytes": need.least, "says": need.says, **size}


def status_document(status: RunStatus, failed: Sequence[Failure] | None) -> dict[str, Any]:
    """Collect what ``status`` shows; ``failed`` are failed cells by message, None where they were not asked for."""
    document = {item.name: getattr(status, item.name) for item in dataclasses.fields(status)}
    document |= {"pending": status.pending, "code": status.code.remarks}
    if failed is not None:
        document["failures"] = [
            {
                "message": failure.message,
                "count": failure.count,
                "traceback": failure.traceback,
                "cells": [{"cell_id": cell, "axes": axes} for cell, axes in failure.cells],
            }
            for failure in failed
        ]
    return document


def report_document(content: Content, written: Iterable[Where]) -> dict[str, Any]:
    """Collect what ``report`` says: findings in words, claims with their verdicts, the digest's lines, the files written."""
    status = content.run.status
    return {
        "study": status.study,
        "run": status.run,
        **{name: getattr(status, name) for name in ("cells", "done", "failed", "pending", "outside")},
        "findings": findings(content.found.sentence, content.summary, content.claims),
        "claims": [claim_content(judged) for judged in content.claims.judged] if content.claims else [],
        "digest": records(content.found.whole),
        "caption": content.found.whole.attrs.get("caption") or None,
        "summary": records(content.summary),
        "undrawn": content.undrawn,
        "files": list(written),
    }


def _plain(value: Any) -> Any:
    """Return a value as ``json`` can write it."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if isinstance(value, int | float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {key if isinstance(key, str) else _key(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset | range):
        return [_plain(item) for item in value]
    return str(value)


def _key(key: Any) -> str:
    return " ".join(map(str, key)) if isinstance(key, tuple) else str(key)
