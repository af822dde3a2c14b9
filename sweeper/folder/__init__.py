"""The run folder on disk: the only reader and writer of its grid, parts, events and provenance.

Imported by workers, launches and reviews. A new kind of file in a run folder gets a module here.
"""
