"""What models say without being trained: hidden states, predictions, probes on frozen features.

Imported by methods, laws and studies.
"""
