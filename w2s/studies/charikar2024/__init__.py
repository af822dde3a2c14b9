"""Charikar, Pabbaraju and Shiragur 2024: gain and misfit (arXiv 2405.15116)."""
