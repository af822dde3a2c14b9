"""Tables into statements: summarise the rows of a run over seeds, choose, compare. Rows are loaded by :mod:`w2s.tables`.

Seeds are the unit of all intervals: rows that share a seed share random draws, so they are averaged first and never
counted as independent. Where seeds part one data set anew, intervals are for this data set; `population` asks for the one
behind it. Rows that cannot enter are counted in the result, not dropped in silence.
"""

from w2s.summary.best import best
from w2s.summary.compare import compare
from w2s.summary.contrast import contrast
from w2s.summary.summarize import summarize

__all__ = ["best", "compare", "contrast", "summarize"]
