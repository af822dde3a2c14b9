"""What is measured: gain, misfit, PGR and agreement, scores of classifiers, intervals over items, scales, intrinsic dimensions.

A leaf: rows, summaries and studies import it. A new metric is defined here once, and nowhere else.
"""
