"""What models say, trained or as they come, without changing them: predictions, hidden states, probes on these, texts.

Imported by methods, laws and studies.
"""
