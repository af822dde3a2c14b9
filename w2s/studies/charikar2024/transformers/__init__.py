"""Gain and misfit over a ladder of pretrained networks: molecule transformers, and encoders of rated texts."""
