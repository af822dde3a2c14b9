"""Whether a judge of a model's own answers, trained on one task, knows on another task which answers are right."""
