"""Finished runs shown as one asks: figures, tables, comparisons, and one page over many runs.

The command line imports this room; it imports `review`. What is drawn and how is decided in `w2s.plotting` and `w2s.tabulate`.
"""
