"""Files for those who watch launches on Ray with Prometheus and Grafana: what to scrape, and a page of graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from sweeper.errors import StoreError
from sweeper.executors.metrics import LABELS, METRICS, PREFIX
from w2s.files.durable import whole

__all__ = ["grafana_page", "prometheus_file", "write_dashboard"]

_EXPORTED = f"ray_{PREFIX}"
_PANELS: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("Cells", "short", ("cells", "cells_done", "cells_failed", "cells_pending")),
    ("Cells a second", "short", ("cells_per_second",)),
    ("Time left", "s", ("seconds_left",)),
    ("Artifacts", "short", ("artifacts", "artifacts_made", "artifacts_failed")),
    ("Worker seconds: predicted and actual", "s", ("predicted_seconds", "actual_seconds")),
    ("Wanted cells of the last task", "percentunit", ("batch_fill",)),
)
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 2


def prometheus_file(folder: Path, seconds: int = 5) -> str:
    """Write the configuration by which Prometheus finds the nodes of Ray clusters on this machine.

    ``folder`` is Ray's temporary folder, in which a cluster lists its nodes for this purpose.
    """
    found = {"files": [str(folder / "prom_metrics_service_discovery.json")]}
    scraped = {"job_name": "w2s-sweep", "file_sd_configs": [found]}
    return yaml.safe_dump({"global": {"scrape_interval": f"{seconds}s"}, "scrape_configs": [scraped]}, sort_keys=False)


def grafana_page() -> dict[str, Any]:
    """Return a Grafana dashboard of every metric of a launch, with a choice of runs and of studies."""
    return {
        "uid": "w2s-sweep",
        "title": "w2s-sweep",
        "tags": ["ray", "w2s-sweep"],
        "timezone": "browser",
        "schemaVersion": 39,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "templating": {"list": [_source(), *(_choice(label) for label in LABELS)]},
        "panels": [_panel(place, *panel) for place, panel in enumerate(_PANELS)],
    }


def write_dashboard(out: Path, folder: Path) -> list[Path]:
    """Write ``prometheus.yml`` and ``grafana.json`` into a folder, and return their paths. Raises :class:`StoreError`."""
    texts = {"prometheus.yml": prometheus_file(folder), "grafana.json": json.dumps(grafana_page(), indent=1) + "\n"}
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            with whole(out / name) as temporary:
                temporary.write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"cannot write in {out}: {error.strerror}") from None
    return [out / name for name in texts]


def _source() -> Mapping[str, Any]:
    return {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _choice(label: str) -> Mapping[str, Any]:
    query = f"label_values({_EXPORTED}cells, {label})"
    return {
        "name": label,
        "label": label.capitalize(),
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": {"query": query, "refId": label},
        "definition": query,
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "current": {"text": "All", "value": "$__all"},
    }


def _panel(place: int, title: str, unit: str, names: tuple[str, ...]) -> Mapping[str, Any]:
    chosen = ", ".join(f'{label}=~"${label}"' for label in LABELS)
    targets = [
        {
            "refId": chr(ord("A") + k),
            "expr": f"max by ({', '.join(LABELS)}) ({_EXPORTED}{name}{{{chosen}}})",  # the driver and its node export the same
            "legendFormat": f"{name.replace('_', ' ')}, {{{{run}}}}",
        }
        for k, name in enumerate(names)
    ]
    row, column = divmod(place, _COLUMNS)
    return {
        "id": place + 1,
        "type": "timeseries",
        "title": title,
        "description": "\n".join(f"{name.replace('_', ' ')}: {METRICS[name]}" for name in names),
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "gridPos": {"x": column * _WIDTH, "y": row * _HEIGHT, "w": _WIDTH, "h": _HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": targets,
    }
