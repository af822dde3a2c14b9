"""Supervisor and student on views that share some of their features: gain against similarity."""
