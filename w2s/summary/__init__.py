"""Tables into statements: load the rows of a run, summarise them over seeds, choose, compare.

Seeds are the unit of all intervals: rows that share a seed share random draws, so they are averaged first and never
counted as independent. Rows that cannot enter are counted in the result, not dropped in silence.
"""

from w2s.summary.best import best
from w2s.summary.contrast import contrast
from w2s.summary.summarize import summarize

__all__ = ["best", "contrast", "summarize"]
