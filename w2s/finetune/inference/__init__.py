"""What models say, trained or as they come, without changing them: predictions, hidden states, probes on these, texts.

Imports data and models. All rooms above import it but evaluation, and so do laws and studies.
"""
