"""Hidden states of the texts of a table, kept in the user's cache folder: computed once per content, whatever asks for them.

Laws make features inside a study's ``solve``, where there is no store of artifacts; so these are kept by content instead, and
the versions of the libraries are part of the key. The forward pass is the one that feature artifacts use.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from w2s.files.cache import cached
from w2s.finetune.models.folder import ModelFolder

__all__ = ["kept_hidden_means"]


def kept_hidden_means(model: ModelFolder, content: str, texts: Sequence[str]) -> npt.NDArray[np.float32]:
    """Return the mean-pooled hidden states (layers + 1, texts, d) float32 of texts whose digest is ``content``.

    Where a model's layers are not equally wide, d is the largest width, and zeros follow the states of the others.

    Cost: one forward pass the first time, a mapped file after that.
    """
    import torch
    import transformers

    from w2s.finetune.inference.encode import MAX_LENGTH, hidden_means

    parts = (model.sha256, content, MAX_LENGTH, torch.__version__, transformers.__version__)
    return cached(" ".join(map(str, ("encoder-1", *parts))), lambda: hidden_means(model, texts))
