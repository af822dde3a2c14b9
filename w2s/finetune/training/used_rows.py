"""An embedding table without the rows of tokens that no text has, for the time of a training.

Such a row has a gradient of zero at every step, so that AdamW without weight decay never moves it: leaving it out changes no
bit of the others. Otherwise a large vocabulary, few tokens of which occur, costs a gradient of the whole table at every step.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from w2s.finetune.data.tokens import Encoded
from w2s.finetune.objectives.base import Objective
from w2s.finetune.training.recipe import Recipe

__all__ = ["UsedRows", "used_rows"]

_VECTOR = 16
"""Numbers that a compiled step of AdamW does at once: a row that is a multiple of it has the same bits in any table."""


class UsedRows(nn.Module):
    """Stands where an embedding table was, with the rows (m, d) of ``tokens`` (m,) alone.

    ``name`` is that of the table's weight among the parameters of the whole module.
    """

    places: Tensor
    tokens: Tensor

    def __init__(self, table: nn.Embedding, tokens: Tensor, name: str) -> None:
        super().__init__()
        self.weight = nn.Parameter(table.weight.detach()[tokens])
        places = torch.zeros(table.num_embeddings, dtype=torch.long, device=tokens.device)
        places[tokens] = torch.arange(len(tokens), device=tokens.device)
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("tokens", tokens, persistent=False)
        padding = table.padding_idx
        self.padding = None if padding is None else int(places[padding])
        self.name = name
        self._table = [table]  # in a list, so that it is no part of this module

    def forward(self, ids: Tensor) -> Tensor:
        """Look up states (B, T, d) of token ids (B, T), all of which are among ``tokens``."""
        return nn.functional.embedding(self.places[ids], self.weight, self.padding)

    def whole(self) -> nn.Embedding:
        """Write the rows into the table they come from, and return it."""
        table, tokens = self._table[0], self.tokens
        with torch.no_grad():
            table.weight[tokens] = self.weight.detach()
        return table


def used_rows(module: nn.Module, objective: Objective, recipe: Recipe) -> UsedRows | None:
    """Replace the trained embedding table of a model by the rows that the objective's texts use.

    The module is changed in place. None, and nothing changes, where this would change bits or is not known to be exact: with
    weight decay or a limit of the gradient's norm, for a table that makes the logits too, for an objective that looks at the
    table, for texts that are not tokens, for rows that are no multiple of 16 wide, and for weights that are not float32.
    """
    texts: Any = getattr(objective, "texts", None)
    backbone: Any = getattr(module, "backbone", None)
    if not objective.sees_rows_alone or type(texts) is not Encoded or recipe.weight_decay or recipe.clip is not None:
        return None
    table = backbone.get_input_embeddings() if hasattr(backbone, "get_input_embeddings") else None
    if type(table) is not nn.Embedding or not table.weight.requires_grad:
        return None
    if table.embedding_dim % _VECTOR or table.weight.dtype != torch.float32:
        return None
    holders = [name for name, part in module.named_modules() if any(w is table.weight for w in part._parameters.values())]
    if len(holders) != 1 or table.max_norm is not None or table.scale_grad_by_freq or table.sparse:
        return None
    # Rows of padding and of token 0, which stands for texts that are no longer there, are always used.
    named = [0, texts.padding] if table.padding_idx is None else [0, texts.padding, table.padding_idx]
    tokens = torch.from_numpy(np.union1d(np.concatenate([np.array(ids) for ids in texts.tokens]), named).astype(np.int64))
    found = UsedRows(table, tokens.to(table.weight.device), f"{holders[0]}.weight")
    backbone.set_input_embeddings(found)
    return found
