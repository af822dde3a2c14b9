"""Xue, Li and Mirzasoleiman 2025: PredGap, what a student copies of its teacher's error, measured and predicted."""
