"""How the rows of a run were made, from their metadata, the rows themselves and the events of the run."""

from __future__ import annotations

import time

from sweeper.folder.run_folder import RunFolder
from sweeper.report.text import clip
from sweeper.review.table import RunTable
from w2s.summary.columns import distinct
from w2s.summary.looks import describe_level

__all__ = ["provenance"]

_MOST_TEXT = 1000


def provenance(table: RunTable) -> dict[str, str]:
    """Describe how the rows were made, from the metadata of the oldest ones, the rows themselves and the events."""
    origin, rows = table.origin, table.every
    libraries = ", ".join(f"{name} {version}" for name, version in (origin.get("libraries") or {}).items())
    launches = [event for event in RunFolder(table.path).events() if event.get("event") == "launch"]
    times = [time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(event["time"])) for event in launches if "time" in event]
    found = {
        "run folder": table.path.name,
        "package": f"w2s-sweep {origin.get('package') or 'of unknown version'}",
        "seeds": "; ".join(
            f"until {rule.metric} is within +-{rule.half_width:g}, by {describe_level(rule)}"
            for rule in dict.fromkeys(stopped.until for stopped in table.status.stopped)
        ),
        "commit": f"{origin['commit']}{', with changes' if origin.get('dirty') else ''}" if origin.get("commit") else "",
        "Python": origin.get("python", ""),
        "machine": origin.get("machine", ""),
        "libraries": libraries,
        **{name: ", ".join(sorted(map(str, distinct(rows, name)))) for name in ("backend", "blas", "solver", "dtype")},
        "code": ", ".join(sorted(map(str, distinct(rows, "code_digest")))) if "code_digest" in rows.columns else "",
        "executor": ", ".join(dict.fromkeys(str(event.get("executor", "")) for event in launches)),
        "launched": ", then last ".join(dict.fromkeys([times[0], times[-1]])) if times else "",
        "seconds of solving": f"{table.status.seconds:,.1f}",
    }
    return {name: clip(text, _MOST_TEXT) for name, text in found.items() if text}
