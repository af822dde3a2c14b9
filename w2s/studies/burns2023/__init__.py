"""Burns et al. 2023: finetuned language models and probes on frozen ones (arXiv 2312.09390)."""
