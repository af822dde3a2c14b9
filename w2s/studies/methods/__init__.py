"""Methods of several papers beside each other, on the same data."""
