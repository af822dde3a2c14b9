"""From the files of a task to items, labels and token batches, joined by item id.

A new layout of a data set is a formatter. Imported by every other room of the finetunes.
"""
