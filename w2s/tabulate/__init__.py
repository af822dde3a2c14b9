"""Tables of one's own choice: axes against metrics with intervals, in five formats; digests and comparisons.

The engine and users import this room; it imports `views` and `summary`. A new format goes into `formats`.
"""

from w2s.tabulate.comparison import comparison_table
from w2s.tabulate.digest import Digest, run_digest
from w2s.tabulate.grid import Table
from w2s.tabulate.sentence import found_in_words
from w2s.tabulate.table import table

__all__ = ["Digest", "Table", "comparison_table", "found_in_words", "run_digest", "table"]
