"""Methods in which models write: students that learn from answers to prompts.

Imports the kit, and artifacts of data and inference. A new one is a module here, and an entry of ``METHODS``.
"""
