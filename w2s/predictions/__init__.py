"""Files of predictions made elsewhere: roles of columns, checks, groups.

Imported by the study `predictions` and by ``w2s-sweep score``.
"""
