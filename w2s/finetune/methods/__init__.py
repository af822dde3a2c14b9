"""Methods: how a student comes out of weak labels.

Imported by the studies; imports objectives, data and models.
"""
