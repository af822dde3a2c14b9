"""Language models that are pretrained here: a tokenizer from a corpus, packed tokens, a small decoder, its bits per byte.

Studies import this room; it imports `data`, `models`, `objectives` and `training`. Another kind of tokenizer goes into
`tokenizer`, another kind of model beside `decoder`.
"""
