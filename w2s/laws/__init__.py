"""Where data come from: Gaussian designs with known geometry, tables of real data, features made from them."""

from w2s.laws.feature_maps import feature_matrix
from w2s.laws.gaussian import Geometry, latent_sample
from w2s.laws.table import Rows, Table, load_table, split_rows

__all__ = ["Geometry", "Rows", "Table", "feature_matrix", "latent_sample", "load_table", "split_rows"]
