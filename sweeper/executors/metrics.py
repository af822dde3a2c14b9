"""The numbers by which a dashboard follows a launch, named once for those who export them and those who draw them."""

from __future__ import annotations

__all__ = ["LABELS", "METRICS", "PREFIX"]

PREFIX = "w2s_"
LABELS = ("run", "study")
"""What tells the launches of one cluster apart: the name of the run folder, and of the study."""

METRICS = {
    "cells": "Cells that the grid asks for.",
    "cells_done": "Cells that have a row, those of earlier launches too, failed ones not.",
    "cells_failed": "Cells whose row has status failed, in this launch.",
    "cells_pending": "Cells without a row.",
    "cells_per_second": "Cells that got a row, divided by the time since the launch began.",
    "artifacts": "Artifacts that this launch has to make.",
    "artifacts_made": "Artifacts that this launch has made.",
    "artifacts_failed": "Artifacts whose function failed in this launch.",
    "predicted_seconds": "Worker seconds that the rates of this machine predict for what has been done in this launch.",
    "actual_seconds": "Worker seconds that it took.",
    "seconds_left": "Predicted time to the end of the launch; 0 before anything has been measured.",
    "batch_fill": "Wanted cells divided by computed cells of the last task, 0 to 1.",
}
"""Every number of :meth:`sweeper.executors.base.Executor.show`, with its meaning."""
