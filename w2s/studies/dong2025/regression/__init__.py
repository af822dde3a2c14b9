"""Regression in low intrinsic dimension on Gaussian features, with exact risks beside closed forms."""
