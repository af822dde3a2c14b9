"""The report of a run: what is printed, the files beside it, and one HTML page that needs no network and no scripts to be read.

Commands and tools import this room; it imports `review`. A new section of the page gets a module here that returns text and
numbers, and its markup in ``templates/``; only ``page`` knows HTML.
"""
