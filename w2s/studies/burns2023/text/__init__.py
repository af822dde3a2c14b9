"""Finetuned classifiers of texts: one cell is one weak model, one student, one method, one seed."""
