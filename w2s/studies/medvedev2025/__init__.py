"""Medvedev, Lyu, Yu, Arora, Li and Srebro 2025: random-feature networks (arXiv 2503.02877)."""
