"""Names of tasks that are no name and no file."""

from __future__ import annotations

from pathlib import Path

import pytest

from w2s.errors import FieldError
from w2s.finetune.data.tasks import TaskData


@pytest.mark.parametrize("name", ["sst3", "senten" + 300 * "9", "a" * 5000])
def test_a_name_of_any_length_is_an_unknown_task(name: str, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="unknown task"):
        TaskData.locate(name, tmp_path)
