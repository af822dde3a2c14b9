"""Finished and half-finished runs, looked at: counts, one cell solved again, claims tested, the report.

Imported by the commands and by tools; never by a launch. A new way to look at a run gets a module here.
"""
