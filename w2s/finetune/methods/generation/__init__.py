"""Methods in which models write: corrected, contrastive and searched texts, regression on weak log ratios; tasks of prompts.

Imports the kit, and artifacts of data and inference. A new one is a module here, and an entry of ``METHODS``.
"""
