"""Oh, Song and Yun 2025: weak-to-strong by feature learning in convolutional networks (arXiv 2510.24812)."""
