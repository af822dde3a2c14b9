"""Labels that are chosen item by item, as artifacts: scores of items, judges of answers, and the labels that follow from them.

Methods import it, and evaluations; it imports data, frozen states and :mod:`w2s.labels`. Another way to score items gets a
function in ``scores``.
"""
