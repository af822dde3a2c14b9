"""Few-shot prompts: labelled examples in front of a text, and the class word that a causal model finds likeliest behind it.

Nothing is trained. Imported by studies. A new kind of prompt is a module of its own here.
"""
