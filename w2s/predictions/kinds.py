"""What models predict in a file of predictions. A leaf: the command line shows these words without loading anything."""

from __future__ import annotations

from typing import Literal

__all__ = ["Kind"]

Kind = Literal["class", "probability", "value"]
