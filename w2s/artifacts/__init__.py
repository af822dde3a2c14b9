"""Artifacts: expensive intermediates with an identity of their own, such as trained models, their predictions, features.

Studies declare them and the engine makes them; the room imports `files` and `user_files` alone. Another place to keep them goes
beside `store`.
"""

from w2s.artifacts.call import Artifact, Call, artifact
from w2s.artifacts.graph import in_order
from w2s.artifacts.store import ArtifactError, Store, Work

__all__ = ["Artifact", "ArtifactError", "Call", "Store", "Work", "artifact", "in_order"]
