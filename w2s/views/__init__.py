"""What a picture or a table of one's own choice shows of a run: axes, numbers in digits, units.

Plotting and tables import this room; it imports `tables` and `summary`. Whatever both of them must decide alike goes here.
"""

from w2s.views.axes import AxesError, View, rows_with, view
from w2s.views.rows import rows_of

__all__ = ["AxesError", "View", "rows_of", "rows_with", "view"]
