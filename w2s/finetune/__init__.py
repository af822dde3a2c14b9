"""Finetunes: tasks, items, labels, models and their training. Torch and transformers are imported where they are used."""
