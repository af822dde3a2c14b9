"""All methods on one ladder of models: who is better than naive finetuning, seed by seed."""
