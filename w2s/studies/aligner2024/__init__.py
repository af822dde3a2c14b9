"""Ji et al. 2024: Aligner, a small model that learns to correct the answers of a large one (arXiv 2402.02416)."""
