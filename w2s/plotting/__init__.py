"""Figures of one's own choice: axes against metrics, always with intervals and with what they hold fixed.

The engine and users import this room; it imports `views` and `figures`. A new kind is a module and a line in `plot.KINDS`.
"""

from w2s.plotting.defaults import default_figures
from w2s.plotting.plot import plot
from w2s.plotting.sheet import picture_bytes

__all__ = ["default_figures", "picture_bytes", "plot"]
