"""What is done to weak labels before a student sees them, on arrays: weights, graphs, and heads that judge an answer.

Studies and finetune methods import it; it knows neither items nor files. Another treatment of labels that both kinds of study
use gets a module here.
"""

from w2s.labels.weights import repeated

__all__ = ["repeated"]
