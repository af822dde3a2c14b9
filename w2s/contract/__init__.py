"""What the engine and a study agree on: cells, blocks, identities, rows, and the study itself.

The engine and every study import this room. It knows no law, no model and no paper; a new promise between engine and studies
goes here.
"""
