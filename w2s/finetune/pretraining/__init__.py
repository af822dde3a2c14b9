"""Language models that are pretrained here: a tokenizer from a corpus, packed tokens, a small decoder, its bits per byte.

Studies import this room; it imports `inference`, `models`, `objectives` and `training`. Another kind of tokenizer goes into
`tokenizer`; another kind of model is set up in `pretrain`, where the decoder is.
"""
