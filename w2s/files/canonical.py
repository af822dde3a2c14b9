"""Values as JSON that does not depend on their spelling: the form that identities and artifact keys hash."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from w2s.files.datafile import Content

__all__ = ["canonical"]


def canonical(value: Any) -> Any:
    """Return a value as JSON that does not depend on its spelling: integral floats as integers, files by content."""
    if isinstance(value, Content):
        return {"sha256": value.sha256}
    if isinstance(value, float):
        if math.isinf(value):
            return "inf" if value > 0 else "-inf"
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, BaseModel):
        return canonical(value.model_dump(mode="json"))
    if isinstance(value, Mapping):
        return {str(k): canonical(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [canonical(v) for v in value]
    return value
