"""What is done to weak labels before a student sees them, on arrays: weights, graphs, and heads that judge an answer.

Studies and finetune methods import it; it knows neither items nor files. Another treatment of labels that both kinds of study
use gets a module here.
"""

from w2s.labels.graphs import knn_graph, spread
from w2s.labels.judges import fit_judge, threshold_for
from w2s.labels.weights import repeated

__all__ = ["fit_judge", "knn_graph", "repeated", "spread", "threshold_for"]
