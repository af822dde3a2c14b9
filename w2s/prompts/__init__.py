"""Prompts whose answers a program checks: tasks that a law makes, without files.

Imports kernels alone; finetunes read these tasks like any others. A new one is a module of its own here, and an entry of
``TASKS`` in ``registry.py``.
"""
