"""Artifacts: expensive intermediates with an identity of their own, such as trained models, their predictions, features.

Studies declare them and the engine makes them; the room imports `files`, `places` and `user_files` alone. `store` keeps
them in a folder, `remote` in a bucket; another place goes beside these.
"""

from w2s.artifacts.call import Artifact, Call, Need, artifact
from w2s.artifacts.graph import in_order
from w2s.artifacts.remote import open_store
from w2s.artifacts.steps import Steps, StepTeller
from w2s.artifacts.store import ArtifactError, Store, Work

__all__ = [
    "Artifact",
    "ArtifactError",
    "Call",
    "Need",
    "StepTeller",
    "Steps",
    "Store",
    "Work",
    "artifact",
    "in_order",
    "open_store",
]
