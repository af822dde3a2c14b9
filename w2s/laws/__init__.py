"""Where data come from: Gaussian designs with known geometry, networks, tables of real data, and features made from them.

Studies and `theory` import this room; it imports `finetune`, whose encoders give the features of texts. A new law is a module
here, a new feature map an entry of ``FEATURES`` in `feature_maps`.
"""

from w2s.laws.feature_maps import feature_matrix
from w2s.laws.gaussian import Geometry, latent_sample
from w2s.laws.table import Rows, Table, load_table, split_rows

__all__ = ["Geometry", "Rows", "Table", "feature_matrix", "latent_sample", "load_table", "split_rows"]
