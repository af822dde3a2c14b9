"""Lang et al. 2025: selective weak-to-strong generalization."""
