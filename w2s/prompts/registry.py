"""The tasks of prompts by name."""

from __future__ import annotations

from collections.abc import Mapping

from w2s.prompts.brackets import BRACKETS
from w2s.prompts.running_sums import RUNNING_SUMS
from w2s.prompts.sorted_digits import SORTED_DIGITS
from w2s.prompts.struck_digits import STRUCK_DIGITS
from w2s.prompts.syllables import SYLLABLES
from w2s.prompts.task import PromptTask

__all__ = ["TASKS"]

TASKS: Mapping[str, PromptTask] = {
    task.name: task for task in (BRACKETS, RUNNING_SUMS, SORTED_DIGITS, STRUCK_DIGITS, SYLLABLES)
}
