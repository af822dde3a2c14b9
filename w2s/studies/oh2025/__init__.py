"""Oh, Song and Yun 2025: weak-to-strong generalization of convolutional networks through feature learning (arXiv 2510.24812)."""
