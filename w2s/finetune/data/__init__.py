"""From the files of a task to items, labels and token batches, joined by item id.

A new layout of a data set is a formatter. Imports models, whose tokenizers read the texts; all rooms above import it but
pretraining.
"""
