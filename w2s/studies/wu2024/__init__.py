"""Studies of Wu and Sahai 2024 (arXiv 2410.04638)."""
