"""Studies of Somerstep and others 2024 (arXiv 2405.16236)."""
