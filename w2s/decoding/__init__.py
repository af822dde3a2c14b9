"""How tokens are chosen: contrast of two models, rewards that a pair of models implies, search guided by them.

NumPy and array code alone, on log-probabilities: studies on tables and language models use the same functions. It imports
nothing of this package but errors; a new rule of choice is a module here.
"""

from w2s.decoding.contrastive import contrastive
from w2s.decoding.rewards import sequence_reward, token_rewards
from w2s.decoding.search import tilted

__all__ = ["contrastive", "sequence_reward", "tilted", "token_rewards"]
