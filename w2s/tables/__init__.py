"""The rows of a run as a pandas frame, with what the table says about itself.

It looks studies up by name, for fields that are younger than a table, so it lies above them; the engine and users import it.
"""
