"""Studies of Lang, Sontag and Vijayaraghavan 2024 (arXiv 2405.16043)."""
