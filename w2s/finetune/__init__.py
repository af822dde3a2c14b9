"""Finetunes of pretrained models: tasks, items, labels, models, objectives, methods and their training.

The only room that imports Torch. Studies of finetunes import it, and laws whose features come from an encoder. A new method
goes into ``methods/``, a new loss into ``objectives/``.
"""
